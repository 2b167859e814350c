"""Performance measures of a series of returns.

Every function takes the net returns of consecutive bars as fractions, risk-free rate 0, and returns NaN
where the measure is undefined: fewer than two returns, no variance, or a NaN among the returns. One that
names no source is a definition, and the first line holds all of it.

Notation: ``r`` the returns (T,), ``A`` the bars per year.
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Floats


def total_return(returns: Floats) -> float:
    """Return the compounded return of the whole series; 0 for no returns.

    >>> round(total_return(np.array([0.1, 0.1])), 4)
    0.21
    """
    return float(np.prod(1.0 + returns) - 1.0)


def annual_return(returns: Floats, bars_per_year: float) -> float:
    """Return the compound annual growth rate, ``prod(1 + r) ** (A / T) - 1``; -1 once all is lost.

    >>> round(annual_return(np.array([0.1, 0.1]), bars_per_year=1), 4)
    0.1
    """
    if len(returns) < 2:
        return math.nan
    growth = 1.0 + total_return(returns)
    if math.isnan(growth):
        return math.nan
    return max(growth, 0.0) ** (bars_per_year / len(returns)) - 1.0


def annual_volatility(returns: Floats, bars_per_year: float) -> float:
    """Return the annualised standard deviation, ``std(r, ddof=1) * sqrt(A)``.

    >>> round(annual_volatility(np.array([0.0, 0.02]), bars_per_year=4), 4)
    0.0283
    """
    return float(np.std(returns, ddof=1)) * math.sqrt(bars_per_year) if len(returns) >= 2 else math.nan


def sharpe(returns: Floats, bars_per_year: float) -> float:
    """Return the annualised Sharpe ratio, ``mean(r) / std(r, ddof=1) * sqrt(A)``.

    Source: Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1), equation 6: the historic
        ratio. The root of ``A`` makes it annual and takes the returns as independent.

    >>> round(sharpe(np.array([0.0, 0.02]), bars_per_year=4), 4)
    1.4142
    >>> sharpe(np.array([0.01, 0.01]), bars_per_year=4)
    nan
    """
    if len(returns) < 2:
        return math.nan
    deviation = float(np.std(returns, ddof=1))
    if not deviation > _rounding(returns):
        return math.nan
    return float(np.mean(returns)) / deviation * math.sqrt(bars_per_year)


def sortino(returns: Floats, bars_per_year: float) -> float:
    """Return the annualised Sortino ratio, ``mean(r) / sqrt(mean(min(r, 0) ** 2)) * sqrt(A)``.

    NaN, too, when no bar lost money.

    Source: Sortino and van der Meer (1991), Downside Risk, Journal of Portfolio Management 17(4), for the
        idea; Rollinger and Hoffman (2013), Sortino: A 'Sharper' Ratio, for the formula, with a target of 0:
        its steps for the target downside deviation, in which all returns count, those above the target as 0.

    >>> round(sortino(np.array([-0.01, 0.03]), bars_per_year=2), 4)
    2.0
    """
    if len(returns) < 2 or not float(np.std(returns)) > _rounding(returns):
        return math.nan
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(np.mean(returns)) / downside * math.sqrt(bars_per_year) if downside > 0.0 else math.nan


def max_drawdown(returns: Floats) -> float:
    """Return the largest loss from a peak of compounded equity, as a positive fraction; the start is a peak.

    0 for no returns.

    >>> round(max_drawdown(np.array([0.1, -0.5, 0.2])), 4)
    0.5
    """
    equity = np.concatenate((np.ones(1), np.cumprod(1.0 + returns)))
    return float(np.max(1.0 - equity / np.maximum.accumulate(equity)))


def profit_factor(trade_returns: Floats) -> float:
    """Return the sum of winning trades over the sum of losing ones; inf without losers, NaN without either.

    >>> profit_factor(np.array([0.03, -0.01, -0.005]))
    2.0
    """
    won = float(np.sum(trade_returns[trade_returns > 0.0]))
    lost = -float(np.sum(trade_returns[trade_returns < 0.0]))
    if lost > 0.0:
        return won / lost
    return math.inf if won > 0.0 else math.nan


def _rounding(returns: Floats) -> float:
    # the deviation that rounding alone gives a constant series
    return 1e-12 * float(np.max(np.abs(returns)))
