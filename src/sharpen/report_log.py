"""The reports of a run at work: a sequence that is a value, and cheap to make longer by one."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import overload

from sharpen.trial import Report


class _Rows:
    """The row that logs share: 32 bytes a report, where an object a report would take 120."""

    __slots__ = ("best", "steps", "sums", "values")

    def __init__(self) -> None:
        self.steps = array("q")
        self.values = array("d")
        self.best = array("d")  # of the values up to here; one that is not finite is minus infinity
        self.sums = array("d")

    def append(self, step: int, value: float) -> None:
        known = value if math.isfinite(value) else -math.inf
        self.best.append(max(known, self.best[-1]) if self.best else known)
        self.sums.append(self.sums[-1] + known if self.sums else known)
        self.steps.append(step)
        self.values.append(value)


class ReportLog(Sequence[Report]):
    """An append-only list of reports by step: a value that was taken earlier stays as it was.

    Values that come one out of the other share the row, so that a million steps are not copied with each that
    is logged.

    >>> one = ReportLog.after((), Report(1, 0.5))
    >>> two = ReportLog.after(one, Report(2, 0.75))
    >>> len(one), len(two), two[-1].value, two == (Report(1, 0.5), Report(2, 0.75))
    (1, 2, 0.75, True)
    """

    __slots__ = ("_n", "_row")

    def __init__(self, row: _Rows, n: int) -> None:
        self._row = row
        self._n = n

    @classmethod
    def of(cls, rows: Iterable[tuple[int, float]]) -> ReportLog:
        """Return the reports with these steps and values, the steps rising."""
        pairs = list(rows)
        known = [value if math.isfinite(value) else -math.inf for _, value in pairs]
        row = _Rows()
        row.steps = array("q", [step for step, _ in pairs])
        row.values = array("d", [value for _, value in pairs])
        row.best, row.sums = array("d", accumulate(known, max)), array("d", accumulate(known))
        return cls(row, len(pairs))

    @classmethod
    def after(cls, reports: Sequence[Report], report: Report) -> ReportLog:
        """Return the reports and one more, in the order of steps; it replaces one of the same step.

        One with a step that is not behind all others costs a copy of them.
        """
        if not isinstance(reports, ReportLog):
            reports = cls.of((known.step, known.value) for known in reports)
        place = reports._place_after(report.step)
        if place < len(reports):
            return cls.of(
                (r.step, r.value) for r in (*reports.up_to(report.step - 1), report, *reports[place:])
            )
        before = reports.up_to(report.step - 1)
        row = before._shared() or before._copied()
        row.append(report.step, report.value)
        return cls(row, len(row.steps))

    def _shared(self) -> _Rows | None:
        """Return the row to go on with; None when another value already goes on from this one."""
        return self._row if len(self._row.steps) == self._n else None

    def _copied(self) -> _Rows:
        row = _Rows()
        row.steps, row.values = self._row.steps[: self._n], self._row.values[: self._n]
        row.best, row.sums = self._row.best[: self._n], self._row.sums[: self._n]
        return row

    def _place_after(self, step: int) -> int:
        return bisect_right(self._row.steps, step, 0, self._n)

    def up_to(self, step: int) -> ReportLog:
        """Return the reports up to a step."""
        return ReportLog(self._row, self._place_after(step))

    @property
    def best(self) -> float:
        """The largest value that is finite; minus infinity for none."""
        return self._row.best[self._n - 1] if self._n else -math.inf

    def sum_of(self, n: int) -> float:
        """Return the sum of the first n values, 1 to all of them, added up from the first on.

        A value that is not finite counts as minus infinity.
        """
        return self._row.sums[n - 1]

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Report]:
        return (Report(self._row.steps[i], self._row.values[i]) for i in range(self._n))

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Report, ...]: ...
    def __getitem__(self, index: int | slice) -> Report | tuple[Report, ...]:
        row = self._row
        if isinstance(index, slice):
            return tuple(Report(row.steps[i], row.values[i]) for i in range(*index.indices(self._n)))
        if not -self._n <= index < self._n:
            raise IndexError(f"report {index} of {self._n}")
        return Report(row.steps[index % self._n], row.values[index % self._n])

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]
