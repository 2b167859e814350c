"""Technical indicators by name, computed by TA-Lib; the value at bar t needs bars up to t only.

The names are those of stockstats, which FinRL uses. Where the values differ:

- ``macd``, ``rsi_N``, ``dx_N`` start their smoothing differently and agree after about 500 bars;
- ``boll_ub``, ``boll_lb`` are 20 bars +- 2 sample standard deviations (divisor 19), as in stockstats;
- ``cci_N`` and ``close_N_sma`` agree once their window is full; stockstats gives values for part windows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import talib

from sharpen.arrays import Floats
from sharpen.bars import Bars, Panel
from sharpen.errors import UsageError

DEFAULT = ("macd", "boll_ub", "boll_lb", "rsi_30", "cci_30", "dx_30", "close_30_sma", "close_60_sma")

_SAMPLE_DEVIATIONS = 2.0 * math.sqrt(20.0 / 19.0)
_NAME = re.compile(r"(rsi|cci|dx)_(\d+)|close_(\d+)_sma")


def compute(panel: Panel, names: Sequence[str]) -> Floats:
    """Return the technicals of every bar and symbol; NaN in a warm-up and where there is no bar. (T, S, K).

    Raises:
        UsageError: A name is not known.
    """
    return panel.spread([_of_own_bars(bars, names) for bars in panel.instruments()])


def _of_own_bars(bars: Bars, names: Sequence[str]) -> Floats:
    values = np.full((len(bars), len(names)), np.nan)
    for k, name in enumerate(names):
        function, warmup_bars = _parse(name)
        if len(bars) > warmup_bars:
            values[warmup_bars:, k] = function(bars)[warmup_bars:]
    return values


def warmup(names: Sequence[str]) -> int:
    """Return from which bar on every named technical has a value.

    >>> warmup(["close_30_sma"]), warmup(["macd", "close_60_sma"])
    (29, 93)
    """
    return max((_parse(name)[1] for name in names), default=0)


def _parse(name: str) -> tuple[Callable[[Bars], Floats], int]:
    """Return the function of a name and how many first bars have no value."""
    if name == "macd":
        return lambda bars: talib.MACD(bars.close, 12, 26, 9)[0], 33 + _until_one_percent(2 / 27)
    if name in ("boll_ub", "boll_lb"):
        band = 0 if name == "boll_ub" else 2
        return lambda bars: talib.BBANDS(bars.close, 20, _SAMPLE_DEVIATIONS, _SAMPLE_DEVIATIONS)[band], 19
    match = _NAME.fullmatch(name)
    n = int(match[2] or match[3]) if match else 0
    if not match or n < 2:
        raise UsageError(
            f"no technical {name!r}: there are macd, boll_ub, boll_lb, rsi_N, cci_N, dx_N, close_N_sma"
        )
    if match[3]:
        return lambda bars: talib.SMA(bars.close, n), n - 1
    if match[1] == "cci":
        return lambda bars: talib.CCI(bars.high, bars.low, bars.close, n), n - 1
    smoothed = n + _until_one_percent(1 / n)
    if match[1] == "rsi":
        return lambda bars: talib.RSI(bars.close, n), smoothed
    return lambda bars: talib.DX(bars.high, bars.low, bars.close, n), smoothed


def _until_one_percent(alpha: float) -> int:
    """Return after how many bars of exponential smoothing 1 % of the first value is left."""
    return math.ceil(math.log(0.01) / math.log(1.0 - alpha))
