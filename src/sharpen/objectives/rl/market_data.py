"""What an agent may know at each close, as arrays: prices, technicals, market columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Bools, Floats, Times
from sharpen.bars import Panel, bars_per_year
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
        open: Price of the first trade; equal to ``close`` where a source has closes only. (T, S)
        close: Price of the last trade. (T, S)
        tradable: Whether a stock has a price of that bar. (T, S)
        turbulence: NaN where it is not known. (T,)
        table: What the state holds of the market at each close, scaled. (T, M)
        names: The columns of ``table``. (M,)
        warmup_bars: From this bar on every value is finite.
        bars_per_year: The factor that makes a Sharpe ratio annual.
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

    def __len__(self) -> int:
        return len(self.time)


def market_data(
    panel: Panel,
    technical_names: Sequence[str] = technicals.DEFAULT,
    columns: Sequence[str] = MARKET_COLUMNS,
    scaling: str = "elegantrl",
) -> MarketData:
    """Return what an agent may know at each close of a panel.

    Args:
        panel: The bars.
        technical_names: See :mod:`sharpen.objectives.rl.technicals`.
        columns: Of :data:`MARKET_COLUMNS`; one value a bar for the whole market.
        scaling: ``elegantrl`` multiplies closes by 2**-7 and all else by 2**-6; ``relative`` shows prices as
            distances from the close, free of the price's level.

    Raises:
        UsageError: A name is not known.
        DataError: Fewer bars than the warm-up needs.
    """
    if unknown := [name for name in columns if name not in MARKET_COLUMNS]:
        raise UsageError(f"no market column {unknown[0]!r}: there are {', '.join(MARKET_COLUMNS)}")
    if scaling not in ("elegantrl", "relative"):
        raise UsageError(f"scaling is {scaling!r}, must be elegantrl or relative")
    per_year = bars_per_year(panel.time)
    unusual = turbulence(panel.close)
    known = {
        "realized_volatility": realized_volatility(panel.close, bars_per_year=per_year),
        "turbulence": unusual,
    }
    values = technicals.compute(panel, technical_names)
    first, rest = _SCALINGS[scaling](panel.close, values, technical_names)
    whole = [known[name][:, None] * TECHNICAL_SCALE for name in columns]
    table = np.concatenate([first, *rest, *whole], axis=1)
    warmup = int(np.argmax(np.isfinite(table).all(axis=1)))
    if not np.isfinite(table[warmup:]).all() or not len(table):
        raise DataError(
            f"{len(panel)} bars are too few: technicals and turbulence need more than"
            f" {_warmup(technical_names, columns)} bars to warm up, and every bar after them needs a price"
        )
    per_stock = [f"{column}/{symbol}" for column in ("close", *technical_names) for symbol in panel.symbols]
    return MarketData(
        panel.symbols,
        panel.time,
        panel.open,
        panel.close,
        np.isfinite(panel.close),
        unusual,
        table,
        (*per_stock, *columns),
        warmup,
        per_year,
    )


def _warmup(names: Sequence[str], columns: Sequence[str]) -> int:
    return max(technicals.warmup(names), 253 if "turbulence" in columns else 0)


def _powers_of_two(close: Floats, values: Floats, names: Sequence[str]) -> tuple[Floats, list[Floats]]:
    return close * CLOSE_SCALE, [values[:, :, k] * TECHNICAL_SCALE for k in range(len(names))]


def _relative(close: Floats, values: Floats, names: Sequence[str]) -> tuple[Floats, list[Floats]]:
    """Return the last month's return in place of the close, prices as distances, and the rest over 100."""
    month = np.full_like(close, np.nan)
    month[21:] = close[21:] / close[:-21] - 1.0
    return 4.0 * month, [_relative_technical(close, values[:, :, k], name) for k, name in enumerate(names)]


def _relative_technical(close: Floats, values: Floats, name: str) -> Floats:
    if name == "macd":
        return 20.0 * values / close
    if name.startswith(("boll", "close")):
        return 10.0 * (values / close - 1.0)
    return (values - 50.0) / 50.0 if name.startswith("rsi") else values / 100.0


_SCALINGS = {"elegantrl": _powers_of_two, "relative": _relative}
