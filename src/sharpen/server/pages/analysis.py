"""What takes long of a sweep, worked out once for each state that it is in: the verdict, importances."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sharpen.report import analyse
from sharpen.report.model import Analysis
from sharpen.store.change_counter import ChangeCounter
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow
from sharpen.views import permuted_search
from sharpen.views.importances import Importances, importances
from sharpen.views.run_lines import change_stamp

MOST_KEPT = 16
FRESH_S = 15.0
SHARE = 20.0  # what takes a second is worked out every twenty, so that looking costs no more than that


class ResultCache:
    """Results of long computations, the newest few; two who ask at once wait for one answer."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._found: OrderedDict[Any, Any] = OrderedDict()
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what is known under a key, or work it out."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
            turn = self._locks.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._found:
                    return self._found[key]
            value = compute()
            with self._lock:
                self._found[key] = value
                self._locks.pop(key, None)
                while len(self._found) > self._most:
                    self._found.popitem(last=False)
            return value


@dataclass(frozen=True, slots=True)
class _Newest:
    """What was worked out last of a sweep, and until when that is good enough while others go on.

    Attributes:
        own: What the sweep was like.
        stamp: What the store was like.
        until: On the clock that never jumps, in seconds.
    """

    own: str
    stamp: str
    until: float


class Analyses:
    """Answers what takes seconds, for all who look.

    A verdict counts what other sweeps and runs have tried on the same bars, and looks, and what was found on
    permuted bars: it is worked out again once anything was written to the store.

    Args:
        reader: The store.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._changes = ChangeCounter(reader.home)
        self._kept = ResultCache()
        self._newest: dict[tuple[str, str], _Newest] = {}

    def verdict(self, row: SweepRow) -> Analysis:
        """Return everything that a report says of a sweep; while the store changes, of a little earlier."""
        stamp = f"{self._changes.read()}/{permuted_search.stamp(self._reader.home, row.id)}"
        return self._cached("verdict", row, lambda: analyse(self._reader, row), stamp)

    def importances(self, row: SweepRow) -> Importances:
        """Return which parameters of a sweep mattered.

        Raises:
            SharpenError: There are too few trials.
        """
        return self._cached("importance", row, lambda: importances(self._reader, row))

    def _cached(self, kind: str, row: SweepRow, compute: Callable[[], Any], stamp: str = "") -> Any:
        now, own = time.monotonic(), change_stamp(self._reader, row.id)
        newest = self._newest.get((kind, row.id))
        if newest is not None and now < newest.until and (row.status == "running" or newest.own == own):
            own, stamp = newest.own, newest.stamp

        def timed() -> Any:
            result = compute()
            took = time.monotonic() - now
            self._newest[kind, row.id] = _Newest(own, stamp, now + took + max(FRESH_S, SHARE * took))
            return result

        return self._kept.get((kind, row.id, own, stamp), timed)
