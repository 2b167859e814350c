"""Causal features of OHLCV bars: what is known at the close of each bar, free of the price's scale.

Every feature at bar t is a function of the bars up to t alone. :data:`FEATURES` is the one list of
them; its formulas use

    O H L C V   open, high, low, close, volume of bar t; X[-k] is X of bar t-k
    mean_n std_n max_n min_n   over the n bars that end with bar t (std divides by n)
    r           log(C / C[-1])

TA-Lib's ATR, RSI and MACD are recursive: they see no future, but their first values depend on where the
bars start. Their warm-up runs until less than 1 % of the starting value is left in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.bars import Bars, Panel
from sharpen.errors import MissingExtra

try:
    import talib
except ImportError as error:
    raise MissingExtra("talib", "data") from error

_MONDAY_BEFORE_EPOCH = 3
_FLAT = 1e-12
"""A standard deviation this small beside the mean is rounding, and counts as zero."""


@dataclass(frozen=True, eq=False)
class Features:
    """Values of every feature.

    Attributes:
        names: The features' names. (F,)
        values: NaN during a feature's warm-up and where a symbol has no bar, else finite. (T, S, F)
        warmup_bars: From this bar on every value of some symbol is finite; of all, where none lacks a bar.
    """

    names: tuple[str, ...]
    values: Floats
    warmup_bars: int

    @cached_property
    def known(self) -> Bools:
        """Where a symbol has every value. (T, S)."""
        return is_known(self.values)


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Attributes:
        name: Its column name.
        formula: How it is computed, in the notation of this module, with its value in degenerate bars.
        warmup_bars: How many first bars have no value.
        function: Bars to values, one a bar; whatever it gives during the warm-up is dropped.
    """

    name: str
    formula: str
    warmup_bars: int
    function: Callable[[Bars], Floats]


def compute(panel: Panel) -> Features:
    """Return every feature of :data:`FEATURES` for every symbol of the panel, over the symbol's own bars.

    The panel must be fit to use (:func:`sharpen.bars.find_problems`): a NaN in it spreads.

    >>> from sharpen.data import load
    >>> features = compute(load("stocks").panel)
    >>> features.values.shape == (3270, 3, len(FEATURES)), features.warmup_bars
    (True, 100)
    """
    own = [_of_own_bars(bars) for bars in panel.instruments()]
    warmup = max(f.warmup_bars for f in FEATURES)
    if panel.is_ragged:
        first = [int(np.flatnonzero(there)[warmup]) for there in panel.present.T if there.sum() > warmup]
        warmup = min(first, default=len(panel))
    return Features(tuple(f.name for f in FEATURES), panel.spread(own), warmup)


def is_known(values: Floats) -> Bools:
    """Return where every feature has a value. (..., F) -> (...)."""
    return np.asarray(~np.isnan(values).any(axis=-1))


def _of_own_bars(bars: Bars) -> Floats:
    values = np.full((len(bars), len(FEATURES)), np.nan)
    for f, feature in enumerate(FEATURES):
        if len(bars) > feature.warmup_bars:
            values[feature.warmup_bars :, f] = feature.function(bars)[feature.warmup_bars :]
    return values


def atr(panel: Panel, window_bars: int = 14) -> Floats:
    """Return the average true range, in price units; NaN for a symbol's first ``window_bars`` bars, (T, S).

    The first value is the mean of ``window_bars`` true ranges, and Wilder's smoothing goes on from there.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978), chapter 3.
    """
    return panel.spread([talib.ATR(b.high, b.low, b.close, window_bars) for b in panel.instruments()])


def _windows(x: Floats, n_bars: int, reduce: Callable[..., Floats]) -> Floats:
    """Return ``reduce`` over the n bars that end with each bar; NaN for the first n - 1."""
    result = np.full(len(x), np.nan)
    if len(x) >= n_bars:
        result[n_bars - 1 :] = reduce(np.lib.stride_tricks.sliding_window_view(x, n_bars), axis=1)
    return result


def _log_return(bars: Bars, horizon_bars: int = 1) -> Floats:
    result = np.full(len(bars), np.nan)
    result[horizon_bars:] = np.log(bars.close[horizon_bars:] / bars.close[:-horizon_bars])
    return result


def _volatility(bars: Bars, n_bars: int) -> Floats:
    return _windows(_log_return(bars), n_bars, np.std)


def _parkinson(bars: Bars, n_bars: int) -> Floats:
    # Source: M. Parkinson, The extreme value method, Journal of Business 53 (1980)
    return np.sqrt(_windows(np.log(bars.high / bars.low) ** 2, n_bars, np.mean) / (4 * np.log(2)))


def _garman_klass(bars: Bars, n_bars: int) -> Floats:
    # Source: M. Garman and M. Klass, On the estimation of security price volatilities, ibid., equation 17
    per_bar = 0.5 * np.log(bars.high / bars.low) ** 2
    per_bar -= (2 * np.log(2) - 1) * np.log(bars.close / bars.open) ** 2
    return np.sqrt(np.maximum(_windows(per_bar, n_bars, np.mean), 0))


def _relative_atr(bars: Bars, n_bars: int) -> Floats:
    return talib.ATR(bars.high, bars.low, bars.close, n_bars) / bars.close


def _rsi(bars: Bars, n_bars: int) -> Floats:
    unmoved = _windows(bars.close, n_bars + 1, np.ptp) == 0
    return np.where(unmoved, 0.0, talib.RSI(bars.close, n_bars) / 50 - 1)


def _macd_histogram(bars: Bars) -> Floats:
    return talib.MACD(bars.close, 12, 26, 9)[2] / bars.close


def _z_score(x: Floats, n_bars: int) -> Floats:
    mean, std = _windows(x, n_bars, np.mean), _windows(x, n_bars, np.std)
    flat: Bools = std <= _FLAT * np.abs(mean)
    return np.where(flat, 0.0, (x - mean) / np.where(flat, 1.0, std))


def _bollinger(bars: Bars, n_bars: int) -> Floats:
    return _z_score(bars.close, n_bars) / 2


def _volume_z(bars: Bars, n_bars: int) -> Floats:
    return _z_score(bars.volume, n_bars)


def _below_high(bars: Bars, n_bars: int) -> Floats:
    return np.log(bars.close / _windows(bars.high, n_bars, np.max))


def _above_low(bars: Bars, n_bars: int) -> Floats:
    return np.log(bars.close / _windows(bars.low, n_bars, np.min))


def _gap(bars: Bars) -> Floats:
    result = np.full(len(bars), np.nan)
    result[1:] = np.log(bars.open[1:] / bars.close[:-1])
    return result


def _range_position(bars: Bars) -> Floats:
    span = bars.high - bars.low
    flat: Bools = span <= _FLAT * bars.high
    return np.where(flat, 0.5, np.clip((bars.close - bars.low) / np.where(flat, 1.0, span), 0, 1))


def _weekday_angle(bars: Bars) -> Floats:
    days: Ints = bars.time.astype("datetime64[D]").astype(np.int64)
    return 2 * np.pi * ((days + _MONDAY_BEFORE_EPOCH) % 7) / 7


def _month_angle(bars: Bars) -> Floats:
    months: Ints = bars.time.astype("datetime64[M]").astype(np.int64)
    return 2 * np.pi * (months % 12) / 12


FEATURES: tuple[Feature, ...] = (
    *(
        Feature(f"return_{n}", f"log(C / C[-{n}])", n, partial(_log_return, horizon_bars=n))
        for n in (1, 2, 5, 10, 20, 60)
    ),
    *(Feature(f"volatility_{n}", f"std_{n}(r)", n, partial(_volatility, n_bars=n)) for n in (10, 20, 60)),
    Feature("parkinson_20", "sqrt(mean_20(log(H / L)^2) / (4 log 2))", 19, partial(_parkinson, n_bars=20)),
    Feature(
        "garman_klass_20",
        "sqrt(mean_20(0.5 log(H / L)^2 - (2 log 2 - 1) log(C / O)^2))",
        19,
        partial(_garman_klass, n_bars=20),
    ),
    Feature("atr_14", "ATR_14 / C (Wilder)", 80, partial(_relative_atr, n_bars=14)),
    Feature("rsi_7", "RSI_7 / 50 - 1; 0 when 8 closes are equal", 40, partial(_rsi, n_bars=7)),
    Feature("rsi_14", "RSI_14 / 50 - 1; 0 when 15 closes are equal", 80, partial(_rsi, n_bars=14)),
    Feature("macd_histogram", "(MACD_12,26 - its EMA_9) / C", 100, _macd_histogram),
    Feature(
        "bollinger_20",
        "(C - mean_20(C)) / (2 std_20(C)); 0 when the std is 0",
        19,
        partial(_bollinger, n_bars=20),
    ),
    Feature(
        "volume_z_20", "(V - mean_20(V)) / std_20(V); 0 when the std is 0", 19, partial(_volume_z, n_bars=20)
    ),
    *(
        Feature(f"below_high_{n}", f"log(C / max_{n}(H))", n - 1, partial(_below_high, n_bars=n))
        for n in (20, 60)
    ),
    *(
        Feature(f"above_low_{n}", f"log(C / min_{n}(L))", n - 1, partial(_above_low, n_bars=n))
        for n in (20, 60)
    ),
    Feature("gap", "log(O / C[-1])", 1, _gap),
    Feature("range_position", "(C - L) / (H - L), cut to 0..1; 0.5 when H = L", 0, _range_position),
    Feature("weekday_sin", "sin(2 pi weekday / 7), Monday 0", 0, lambda bars: np.sin(_weekday_angle(bars))),
    Feature("weekday_cos", "cos(2 pi weekday / 7), Monday 0", 0, lambda bars: np.cos(_weekday_angle(bars))),
    Feature("month_sin", "sin(2 pi (month - 1) / 12)", 0, lambda bars: np.sin(_month_angle(bars))),
    Feature("month_cos", "cos(2 pi (month - 1) / 12)", 0, lambda bars: np.cos(_month_angle(bars))),
)
"""Every feature, in the order of the last axis of :attr:`Features.values`."""
