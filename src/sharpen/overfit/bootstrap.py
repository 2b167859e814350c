"""Confidence intervals of a Sharpe ratio by resampling blocks of bars, which keeps their dependence.

Axes: ``T`` bars, ``R`` resamples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError

_CELLS = 1 << 19  # of the (resamples, T) arrays worked on at a time: they stay in cache


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are NaN where it is undefined."""

    low: float
    high: float
    level: float = 0.95


UNKNOWN = Interval(math.nan, math.nan)


def optimal_block_length(returns: Floats) -> float:
    """Return the mean block length, in bars, at which the stationary bootstrap errs least.

    At least 1, at most ``min(3 * sqrt(T), T / 3)``; 1 for fewer than 12 bars or no variance. The lag
    window ends at twice the first lag from which five autocorrelations in a row are negligible.

    Source: Politis and White (2004), Automatic Block-Length Selection for the Dependent Bootstrap,
        Econometric Reviews 23(1): the estimated block length of the stationary bootstrap,
        ``(2 * G ** 2 / D) ** (1 / 3) * T ** (1 / 3)``, with the lag window's end by footnote c on page 59.
        ``D`` is ``2 * g(0) ** 2`` as in the correction: Patton, Politis and White (2009), Econometric Reviews
        28(4), pages 372 to 375. The upper bound is that of Patton's program.

    >>> optimal_block_length(np.tile([0.01, 0.02, 0.03, 0.02], 100)) > 5
    True
    """
    n_bars = len(returns)
    centred = returns - returns.mean() if n_bars else returns
    if n_bars < 12 or not np.abs(centred).max() > 1e-12 * np.abs(returns).max():
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(n_bars))))
    last = min(math.ceil(math.sqrt(n_bars)) + run, n_bars - 1)
    autocovariance = np.array([centred[k:] @ centred[: n_bars - k] for k in range(last + 1)]) / n_bars
    m = min(2 * _first_negligible(autocovariance / autocovariance[0], run, n_bars), last)
    lags = np.arange(1, m + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / m))
    g = 2.0 * float(np.sum(taper * lags * autocovariance[1 : m + 1]))
    long_run = float(autocovariance[0] + 2.0 * np.sum(taper * autocovariance[1 : m + 1]))
    if long_run == 0.0:
        return 1.0
    length = (g**2 / long_run**2 * n_bars) ** (1.0 / 3.0)
    return min(max(length, 1.0), math.ceil(min(3.0 * math.sqrt(n_bars), n_bars / 3.0)))


def stationary_indices(n_bars: int, block_bars: float, n_resamples: int, rng: np.random.Generator) -> Ints:
    """Return which bar stands where in each resample: blocks of geometric length, wrapped at the end.

    Args:
        n_bars: T, at least 1.
        block_bars: Mean length of a block, at least 1.
        n_resamples: R.
        rng: Where randomness comes from.

    Returns:
        Bar numbers. (R, T)

    Source: Politis and Romano (1994), The Stationary Bootstrap, Journal of the American Statistical
        Association 89(428): the resampling scheme, which the technical report (Purdue, 91-03) has on page 4.

    >>> stationary_indices(5, 1e9, 1, np.random.default_rng(0))
    array([[3, 4, 0, 1, 2]])
    """
    shape = (n_resamples, n_bars)
    bars: Ints = np.arange(n_bars, dtype=np.int64)
    restart = rng.random(shape) < 1.0 / block_bars
    restart[:, 0] = True
    # where a block starts, its offset to the source; the bars after it inherit the offset
    offset = rng.integers(0, n_bars, shape) - bars
    began = np.maximum.accumulate(np.where(restart, bars, 0), axis=1)
    return (np.take_along_axis(offset, began, axis=1) + bars) % n_bars


def sharpe_interval(
    returns: Floats,
    bars_per_year: float,
    rng: np.random.Generator,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> Interval:
    """Return a percentile confidence interval of the annual Sharpe ratio, by the stationary bootstrap.

    Blocks have the length of :func:`optimal_block_length`. Resamples without variance are left out; NaN
    when they are half of all or more, or for fewer than three bars.

    Raises:
        UsageError: The level is not between 0 and 1, or there are no resamples.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3: the percentile
        interval; the resamples are those of :func:`stationary_indices`.

    >>> returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    >>> interval = sharpe_interval(returns, 252, np.random.default_rng(2))
    >>> round(interval.low, 1), round(interval.high, 1)
    (-0.2, 2.4)
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
        [_ratios(returns[stationary_indices(n_bars, block_bars, size, rng)]) for size in sizes]
    )
    known = ratios[np.isfinite(ratios)]
    if 2 * len(known) <= n_resamples:
        return Interval(math.nan, math.nan, level)
    tail = (1.0 - level) / 2.0
    low, high = (np.quantile(known, [tail, 1.0 - tail]) * math.sqrt(bars_per_year)).tolist()
    return Interval(low, high, level)


def _first_negligible(correlations: Floats, run: int, n_bars: int) -> int:
    # the first lag that opens a run of negligible autocorrelations, else the last lag
    bound = 2.0 * math.sqrt(math.log10(n_bars) / n_bars)
    small = np.abs(correlations) < bound
    for lag in range(1, len(small) - run + 1):
        if small[lag : lag + run].all():
            return lag
    return len(small) - 1


def _ratios(resamples: Floats) -> Floats:
    mean = resamples.mean(axis=1)
    deviation = resamples.std(axis=1, ddof=1)
    defined = deviation > 1e-12 * np.abs(resamples).max(axis=1)
    return np.where(defined, mean / np.where(defined, deviation, 1.0), np.nan)
