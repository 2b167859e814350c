"""How bars depend on each other: what it does to the variance of a mean, and how long blocks have to be.

Axes: ``T`` bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats

_MIN_BARS = 12


@dataclass(frozen=True, eq=False, slots=True)
class _Spectrum:
    """What the flat-top lag window says of a series' autocovariances.

    Attributes:
        variance: The autocovariance at lag 0.
        long_run: The sum of all autocovariances, tapered.
        slope: The sum of each times its lag, tapered; ``G`` of Politis and White.
        is_dependent: Whether a lag among the first is not negligible.
        autocorrelations: At the lags 1, 2, ... of the window, tapered.
    """

    variance: float
    long_run: float
    slope: float
    is_dependent: bool
    autocorrelations: Floats


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
    spectrum = _spectrum(returns)
    if spectrum is None or spectrum.long_run == 0.0:
        return 1.0
    length = (spectrum.slope**2 / spectrum.long_run**2 * n_bars) ** (1.0 / 3.0)
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
    spectrum = _spectrum(returns)
    if spectrum is None or not spectrum.is_dependent:
        return 1.0
    return max(spectrum.long_run / spectrum.variance, 1.0)


def annual_factor(autocorrelations: Floats, bars_per_year: float) -> float:
    """Return what turns a Sharpe ratio per bar into an annual one when bars depend on each other.

    ``eta(q) = q / sqrt(q + 2 * sum over k of (q - k) * rho(k))`` with ``q`` bars a year; ``sqrt(q)`` when all
    autocorrelations are 0. NaN when they cannot be those of a series.

    Args:
        autocorrelations: At the lags 1, 2, ...; further ones are taken as 0. (lags,)
        bars_per_year: ``q``.

    Source: Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4), equation 20.

    >>> round(annual_factor(np.array([0.2]), 12), 3), annual_factor(np.zeros(0), 16)
    (2.963, 4.0)
    """
    lags = np.arange(1, len(autocorrelations) + 1)
    weights = np.maximum(bars_per_year - lags, 0.0)
    variance = bars_per_year + 2.0 * float(weights @ autocorrelations)
    return bars_per_year / math.sqrt(variance) if variance > 0.0 else math.nan


def dependent_sharpe(returns: Floats, bars_per_year: float) -> float:
    """Return the annual Sharpe ratio with Lo's correction for autocorrelation; NaN without variance.

    The autocorrelations are those in the lag window of :func:`optimal_block_length`, tapered at its far half;
    where they are negligible there is no correction.

    Source: Lo (2002), equation 20.

    >>> smooth = np.convolve(np.random.default_rng(0).normal(0.1, 1.0, 2001), [0.5, 0.5], mode="valid")
    >>> plain = smooth.mean() / smooth.std(ddof=1) * 252**0.5
    >>> bool(0.65 < dependent_sharpe(smooth, 252) / plain < 0.75)
    True
    """
    n_bars = len(returns)
    if n_bars < 2 or not float(returns.std()) > 1e-12 * float(np.abs(returns).max()):
        return math.nan
    spectrum = _spectrum(returns)
    rho = spectrum.autocorrelations if spectrum is not None and spectrum.is_dependent else np.zeros(0)
    return float(returns.mean() / returns.std(ddof=1)) * annual_factor(rho, bars_per_year)


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
        autocorrelations=taper * autocovariance[1 : m + 1] / autocovariance[0],
    )


def _first_negligible(correlations: Floats, run: int, n_bars: int) -> int:
    # the first lag that opens a run of negligible autocorrelations, else the last lag
    bound = 2.0 * math.sqrt(math.log10(n_bars) / n_bars)
    small = np.abs(correlations) < bound
    for lag in range(1, len(small) - run + 1):
        if small[lag : lag + run].all():
            return lag
    return len(small) - 1
