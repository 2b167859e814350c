"""Where the time of a run went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """How many seconds each part of a run took, on the clock and of this process's CPU time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._began = _clocks()

    def lap(self, part: str) -> None:
        """Book the time since the last lap, or the beginning, on a part."""
        self._book(part, self._began)
        self._began = _clocks()

    def time(self, part: str, work: Callable[[], T]) -> T:
        """Return what work gives, its time booked on a part."""
        began = _clocks()
        try:
            return work()
        finally:
            self._book(part, began)

    def summary(self) -> dict[str, float]:
        """Return the seconds as a run's summary holds them: ``seconds/data`` and ``seconds/data_cpu``."""
        return {name: round(seconds, 5) for name, seconds in self._seconds.items()}

    def _book(self, part: str, began: tuple[float, float]) -> None:
        for name, then, now in zip((f"seconds/{part}", f"seconds/{part}_cpu"), began, _clocks(), strict=True):
            self._seconds[name] = self._seconds.get(name, 0.0) + now - then


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
