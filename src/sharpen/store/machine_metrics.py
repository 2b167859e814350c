"""Reading what the machines of runs did while these were at work: processor, memory, disk, network, GPUs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sharpen.store import schema


@dataclass(frozen=True, slots=True)
class MachineRow:
    """What a run's machine did at a time, in Unix seconds: figures by name."""

    line: int
    at: float
    figures: Mapping[str, Any]


class MachineReader:
    """Questions about machines; :attr:`~sharpen.store.queries.Reader.machine`.

    Args:
        rows: Returns what a query finds.
    """

    def __init__(self, rows: Callable[[sa.Executable], Sequence[Any]]) -> None:
        self._rows = rows

    def n_lines(self, run_id: str) -> int:
        """Return the number of the line that comes next."""
        rows = self._rows(_of(run_id, sa.func.max(schema.machine_metrics.c.line).label("last")))
        return 0 if rows[0].last is None else rows[0].last + 1

    def last(self, run_id: str) -> MachineRow | None:
        """Return the newest; None for none."""
        m = schema.machine_metrics.c
        query = _of(run_id, m.line, m.at, m.metrics).order_by(m.token.desc(), m.line.desc()).limit(1)
        return next(map(_row, self._rows(query)), None)

    def thinned(self, run_id: str, n_points: int) -> list[MachineRow]:
        """Return at most so many rows, evenly spread, the newest among them, the oldest first."""
        m = schema.machine_metrics.c
        rank = sa.func.row_number().over(order_by=(m.token.desc(), m.line.desc())).label("place")
        n = sa.func.count().over().label("n")
        every = _of(run_id, m.line, m.at, m.metrics, rank, n).subquery()
        stride = (every.c.n + n_points - 1) // n_points
        query = sa.select(every).where((every.c.place - 1) % stride == 0).order_by(every.c.place.desc())
        return [_row(row) for row in self._rows(query)]


def _of(run_id: str, *columns: Any) -> sa.Select[*tuple[Any, ...]]:
    """Return a query of what counts of a run: of its newest lease, or of all grants of a run of no sweep."""
    m, r = schema.machine_metrics.c, schema.runs.c
    counts = sa.or_(m.token == r.token, sa.and_(r.sweep_id.is_(None), m.token >= r.history_token))
    joined = schema.machine_metrics.join(schema.runs, sa.and_(m.run_id == r.id, counts))
    return sa.select(*columns).select_from(joined).where(r.id == run_id)


def _row(row: Any) -> MachineRow:
    return MachineRow(row.line, row.at, json.loads(row.metrics))
