"""Runs that fit a filter, in an order, page by page: what the public API of the W&B client asks for.

What the database can answer it answers; the rest is looked at here. The order of a listing is kept for a
minute, so that its pages fit together while runs come and go, and a page costs what its own runs cost.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun
from sharpen.store.run_filters import ORDERS, divided
from sharpen.views.run_facts import STATES, RunFieldReader
from sharpen.views.run_filters import fits, in_order, order_word

KEPT_S = 60.0
N_KEPT = 16
Key = tuple[str | None, str | None, str, str]


@dataclass(frozen=True, slots=True)
class ListingPage:
    """A page of a listing.

    Attributes:
        runs: Its runs.
        first: The place of its first run in the listing, from 0.
        total: How many runs the listing has.
    """

    runs: list[TrackedRun]
    first: int
    total: int


class RunListing:
    """Answers which runs fit.

    Args:
        reader: The store.
        clock: Returns seconds.
    """

    def __init__(self, reader: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._clock = reader, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[float, list[str]]] = OrderedDict()

    def page(
        self,
        scope: tuple[str | None, str | None],
        wanted: Mapping[str, Any],
        order: str | None,
        first: int = 0,
        most: int | None = None,
        *,
        is_again: bool = False,
    ) -> ListingPage:
        """Return a page.

        Args:
            scope: A project, None for any; and a sweep, None for any or none.
            wanted: The filter.
            order: Such as ``-summary_metrics.loss``; the newest first by default.
            first: The index of the first run.
            most: How many runs at most; None for all.
            is_again: Whether the order that is kept will do, as it does for every page but the first.

        Raises:
            UsageError: The filter is none.
        """
        ids = self._listed(scope, wanted, order, is_next=is_again or first > 0)
        end = len(ids) if most is None else min(len(ids), first + max(most, 0))
        rows = {row.id: row for row in self._reader.tracked.runs_of(ids[first:end])}
        runs = [rows[run_id] for run_id in ids[first:end] if run_id in rows]
        return ListingPage(runs, first, len(ids))

    def _listed(
        self,
        scope: tuple[str | None, str | None],
        wanted: Mapping[str, Any],
        order: str | None,
        is_next: bool,
    ) -> list[str]:
        key = (*scope, repr(wanted), order or "")
        now = self._clock()
        with self._lock:
            at, ids = self._kept.get(key, (-KEPT_S, []))
        if is_next and now - at < KEPT_S:
            return ids
        ids = listed_ids(self._reader, scope, wanted, order)
        with self._lock:
            self._kept[key] = (now, ids)
            self._kept.move_to_end(key)
            while len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)
        return ids


def listed_ids(
    reader: Reader, scope: tuple[str | None, str | None], wanted: Mapping[str, Any], order: str | None
) -> list[str]:
    """Return the ids of the runs that fit, in an order.

    Raises:
        UsageError: The filter is none.
    """
    sign, word = order_word(order)
    where, conditions = divided(
        wanted, lambda state: [ours for ours, theirs in STATES.items() if theirs == state]
    )
    if not conditions and word in ORDERS:
        return reader.tracked.ids(*scope, where, (word, sign < 0))
    left = {"$and": list(conditions)} if conditions else {}
    facts = RunFieldReader(reader)
    rows = reader.tracked.runs(*scope, where)
    if "summary" in f"{conditions}{order}":
        facts.read_last(rows)
    chosen = [run_facts for run_facts in (facts.of(row) for row in rows) if fits(run_facts, left)]
    return [run_facts["name"] for run_facts in in_order(chosen, order)]
