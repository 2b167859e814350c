"""A sweep's runs in few words, however many there are: what a listing sorts and a chart draws."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from sharpen.spec import Metric
from sharpen.store import schema
from sharpen.store.broken_rows import check_columns, check_keys
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.trial import TrialState, best, leaders

UNRANKED = -math.inf


class RunLine(NamedTuple):
    """What a listing shows of a run."""

    id: str
    number: int
    state: str
    reason: str
    config: dict[str, Any]
    score: float | None
    violation: float
    fidelity: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def took_s(self) -> float | None:
        """How long it was at work, in seconds; None while it is not over."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at


class BestPoint(NamedTuple):
    """A run that ended with a score, in the order of ending, and the best finished score until then."""

    order: int
    run: RunLine
    best: float | None


def run_lines(reader: Reader, sweep_id: str) -> list[RunLine]:
    """Return a sweep's runs by number, without the deleted ones."""
    r = schema.runs.c
    columns = [r[name] for name in RunLine._fields]
    query = sa.select(*columns).where(r.sweep_id == sweep_id, r.deleted_at.is_(None)).order_by(r.number)
    rows = reader.rows(query)
    configs: list[Any] = []
    try:
        configs = json.loads(f"[{','.join(row['config'] for row in rows)}]")  # one parse is ten times cheaper
        for row in rows:
            check_keys("runs", id=row["id"], number=row["number"])
            check_columns(row)
        is_whole = all(isinstance(config, dict) for config in configs)
    except (ValueError, TypeError):
        is_whole = False
    if not is_whole:  # each is read by itself
        return [_line_of(run) for run in reader.runs(sweep_id)]
    return [RunLine(**{**row, "config": config}) for row, config in zip(rows, configs, strict=True)]


def _line_of(run: RunRow) -> RunLine:
    return RunLine._make(getattr(run, name) for name in RunLine._fields)


def change_stamp(reader: Reader, sweep_id: str) -> str:
    """Return a text that differs once anything that a listing of the sweep shows has changed."""
    r, s = schema.runs.c, schema.sweeps.c
    runs = sa.select(
        r.state, sa.func.count(), sa.func.sum(r.token), sa.func.max(r.ended_at), sa.func.max(r.started_at)
    ).where(r.sweep_id == sweep_id, r.deleted_at.is_(None))
    counts = [tuple(row.values()) for row in reader.rows(runs.group_by(r.state).order_by(r.state))]
    sweep = reader.rows(sa.select(s.status, s.run_cap, s.name, s.note, s.tags).where(s.id == sweep_id))
    return repr((counts, [tuple(row.values()) for row in sweep]))


def best_points(metric: Metric, runs: Sequence[RunLine]) -> list[BestPoint]:
    """Return the runs with a score in the order of ending, each with the best finished one so far.

    Only finished runs of the largest fidelity that kept every constraint can be the best.

    Args:
        metric: The sweep's.
        runs: Its runs.
    """
    ended = sorted(
        (run for run in runs if run.ended_at is not None and is_scored(run)),
        key=lambda run: (run.ended_at or 0.0, run.number),
    )
    so_far = leaders(ended, metric.larger_is_better)
    return [
        BestPoint(order, run, None if leader is None else leader.score)
        for order, (run, leader) in enumerate(zip(ended, so_far, strict=True), 1)
    ]


def best_line(metric: Metric, runs: Sequence[RunLine]) -> RunLine | None:
    """Return the :func:`~sharpen.trial.best` run; None without one."""
    return best(runs, metric.larger_is_better)


def is_scored(run: RunLine) -> bool:
    """Return whether a run ended with a score that can be drawn."""
    is_over = run.state in (TrialState.FINISHED, TrialState.STOPPED)
    return is_over and run.score is not None and math.isfinite(run.score)


SORTS: dict[str, Callable[[RunLine], Any]] = {
    "number": lambda run: run.number,
    "state": lambda run: run.state,
    "score": lambda run: run.score,
    "took": lambda run: run.took_s,
    "created": lambda run: run.created_at,
}


def ordered(runs: Sequence[RunLine], by: str, descending: bool) -> list[RunLine]:
    """Return runs in an order, those without a value last whichever way.

    Args:
        runs: Which.
        by: One of ``SORTS``, or ``config.NAME`` for a parameter.
        descending: Whether the largest comes first.
    """
    name = by.removeprefix("config.")
    value = SORTS.get(by, lambda run: run.config.get(name))
    pairs = [(value(run), run) for run in runs]
    last = [run for sort_value, run in pairs if _is_missing(sort_value)]
    with_value = [(sort_value, run) for sort_value, run in pairs if not _is_missing(sort_value)]
    with_value.sort(key=lambda pair: _rank(pair[0]), reverse=descending)
    return [run for _, run in with_value] + last


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _rank(value: Any) -> tuple[int, float, str]:
    """Return what sorts numbers before words, whatever a choice is made of."""
    if isinstance(value, int | float):
        return (0, value, "")
    return (1, 0.0, str(value))
