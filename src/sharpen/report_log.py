"""The reports of a run at work: a sequence that is a value, and cheap to make longer by one."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
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

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, float]]) -> _Rows:
        row = cls()
        add_step, add_value = row.steps.append, row.values.append
        for step, value in pairs:
            add_step(step)
            add_value(value)
        finite = [value if math.isfinite(value) else -math.inf for value in row.values]
        row.best, row.sums = array("d", accumulate(finite, max)), array("d", accumulate(finite))
        return row

    def append(self, step: int, value: float) -> None:
        finite = value if math.isfinite(value) else -math.inf
        self.best.append(max(finite, self.best[-1]) if self.best else finite)
        self.sums.append(self.sums[-1] + finite if self.sums else finite)
        self.steps.append(step)
        self.values.append(value)

    def is_behind(self, step: int) -> bool:
        return not self.steps or step > self.steps[-1]

    def copied(self, n: int) -> _Rows:
        row = _Rows()
        row.steps, row.values = self.steps[:n], self.values[:n]
        row.best, row.sums = self.best[:n], self.sums[:n]
        return row


class _UnreadRows:
    """A row that begins with reports which are elsewhere, until somebody wants one of them.

    A search method may want one in a thread of its own while the coordinator appends.
    """

    __slots__ = ("_lock", "_n_head", "_read", "_rows", "_tail", "last", "n_tail")

    def __init__(self, last: Report, read: Callable[[], Iterable[tuple[int, float]]]) -> None:
        self.last = last
        self.n_tail = 0
        self._read = read
        self._tail: list[Report] = []
        self._rows: _Rows | None = None
        self._n_head = 0
        self._lock = threading.Lock()

    def append(self, report: Report) -> None:
        with self._lock:
            if self._rows is None:
                self._tail.append(report)
            else:
                n = self._n_head + self.n_tail
                if len(self._rows.steps) != n:  # a log that was cut out of it has gone on from there
                    self._rows = self._rows.copied(n)
                self._rows.append(report.step, report.value)
            self.n_tail += 1
            self.last = report

    def read(self) -> tuple[_Rows, int]:
        """Return all, and how many of them were elsewhere."""
        with self._lock:
            if self._rows is None:
                rows = _Rows.of(self._read())
                self._n_head = len(rows.steps)
                for report in self._tail:
                    rows.append(report.step, report.value)
                self._rows, self._tail = rows, []
            return self._rows, self._n_head


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

    def __init__(self, row: _Rows | _UnreadRows, n: int) -> None:
        self._row = row
        self._n = n  # of an unread row: how many behind those that are elsewhere

    @classmethod
    def of(cls, rows: Iterable[tuple[int, float]]) -> ReportLog:
        """Return the reports with these steps and values, the steps rising."""
        row = _Rows.of(rows)
        return cls(row, len(row.steps))

    @classmethod
    def unread(cls, last: Report, read: Callable[[], Iterable[tuple[int, float]]]) -> ReportLog:
        """Return reports that are read when one before the last is wanted; it can be gone on from unread.

        Args:
            last: The last of them.
            read: Returns all steps and values, the steps rising, whenever it is called.

        >>> log = ReportLog.unread(Report(2, 0.5), lambda: [(1, 0.25), (2, 0.5)])
        >>> log = ReportLog.after(log, Report(3, 1.0))
        >>> log[-1], log.best, len(log)
        (Report(step=3, value=1.0), 1.0, 3)
        """
        return cls(_UnreadRows(last, read), 0)

    @classmethod
    def after(cls, reports: Sequence[Report], report: Report) -> ReportLog:
        """Return the reports and one more, in the order of steps; it replaces one of the same step.

        One with a step that is not behind all others costs a copy of them.
        """
        if not isinstance(reports, ReportLog):
            reports = (
                cls.of((earlier.step, earlier.value) for earlier in reports) if reports else cls(_Rows(), 0)
            )
        row = reports._row
        if isinstance(row, _Rows) and len(row.steps) == reports._n and row.is_behind(report.step):
            row.append(report.step, report.value)
            return cls(row, len(row.steps))
        if isinstance(row, _UnreadRows) and reports._n == row.n_tail and report.step > row.last.step:
            row.append(report)
            return cls(row, row.n_tail)
        reports = cls(*reports._known())
        index = reports._place_after(report.step)
        if index < len(reports):
            return cls.of(
                (r.step, r.value) for r in (*reports.up_to(report.step - 1), report, *reports[index:])
            )
        rows, n = reports.up_to(report.step - 1)._known()
        if len(rows.steps) != n or row is not rows:  # another value already goes on from this one
            rows = rows.copied(n)
        rows.append(report.step, report.value)
        return cls(rows, len(rows.steps))

    def _known(self) -> tuple[_Rows, int]:
        """Return the row, read, and how many of it are this value's."""
        if isinstance(self._row, _Rows):
            return self._row, self._n
        rows, n_head = self._row.read()
        return rows, n_head + self._n

    def _place_after(self, step: int) -> int:
        rows, n = self._known()
        return bisect_right(rows.steps, step, 0, n)

    def up_to(self, step: int) -> ReportLog:
        """Return the reports up to a step."""
        return ReportLog(self._known()[0], self._place_after(step))

    @property
    def best(self) -> float:
        """The largest value that is finite; minus infinity for none."""
        rows, n = self._known()
        return rows.best[n - 1] if n else -math.inf

    def sum_of(self, n: int) -> float:
        """Return the sum of the first n values, 1 to all of them, added up from the first on.

        A value that is not finite counts as minus infinity.
        """
        return self._known()[0].sums[n - 1]

    def __len__(self) -> int:
        return self._known()[1]

    def __bool__(self) -> bool:
        return isinstance(self._row, _UnreadRows) or self._n > 0

    def __iter__(self) -> Iterator[Report]:
        rows, n = self._known()
        return (Report(rows.steps[i], rows.values[i]) for i in range(n))

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Report, ...]: ...
    def __getitem__(self, index: int | slice) -> Report | tuple[Report, ...]:
        row = self._row
        if index == -1 and isinstance(row, _UnreadRows) and self._n == row.n_tail:
            return row.last
        rows, n = self._known()
        if isinstance(index, slice):
            return tuple(Report(rows.steps[i], rows.values[i]) for i in range(*index.indices(n)))
        if not -n <= index < n:
            raise IndexError(f"report {index} of {n}")
        return Report(rows.steps[index % n], rows.values[index % n])

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]
