"""What an agent may know at each close, as arrays: prices, technicals, market columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sharpen.arrays import Bools, Floats, Times
from sharpen.bars import Panel
from sharpen.errors import DataError, UsageError
from sharpen.objectives.rl import technicals
from sharpen.objectives.rl.turbulence import realized_volatility, turbulence

MARKET_COLUMNS = ("realized_volatility", "turbulence")
CLOSE_SCALE = 2.0**-7
TECHNICAL_SCALE = 2.0**-6


@dataclass(frozen=True, eq=False)
class MarketData:
    """Prices and what is known at each close.

    Attributes:
        symbols: The stocks' names. (S,)
        time: When each bar began. (T,)
        open: Price of the first trade; equal to ``close`` where a source has closes only; NaN without a bar.
            (T, S)
        close: Price of the last trade, of the bar or of the last one that the stock had; NaN before it has
            one. (T, S)
        tradable: Whether a stock has a bar. (T, S)
        turbulence: NaN where it is not known. (T,)
        table: What the state holds of the market at each close, scaled. (T, M)
        names: The columns of ``table``. (M,)
        warmup_bars: From this bar on the market's columns are known, and so is some stock's every column.
        bars_per_year: The factor that makes a Sharpe ratio annual.
        scaling: How ``table`` is scaled; empty when nobody has said.
    """

    symbols: tuple[str, ...]
    time: Times
    open: Floats
    close: Floats
    tradable: Bools
    turbulence: Floats
    table: Floats
    names: tuple[str, ...]
    warmup_bars: int
    bars_per_year: float
    scaling: str = ""

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def delisted(self) -> Bools:
        """Where a stock has had its last bar, before the panel's end. (T, S)."""
        return ~np.maximum.accumulate(self.tradable[::-1])[::-1]


def market_data(
    panel: Panel,
    technical_names: Sequence[str] = technicals.DEFAULT,
    columns: Sequence[str] = MARKET_COLUMNS,
    scaling: str = "elegantrl",
    more: Mapping[str, Floats] | None = None,
) -> MarketData:
    """Return what an agent may know at each close of a panel.

    Where a stock has no bar, or its technicals warm up, its columns are 0. A panel with such gaps has one
    more column a stock, ``tradable``, which is 1 where it has a bar.

    Args:
        panel: The bars.
        technical_names: See :mod:`sharpen.objectives.rl.technicals`.
        columns: Of :data:`MARKET_COLUMNS` or ``more``; one value a bar for the whole market.
        scaling: ``elegantrl`` multiplies closes by 2**-7 and all else by 2**-6; ``relative`` shows prices as
            distances from the close, free of the price's level.
        more: Further market columns by name, NaN where not known, such as
            :func:`sharpen.objectives.rl.market_columns.read_columns` returns. (T,) each

    Raises:
        UsageError: A name is not known.
        DataError: Fewer bars than the warm-up needs.
    """
    more = more or {}
    if unknown := [name for name in columns if name not in (*MARKET_COLUMNS, *more)]:
        there = ", ".join((*MARKET_COLUMNS, *more))
        raise UsageError(f"no market column {unknown[0]!r}: there are {there}; others need a file of them")
    if scaling not in ("elegantrl", "relative"):
        raise UsageError(f"scaling is {scaling!r}, must be elegantrl or relative")
    if silent := [panel.symbols[s] for s in range(len(panel.symbols)) if not panel.present[:, s].any()]:
        raise DataError(
            f"{', '.join(silent)} without a price in the {len(panel)} bars that a search may see: leave"
            " it out, or use more bars",
            symbols=silent,
        )
    per_year, close = panel.bars_per_year, _last_known(panel.close)
    unusual = turbulence(close)
    volatility = realized_volatility(close, bars_per_year=per_year)
    known = {**more, "realized_volatility": volatility, "turbulence": unusual}
    values = technicals.compute(panel, technical_names)
    first, rest = _SCALINGS[scaling](panel, values, technical_names)
    of_stocks = np.stack([first, *rest])  # (K, T, S)
    has_all = np.isfinite(of_stocks).all(axis=0)
    whole = np.stack([known[name] * TECHNICAL_SCALE for name in columns], 1) if columns else close[:, :0]
    is_ready = np.asarray(has_all.any(axis=-1) & np.isfinite(whole).all(axis=-1))
    warmup = int(np.argmax(is_ready))
    if panel.is_ragged:
        of_stocks = np.concatenate(
            [np.where(has_all, of_stocks, 0.0), panel.present[None].astype(np.float64)]
        )
    table = np.concatenate([*of_stocks, whole], axis=1)
    if not is_ready.any() or not np.isfinite(table[warmup:]).all():
        raise DataError(
            f"{len(panel)} bars are too few: technicals and turbulence need more than"
            f" {_warmup(technical_names, columns)} bars to warm up, and every bar after them needs a price"
        )
    shown = ("close", *technical_names, *(["tradable"] if panel.is_ragged else []))
    per_stock = [f"{column}/{symbol}" for column in shown for symbol in panel.symbols]
    return MarketData(
        panel.symbols,
        panel.time,
        panel.open,
        close,
        panel.present,
        unusual,
        table,
        (*per_stock, *columns),
        warmup,
        per_year,
        scaling,
    )


def _warmup(names: Sequence[str], columns: Sequence[str]) -> int:
    return max(technicals.warmup(names), 253 if "turbulence" in columns else 0)


def _last_known(close: Floats) -> Floats:
    """Return each bar's close, or the last one before it; NaN before the first. (T, S)."""
    rows = np.where(np.isnan(close), 0, np.arange(len(close))[:, None])
    return np.take_along_axis(close, np.maximum.accumulate(rows), axis=0)


def _powers_of_two(panel: Panel, values: Floats, names: Sequence[str]) -> tuple[Floats, list[Floats]]:
    return panel.close * CLOSE_SCALE, [values[:, :, k] * TECHNICAL_SCALE for k in range(len(names))]


def _relative(panel: Panel, values: Floats, names: Sequence[str]) -> tuple[Floats, list[Floats]]:
    """Return the last month's return in place of the close, prices as distances, and the rest over 100."""
    month = panel.spread([_month_return(bars.close) for bars in panel.instruments()])
    return 4.0 * month, [
        _relative_technical(panel.close, values[:, :, k], name) for k, name in enumerate(names)
    ]


def _month_return(close: Floats) -> Floats:
    returns = np.full_like(close, np.nan)
    returns[21:] = close[21:] / close[:-21] - 1.0
    return returns


def _relative_technical(close: Floats, values: Floats, name: str) -> Floats:
    if name == "macd":
        return 20.0 * values / close
    if name.startswith(("boll", "close")):
        return 10.0 * (values / close - 1.0)
    return (values - 50.0) / 50.0 if name.startswith("rsi") else values / 100.0


_SCALINGS = {"elegantrl": _powers_of_two, "relative": _relative}
