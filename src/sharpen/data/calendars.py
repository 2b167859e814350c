"""Instruments of different calendars -> one panel on the times that they share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from sharpen.bars import COLUMNS, Bars, Panel
from sharpen.errors import DataError


def on_common_calendar(bars: Sequence[Bars], min_rows: int, where: str) -> tuple[Panel, tuple[str, ...]]:
    """Return the panel of the times that every symbol has, and a note for each symbol that lost bars.

    Raises:
        DataError: When fewer than ``min_rows`` times are common.
    """
    common = reduce(np.intersect1d, [b.time for b in bars])
    if len(common) < min_rows:
        periods = "; ".join(f"{b.symbol} {b.time[0]:.10}..{b.time[-1]:.10} ({len(b)})" for b in bars)
        raise DataError(
            f"{where}: the symbols have {len(common)} times in common, and {min_rows} are needed: {periods}. "
            "Fix: choose symbols of one period and market",
            n_common=len(common),
        )
    notes = tuple(
        f"{len(b) - len(common)} of {len(b)} bars of {b.symbol} were left out: the other symbols lack them"
        for b in bars
        if len(b) > len(common)
    )
    return Panel.of([_at(b, np.isin(b.time, common)) for b in bars]), notes


def _at(bars: Bars, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Bars:
    cut = {name: getattr(bars, name)[keep] for name in ("time", *COLUMNS)}
    return Bars(symbol=bars.symbol, **cut)
