"""What an estimated Sharpe ratio proves, given its length, its shape and how many were tried.

Sharpe ratios here are per bar, not annual, unless a name says so.

Notation: ``SR`` estimated Sharpe ratio, ``SR*`` the benchmark it must beat, ``T`` bars, ``g3`` skewness,
``g4`` kurtosis (3 for a normal), ``N`` trials, ``Z`` the standard normal distribution, ``g``
Euler's constant.

Sources:
    [PSR] Bailey and Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2).
    [DSR] Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5).
    [BTL] Bailey, Borwein, Lopez de Prado and Zhu (2014), Pseudo-Mathematics and Financial Charlatanism,
        Notices of the American Mathematical Society 61(5).
    Equation numbers are those of the authors' manuscripts, which a journal may have changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """What the formulas need of a return series.

    Attributes:
        sharpe: Mean over standard deviation (ddof 1), per bar; NaN without variance.
        skew: Third standardised moment; 0 for a normal.
        kurtosis: Fourth standardised moment, not in excess; 3 for a normal.
        n_bars: Length of the series.
    """

    sharpe: float
    skew: float
    kurtosis: float
    n_bars: int


def moments(returns: Floats) -> Moments:
    """Return the moments of a return series; NaN for fewer than two returns or no variance.

    >>> estimate = moments(np.array([-1.0, 3.0, -1.0, 3.0]))
    >>> round(estimate.sharpe, 3), estimate.skew, estimate.kurtosis
    (0.433, 0.0, 1.0)
    """
    n_bars = len(returns)
    if n_bars < 2:
        return Moments(math.nan, math.nan, math.nan, n_bars)
    mean = float(np.mean(returns))
    centred = returns - mean
    variance = float(np.mean(centred**2))
    # the bound is the deviation that rounding alone gives a constant series
    if not math.sqrt(variance) > 1e-12 * float(np.max(np.abs(returns))):
        return Moments(math.nan, math.nan, math.nan, n_bars)
    scaled = centred / math.sqrt(variance)
    return Moments(
        sharpe=mean / math.sqrt(variance * n_bars / (n_bars - 1)),
        skew=float(np.mean(scaled**3)),
        kurtosis=float(np.mean(scaled**4)),
        n_bars=n_bars,
    )


def probability_above(estimate: Moments, benchmark_sharpe: float = 0.0, inflation: float = 1.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark, given a series' moments.

    ``Z((SR - SR*) * sqrt(T - 1) / sqrt(1 - g3 * SR + (g4 - 1) / 4 * SR ** 2))``; NaN for fewer than three
    bars, an undefined Sharpe ratio or a variance that is not positive.

    Args:
        estimate: Of the series.
        benchmark_sharpe: Per bar.
        inflation: What the variance is multiplied by, because bars depend on each other; 1 is the formula.

    Source: [PSR], equation 11; [DSR], equation 2, takes it further.

    >>> round(probability_above(Moments(sharpe=0.1, skew=0.0, kurtosis=3.0, n_bars=401)), 4)
    0.977
    """
    variance = _variance(estimate) * inflation
    if estimate.n_bars < 3 or not variance > 0.0:
        return math.nan
    score = (estimate.sharpe - benchmark_sharpe) * math.sqrt(estimate.n_bars - 1) / math.sqrt(variance)
    return _NORMAL.cdf(score)


def probabilistic_sharpe(returns: Floats, benchmark_sharpe: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio of a series exceeds a benchmark (per bar).

    NaN as in :func:`probability_above`.

    Source: [PSR], equation 11.

    >>> round(probabilistic_sharpe(np.array([-0.01, 0.02, 0.01, 0.00])), 4)
    0.7463
    """
    return probability_above(moments(returns), benchmark_sharpe)


def expected_max_sharpe(n_trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of N trials without skill is expected to show.

    ``sqrt(variance) * ((1 - g) * Zinv(1 - 1 / N) + g * Zinv(1 - 1 / (N * e)))``; 0 for one trial. Trials
    are taken as independent, so similar configurations make it an overestimate, on the safe side.

    Args:
        n_trials: How many were tried, at least 1.
        variance: Variance of the trials' Sharpe ratios, not negative; the result has its frequency.

    Raises:
        UsageError: A number is out of its range.

    Source: [DSR], equation 1, with a mean of 0; [BTL], equation 2.4, which is proposition 1 in print.

    >>> round(expected_max_sharpe(10, 1.0), 3)
    1.575
    """
    if n_trials < 1 or not variance >= 0.0:
        raise UsageError(
            f"expected maximum of {n_trials} trials with variance {variance}: give 1 trial or more and a"
            " variance of 0 or more",
            n_trials=n_trials,
            variance=variance,
        )
    if n_trials == 1:
        return 0.0
    low = (1.0 - np.euler_gamma) * _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    high = np.euler_gamma * _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(variance) * (low + high)


def deflated_sharpe(returns: Floats, trial_sharpes: Floats) -> float:
    """Return the probability that the best trial's true Sharpe ratio is above what luck alone would give.

    The benchmark of the probabilistic Sharpe ratio is the expected maximum of as many trials without
    skill; with one trial that is 0. NaN as in :func:`probability_above`.

    Args:
        returns: Returns of the best trial. (T,)
        trial_sharpes: Per-bar Sharpe ratio of every trial, the best one and those stopped early included;
            undefined ones (NaN, such as of a trial that never traded) count as tried. (N,)

    Source: [DSR], equations 1 and 2.

    >>> returns = np.array([-0.01, 0.02, 0.01, 0.00])
    >>> round(deflated_sharpe(returns, np.array([0.39])), 4), round(
    ...     deflated_sharpe(returns, np.array([0.39, 0.1, -0.2])), 4)
    (0.7463, 0.5918)
    """
    return probability_above(moments(returns), luck_sharpe(trial_sharpes))


def luck_sharpe(trial_sharpes: Floats) -> float:
    """Return the per-bar Sharpe ratio that the best of these trials would be expected to show by luck.

    All of them were tried; the variance is that of the finite ones, and 0 where there are fewer than two.

    Source: [DSR], equation 2, where it is the benchmark ``SR_0``.

    >>> luck_sharpe(np.array([0.1]))
    0.0
    >>> round(luck_sharpe(np.array([0.1, -0.1])), 3), round(luck_sharpe(np.array([0.1, -0.1, np.nan])), 3)
    (0.074, 0.121)
    """
    known = trial_sharpes[np.isfinite(trial_sharpes)]
    return expected_max_sharpe(len(trial_sharpes), float(np.var(known, ddof=1))) if len(known) > 1 else 0.0


def min_track_record_length(
    returns: Floats, benchmark_sharpe: float = 0.0, level: float = 0.95, inflation: float = 1.0
) -> float:
    """Return how many bars like these would show a Sharpe ratio above the benchmark, at a confidence level.

    ``1 + (1 - g3 * SR + (g4 - 1) / 4 * SR ** 2) * (Zinv(level) / (SR - SR*)) ** 2``; infinite when the
    estimate is not above the benchmark, NaN when it is undefined. ``inflation`` multiplies the variance.

    Source: [PSR], equation 13.

    >>> round(min_track_record_length(np.array([-0.01, 0.02, 0.01, 0.00])), 1)
    19.5
    """
    estimate = moments(returns)
    variance = _variance(estimate) * inflation
    if not variance > 0.0:
        return math.nan
    if estimate.sharpe <= benchmark_sharpe:
        return math.inf
    return 1.0 + variance * (_NORMAL.inv_cdf(level) / (estimate.sharpe - benchmark_sharpe)) ** 2


def min_backtest_length(n_trials: int, annual_sharpe: float = 1.0) -> float:
    """Return the years of data below which the best of N trials without skill shows this annual Sharpe ratio.

    Source: [BTL], equation 3.2, which is theorem 2 in print; its worked example is: 45 trials, 5 years, an
        annual Sharpe ratio of 1.

    >>> round(min_backtest_length(45), 2), round(min_backtest_length(50, annual_sharpe=1.8), 2)
    (5.0, 1.6)
    """
    if not annual_sharpe > 0.0:
        raise UsageError(f"annual_sharpe is {annual_sharpe}, give one above 0", annual_sharpe=annual_sharpe)
    return (expected_max_sharpe(n_trials, 1.0) / annual_sharpe) ** 2


def _variance(estimate: Moments) -> float:
    # T - 1 times the variance of the estimated Sharpe ratio
    sharpe = estimate.sharpe
    return 1.0 - estimate.skew * sharpe + (estimate.kurtosis - 1.0) / 4.0 * sharpe**2
