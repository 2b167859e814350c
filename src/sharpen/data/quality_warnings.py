"""Bars -> warnings: what may be real, and mostly is a fault of the source.

Nothing here refuses bars. Axes: ``T`` bars in time order, ``J`` jumps among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sharpen.arrays import Bools, Floats, Ints, Times
from sharpen.bar_spacing import change_of_spacing, follow_a_pause
from sharpen.bars import PRICES, Bars, stale_open_share
from sharpen.facts import (
    FROZEN_PRICES,
    GAPS,
    MIXED_SPACING,
    PRICE_JUMPS,
    PRICE_SPIKES,
    STALE_OPENS,
    UNADJUSTED_SPLITS,
    DataNote,
)

STALE_OPEN_SHARE = 0.2
"""Above this share of opens that repeat the previous close, a data set carries a warning."""
STALE_LEAST_BARS = 20
"""Fewer opens after a pause say nothing."""
JUMP_DEVIATIONS = 20.0
"""A jump is larger than so many robust standard deviations of the returns, and than ``JUMP_SIZE``."""
JUMP_SIZE = math.log(1.25)
CROWD = 5.0
"""A jump on so many times the usual volume, in units and in money, is believed: news draws a crowd."""
CROWD_BARS = 20
SPIKE_BARS = 5
"""A jump that is undone within so many bars is a spike."""
SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
SPLIT_DEVIATIONS = 5.0
"""How far a jump may be from a split's ratio, for the bar has a move of its own."""
LARGEST_NEWS = math.log(2.5)
"""Without volumes nobody can tell a smaller jump from news: stocks do halve in a day."""
GAP_SPACINGS = 20.0
GAP_LEAST = np.timedelta64(10, "D")
FROZEN_BARS = 10
_UNUSUAL_RETURNS = 20  # fewer returns than this have no scale
_NORMAL = 1.4826  # standard deviation of a normal distribution, in median absolute deviations


def find_quality_warnings(bars: Bars, row_numbers: Ints) -> tuple[str, ...]:
    """Return a warning for each kind of doubt about bars that are fit to use; none is usual.

    Looked for are stale opens, bars of several lengths, spikes and lasting jumps of the close, long gaps
    between the times, and prices that stand still.

    Args:
        bars: What to look at.
        row_numbers: Each bar's row number in its source, for the messages. (T,)
    """
    at = _Places(bars, row_numbers)
    warnings = (_stale(bars), _mixed_spacing(bars, at), *_jumps(bars, at), _gaps(bars, at), _frozen(bars, at))
    return tuple(note for note in warnings if note)


@dataclass(frozen=True, slots=True)
class _Places:
    """How messages name a bar."""

    bars: Bars
    row_numbers: Ints

    def __call__(self, i: int) -> str:
        """Return a bar's row and time; of a time at midnight the date alone.

        >>> time = np.array(["2024-01-31", "2024-01-31T16:30"], dtype="datetime64[us]")
        >>> at = _Places(Bars("X", time, *[np.ones(2)] * 5), np.array([7, 8]))
        >>> at(0), at(1)
        ('row 7, 2024-01-31', 'row 8, 2024-01-31T16:30:00')
        """
        second = str(self.bars.time[i].astype("datetime64[s]"))
        return f"row {self.row_numbers[i]}, {second.removesuffix('T00:00:00')}"


def _stale(bars: Bars) -> str:
    after_a_pause = follow_a_pause(bars.time)
    share = stale_open_share(bars, after_a_pause)
    if share <= STALE_OPEN_SHARE or after_a_pause.sum() < STALE_LEAST_BARS:
        return ""
    text = (
        f"{share:.0%} of the opens of {bars.symbol} repeat the previous close, though trading "
        "had paused; fills at such opens are look-ahead, so do not trust a backtest on them"
    )
    return DataNote(STALE_OPENS, text).line


def _mixed_spacing(bars: Bars, at: _Places) -> str:
    i = change_of_spacing(bars.time)
    if i is None:
        return ""
    before, after = (
        np.median(np.diff(part)) / np.timedelta64(1, "h") for part in (bars.time[:i], bars.time[i:])
    )
    text = (
        f"the bars of {bars.symbol} are {before:g} hours apart at first, and {after:g} from "
        f"{at(i)} on; no one number of bars makes a year of both, so annual figures are wrong. Fix: bring "
        "bars of one length, or use one side alone"
    )
    return DataNote(MIXED_SPACING, text).line


def _jumps(bars: Bars, at: _Places) -> tuple[str, ...]:
    """Return warnings of spikes, of jumps like a split, and of other jumps."""
    returns = np.diff(np.log(bars.close), prepend=np.log(bars.close[:1]))
    scale = robust_scale(returns[1:])
    is_far = np.abs(returns) > max(JUMP_DEVIATIONS * scale, JUMP_SIZE)
    is_far[1:] &= ~_long_gaps(bars.time)  # the price had all that time to move
    places = np.flatnonzero(is_far)
    spikes = _spikes(np.log(bars.close), places)
    undone = {i for pair in spikes for i in pair}
    lasting = [int(i) for i in places if int(i) not in undone and not _has_crowd(bars, int(i))]
    if not bars.volume.any():
        lasting = [i for i in lasting if abs(float(returns[i])) > LARGEST_NEWS]
    splits = {i: split for i in lasting if (split := _split(float(returns[i]), scale))}
    others = [i for i in lasting if i not in splits]
    return (
        _spike_note(bars, [start for start, _ in spikes], at),
        _split_note(bars, splits, at),
        _jump_note(bars, others, at),
    )


def robust_scale(returns: Floats) -> float:
    """Return the standard deviation that normal returns of this median size would have; infinite for a few.

    Returns of zero are left out: prices that stand still say nothing of how far they move.

    Source: the median absolute deviation, about zero, times 1.4826.

    >>> round(robust_scale(np.array([0.01, -0.01, 0.0, 3.0] * 10)), 6)
    0.014826
    """
    moves = np.abs(returns[returns != 0.0])
    return _NORMAL * float(np.median(moves)) if len(moves) >= _UNUSUAL_RETURNS else math.inf


def _spikes(log_close: Floats, places: Ints) -> list[tuple[int, int]]:
    """Return the pairs of jumps, away and back, that leave the close about where it was. (J,) -> pairs."""
    spikes: list[tuple[int, int]] = []
    free = 0
    for start, stop in pairwise(places.tolist()):
        away, left = (abs(log_close[i] - log_close[start - 1]) for i in (start, stop))
        if start >= free and stop - start <= SPIKE_BARS and left < 0.25 * away:
            spikes.append((start, stop))
            free = stop + 1
    return spikes


def _has_crowd(bars: Bars, i: int) -> bool:
    """Return whether a bar saw so much more volume than those before it that its jump will be news.

    In units and in money: after a split more units change hands for the same money, and a price in another
    unit makes more money of the same units.
    """
    before = slice(max(0, i - CROWD_BARS), i)
    units = float(np.median(bars.volume[before]))
    money = float(np.median(bars.volume[before] * bars.close[before]))
    here = float(bars.volume[i])
    return units > 0.0 and here > CROWD * units and here * float(bars.close[i]) > CROWD * money


def _split(jump: float, scale: float) -> str:
    """Return the split that a jump looks like, the day's own move allowed for; empty for none.

    >>> _split(-math.log(4.1), 0.01), _split(math.log(10.0), 0.01), _split(-math.log(2.5), 0.01)
    ('4:1', '1:10', '')
    """
    nearest = min(SPLITS, key=lambda ratio: abs(abs(jump) - math.log(ratio)))
    if abs(abs(jump) - math.log(nearest)) > SPLIT_DEVIATIONS * scale:
        return ""
    more, fewer = ("3", "2") if nearest == 1.5 else (f"{nearest:g}", "1")
    return f"{more}:{fewer}" if jump < 0 else f"{fewer}:{more}"


def _spike_note(bars: Bars, starts: list[int], at: _Places) -> str:
    if not starts:
        return ""
    i, count = starts[0], _times(len(starts))
    text = (
        f"the close of {bars.symbol} jumps away and back {count}, first by a factor of "
        f"{bars.close[i] / bars.close[i - 1]:.3g} ({at(i)}); such a price is wrong more often than real, and "
        "a strategy earns from it what nobody could. Fix: compare with another source, mend or drop the row"
    )
    return DataNote(PRICE_SPIKES, text).line


def _split_note(bars: Bars, splits: dict[int, str], at: _Places) -> str:
    if not splits:
        return ""
    i, count = min(splits), _times(len(splits))
    text = (
        f"the close of {bars.symbol} changes {count} as by a split, first {splits[i]}, "
        f"from {bars.close[i - 1]:g} to {bars.close[i]:g} ({at(i)}); without adjustment a split is a gain "
        "or a loss that nobody had. Fix: adjust the prices before it, or add a column adj_close"
    )
    return DataNote(UNADJUSTED_SPLITS, text).line


def _jump_note(bars: Bars, places: list[int], at: _Places) -> str:
    if not places:
        return ""
    i, count = places[0], _times(len(places))
    text = (
        f"the close of {bars.symbol} jumps {count} by more than {JUMP_DEVIATIONS:g} times its "
        f"usual move, without more volume, first from {bars.close[i - 1]:g} to {bars.close[i]:g} ({at(i)}). "
        "Fix: see whether it is real; if the unit or the contract changed there, put both sides on one scale"
    )
    return DataNote(PRICE_JUMPS, text).line


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _long_gaps(time: Times) -> Bools:
    """Return which bars begin long after the one before, the first bar left out; (T - 1,)."""
    spacing = np.diff(time)
    usual = np.median(spacing.astype(np.int64)) if len(spacing) else 0.0
    return (spacing.astype(np.int64) > GAP_SPACINGS * usual) & (spacing > GAP_LEAST)


def _gaps(bars: Bars, at: _Places) -> str:
    places = np.flatnonzero(_long_gaps(bars.time)) + 1
    if not len(places):
        return ""
    spacing = np.diff(bars.time)
    i = int(places[np.argmax(spacing[places - 1])])
    days = spacing[i - 1] / np.timedelta64(1, "D")
    n = len(places)
    gaps = "there is 1 long gap" if n == 1 else f"there are {n} long gaps"
    of_several = "" if n == 1 else "the longest "
    text = (
        f"{gaps} between the bars of {bars.symbol}, {of_several}of {days:.0f} days ({at(i - 1)}, "
        f"to {at(i)}); a position is held across it as across one bar. Fix: bring the missing bars, "
        "or use one side alone"
    )
    return DataNote(GAPS, text).line


def _frozen(bars: Bars, at: _Places) -> str:
    prices = np.stack([getattr(bars, name) for name in PRICES])  # (4, T)
    is_flat = np.asarray((prices == bars.close).all(axis=0))
    goes_on = np.zeros(len(bars) + 1, dtype=np.int8)  # a stretch ends with the last bar, too
    goes_on[1:-1] = is_flat[1:] & is_flat[:-1] & (bars.close[1:] == bars.close[:-1])
    edges = np.diff(goes_on)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) + 1
    is_long = stops - starts >= FROZEN_BARS
    if not is_long.any():
        return ""
    starts, lengths = starts[is_long], (stops - starts)[is_long]
    k, n = int(np.argmax(lengths)), len(lengths)
    where = f"from {at(int(starts[k]))}" if n == 1 else f"in {n} stretches, the longest of {lengths[k]} from "
    where += "" if n == 1 else at(int(starts[k]))
    text = (
        f"{int(lengths.sum())} bars of {bars.symbol} repeat one price, {where}; the source "
        "stopped, or filled in bars in which nothing was traded, and a fill there is one that nobody gave "
        "(natural only where trading is thin). Fix: drop the rows"
    )
    return DataNote(FROZEN_PRICES, text).line
