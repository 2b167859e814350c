"""Instruments of different calendars -> one panel on the times that they share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from sharpen.arrays import Times
from sharpen.bars import COLUMNS, Bars, Panel, Problem
from sharpen.errors import DataError


def on_common_calendar(bars: Sequence[Bars], min_rows: int, where: str) -> tuple[Panel, tuple[str, ...]]:
    """Return the panel of the times that every symbol has, and a note for each symbol that lost bars.

    Raises:
        DataError: When fewer than ``min_rows`` times are common.
    """
    common = _common(bars)
    if problems := find_calendar_problems(bars, min_rows):
        raise DataError(f"{where}: {problems[0]}", n_common=len(common))
    return Panel.of([_at(b, np.isin(b.time, common)) for b in bars]), calendar_notes(bars)


def find_calendar_problems(bars: Sequence[Bars], min_rows: int) -> list[Problem]:
    """Return what keeps instruments from sharing a calendar: fewer than ``min_rows`` common times."""
    n_common = len(_common(bars))
    if n_common >= min_rows:
        return []
    periods = "; ".join(f"{b.symbol} {b.time[0]:.10}..{b.time[-1]:.10} ({len(b)})" for b in bars)
    what = f"the symbols have {n_common} times in common, and {min_rows} are needed: {periods}"
    return [Problem("calendar", what, "choose symbols of one period and market")]


def calendar_notes(bars: Sequence[Bars]) -> tuple[str, ...]:
    """Return a note for each symbol that loses bars on the common calendar."""
    n_common = len(_common(bars))
    return tuple(
        f"{len(b) - n_common} of {len(b)} bars of {b.symbol} were left out: the other symbols lack them"
        for b in bars
        if len(b) > n_common
    )


def _common(bars: Sequence[Bars]) -> Times:
    return reduce(np.intersect1d, [b.time for b in bars])


def _at(bars: Bars, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Bars:
    cut = {name: getattr(bars, name)[keep] for name in ("time", *COLUMNS)}
    return Bars(symbol=bars.symbol, **cut)
