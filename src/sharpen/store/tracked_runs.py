"""Reading runs as their programs tell of them, in a sweep or in none: projects, runs, histories."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from sharpen.facts import RETURNS
from sharpen.store import schema
from sharpen.store.rows import HistoryRow, ProjectRow, TrackedRun, tracked_run
from sharpen.store.run_filters import ORDERS, Where
from sharpen.trial import TrialState

AT_ONCE = 500  # lines in one question
OLDEST_FIRST = (schema.runs.c.created_at, schema.runs.c.number, schema.runs.c.id)
# a sweep's runs belong to its project, unless they say another
PROJECT: sa.ColumnElement[str] = sa.case(
    (schema.runs.c.project != "", schema.runs.c.project), else_=schema.sweeps.c.project
)


class TrackedReader:
    """Questions about runs that may belong to no sweep; :attr:`~sharpen.store.queries.Reader.tracked`.

    Args:
        rows: Returns what a query finds.
        dicts: The same, as columns by name.
    """

    def __init__(
        self,
        rows: Callable[[sa.Executable], Sequence[Any]],
        dicts: Callable[..., list[dict[str, Any]]],
    ) -> None:
        self._rows = rows
        self._dicts = dicts

    def run(self, run_id: str) -> TrackedRun | None:
        """Return the run of exactly this id; None when there is none or it is deleted."""
        rows = self._dicts(RUN, {"run_id": run_id})
        return _in_project(rows[0]) if rows else None

    def runs(
        self, project: str | None = None, sweep_id: str | None = None, where: Sequence[Where] = ()
    ) -> list[TrackedRun]:
        """Return runs, the oldest first, without those that are deleted or of a sweep that is.

        Args:
            project: Those of a project, of its sweeps among them; None for any.
            sweep_id: Those of a sweep; None for any or none.
            where: What else must hold, as :func:`~sharpen.store.run_filters.divided` says it.
        """
        query = _placed(sa.select(schema.runs, PROJECT.label("of_project")), project, sweep_id)
        return [_in_project(row) for row in self._dicts(query.where(*where).order_by(*OLDEST_FIRST))]

    def ids(
        self, project: str | None, sweep_id: str | None, where: Sequence[Where], order: tuple[str, bool]
    ) -> list[str]:
        """Return only the ids of such runs.

        Args:
            project: As for :meth:`runs`.
            sweep_id: As for :meth:`runs`.
            where: As for :meth:`runs`.
            order: One of :data:`~sharpen.store.run_filters.ORDERS`, and whether the largest comes first;
                what has none comes last.
        """
        column = ORDERS[order[0]]
        query = _placed(sa.select(schema.runs.c.id), project, sweep_id).where(*where)
        query = query.order_by(column.is_(None), column.desc() if order[1] else column, *OLDEST_FIRST)
        return [row.id for row in self._rows(query)]

    def runs_of(self, run_ids: Sequence[str]) -> list[TrackedRun]:
        """Return the runs of these ids that are there, in no order."""
        runs: list[TrackedRun] = []
        for start in range(0, len(run_ids), AT_ONCE):
            query = _shown(sa.select(schema.runs, PROJECT.label("of_project")))
            query = query.where(schema.runs.c.id.in_(run_ids[start : start + AT_ONCE]))
            runs += [_in_project(row) for row in self._dicts(query)]
        return runs

    def running(self) -> list[TrackedRun]:
        """Return the runs of no sweep that are at work, the oldest first."""
        r = schema.runs.c
        query = sa.select(schema.runs).where(r.sweep_id.is_(None), r.state == TrialState.RUNNING)
        return [tracked_run(row) for row in self._dicts(query.order_by(r.created_at, r.id))]

    def tried_alone(self, metric: str) -> list[TrackedRun]:
        """Return the runs of no sweep that were tried, the oldest first, deleted ones too.

        They began, and logged once or ended. Only those are among them that kept returns, that say
        something of their bars, or that logged a metric.

        Args:
            metric: Its name; empty for none.
        """
        r, a, v = schema.runs.c, schema.artifacts.c, schema.last_values.c
        has_returns = sa.exists().where(a.run_id == r.id, a.type == RETURNS)
        logged = sa.exists().where(v.run_id == r.id, v.name == metric)
        ended = r.state.not_in([TrialState.PENDING, TrialState.RUNNING])
        query = sa.select(schema.runs).where(r.sweep_id.is_(None), sa.or_(ended, r.n_lines > 0))
        query = query.where(sa.or_(has_returns, logged, r.summary.contains('"data/')))
        return [tracked_run(row) for row in self._dicts(query.order_by(r.created_at, r.id))]

    def projects(self) -> list[ProjectRow]:
        """Return the projects that have runs, by name."""
        query = _shown(sa.select(PROJECT, sa.func.count(), sa.func.max(schema.runs.c.created_at)))
        query = query.where(PROJECT.is_distinct_from("")).group_by(PROJECT)
        return [ProjectRow(*row) for row in self._rows(query.order_by(PROJECT))]

    def last_values(self, run_id: str) -> dict[str, Any]:
        """Return what each metric of a run was last, by name; a cost that does not grow with its length."""
        v = schema.last_values.c
        query = sa.select(v.name, v.value).where(v.run_id == run_id).order_by(v.name)
        return {row.name: json.loads(row.value) for row in self._rows(query)}

    def last_of_all(self, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what each metric was last, by run and name."""
        v = schema.last_values.c
        values: dict[str, dict[str, Any]] = {}
        for start in range(0, len(run_ids), AT_ONCE):
            query = sa.select(v.run_id, v.name, v.value).where(v.run_id.in_(run_ids[start : start + AT_ONCE]))
            for row in self._rows(query):
                values.setdefault(row.run_id, {})[row.name] = json.loads(row.value)
        return values

    def line_of_step(self, run_id: str, step: int) -> int:
        """Return the first line whose step is not smaller, or the number of lines; steps only grow.

        It looks at a few lines, however long the history is.
        """
        low, high = 0, self._n_lines(run_id)
        while low < high:
            middle = (low + high) // 2
            rows = self.history(run_id, middle, 1)
            if rows and rows[0].step < step:
                low = middle + 1
            else:
                high = middle
        return low

    def _n_lines(self, run_id: str) -> int:
        counts = self._rows(sa.select(schema.runs.c.n_lines).where(schema.runs.c.id == run_id))
        return counts[0].n_lines if counts else 0

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
        extents = self._rows(sa.select(r.n_lines, r.history_token, r.token).where(r.id == run_id))
        if not extents:
            return []
        end, since, newest = extents[0]
        end = end if n_lines is None else min(end, first_line + n_lines)
        # by the primary key: no other row is read. A range of tokens would have all lines read
        of_run = sa.and_(h.run_id == run_id, h.token.in_(range(since, newest + 1)))
        query = sa.select(h.line, h.step, h.metrics, h.at).where(of_run).order_by(h.line)
        if n_points is None or end - first_line <= n_points:
            rows = self._rows(query.where(h.line >= first_line, h.line < end))
        else:
            rows = [
                row
                for lines in batches(spread(first_line, end, n_points))
                for row in self._rows(query.where(h.line.in_(lines)))
            ]
        return [HistoryRow(row.line, row.step, json.loads(row.metrics), row.at) for row in rows]


def _placed(query: sa.Select[*tuple[Any, ...]], project: str | None, sweep_id: str | None) -> sa.Select[Any]:
    query = _shown(query)
    if project is not None:
        query = query.where(PROJECT.in_([project]))
    return query if sweep_id is None else query.where(schema.runs.c.sweep_id == sweep_id)


def _shown(query: sa.Select[*tuple[Any, ...]]) -> sa.Select[Any]:
    r, s = schema.runs.c, schema.sweeps.c
    joined = query.select_from(schema.runs.outerjoin(schema.sweeps, r.sweep_id == s.id))
    return joined.where(r.deleted_at.is_(None)).where(s.deleted_at.is_(None))


RUN = _shown(sa.select(schema.runs, PROJECT.label("of_project"))).where(
    schema.runs.c.id == sa.bindparam("run_id")
)  # asked for at every request of a run that logs: made once


def _in_project(row: dict[str, Any]) -> TrackedRun:
    return tracked_run(row | {"project": row["of_project"] or ""})


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


def batches(numbers: Sequence[int]) -> list[Sequence[int]]:
    """Return them in lists that one question takes."""
    return [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
