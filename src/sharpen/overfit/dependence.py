"""How bars depend on each other: what it does to the variance of a mean, and how long blocks have to be.

Axes: ``T`` bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats

_MIN_BARS = 12


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """What the flat-top lag window says of a series' autocovariances.

    Attributes:
        variance: The autocovariance at lag 0.
        long_run: The sum of all autocovariances, tapered.
        slope: The sum of each times its lag, tapered; ``G`` of Politis and White.
        is_dependent: Whether a lag among the first is not negligible.
    """

    variance: float
    long_run: float
    slope: float
    is_dependent: bool


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
    found = _spectrum(returns)
    if found is None or found.long_run == 0.0:
        return 1.0
    length = (found.slope**2 / found.long_run**2 * n_bars) ** (1.0 / 3.0)
    return min(max(length, 1.0), math.ceil(min(3.0 * math.sqrt(n_bars), n_bars / 3.0)))


def autocorrelation_factor(returns: Floats) -> float:
    """Return by how much dependence between bars raises the variance of the mean, and of a Sharpe ratio.

    ``1 + 2 * (sum of autocorrelations)``, with the lag window of :func:`optimal_block_length`; 1 where the
    first autocorrelations are negligible, or add up to less than 0, and for fewer than 12 bars: dependence
    must not make a record look longer than it is.

    Source: Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4), equation 20, whose
        ``q`` divided by ``eta(q)`` squared it approaches for a large ``q``. The window is that of Politis and
        White (2004).

    >>> shocks = np.random.default_rng(0).normal(size=2001)
    >>> round(autocorrelation_factor(shocks), 2), autocorrelation_factor(shocks[1:] + shocks[:-1]) > 1.7
    (1.0, True)
    """
    found = _spectrum(returns)
    if found is None or not found.is_dependent:
        return 1.0
    return max(found.long_run / found.variance, 1.0)


def _spectrum(returns: Floats) -> _Spectrum | None:
    n_bars = len(returns)
    centred = returns - returns.mean() if n_bars else returns
    if n_bars < _MIN_BARS or not np.abs(centred).max() > 1e-12 * np.abs(returns).max():
        return None
    run = max(5, math.ceil(math.sqrt(math.log10(n_bars))))
    last = min(math.ceil(math.sqrt(n_bars)) + run, n_bars - 1)
    autocovariance = np.array([centred[k:] @ centred[: n_bars - k] for k in range(last + 1)]) / n_bars
    first = _first_negligible(autocovariance / autocovariance[0], run, n_bars)
    m = min(2 * first, last)
    lags = np.arange(1, m + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / m))
    return _Spectrum(
        variance=float(autocovariance[0]),
        long_run=float(autocovariance[0] + 2.0 * np.sum(taper * autocovariance[1 : m + 1])),
        slope=2.0 * float(np.sum(taper * lags * autocovariance[1 : m + 1])),
        is_dependent=first > 1,
    )


def _first_negligible(correlations: Floats, run: int, n_bars: int) -> int:
    # the first lag that opens a run of negligible autocorrelations, else the last lag
    bound = 2.0 * math.sqrt(math.log10(n_bars) / n_bars)
    small = np.abs(correlations) < bound
    for lag in range(1, len(small) - run + 1):
        if small[lag : lag + run].all():
            return lag
    return len(small) - 1
