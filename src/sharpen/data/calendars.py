"""Instruments of different calendars -> one panel: what of it must be said, and what must be refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharpen.arrays import Floats
from sharpen.bars import Bars, Panel, Problem
from sharpen.facts import RAGGED, DataNote

LEAST_SHARED = 0.1
"""Symbols that trade in the same years share this part of their times at least, or their clocks differ."""
SPACING_FACTOR = 2.0
"""Bars of one symbol this many times as far apart as those of another are bars of another length."""
_SHOWN = 5


def find_calendar_problems(bars: Sequence[Bars], min_rows: int) -> list[Problem]:
    """Return what keeps instruments from making a panel: too few bars, other lengths, other hours.

    Args:
        bars: Of each instrument, each by itself fit to use.
        min_rows: How many bars one of the instruments must have at least.
    """
    longest = max(bars, key=len)
    if len(longest) < min_rows:
        what = (
            f"too few rows: {longest.symbol}, which has most, has {len(longest)}, and {min_rows} are needed"
        )
        return [Problem("rows", what, "bring a longer period")]
    return [*_of_lengths(bars), *_of_hours(bars)][:1]


def calendar_notes(bars: Sequence[Bars], min_rows: int) -> tuple[str, ...]:
    """Return a line about instruments that lack bars which others have, those that lack most first.

    Args:
        bars: Of each instrument.
        min_rows: A symbol with fewer bars is never traded by a model, whose features need as many.
    """
    panel = Panel.of(bars)
    if not panel.is_ragged:
        return ()
    n_bars, n_own = len(panel), panel.present.sum(axis=0)
    lacking = sorted((int(n), s) for s, n in enumerate(n_own) if n < n_bars)
    descriptions = [_what_is_lacking(panel, s, min_rows) for _, s in lacking[:_SHOWN]]
    rest = [f"{len(lacking) - _SHOWN} more lack fewer"] if len(lacking) > _SHOWN else []
    head = f"{len(lacking)} of {len(bars)} symbols lack some of the {n_bars} bars; nothing was cut"
    return (DataNote(RAGGED, f"{head}: {'; '.join([*descriptions, *rest])}").line,)


def _what_is_lacking(panel: Panel, s: int, min_rows: int) -> str:
    own = np.flatnonzero(panel.present[:, s])
    first, last = int(own[0]), int(own[-1])
    text = f"{panel.symbols[s]} has {len(own)}"
    if first > 0:
        text += f", begins {panel.time[first]:.10}"
    if last < len(panel) - 1:
        text += f", ends {panel.time[last]:.10} (settled there, as delisted)"
    if n_missing := last - first + 1 - len(own):
        text += f", misses {n_missing} between"
    return text if len(own) >= min_rows else f"{text}, too few for a model to trade it"


def _of_lengths(bars: Sequence[Bars]) -> list[Problem]:
    """Return the problem that some symbols' bars are longer than others'."""
    with_gaps = [b for b in bars if len(b) > 2]
    spacing = {b.symbol: float(np.median(_hours_apart(b))) for b in with_gaps}
    if not spacing or max(spacing.values()) < SPACING_FACTOR * min(spacing.values()):
        return []
    short, long = min(spacing, key=spacing.__getitem__), max(spacing, key=spacing.__getitem__)
    what = (
        f"bars of different lengths: those of {short} are {spacing[short]:g} hours apart, "
        f"those of {long} {spacing[long]:g}"
    )
    return [Problem("calendar", what, "bring bars of one length")]


def _of_hours(bars: Sequence[Bars]) -> list[Problem]:
    """Return the problem that a symbol's bars begin at other times than those of all others."""
    for b in bars:
        others = [other.time for other in bars if other is not b]
        if not others or not len(b):
            continue
        theirs = np.unique(np.concatenate(others))
        n_between = int(((b.time >= theirs[0]) & (b.time <= theirs[-1])).sum())
        n_shared = int(np.isin(b.time, theirs).sum())
        if n_between and n_shared < LEAST_SHARED * n_between:
            what = (
                f"{b.symbol} and the others are in step at {n_shared} of its {n_between} times in their "
                f"years: its first bar begins at {b.time[0]:.16}, theirs at {theirs[0]:.16}"
            )
            fix = f"bring bars that begin at the same hours (see --zone), or leave out {b.symbol}"
            return [Problem("calendar", what, fix)]
    return []


def _hours_apart(bars: Bars) -> Floats:
    return np.diff(bars.time) / np.timedelta64(1, "h")
