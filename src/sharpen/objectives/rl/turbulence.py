# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""How unusual a day's returns are, and how much the market has moved of late."""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Floats

_DAYS_AT_ONCE = 256


def turbulence(close: Floats, window_bars: int = 252) -> Floats:
    """Return the turbulence of each bar, ``(y - mean) inv(cov) (y - mean)``; NaN in the warm-up. (T,).

    Mean and covariance (divisor n - 1) are those of the ``window_bars`` simple returns before the bar, the
    bar's own return not among them. With more symbols than returns the inverse is the pseudo-inverse.

    Args:
        close: Positive prices. A stock counts at a bar when none of its prices in the window is NaN. (T, S)
        window_bars: Returns that say what is usual.

    Source: Kritzman and Li (2010), Skulls, Financial Turbulence, and Risk Management, Financial Analysts
        Journal 66(5), equation 1, without the division by the number of symbols that later authors add.
    """
    returns = close[1:] / close[:-1] - 1.0
    by_bar = np.full(len(close), np.nan)
    if len(returns) <= window_bars:
        return by_bar
    windows = np.lib.stride_tricks.sliding_window_view(returns, window_bars, axis=0)  # (days, S, window)
    for start in range(0, len(returns) - window_bars, _DAYS_AT_ONCE):
        stop = min(start + _DAYS_AT_ONCE, len(returns) - window_bars)
        past = windows[start:stop]
        mean = past.mean(axis=2)
        centred = past - mean[:, :, None]
        covariance = centred @ centred.transpose(0, 2, 1) / (window_bars - 1)
        deviation = returns[start + window_bars : stop + window_bars] - mean
        if (unknown := np.isnan(deviation)).any():
            covariance = np.where(unknown[:, :, None] | unknown[:, None, :], 0.0, covariance)
            deviation = np.where(unknown, 0.0, deviation)
        inverse = np.linalg.pinv(covariance, hermitian=True)
        by_bar[start + window_bars + 1 : stop + window_bars + 1] = np.einsum(
            "ts,tsr,tr->t", deviation, inverse, deviation
        )
    return by_bar


def realized_volatility(close: Floats, window_bars: int = 30, bars_per_year: float = 252.0) -> Floats:
    """Return the annual volatility of the equal-weight portfolio over the last bars, in percent. (T,).

    A stand-in for the VIX where there is none: the same unit, from past returns. NaN in the warm-up.
    """
    returns = close[1:] / close[:-1] - 1.0
    n_known = np.maximum((~np.isnan(returns)).sum(axis=1), 1)
    market = returns.mean(axis=1) if not np.isnan(returns).any() else np.nansum(returns, axis=1) / n_known
    volatility = np.full(len(close), np.nan)
    if len(market) < window_bars:
        return volatility
    windows = np.lib.stride_tricks.sliding_window_view(market, window_bars)
    volatility[window_bars:] = windows.std(axis=1, ddof=1) * 100.0 * math.sqrt(bars_per_year)
    return volatility
