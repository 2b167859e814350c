"""What a run has logged, by steps: all of it, pages, or lines evenly spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sharpen.store.queries import Reader
from sharpen.store.rows import ReportRow, TrackedRun

Line = Mapping[str, Any]


class History(Protocol):
    """The lines that a run has logged."""

    @property
    def n_lines(self) -> int:
        """How many there are."""
        ...

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        ...

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end.

        Args:
            first: The first step.
            end: The step after the last; None for no end.
            most: How many lines at most.
            is_page: Whether these are the first so many; else they are evenly spread.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoggedLines:
    """The history of a run of no sweep: only what is asked for is read."""

    reader: Reader
    run: TrackedRun

    @property
    def n_lines(self) -> int:
        """How many there are."""
        return self.run.n_lines

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        rows = self.reader.tracked.history(self.run.id, max(0, self.n_lines - 1), 1)
        return _with_step(rows[-1].metrics, rows[-1].step, rows[-1].at, self.run) if rows else None

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end."""
        tracked = self.reader.tracked
        start = tracked.line_of_step(self.run.id, first) if first > 0 else 0
        stop = self.n_lines if end is None else tracked.line_of_step(self.run.id, end)
        if stop <= start:
            return []
        n_lines = min(stop - start, most) if is_page else stop - start
        rows = tracked.history(self.run.id, start, n_lines, most)
        return [_with_step(row.metrics, row.step, row.at, self.run) for row in rows]


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a run of a sweep: only what is asked for is read."""

    reader: Reader
    run: TrackedRun

    @property
    def n_lines(self) -> int:
        """How many there are."""
        return self.run.n_reports

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        report = self.reader.long_runs.last(self.run.id)
        return None if report is None else self._line(report)

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end."""
        reports = self.reader.long_runs
        if is_page:
            return [self._line(row) for row in reports.between(self.run.id, first, end, most)]
        return [self._line(row) for row in reports.thinned(self.run.id, most, first, end)[0]]

    def _line(self, row: ReportRow) -> Line:
        return _with_step(row.metrics, row.step, row.at, self.run)


def history_of(reader: Reader, run: TrackedRun) -> History:
    """Return the history of a run."""
    return LoggedLines(reader, run) if run.sweep_id is None else Reports(reader, run)


def _with_step(metrics: Mapping[str, Any], step: int, at: float, run: TrackedRun) -> Line:
    began = run.started_at or run.created_at
    return {"_timestamp": at, "_runtime": at - began, **metrics, "_step": step}
