"""What a new host reads when it takes over a store: all runs of a sweep, and little of each."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa

from sharpen.errors import StoreDamaged
from sharpen.facts import PROPOSED
from sharpen.store import schema
from sharpen.store.broken_rows import STATES
from sharpen.store.rows import EndedRow
from sharpen.store.schema import LARGEST
from sharpen.trial import TrialState

AT_ONCE = 500  # ids in one question
ENDED_RUNS = sa.text("""
    SELECT number, state, config, origin, score, scores, violation, reason, cause, ended_at,
        deleted_at IS NOT NULL, repeat, repeat_of, cost, parent, fidelity, checkpoint,
        CASE WHEN summary LIKE :proposed THEN summary END
    FROM runs WHERE sweep_id = :sweep_id AND state NOT IN ('pending', 'running') ORDER BY number
""")
# CROSS JOIN: run by run, each by its primary key; else SQLite sorts the reports of all sweeps
ENDED_VALUES = sa.text("""
    SELECT r.number, p.step, p.value FROM runs r CROSS JOIN reports p
    WHERE r.sweep_id = :sweep_id AND r.state NOT IN ('pending', 'running')
        AND (r.agent_id IS NOT NULL OR :resume AND r.checkpoint IS NOT NULL)
        AND p.run_id = r.id AND p.token = r.token AND p.has_metric
    ORDER BY r.number, p.step
""")
LAST_VALUE = sa.text("""
    SELECT
        (SELECT MAX(p.step) FROM reports p WHERE p.run_id = :run_id AND p.token = :token),
        (SELECT p.step FROM reports p WHERE p.run_id = :run_id AND p.token = :token AND p.has_metric
            AND p.step <= :up_to ORDER BY p.step DESC LIMIT 1),
        (SELECT p.value FROM reports p WHERE p.run_id = :run_id AND p.token = :token AND p.has_metric
            AND p.step <= :up_to ORDER BY p.step DESC LIMIT 1)
""")
VALUES = sa.text("""
    SELECT p.step, p.value FROM reports p
    WHERE p.run_id = :run_id AND p.token = :token AND p.has_metric AND p.step <= :up_to ORDER BY p.step
""")
METRICS = sa.text("""
    SELECT p.step, p.metrics FROM reports p
    WHERE p.run_id = :run_id AND p.token = :token ORDER BY p.step
""")
Answer = TypeVar("Answer")
Batch = Sequence[Any]
Columns = tuple["array[int]", "array[int]", "array[float]"]
"""Numbers of runs, steps, and values of reports; a value is NaN when it was not a number."""
Series = tuple["array[int]", "array[float]"]
"""Steps and values of reports."""


class LastValue(NamedTuple):
    """How far a run has come.

    Attributes:
        last_step: The last at which anything was logged; None for nothing.
        step: The last at which the sweep's metric was; None for never.
        value: The metric there, as logged; None for not a number.
    """

    last_step: int | None
    step: int | None
    value: float | None


class Stream(Protocol):
    """Asks a question and lets a function take the rows, batch by batch."""

    def __call__(
        self, query: sa.Executable, given: Mapping[str, Any], take: Callable[[Iterator[Batch]], Answer], /
    ) -> Answer:
        """Return what the function makes of them."""
        ...


class TakeoverReader:
    """Questions of a new host; :attr:`~sharpen.store.queries.Reader.takeover`.

    Args:
        rows: Returns what a query finds.
        stream: Returns what a function makes of the rows, which come as the driver gives them,
            thousands in a batch: there may be a million.
    """

    def __init__(self, rows: Callable[[sa.Executable], Sequence[Any]], stream: Stream) -> None:
        self._rows = rows
        self._stream = stream

    def ended_runs(self, sweep_id: str) -> list[EndedRow]:
        """Return what a restart wants of the runs that have ended, deleted ones among them, by number."""
        values = {"sweep_id": sweep_id, "proposed": f'%"{PROPOSED}"%'}
        rows: list[Any] = self._stream(ENDED_RUNS, values, _all)
        configs = _configs(sweep_id, rows)
        return [
            EndedRow._make([number, state, config, *rest, _proposed(summary)])
            for (number, state, _, *rest, summary), config in zip(rows, configs, strict=True)
        ]

    def ended_values(self, sweep_id: str, resume: bool) -> Columns:
        """Return number, step and value of every report that counts of the runs that have ended, in order.

        Of a run that ended while it waited, after it had lost its lease, those that its newest checkpoint
        holds are left.

        Args:
            sweep_id: Whose runs.
            resume: Whether its runs go on from checkpoints.
        """
        ends = self._checkpoints_of_waiting(sweep_id) if resume else {}

        def kept(batches: Iterator[Batch]) -> Columns:
            return _columns(
                [row for row in batch if row[0] not in ends or row[1] <= ends[row[0]]] for batch in batches
            )

        return self._stream(
            ENDED_VALUES, {"sweep_id": sweep_id, "resume": resume}, kept if ends else _columns
        )

    def _checkpoints_of_waiting(self, sweep_id: str) -> dict[int, int]:
        """Return the checkpoint's step of every run that ended while no agent had it, by number."""
        r = schema.runs.c
        query = sa.select(r.number, r.checkpoint).where(
            r.sweep_id == sweep_id,
            r.state.not_in([TrialState.PENDING, TrialState.RUNNING]),
            r.agent_id.is_(None),
            r.checkpoint.is_not(None),
        )
        return {row.number: json.loads(row.checkpoint)["step"] for row in self._rows(query)}

    def last_value(self, run_id: str, token: int, up_to: int = LARGEST) -> LastValue:
        """Return how far a lease of a run has come up to a step; few rows are looked at."""
        [row] = self._stream(LAST_VALUE, {"run_id": run_id, "token": token, "up_to": up_to}, _all)
        return LastValue(*row)

    def values(self, run_id: str, token: int, up_to: int) -> Series:
        """Return the reports that count of a lease of a run, up to a step."""
        return self._stream(VALUES, {"run_id": run_id, "token": token, "up_to": up_to}, _series)

    def metrics(
        self, run_id: str, token: int, take: Callable[[Iterator[Sequence[tuple[int, str]]]], Answer]
    ) -> Answer:
        """Return what a function makes of batches of a lease's steps, in order, and their metrics as JSON."""
        return self._stream(METRICS, {"run_id": run_id, "token": token}, take)

    def last_logged(self, run_ids: Sequence[str]) -> dict[str, dict[str, tuple[int, Any]]]:
        """Return step and value of what each run logged last, by run and name."""
        v = schema.last_values.c
        values: dict[str, dict[str, tuple[int, Any]]] = {}
        for start in range(0, len(run_ids), AT_ONCE):
            query = sa.select(v.run_id, v.name, v.step, v.value)
            for row in self._rows(query.where(v.run_id.in_(run_ids[start : start + AT_ONCE]))):
                values.setdefault(row.run_id, {})[row.name] = row.step, json.loads(row.value)
        return values


def _configs(sweep_id: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the configurations of runs.

    Raises:
        StoreDamaged: A row is broken: who goes on without it would search as if it had not been.
    """
    broken = next((row for row in rows if row[1] not in STATES), None)
    try:
        if broken is None:
            return json.loads(f"[{','.join(row[2] for row in rows)}]")
    except ValueError:
        broken = next(row for row in rows if not _is_json(row[2]))
    raise StoreDamaged(
        f"sweep {sweep_id} can be read and cannot go on: the row of its run {broken[0]} in the store is "
        "broken: put a backup in the store's place"
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _series(batches: Iterator[Batch]) -> Series:
    steps, values = array("q"), array("d")
    for batch in batches:
        some_steps, some_values = zip(*batch, strict=True)
        steps.extend(some_steps)
        values.extend(_numbers(some_values))
    return steps, values


def _numbers(values: Sequence[float | None]) -> Iterable[float]:
    return (math.nan if value is None else value for value in values)


def _columns(batches: Iterator[Batch]) -> Columns:
    numbers, steps, values = array("q"), array("q"), array("d")
    for batch in filter(None, batches):
        some_numbers, some_steps, some_values = zip(*batch, strict=True)
        numbers.extend(some_numbers)
        steps.extend(some_steps)
        values.extend(_numbers(some_values))
    return numbers, steps, values


def _all(batches: Iterator[Batch]) -> list[Any]:
    return [row for batch in batches for row in batch]


def _proposed(summary: str | None) -> dict[str, Any] | None:
    return None if summary is None else json.loads(summary).get(PROPOSED)
