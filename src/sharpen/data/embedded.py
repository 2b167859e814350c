"""Bars that arrive inside Python packages: nothing is downloaded, and the packages' code is not run."""

from __future__ import annotations

import importlib.util
from functools import cache, partial
from importlib import metadata
from pathlib import Path

import polars as pl

from sharpen.data.dataset import CatalogEntry, SourceData
from sharpen.data.frames import read_frame
from sharpen.errors import MissingExtra

_STOCKS = {
    "AAPL": ("Apple", "2000-03-01..2013-03-01"),
    "IBM": ("IBM", "2000-03-01..2013-03-01"),
    "MSFT": ("Microsoft", "2000-03-01..2013-03-01"),
    "GOOG": ("Google", "2004-08-19..2013-03-01"),
    "FB": ("Facebook", "2012-05-18..2013-03-01"),
}
_US20 = (
    *("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO"),
    *("LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM"),
)
_SURVIVED = (
    "these companies survived, and were picked because they are known today: "
    "that flatters buy-and-hold, and whatever is mostly long"
)
_INDICES = {
    "sp500": ("S&P 500 index", "Half of its opens repeat the previous close: a lesson, not a market."),
    "nasdaq": ("Nasdaq Composite index", "Two days have no volume. An index cannot be traded itself."),
}


def entries() -> tuple[CatalogEntry, ...]:
    """Return the catalogue's rows of embedded data, the default first."""
    return (
        _stock_entry("stocks", ("AAPL", "IBM", "MSFT"), "Apple, IBM, Microsoft", "2000-03-01..2013-03-01"),
        *(_stock_entry(ticker, (ticker,), *about) for ticker, about in _STOCKS.items()),
        *(_index_entry(name, *about) for name, about in _INDICES.items()),
        _closes_entry(),
    )


def _stock_entry(name: str, tickers: tuple[str, ...], subject: str, period: str) -> CatalogEntry:
    return CatalogEntry(
        name=name,
        what=f"{subject}: daily bars",
        period=period,
        symbols=tickers,
        source="Quandl WIKI Prices, in the package bokeh_sampledata",
        licence="public domain, as stated by Quandl and by the package",
        notes="Prices scaled by adj_close / close; volume not adjusted for splits. Companies that survived.",
        read=partial(_read_stocks, tickers),
    )


def _index_entry(name: str, subject: str, notes: str) -> CatalogEntry:
    return CatalogEntry(
        name=name,
        what=f"{subject}: daily bars",
        period="1999-01-04..2018-12-31",
        symbols=(name,),
        source="Yahoo Finance, in the package arch",
        licence="none stated for the data; the package is NCSA",
        notes=notes,
        read=partial(_read_index, name),
    )


def _closes_entry() -> CatalogEntry:
    return CatalogEntry(
        name="us20",
        what="20 large US companies: daily closes",
        period="1995-01-03..2022-12-28",
        symbols=_US20,
        source="Yahoo Finance, in the package skfolio",
        licence="none stated for the data; the package is BSD-3-Clause",
        notes="Closes only: every bar is its close. Adjusted, rounded to 0.001. Companies that survived.",
        read=_read_closes,
    )


def _read_closes() -> SourceData:
    """Return bars whose open, high and low are the close: a fill at the open is one at the close.

    From 1995 on; before, one of the stocks repeats a price for months.
    """
    wide = pl.read_csv(_file("skfolio", "datasets", "data", "sp500_dataset.csv.gz", extra="rl").read_bytes())
    wide = wide.rename({"Date": "time"}).filter(pl.col("time") >= "1995")
    long = wide.unpivot(index="time", variable_name="symbol", value_name="close")
    prices = [pl.col("close").alias(name) for name in ("open", "high", "low")]
    frame = long.with_columns(*prices, pl.lit(0.0).alias("volume"))
    source = f"Yahoo Finance from {_version('skfolio')}, adjusted closes; open, high and low are the close"
    return SourceData(read_frame(frame, "", "skfolio").rows, (_SURVIVED,), source)


def _read_stocks(tickers: tuple[str, ...]) -> SourceData:
    frame = (
        _stock_table().filter(pl.col("Ticker").is_in(tickers)).rename({"Ticker": "symbol", "Date": "time"})
    )
    rows = {r.bars.symbol: r for r in read_frame(frame, "", "bokeh_sampledata").rows}
    return SourceData(
        tuple(rows[ticker] for ticker in tickers),
        (_SURVIVED,),
        f"Quandl WIKI Prices from {_version('bokeh_sampledata')}, prices scaled by adj_close / close",
    )


def _read_index(name: str) -> SourceData:
    frame = _index_table(name).rename({"Date": "time"})
    frame = frame.with_columns(pl.col("time").str.to_date("%m/%d/%Y"))
    return SourceData(
        read_frame(frame, name, f"arch {name}").rows,
        (),
        f"Yahoo Finance from {_version('arch')}, prices scaled by adj_close / close",
    )


@cache
def _stock_table() -> pl.DataFrame:
    return pl.read_csv(_file("bokeh_sampledata", "_data", "stocks.csv.gz").read_bytes())


@cache
def _index_table(name: str) -> pl.DataFrame:
    return pl.read_csv(_file("arch", "data", name, f"{name}.csv.gz").read_bytes())


def _file(package: str, *parts: str, extra: str = "data") -> Path:
    """Return a file inside an installed package, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(package, extra)
    return Path(spec.submodule_search_locations[0], *parts)


def _version(package: str) -> str:
    return f"{package} {metadata.version(package)}"
