"""Whether two sets of bars are the same but for their names, by the returns of holding them.

A file that is copied under another symbol, scaled, cut short, moved in time or summed into weeks holds the
same market: a search on it is no new search. So does a second listing of the same thing.
"""

from __future__ import annotations

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.views.returns import Series

ALIKE = 0.99
"""From this correlation on two markets are one: an index and a fund of it; two stocks are far below."""
MIN_AT_ONCE = 40  # bars of the same times
MIN_COMMON = 60  # bars of any lag, or weeks: fewer say too little
CLIP = 5.0  # standard deviations: one crash that both had must not decide


def moves(series: Series) -> bool:
    """Return whether buy-and-hold moves at all: a program without a baseline keeps zeros."""
    return len(series.baseline) >= MIN_AT_ONCE and float(series.baseline.std()) > 0.0


def is_same_market(one: Series, other: Series) -> bool:
    """Return whether buy-and-hold of one is that of the other, bar by bar, some bars later, or week by week.

    Args:
        one: Returns with those of buy-and-hold on their bars.
        other: The same; at another time or of other bars.

    >>> time = np.datetime64("2010-01-01", "us") + np.arange(400) * np.timedelta64(1, "D")
    >>> first, second = np.random.default_rng(0).normal(0.0, 0.01, (2, 400))
    >>> def held(returns, at):
    ...     return Series(at, np.ones(len(at), dtype=np.int64), np.zeros(len(at)), returns)
    >>> is_same_market(held(first, time), held(second, time))
    False
    >>> is_same_market(held(first, time), held(2.0 * first[50:], time[:-50]))
    True
    """
    if not (moves(one) and moves(other)):
        return False
    if max(_at_once(one, other), _weekly(one, other)) >= ALIKE:
        return True
    return _lagged(_scaled(one.baseline), _scaled(other.baseline)) >= ALIKE


def _scaled(returns: Floats) -> Floats:
    scaled = (returns - returns.mean()) / returns.std()
    return np.clip(scaled, -CLIP, CLIP)


def _lagged(one: Floats, other: Floats) -> float:
    """Return the highest correlation over all lags at which they share half of the shorter one."""
    n, m = len(one), len(other)
    size = 1 << (n + m - 1).bit_length()
    cross = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size), size)
    lags: Ints = np.arange(-(n - 1), m)  # other[t + lag] beside one[t]
    first, last = np.maximum(-lags, 0), np.minimum(n, m - lags)
    power, other_power = _energy(one), _energy(other)
    norm = np.sqrt((power[last] - power[first]) * (other_power[last + lags] - other_power[first + lags]))
    is_enough = (last - first >= max(MIN_COMMON, min(n, m) // 2)) & (norm > 0.0)
    return float(np.max(cross[lags] / np.where(is_enough, norm, np.inf), initial=0.0))


def _energy(returns: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(returns**2)])


def _at_once(one: Series, other: Series) -> float:
    """Return the correlation over the bars that both have."""
    common, at, other_at = np.intersect1d(one.time, other.time, assume_unique=True, return_indices=True)
    held, other_held = one.baseline[at], other.baseline[other_at]
    if len(common) < MIN_AT_ONCE or held.std() == 0.0 or other_held.std() == 0.0:
        return 0.0
    return float(np.mean(_scaled(held) * _scaled(other_held)))


def _weekly(one: Series, other: Series) -> float:
    """Return the correlation of their weeks, which bars of any length share."""
    weeks, held = _by_week(one)
    other_weeks, other_held = _by_week(other)
    common, at, other_at = np.intersect1d(weeks, other_weeks, return_indices=True)
    if len(common) < MIN_COMMON or held[at].std() == 0.0 or other_held[other_at].std() == 0.0:
        return 0.0
    return float(np.mean(_scaled(held[at]) * _scaled(other_held[other_at])))


def _by_week(series: Series) -> tuple[Ints, Floats]:
    """Return the whole weeks of a series, and the log return of each."""
    weeks = series.time.astype("datetime64[W]").astype(np.int64)
    distinct, first = np.unique(weeks, return_index=True)
    growth = np.add.reduceat(np.log1p(np.maximum(series.baseline, -0.999)), first)
    return distinct[1:-1], growth[1:-1]
