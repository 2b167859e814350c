"""The luck bar: the Sharpe ratio that the best of all that was tried would be expected to show without skill.

It is ``z * sqrt(V)``: ``z`` says how far the best of so many stands out, in standard deviations, and ``V`` is
the variance of a Sharpe ratio without skill. Both have a floor, because a search that learns visits alike
configurations: their ratios spread little, and they are few although the search was long.

Axes: ``T`` bars, ``K`` trials with returns on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.overfit.sharpe import expected_max_sharpe

Basis = Literal["one trial", "spread", "noise floor", "fitted parameters"]
CUTS = (1.0 - 1e-9, 0.9999, 0.999, 0.99, 0.97, 0.95, 0.9)
"""Correlations from which on trials are taken as alike; the one that gives the lowest bar counts."""


@dataclass(frozen=True, slots=True)
class LuckBar:
    """What luck alone is expected to show.

    Attributes:
        sharpe: The bar, per bar of time.
        variance: ``V``, of one trial's Sharpe ratio.
        n_effective: Trials left when alike ones count as one; those without returns count each.
        basis: What decided: the ``spread`` of the trials' Sharpe ratios, the ``noise floor`` that the
            number of bars sets for it, or the number of ``fitted parameters``, each with that spread.
    """

    sharpe: float
    variance: float
    n_effective: int
    basis: Basis


@dataclass(frozen=True, eq=False)
class Leaders:
    """Trials that stand for others that are alike.

    Attributes:
        index: Columns of the leaders, rising. (L,)
        least_correlation: The smallest correlation of a trial with its leader; 1 when all lead.
    """

    index: Ints
    least_correlation: float


def leaders(correlation: Floats, cut: float) -> Leaders:
    """Return trials such that every other one correlates with one of them by the cut or more.

    The first trial leads, and so does each later one that is like no leader before it.

    Args:
        correlation: Of the trials' returns; NaN for a trial that never moved, which is like no other. (K, K)
        cut: From here on two are alike.

    Source: Hartigan (1975), Clustering Algorithms, chapter 3: the leader algorithm.

    >>> leaders(np.array([[1.0, 0.95, 0.0], [0.95, 1.0, 0.0], [0.0, 0.0, 1.0]]), 0.9)
    Leaders(index=array([0, 2]), least_correlation=0.95)
    """
    n = len(correlation)
    is_open: Bools = np.ones(n, dtype=np.bool_)
    leader_indices: list[int] = []
    least = 1.0
    for k in range(n):
        if not is_open[k]:
            continue
        row = correlation[k]
        followers = is_open & (row >= cut)
        followers[k] = False
        if followers.any():
            least = min(least, float(row[followers].min()))
        is_open &= ~followers
        leader_indices.append(k)
    return Leaders(np.array(leader_indices, dtype=np.int64), least)


def correlations(returns: Floats) -> Floats:
    """Return the correlations (K, K) of columns; NaN for one without variance."""
    centred = returns - returns.mean(axis=0) if len(returns) else returns
    norm = np.sqrt((centred**2).sum(axis=0))
    flat = norm <= 1e-12 * np.sqrt((returns**2).sum(axis=0))
    scaled = centred / np.where(flat, np.nan, norm)
    return np.minimum(scaled.T @ scaled, 1.0)


def noise_variance(n_bars: int, inflation: float = 1.0) -> float:
    """Return the variance of the per-bar Sharpe ratio of returns without skill, ``inflation / (T - 1)``.

    Args:
        n_bars: T, at least 2.
        inflation: By autocorrelation; see :func:`sharpen.overfit.autocorrelation_factor`.

    Source: Lo (2002), The Statistics of Sharpe Ratios, Financial Analysts Journal 58(4), equation 9, with a
        ratio of 0; ``T - 1`` for ``T`` as in the deflated Sharpe ratio.

    >>> noise_variance(101)
    0.01
    """
    return inflation / (n_bars - 1)


def luck_bar(sharpes: Floats, columns: Floats, n_trials: int, floor: float, n_fitted: int = 0) -> LuckBar:
    """Return the Sharpe ratio that the best of all that was tried is expected to show without skill.

    Let ``Z(N)`` be the expected maximum of ``N`` independent standard normals. Trials that are alike are not
    independent: where each correlates by ``c`` or more with one of ``L`` leaders, the expected maximum is at
    most ``Z(L) + sqrt(2 * (1 - c)) * Z(N)``, for the best is a leader plus a difference of which the variance
    is ``2 * (1 - c)``. The smallest such bound over :data:`CUTS`, and ``Z(N)`` itself, is taken. So clones
    add nothing, and what only resembles another adds what the difference may.

    A method that learns does not draw independent trials but climbs. Fitting ``d`` free weights to noise
    shows ``sqrt(d)`` standard deviations on average, after few more than ``d`` trials, so ``z`` is at least
    ``sqrt(d - 1/2)``, the mean of a chi distribution, to a hundredth.

    ``V`` is the variance of the Sharpe ratios, leaders' alone where trials are alike, and at least the floor.

    Args:
        sharpes: Per-bar Sharpe ratio of each trial that has one, as if all had T bars; NaN is left out. (N,)
        columns: Returns of trials on the same bars, for their correlations. (T, K)
        n_trials: All that were tried, at least 1.
        floor: Variance of one trial's Sharpe ratio without skill.
        n_fitted: Parameters that were fitted by a method that learns; 0 for none.

    Source: [DSR] for ``Z(N) * sqrt(V)``. Vitale (2000), Some Comparisons for Gaussian Processes, Proceedings
        of the AMS 128(10): the expected maximum grows with the variances of the differences, which bounds
        that of dependent ones by that of independent ones. Paulsen and Soehl (2020), Noise Fit, Estimation
        Error and a Sharpe Information Criterion, Quantitative Finance 20(6): what fitted parameters show. How
        they are put together is a decision: docs/decisions/0020.

    >>> rng = np.random.default_rng(0)
    >>> one = rng.normal(0.0, 0.01, (401, 1))
    >>> clones = np.repeat(one, 600, axis=1)
    >>> luck_bar(np.full(600, 0.1), clones, 600, noise_variance(401))
    LuckBar(sharpe=0.0, variance=0.0025, n_effective=1, basis='one trial')
    """
    known = sharpes[np.isfinite(sharpes)]
    z, index, n_effective = _expected_max(columns, n_trials)
    spread = known
    if index is not None:
        ratios = _ratios(columns[:, index])
        spread = ratios[np.isfinite(ratios)]
    variance = float(np.var(spread, ddof=1)) if len(spread) > 1 else 0.0
    fitted = math.sqrt(max(min(n_fitted, n_trials - 1) - 0.5, 0.0))
    basis: Basis = "spread" if variance > floor else "noise floor"
    variance = max(variance, floor)
    if fitted > z:
        z, basis = fitted, "fitted parameters"
    return LuckBar(z * math.sqrt(variance), variance, n_effective, basis if z > 0.0 else "one trial")


def _expected_max(columns: Floats, n_trials: int) -> tuple[float, Ints | None, int]:
    # the smallest bound, the leaders that it rests on (None: nobody follows), and how many that leaves
    every = expected_max_sharpe(n_trials, 1.0)
    best: tuple[float, Ints | None, int] = every, None, n_trials
    n_columns = columns.shape[1]
    if n_columns < 2:
        return best
    correlation = correlations(columns)
    for cut in CUTS:
        leading = leaders(correlation, cut)
        n_left = n_trials - n_columns + len(leading.index)
        apart = math.sqrt(2.0 * max(1.0 - leading.least_correlation, 0.0))
        bound = expected_max_sharpe(max(n_left, 1), 1.0) + (apart if apart > 1e-6 else 0.0) * every
        if bound < best[0]:
            best = bound, leading.index, max(n_left, 1)
    return best


def _ratios(columns: Floats) -> Floats:
    deviation = columns.std(axis=0, ddof=1) if len(columns) > 1 else np.zeros(columns.shape[1])
    moved = deviation > 1e-12 * np.abs(columns).max(axis=0, initial=0.0)
    return np.where(moved, columns.mean(axis=0) / np.where(moved, deviation, 1.0), np.nan)
