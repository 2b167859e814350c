"""Confidence intervals of a Sharpe ratio by resampling blocks of bars, which keeps their dependence.

Axes: ``T`` bars, ``R`` resamples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError
from sharpen.overfit.dependence import optimal_block_length

_CELLS = 1 << 17  # bars of resamples worked on at a time: what they need stays in cache
_NORMAL = NormalDist()
_NEGLIGIBLE = 1e-10  # a variance, beside the mean square: what is left of the rounding of sums


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are NaN where it is undefined."""

    low: float
    high: float
    level: float = 0.95


UNKNOWN = Interval(math.nan, math.nan)


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Of what resamples are made, one after the other. ``K`` blocks of all ``R`` resamples.

    Attributes:
        start: The bar that each block begins with. (K,)
        length: How many bars it has; after the last bar of the series comes the first. (K,)
        first: Each resample's first block. (R,)
    """

    start: Ints
    length: Ints
    first: Ints


def stationary_blocks(n_bars: int, block_bars: float, n_resamples: int, rng: np.random.Generator) -> Blocks:
    """Return resamples of a series, each as long as it, in blocks of geometric length.

    Args:
        n_bars: T, at least 1.
        block_bars: Mean length of a block, at least 1.
        n_resamples: R.
        rng: Where randomness comes from.

    Source: Politis and Romano (1994), The Stationary Bootstrap, Journal of the American Statistical
        Association 89(428): the resampling scheme, which the technical report (Purdue, 91-03) has on page 4.

    >>> blocks = stationary_blocks(5, 1e9, 2, np.random.default_rng(0))
    >>> blocks.length, blocks.first
    (array([5, 5]), array([0, 1]))
    """
    n_all = n_resamples * n_bars  # bars of all resamples in a row: a block that crosses into the next is cut
    opens = _bernoulli(n_all, 1.0 / block_bars, rng)
    rows: Ints = np.arange(n_resamples, dtype=np.int64) * n_bars
    places = np.searchsorted(opens, rows)
    is_open = opens[np.minimum(places, len(opens) - 1)] == rows if len(opens) else np.zeros(n_resamples, bool)
    opens = np.insert(opens, places[~is_open], rows[~is_open])
    start = rng.integers(0, n_bars, len(opens))
    return Blocks(start, np.diff(opens, append=n_all), np.searchsorted(opens, rows))


def _bernoulli(n: int, p: float, rng: np.random.Generator) -> Ints:
    """Return which of ``n`` independent trials of probability ``p`` succeed, rising: gaps are geometric."""
    successes: list[Ints] = []
    last = -1
    with np.errstate(divide="ignore"):
        scale = -1.0 / np.log1p(-p)  # 0 for p = 1
    while last < n:
        n_more = math.ceil((n - last) * p + 4.0 * math.sqrt(n * p)) + 16
        gaps = (rng.standard_exponential(n_more) * scale).astype(np.int64) + 1
        successes.append(last + np.cumsum(gaps))
        last = int(successes[-1][-1])
    opens = np.concatenate(successes)
    return opens[: np.searchsorted(opens, n)]


def sharpe_interval(
    returns: Floats,
    bars_per_year: float,
    rng: np.random.Generator,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> Interval:
    """Return a confidence interval of the annual Sharpe ratio: BCa, with the stationary bootstrap.

    The plain percentiles lie too high for negatively skewed returns, whose low ends are above the truth more
    often than they say. The percentiles are therefore moved by the resamples' median bias and by the skewness
    of the estimate. Blocks have the length of :func:`optimal_block_length`. Resamples without variance are
    left out; NaN when they are half of all or more, or for fewer than three bars.

    Raises:
        UsageError: The level is not between 0 and 1, or there are no resamples.

    Source: Efron (1987), Better Bootstrap Confidence Intervals, Journal of the American Statistical
        Association 82(397), and Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 14.3,
        equations 14.10 and 14.14; the acceleration is from influence values, equation 22.37 there, summed
        over blocks, because bars depend on each other. The resamples are those of :func:`stationary_blocks`.

    >>> returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    >>> interval = sharpe_interval(returns, 252, np.random.default_rng(2))
    >>> round(interval.low, 1), round(interval.high, 1)
    (-0.1, 2.3)
    """
    if not 0.0 < level < 1.0 or n_resamples < 1:
        raise UsageError(
            f"level {level} with {n_resamples} resamples: give a level between 0 and 1, 1 or more"
        )
    n_bars = len(returns)
    if n_bars < 3:
        return Interval(math.nan, math.nan, level)
    block_bars = optimal_block_length(returns)
    step = max(1, _CELLS // n_bars)
    sizes = [min(step, n_resamples - start) for start in range(0, n_resamples, step)]
    ratios = np.concatenate(
        [_ratios(returns, stationary_blocks(n_bars, block_bars, size, rng)) for size in sizes]
    )
    known = ratios[np.isfinite(ratios)]
    if 2 * len(known) <= n_resamples:
        return Interval(math.nan, math.nan, level)
    low, high = (np.quantile(known, _percentiles(returns, known, block_bars, level))).tolist()
    year = math.sqrt(bars_per_year)
    return Interval(low * year, high * year, level)


def _percentiles(returns: Floats, ratios: Floats, block_bars: float, level: float) -> list[float]:
    """Return which percentiles of the resampled ratios are the ends of the interval, as shares."""
    estimate = returns.mean() / returns.std(ddof=1)
    n = len(ratios)
    below = float(((ratios < estimate).sum() + 0.5 * (ratios == estimate).sum()) / n)
    bias = _NORMAL.inv_cdf(min(max(below, 0.5 / n), 1.0 - 0.5 / n))
    acceleration = _acceleration(returns, block_bars)
    ends: list[float] = []
    for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        z = bias + _NORMAL.inv_cdf(tail)
        # a denominator of 0 or less would be a skewness beyond what the correction is for
        ends.append(_NORMAL.cdf(bias + z / max(1.0 - acceleration * z, 0.1)))
    return ends


def _acceleration(returns: Floats, block_bars: float) -> float:
    # from how much each block of bars moves the Sharpe ratio: z - SR / 2 * (z ** 2 - 1) a bar
    deviation = returns.std()
    if not deviation > 0.0:
        return 0.0
    z = (returns - returns.mean()) / deviation
    influence = z - 0.5 * returns.mean() / deviation * (z**2 - 1.0)
    edges = np.arange(0, len(returns), max(round(block_bars), 1))
    moved = np.add.reduceat(influence, edges)
    power = float((moved**2).sum())
    return float((moved**3).sum()) / (6.0 * power**1.5) if power > 0.0 else 0.0


def _ratios(returns: Floats, blocks: Blocks) -> Floats:
    """Return the Sharpe ratio (R,) of each resample, for a bar; NaN without variance."""
    n_bars = len(returns)
    mean, mean_square = (_sums(power, blocks) / n_bars for power in (returns, returns**2))
    variance = mean_square - mean**2
    defined = variance > _NEGLIGIBLE * mean_square
    deviation = np.sqrt(np.where(defined, variance, 1.0) * n_bars / (n_bars - 1))
    return np.where(defined, mean / deviation, np.nan)


def _sums(values: Floats, blocks: Blocks) -> Floats:
    """Return the sum (R,) over each resample, from what lies between the ends of its blocks."""
    up_to = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    return np.add.reduceat(up_to[blocks.start + blocks.length] - up_to[blocks.start], blocks.first)
