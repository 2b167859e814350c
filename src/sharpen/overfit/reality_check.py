"""The reality check: could the best of all return series be the best of as many without any edge?

Axes: ``T`` bars, ``K`` series, ``R`` resamples.
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit.bootstrap import Blocks, stationary_blocks
from sharpen.overfit.dependence import optimal_block_length

_CELLS = 1 << 21  # of the (resamples, T) counts worked on at a time


def reality_check(
    returns: Floats,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    block_bars: float | None = None,
    chosen: int | None = None,
) -> float:
    """Return the p-value of the best mean among series, by Hansen's test of superior predictive ability.

    The best is compared with 0. Each mean is divided by its standard error, which takes the dependence of
    bars into account. All series are resampled together, so what they share counts as little as it should.
    Series that are clearly worse than 0 are not taken for as good as 0. The p-value is ``(1 + k) / (1 + R)``
    where ``k`` resamples have as good a best; NaN without a series that varies, or for fewer than three bars.

    To compare with a baseline, give the returns less the baseline's.

    Args:
        returns: One series a column. (T, K)
        rng: Where randomness comes from.
        n_resamples: R.
        block_bars: Mean block length of the bootstrap; by default that of the best series.
        chosen: Whose mean is looked at, by its column: then the p-value is how often the best of all would
            have as large a mean in standard errors as this one has. By default that of the best.

    Raises:
        UsageError: There are no resamples, or blocks are shorter than a bar.

    Source: Hansen (2005), A Test for Superior Predictive Ability, Journal of Business and Economic Statistics
        23(4): the studentised statistic, the consistent p-value with the threshold ``sqrt(2 log log T)``, and
        in its section 3.1 the variance under the stationary bootstrap. Phipson and Smyth (2010) for the ones.

    >>> rng = np.random.default_rng(1)
    >>> noise = rng.normal(0, 0.01, (500, 20))
    >>> good = noise + np.array([0.003] + 19 * [0.0])
    >>> reality_check(noise, rng) > 0.05, reality_check(good, rng)
    (True, 0.000999000999000999)
    """
    if n_resamples < 1 or (block_bars is not None and not block_bars >= 1.0):
        raise UsageError(
            f"{n_resamples} resamples in blocks of {block_bars} bars: give 1 or more of both",
            n_resamples=n_resamples,
        )
    n_bars = len(returns)
    mean = returns.mean(axis=0) if n_bars else np.zeros(returns.shape[1])
    varies = returns.std(axis=0) > 1e-12 * np.abs(returns).max(axis=0, initial=0.0) if n_bars else mean > 0
    if n_bars < 3 or not varies.any():
        return math.nan
    if chosen is not None and not varies[chosen]:
        return math.nan
    column = None if chosen is None else int(varies[:chosen].sum())
    returns, mean = returns[:, varies], mean[varies]
    if block_bars is None:
        block_bars = optimal_block_length(returns[:, int((mean / returns.std(axis=0)).argmax())])
    error = np.sqrt(long_run_variance(returns, block_bars) / n_bars)  # of each mean
    sizes = mean / error
    observed = max(float(sizes.max() if column is None else sizes[column]), 0.0)
    is_poor = mean < -error * math.sqrt(2.0 * math.log(math.log(max(n_bars, 3))))
    centred = returns - np.where(is_poor, 0.0, mean)
    best = np.concatenate(
        [
            (counts @ centred / n_bars / error).max(axis=1)
            for counts in _counts(n_bars, block_bars, n_resamples, rng)
        ]
    )
    as_good = int((np.maximum(best, 0.0) >= observed).sum())
    return (1 + as_good) / (1 + n_resamples)


def long_run_variance(returns: Floats, block_bars: float) -> Floats:
    """Return the variance (K,) of ``sqrt(T)`` times each mean under the stationary bootstrap, in closed form.

    ``g(0) + 2 * sum over i of k(i) g(i)`` with the autocovariances ``g``, where
    ``k(i) = (1 - i / T) (1 - p) ** i + (i / T) (1 - p) ** (T - i)`` and ``p = 1 / block_bars``.

    Source: Politis and Romano (1994), The Stationary Bootstrap, lemma 1; Hansen (2005), section 3.1.

    >>> bars = np.random.default_rng(0).normal(size=(400, 1))
    >>> bool(np.allclose(long_run_variance(bars, 1.0), bars.var(axis=0)))
    True
    """
    n_bars = len(returns)
    power = np.abs(np.fft.rfft(returns - returns.mean(axis=0), axis=0)) ** 2
    circular = np.fft.irfft(power, n_bars, axis=0) / n_bars  # g(i) + g(T - i), which the kernel weighs alike
    lags = np.arange(1, n_bars)
    weights = (1.0 - lags / n_bars) * (1.0 - 1.0 / block_bars) ** lags
    variance = circular[0] + 2.0 * (weights @ circular[1:])
    return np.maximum(variance, 1e-12 * circular[0])


def _counts(n_bars: int, block_bars: float, n_resamples: int, rng: np.random.Generator) -> list[Floats]:
    """Return how often each resample holds each bar, in parts of ``(resamples, T)``."""
    step = max(1, _CELLS // n_bars)
    sizes = [min(step, n_resamples - start) for start in range(0, n_resamples, step)]
    return [_of(stationary_blocks(n_bars, block_bars, size, rng), n_bars) for size in sizes]


def _of(blocks: Blocks, n_bars: int) -> Floats:
    resample = np.searchsorted(blocks.first, np.arange(len(blocks.start)), side="right") - 1
    width = 2 * n_bars + 1  # the bars twice over, for blocks that go on with the first bar
    begin = resample * width + blocks.start
    n_cells = len(blocks.first) * width
    steps = np.bincount(begin, minlength=n_cells) - np.bincount(begin + blocks.length, minlength=n_cells)
    covered = np.cumsum(steps.reshape(-1, width), axis=1)
    return (covered[:, :n_bars] + covered[:, n_bars : 2 * n_bars]).astype(np.float64)
