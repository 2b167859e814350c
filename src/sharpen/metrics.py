"""Performance measures of a series of returns.

Every function takes the net returns of consecutive bars as fractions, unless it says otherwise, and returns
NaN where the measure is undefined: fewer than two returns, no variance, or a NaN among the returns. One that
names no source is a definition, and the first line holds all of it. Ratios take the returns as they are: give
those :func:`above_rate` for a risk-free rate that is not 0.

Notation: ``r`` the returns (T,), ``A`` the bars per year.
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Floats, Times


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


def rate_per_bar(annual_rate: float, bars_per_year: float) -> float:
    """Return an annual interest rate for one bar, ``(1 + rate) ** (1 / A) - 1``.

    >>> round(rate_per_bar(0.0201, bars_per_year=2), 4)
    0.01
    """
    return (1.0 + annual_rate) ** (1.0 / bars_per_year) - 1.0


def above_rate(returns: Floats, annual_rate: float, bars_per_year: float) -> Floats:
    """Return the returns above an annual risk-free rate, ``r`` less the rate of a bar. (T,).

    For a strategy that holds its capital and could have lent it; one that needs none has a rate of 0.

    >>> above_rate(np.array([0.03, 0.0]), 0.0201, bars_per_year=2).round(4).tolist()
    [0.02, -0.01]
    """
    return returns - rate_per_bar(annual_rate, bars_per_year)


def borrow_cost(positions: Floats, annual_rate: float, bars_per_year: float) -> Floats:
    """Return what borrowing the instruments that are sold short costs at each bar, as a fraction of capital.

    Args:
        positions: Held during each bar, as shares of capital; negative is short. (T,) or (T, S)
        annual_rate: Lenders' fee, on the value of what is borrowed.
        bars_per_year: A.

    Returns:
        To subtract from the returns; summed over symbols. (T,)

    >>> borrow_cost(np.array([1.0, -0.5]), 0.0201, bars_per_year=2).round(4).tolist()
    [0.0, 0.005]
    """
    short = np.maximum(-positions, 0.0)
    total: Floats = short.sum(axis=1) if short.ndim > 1 else short
    return total * rate_per_bar(annual_rate, bars_per_year)


def break_even_cost_bps(gross_returns: Floats, turnover: Floats) -> float:
    """Return the cost in bps of what is traded that leaves nothing: ``1e4 * sum(gross) / sum(turnover)``.

    Negative when there was a loss before any cost; NaN when nothing was traded.

    Args:
        gross_returns: Before costs. (T,)
        turnover: Absolute change of position at each bar, as a share of capital. (T,)

    >>> break_even_cost_bps(np.array([0.002, -0.001]), np.array([1.0, 1.0]))
    5.0
    """
    traded = float(np.sum(turnover))
    return 1e4 * float(np.sum(gross_returns)) / traded if traded > 0.0 else math.nan


def at_costs(gross_returns: Floats, net_returns: Floats, times: float) -> Floats:
    """Return net returns as they would be at costs so many times as high. (T,).

    >>> at_costs(np.array([0.01]), np.array([0.008]), times=2).round(4).tolist()
    [0.006]
    """
    return gross_returns - times * (gross_returns - net_returns)


def sharpe_by_year(returns: Floats, time: Times, bars_per_year: float) -> dict[int, float]:
    """Return the annualised Sharpe ratio of each calendar year (UTC), NaN where one has too few bars.

    >>> time = np.array(["2023-12-28", "2023-12-29", "2024-01-02"], dtype="datetime64[us]")
    >>> sharpe_by_year(np.array([0.0, 0.02, 0.01]), time, bars_per_year=4)
    {2023: 1.4142135623730951, 2024: nan}
    """
    year = time.astype("datetime64[Y]").astype(np.int64) + 1970
    return {int(one_year): sharpe(returns[year == one_year], bars_per_year) for one_year in np.unique(year)}


def daily_returns(returns: Floats, time: Times) -> Floats:
    """Return the compounded return of each calendar day (UTC), for :func:`best_share`. (days,).

    >>> time = np.array(["2024-01-02T10", "2024-01-02T11", "2024-01-03T10"], dtype="datetime64[us]")
    >>> daily_returns(np.array([0.1, 0.1, 0.05]), time).round(4).tolist()
    [0.21, 0.05]
    """
    if not len(returns):
        return returns
    day = time.astype("datetime64[D]").astype(np.int64)
    starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    return np.multiply.reduceat(1.0 + returns, starts) - 1.0


def best_share(returns: Floats, n_best: int = 5) -> float:
    """Return the share of the summed profit that the best trades, or days, made; above 1 when the rest lost.

    NaN when there was no profit.

    Args:
        returns: Of each trade, or each day: see :func:`daily_returns`.
        n_best: How many of the best.

    >>> best_share(np.array([0.5, 0.25, -0.25, 0.5]), n_best=1)
    0.5
    """
    profit = float(np.sum(returns))
    return float(np.sum(np.sort(returns)[::-1][:n_best])) / profit if profit > 0.0 else math.nan


def _rounding(returns: Floats) -> float:
    # the deviation that rounding alone gives a constant series
    return 1e-12 * float(np.max(np.abs(returns)))
