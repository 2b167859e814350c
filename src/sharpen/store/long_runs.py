"""Reading runs of sweeps that may have logged a million steps, without reading all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.rows import ReportRow, report_row
from sharpen.store.tracked_runs import batches, spread

IN_MEMORY = 5_000  # reports of a run, where all are read one after another
MOST_REPORTS = 500  # of a run, that a report shows


class LongRuns:
    """Questions about runs of any length; :attr:`~sharpen.store.queries.Reader.long_runs`.

    Args:
        rows: Returns what a query finds.
        each: The same for each of several sets of values, in one reading of the store.
        last_values: Returns what a run of this id logged last, by name.
    """

    def __init__(
        self,
        rows: Callable[[sa.Executable], Sequence[Any]],
        row_for_each: Callable[[sa.Executable, Sequence[Mapping[str, Any]]], Sequence[Any]],
        last_values: Callable[[str], Mapping[str, Any]],
    ) -> None:
        self._rows = rows
        self._each = row_for_each
        self._last_values = last_values

    def thinned_reports(self, sweep_id: str, most: int = MOST_REPORTS) -> tuple[list[ReportRow], set[str]]:
        """Return the reports of a sweep's runs, and the ids of those that logged more than so many steps.

        Of such a run there are about so many, evenly spread over its steps, the first and the last among
        them. They may lack what it logged seldom, which :meth:`TrackedReader.last_of_all` has.
        """
        p, r = schema.reports.c, schema.runs.c
        shown = sa.and_(r.sweep_id == sweep_id, r.deleted_at.is_(None))
        steps_of_run = sa.select(p.step).where(schema.OF_NEWEST_LEASE).correlate(schema.runs)
        first, last = steps_of_run.order_by(p.step).limit(1), steps_of_run.order_by(p.step.desc()).limit(1)
        one_too_many = steps_of_run.order_by(p.step).limit(1).offset(most).scalar_subquery()
        ends = first.scalar_subquery().label("first"), last.scalar_subquery().label("last")
        query = sa.select(r.id, r.token, *ends).where(shown, one_too_many.is_not(None))
        long = {row.id: row for row in self._rows(query)}
        query = sa.select(schema.reports, r.number).join(schema.runs, schema.OF_NEWEST_LEASE)
        short = query.where(shown, r.id.not_in(list(long))).order_by(r.number, p.step)
        rows = [(row.number, report_row(row)) for row in self._rows(short)]
        for run_id, run in long.items():
            of_run = query.where(p.run_id == run_id, p.token == run.token)
            rows += [(row.number, report_row(row)) for row in self._spread(of_run, run, most)]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])], set(long)

    def thinned(
        self, run_id: str, most: int, first: int = 0, end: int | None = None
    ) -> tuple[list[ReportRow], int]:
        """Return about so many reports of a run, evenly spread over its steps, and how many it has.

        Args:
            run_id: Which run.
            most: All are returned where there are no more than these.
            first: The first step.
            end: The step after the last; None for no end.
        """
        in_range, step = _between(run_id, first, end), schema.reports.c.step
        forth, back = in_range.order_by(step).with_only_columns(step), in_range.order_by(step.desc())
        steps = {
            "first": forth.limit(1),
            "last": back.with_only_columns(step).limit(1),
            "one_too_many": forth.limit(1).offset(most),
        }
        columns = (query.scalar_subquery().label(name) for name, query in steps.items())
        of_run = sa.select(schema.runs.c.n_reports, *columns).where(schema.runs.c.id == run_id)
        extents = self._rows(of_run)
        if not extents:
            return [], 0
        [extent] = extents
        is_long = extent.one_too_many is not None
        rows = self._spread(_of_run(run_id), extent, most) if is_long else self._rows(in_range.order_by(step))
        return [report_row(row) for row in rows], extent.n_reports

    def _spread(self, query: sa.Select[Any], extent: Any, most: int) -> list[Any]:
        """Return about so many of the reports that a query finds, evenly between its first and last step."""
        step = schema.reports.c.step
        steps = spread(extent.first, extent.last + 1, most)
        by_step = {
            row.step: row for some in batches(steps) for row in self._rows(query.where(step.in_(some)))
        }
        next_from = query.where(step >= sa.bindparam("step")).order_by(step).limit(1)
        missing = [{"step": at} for at in steps if at not in by_step]
        by_step |= {row.step: row for row in self._each(next_from, missing)}
        return [by_step[at] for at in sorted(by_step)]

    def between(
        self, run_id: str, first: int, end: int | None, most: int, n_before: int = 0
    ) -> list[ReportRow]:
        """Return the first so many reports of a run from a step on and before another; None for no end.

        Args:
            run_id: Which run.
            first: The first step.
            end: The step after the last.
            most: How many.
            n_before: How many of them to leave out first; these are passed over, and not read.
        """
        query = _between(run_id, first, end).order_by(schema.reports.c.step).limit(most).offset(n_before)
        return [report_row(row) for row in self._rows(query)]

    def last(self, run_id: str) -> ReportRow | None:
        """Return the newest report of a run; None for none."""
        query = _between(run_id, 0, None).order_by(schema.reports.c.step.desc()).limit(1)
        return next((report_row(row) for row in self._rows(query)), None)

    def each_report(self, run_ids: Sequence[str]) -> Iterator[ReportRow]:
        """Yield the reports of runs, run by run in the order of steps; few are in memory at once."""
        for run_id in run_ids:
            first = 0
            while rows := self.between(run_id, first, None, IN_MEMORY):
                yield from rows
                first = rows[-1].step + 1

    def last_metrics(self, run_id: str) -> dict[str, Any]:
        """Return what a run logged last under each name, in the order of its first report."""
        last = self._last_values(run_id)
        p, r = schema.reports.c, schema.runs.c
        query = sa.select(p.metrics).join(schema.runs, schema.OF_NEWEST_LEASE)
        first = self._rows(query.where(r.id == run_id).order_by(p.step).limit(1))
        names = {name: None for row in first for name in json.loads(row.metrics) if name in last}
        return {name: last[name] for name in (*names, *(name for name in last if name not in names))}


def _between(run_id: str, first: int, end: int | None) -> sa.Select[Any]:
    """Return the question for the reports of a run's newest lease from a step on and before another."""
    step = schema.reports.c.step
    query = _of_run(run_id).where(step >= first)
    return query if end is None else query.where(step < end)


def _of_run(run_id: str) -> sa.Select[Any]:
    query = sa.select(schema.reports).join(schema.runs, schema.OF_NEWEST_LEASE)
    return query.where(schema.runs.c.id == run_id)
