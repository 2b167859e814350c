"""What whoever takes a store over wants of a sweep's runs: all of them, and little of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.rows import EndedRow
from sharpen.trial import TrialState

ENDED_RUNS = sa.text("""
    SELECT number, state, config, origin, score, scores, violation, reason, ended_at, deleted_at IS NOT NULL,
        repeat, repeat_of, cost, parent, fidelity, checkpoint
    FROM runs WHERE sweep_id = :sweep_id AND state NOT IN ('pending', 'running') ORDER BY number
""")
ENDED_VALUES = sa.text("""
    SELECT r.number, p.step, p.value FROM runs r JOIN reports p ON p.run_id = r.id AND p.token = r.token
    WHERE r.sweep_id = :sweep_id AND r.state NOT IN ('pending', 'running') AND p.has_metric
        AND (r.agent_id IS NOT NULL OR :resume AND r.checkpoint IS NOT NULL)
    ORDER BY r.number, p.step
""")
LIVE_VALUES = sa.text("""
    SELECT r.number, p.step, p.value, p.has_metric
    FROM runs r JOIN reports p ON p.run_id = r.id AND p.token = r.token
    WHERE r.sweep_id = :sweep_id AND r.state IN ('pending', 'running') ORDER BY r.number, p.step
""")


class RestartReader:
    """Questions of a restart; :attr:`~sharpen.store.queries.Reader.restart`.

    Args:
        rows: Returns what a query finds.
        plain: The same with some values, as the driver gives them: there may be a hundred thousand rows.
    """

    def __init__(
        self,
        rows: Callable[[sa.Executable], Sequence[Any]],
        plain: Callable[[sa.Executable, Mapping[str, Any]], Sequence[Any]],
    ) -> None:
        self._rows = rows
        self._plain = plain

    def ended_runs(self, sweep_id: str) -> list[EndedRow]:
        """Return what a restart wants of the runs that have ended, deleted ones among them, by number."""
        rows = self._plain(ENDED_RUNS, {"sweep_id": sweep_id})
        configs = json.loads(f"[{','.join(row[2] for row in rows)}]")
        return [
            EndedRow(number, state, config, *rest)
            for (number, state, _, *rest), config in zip(rows, configs, strict=True)
        ]

    def ended_values(self, sweep_id: str, resume: bool) -> list[tuple[int, int, float | None]]:
        """Return (number, step, value) of every report that counts of the runs that have ended, in order.

        Of a run that ended while it waited, after it had lost its lease, those that its newest checkpoint
        holds are left.

        Args:
            sweep_id: Whose runs.
            resume: Whether its runs go on from checkpoints.
        """
        given = {"sweep_id": sweep_id, "resume": resume}
        found: list[tuple[int, int, float | None]] = list(self._plain(ENDED_VALUES, given))
        held = self._checkpoints_of_waiting(sweep_id) if resume else {}
        return [row for row in found if row[0] not in held or row[1] <= held[row[0]]] if held else found

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

    def live_values(self, sweep_id: str) -> Sequence[tuple[int, int, float | None, bool]]:
        """Return (number, step, value, whether it counts) of the reports of runs that have not ended."""
        return self._plain(LIVE_VALUES, {"sweep_id": sweep_id})
