"""The reports of a run at work: a sequence that is a value, and cheap to make longer by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import overload

from sharpen.trial import Report


class ReportLog(Sequence[Report]):
    """An append-only list of reports: a value that was taken earlier stays as it was.

    Values that come one out of the other share the row, so that a hundred thousand steps are not copied with
    each that is logged.

    >>> one = ReportLog.after((), Report(1, 0.5))
    >>> two = ReportLog.after(one, Report(2, 0.75))
    >>> len(one), len(two), two[-1].value, two == (Report(1, 0.5), Report(2, 0.75))
    (1, 2, 0.75, True)
    """

    __slots__ = ("_n", "_row")

    def __init__(self, row: list[Report], n: int) -> None:
        self._row = row
        self._n = n

    @classmethod
    def after(cls, reports: Sequence[Report], report: Report) -> ReportLog:
        """Return the reports and one more."""
        row = reports.shared() if isinstance(reports, ReportLog) else None
        row = list(reports) if row is None else row
        row.append(report)
        return cls(row, len(row))

    def shared(self) -> list[Report] | None:
        """Return the row to go on with; None when another value already goes on from this one."""
        return self._row if len(self._row) == self._n else None

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Report]:
        return islice(self._row, self._n)

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Report, ...]: ...
    def __getitem__(self, index: int | slice) -> Report | tuple[Report, ...]:
        if isinstance(index, slice):
            return tuple(self._row[i] for i in range(*index.indices(self._n)))
        if not -self._n <= index < self._n:
            raise IndexError(f"report {index} of {self._n}")
        return self._row[index % self._n]

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]
