"""Reports of runs that had ended before this process began: in the store until somebody wants them."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import overload

from sharpen.report_log import ReportLog
from sharpen.spec import Metric
from sharpen.store.queries import Reader
from sharpen.trial import Report

NONE = ReportLog.of(())


@contextlib.contextmanager
def no_garbage() -> Generator[None]:
    """Keep the garbage collector still: it would go through all of a hundred thousand trials many times."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class ReportCache:
    """The reports of a sweep's ended runs, read all together when the first is wanted.

    Args:
        reader: The store.
        sweep_id: Whose runs.
        metric: What turns a logged value so that larger is better.
        resume: Whether its runs go on from checkpoints.
    """

    def __init__(self, reader: Reader, sweep_id: str, metric: Metric, resume: bool) -> None:
        self._reader = reader
        self._sweep_id = sweep_id
        self._metric = metric
        self._resume = resume
        self._found: dict[int, ReportLog] | None = None

    def of(self, number: int) -> ReportLog:
        """Return the reports of a run."""
        if self._found is None:
            with no_garbage():
                self._found = self._read()
        return self._found.get(number, NONE)

    def _read(self) -> dict[int, ReportLog]:
        turn = self._metric.larger_is_better
        rows = zip(*self._reader.takeover.ended_values(self._sweep_id, self._resume), strict=True)
        return {
            number: ReportLog.of((step, turn(value)) for _, step, value in of_run)
            for number, of_run in groupby(rows, key=itemgetter(0))
        }


class LazyReports(Sequence[Report]):
    """The reports of one ended run; what they are does not depend on when they are read."""

    __slots__ = ("_cache", "_number")

    def __init__(self, cache: ReportCache, number: int) -> None:
        self._cache = cache
        self._number = number

    def __len__(self) -> int:
        return len(self._cache.of(self._number))

    def __iter__(self) -> Iterator[Report]:
        return iter(self._cache.of(self._number))

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Report, ...]: ...
    def __getitem__(self, index: int | slice) -> Report | tuple[Report, ...]:
        return self._cache.of(self._number)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]
