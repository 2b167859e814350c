"""Reading runs as their programs tell of them, in a sweep or in none: projects, runs, histories."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.rows import HistoryRow, ProjectRow, TrackedRun, tracked_run
from sharpen.trial import TrialState

AT_ONCE = 500  # lines in one question


class TrackedReader:
    """Questions about runs that may belong to no sweep; :attr:`~sharpen.store.queries.Reader.tracked`.

    Args:
        rows: Returns what a query finds.
        dicts: The same, as columns by name.
    """

    def __init__(
        self,
        rows: Callable[[sa.Executable], Sequence[Any]],
        dicts: Callable[[sa.Executable], list[dict[str, Any]]],
    ) -> None:
        self._rows = rows
        self._dicts = dicts

    def run(self, run_id: str) -> TrackedRun | None:
        """Return the run of exactly this id; None when there is none or it is deleted."""
        r = schema.runs.c
        rows = self._dicts(sa.select(schema.runs).where(r.id == run_id, r.deleted_at.is_(None)))
        return tracked_run(rows[0]) if rows else None

    def runs(self, project: str) -> list[TrackedRun]:
        """Return the runs of a project, those of its sweeps among them, the oldest first."""
        r = schema.runs.c
        query = sa.select(schema.runs).where(r.project == project, r.deleted_at.is_(None))
        return [tracked_run(row) for row in self._dicts(query.order_by(r.created_at, r.id))]

    def running(self) -> list[TrackedRun]:
        """Return the runs of no sweep that are at work, the oldest first."""
        r = schema.runs.c
        query = sa.select(schema.runs).where(r.sweep_id.is_(None), r.state == TrialState.RUNNING)
        return [tracked_run(row) for row in self._dicts(query.order_by(r.created_at, r.id))]

    def projects(self) -> list[ProjectRow]:
        """Return the projects that have runs, by name."""
        r = schema.runs.c
        query = sa.select(r.project, sa.func.count(), sa.func.max(r.created_at))
        query = query.where(r.project != "", r.deleted_at.is_(None)).group_by(r.project)
        return [ProjectRow(*row) for row in self._rows(query.order_by(r.project))]

    def last_values(self, run_id: str) -> dict[str, Any]:
        """Return what each metric of a run was last, by name; a cost that does not grow with its length."""
        v = schema.last_values.c
        query = sa.select(v.name, v.value).where(v.run_id == run_id).order_by(v.name)
        return {row.name: json.loads(row.value) for row in self._rows(query)}

    def history(
        self, run_id: str, first_line: int = 0, n_lines: int | None = None, n_points: int | None = None
    ) -> list[HistoryRow]:
        """Return what a run has logged, by line.

        Args:
            run_id: Whose history.
            first_line: From which line on.
            n_lines: How many lines at most; None for all.
            n_points: Only so many of these lines, evenly spread, the first and the last among them: what a
                chart needs. None for all.
        """
        r, h = schema.runs.c, schema.history.c
        found = self._rows(sa.select(r.n_lines, r.history_token, r.token).where(r.id == run_id))
        if not found:
            return []
        end, since, newest = found[0]
        end = end if n_lines is None else min(end, first_line + n_lines)
        query = sa.select(h.line, h.step, h.metrics, h.at).where(h.run_id == run_id, h.token >= since)
        query = query.order_by(h.line)
        if n_points is None or end - first_line <= n_points:
            rows = self._rows(query.where(h.line >= first_line, h.line < end))
        else:
            tokens = range(since, newest + 1)  # by the primary key: no row between two points is read
            rows = [
                row
                for lines in _batches(spread(first_line, end, n_points))
                for row in self._rows(query.where(h.token.in_(tokens), h.line.in_(lines)))
            ]
        return [HistoryRow(row.line, row.step, json.loads(row.metrics), row.at) for row in rows]


def spread(first: int, end: int, n: int) -> list[int]:
    """Return n whole numbers from first to end, evenly spread, the first and the last before end among them.

    >>> spread(0, 10, 4)
    [0, 3, 6, 9]
    >>> spread(5, 7, 9)
    [5, 6]
    """
    last = end - 1
    if n >= end - first:
        return list(range(first, end))
    if n == 1:
        return [last]
    return [first + (last - first) * i // (n - 1) for i in range(n)]


def _batches(lines: Sequence[int]) -> list[Sequence[int]]:
    return [lines[start : start + AT_ONCE] for start in range(0, len(lines), AT_ONCE)]
