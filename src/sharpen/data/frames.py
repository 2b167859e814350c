"""Table of text and numbers -> rows of each symbol, with every fault that reading can see.

The table has the columns ``time, open, high, low, close, volume`` and may have ``symbol`` and
``adj_close``, in any order and any case, with spaces or underscores (``Adj Close``).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sharpen.arrays import Bools
from sharpen.bars import COLUMNS, Bars, Problem, count_rows
from sharpen.data.dataset import SymbolRows
from sharpen.errors import DataError

REQUIRED = ("time", *COLUMNS)
OPTIONAL = ("symbol", "adj_close")
ALIASES = {"time": ("date", "stamp", "day")}  # what others call it
_OFFSET = r"(?:[Tt ]\d{2}:?\d{2}.*?)(Z|z|[+-]\d{2}:?\d{2})$"
_NO_OFFSET = "no offset"
NAIVE_NOTE = "times of day have no time zone and were taken as UTC"


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows of each symbol, and what must be said about their times."""

    rows: tuple[SymbolRows, ...]
    notes: tuple[str, ...] = ()


def read_frame(frame: pl.DataFrame, symbol: str, where: str) -> Reading:
    """Return the rows of each symbol in the order in which symbols first come.

    Args:
        frame: The table. Row numbers in messages count its rows from 1.
        symbol: The name of the instrument, when the table has no ``symbol`` column.
        where: The table's name, for messages.

    Raises:
        DataError: When a column is missing, comes twice, or holds what cannot be a time.
    """
    frame = _named(frame, where)
    if frame.schema["time"] == pl.String:
        frame, notes, is_mixed = _parse_times(frame)
    else:
        frame, notes = _convert_times(frame, where)
        is_mixed = False
    if "symbol" not in frame.columns:
        frame = frame.with_columns(pl.lit(symbol).alias("symbol"))
    if frame["symbol"].null_count():
        row = int(frame["symbol"].is_null().arg_max() or 0) + 1
        raise DataError(f"{where}: row {row} has no symbol. Fix: fill the column, or leave it out", row=row)
    numbered = frame.with_row_index("row_number", offset=1)
    parts = numbered.partition_by("symbol", maintain_order=True)
    return Reading(tuple(_rows(part, is_mixed) for part in parts), notes)


def refuse_twice(columns: Sequence[str], where: str) -> None:
    """Raise a DataError when two columns have one name that is read; return nothing otherwise."""
    names = [_plain(name) for name in columns]
    if twice := [name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1]:
        raise DataError(f"{where}: column {', '.join(twice)} comes twice. Fix: keep one of each")


def _named(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return the columns that are read, with their names in small letters and underscores."""
    refuse_twice(frame.columns, where)
    by_name = {_plain(name): name for name in frame.columns}
    if missing := [name for name in REQUIRED if name not in by_name]:
        raise DataError(
            f"{where}: missing column {', '.join(missing)}; there are {', '.join(frame.columns)}."
            f"{_hint(missing, frame.columns)} "
            f"Fix: name the columns {', '.join(REQUIRED)}, and optionally symbol and adj_close",
            missing=missing,
        )
    return frame.select(
        pl.col(by_name[name]).alias(name) for name in (*REQUIRED, *OPTIONAL) if name in by_name
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _hint(missing: Sequence[str], columns: Sequence[str]) -> str:
    """Return which columns may be the missing ones, as a question; empty when none looks like it."""
    if len(missing) == len(REQUIRED) and any(_is_number(name) for name in columns):
        return " The first line looks like a row: is the header missing?"
    rest = {_plain(name): name for name in columns if _plain(name) not in (*REQUIRED, *OPTIONAL)}
    found: list[str] = []
    for name in missing:
        others = [other for own in (name, *ALIASES.get(name, ())) for other in rest if own in other]
        near = difflib.get_close_matches(name, rest, n=1) or others[:1]
        found += [f"{rest.pop(other)} for {name}" for other in near]
    return f" Did you mean {', '.join(found)}?" if found else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_times(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...], bool]:
    """Return the table with times parsed to UTC, notes, and whether their offsets differ."""
    text = pl.col("time").str.strip_chars()
    offset = text.str.extract(_OFFSET, 1).str.to_uppercase().fill_null(_NO_OFFSET)
    frame = frame.with_columns(offset.alias("offset"), text.alias("time_text"))
    kinds = frame["offset"].unique().to_list()
    plain = pl.col("time_text").str.replace(r"(Z|z)$", "+00:00")
    has_offset = pl.col("offset") != _NO_OFFSET
    aware = plain.str.to_datetime(time_unit="us", time_zone="UTC", strict=False, format="%+")
    naive = pl.coalesce(
        pl.col("time_text").str.to_datetime(format, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        for format in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
    )
    day = pl.col("time_text").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us", "UTC"))
    parsed = pl.when(has_offset).then(aware).otherwise(pl.coalesce(naive, day))
    frame = frame.with_columns(parsed.alias("time"))
    return frame, _naive_notes(frame["time"]) if kinds == [_NO_OFFSET] else (), len(kinds) > 1


def _convert_times(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the table with its typed times in UTC, and notes."""
    kind = frame.schema["time"]
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return frame.with_columns(pl.col("time").dt.convert_time_zone("UTC")), ()
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        frame = frame.with_columns(pl.col("time").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        return frame, _naive_notes(frame["time"])
    raise DataError(
        f"{where}: column time holds {kind}, not times. Fix: write ISO 8601 text or a timestamp column"
    )


def _naive_notes(time: pl.Series) -> tuple[str, ...]:
    """Return a note when times without a zone have a time of day; dates mean the same day in every zone."""
    return () if (time.dt.truncate("1d") == time).all() else (NAIVE_NOTE,)


def _rows(part: pl.DataFrame, is_mixed: bool) -> SymbolRows:
    """Return one symbol's rows."""
    numeric = [*COLUMNS, *(["adj_close"] if "adj_close" in part.columns else [])]
    text = [name for name in numeric if part.schema[name] == pl.String]
    part = part.with_columns(pl.col(text).str.strip_chars())
    read = part.select(pl.col(numeric).cast(pl.Float64, strict=False))
    values = {name: np.array(read[name].fill_null(math.nan).to_numpy(), dtype=np.float64) for name in numeric}
    adj_close = values.pop("adj_close", None)
    time = part["time"].dt.replace_time_zone(None).cast(pl.Datetime("us")).to_numpy()
    bars = Bars(symbol=str(part["symbol"][0]), time=time.astype("datetime64[us]"), **values)
    unread = _unread(part) if "time_text" in part.columns else {}
    rows = SymbolRows(bars, adj_close, part["row_number"].to_numpy().astype(np.int64), unread=unread)
    found = _mixed_zone(rows, part["offset"].to_list() if is_mixed else ())
    found += [*_no_numbers(rows, part.select(text), read), *_bad_adjustment(rows)]
    return replace(rows, problems=tuple(found))


def _unread(part: pl.DataFrame) -> dict[int, str]:
    places = part["time"].is_null().arg_true().to_list()
    return {i: part["time_text"][i] or "" for i in places}  # an empty cell is null


def _mixed_zone(rows: SymbolRows, offsets: Sequence[str]) -> list[Problem]:
    """Return a problem when one table's times carry different offsets."""
    if not offsets:
        return []
    kinds = sorted(set(offsets))
    usual = max(kinds, key=offsets.count)
    odd: Bools = np.array([offset != usual for offset in offsets])
    n_odd = int(odd.sum())
    verb = "is" if n_odd == 1 else "are"
    what = f"{n_odd} of {len(offsets)} times {verb} not in the zone of the rest, {usual}"
    fix = "write every time in UTC, with Z"
    return [Problem("zone", what, fix, rows.first(odd))] if odd.any() else []


def _no_numbers(rows: SymbolRows, text: pl.DataFrame, read: pl.DataFrame) -> list[Problem]:
    """Return a problem when cells hold words; an empty cell is a missing value and none of these."""
    odd = {name: (read[name].is_null() & (text[name] != "")).fill_null(False) for name in text.columns}
    mask: Bools = np.any([cells.to_numpy() for cells in odd.values()] or [[False]], axis=0)
    if not mask.any():
        return []
    first = ", ".join(f"{name} {text[name].filter(cells)[0]!r}" for name, cells in odd.items() if cells.any())
    fix = "write plain numbers, with a point for decimals and nothing between thousands"
    return [
        Problem(
            "text",
            f"{count_rows(mask)} with text for a number: {first}",
            fix,
            rows.first(mask),
        )
    ]


def _bad_adjustment(rows: SymbolRows) -> list[Problem]:
    """Return a problem when an adjusted close is missing or not positive."""
    if rows.adj_close is None:
        return []
    bad = ~(np.isfinite(rows.adj_close) & (rows.adj_close > 0))
    if not bad.any():
        return []
    what = f"{count_rows(bad)} whose adj_close is missing, zero or less"
    fix = "fill the column, or leave it out if prices are adjusted already"
    return [Problem("adjustment", what, fix, rows.first(bad))]
