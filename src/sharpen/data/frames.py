"""Table of text and numbers -> rows of each symbol, with every fault that reading can see.

Which column is what is found by its name (:mod:`sharpen.data.column_names`), and how times are written by
their looks (:mod:`sharpen.data.times`); prices are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sharpen.arrays import Bools
from sharpen.bars import COLUMNS, Bars, Problem, count_rows
from sharpen.data.column_names import Columns, identify
from sharpen.data.dataset import SymbolRows
from sharpen.data.times import ParsedTimes, read_times
from sharpen.errors import DataError
from sharpen.read_options import ReadOptions

NO_VOLUME = "there is no volume: it counts as 0, and the features of volume say nothing"
_PRICES = ("open", "high", "low", "close", "volume", "adj_close")


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows of each symbol, what must be said about them, and what was understood of the table."""

    rows: tuple[SymbolRows, ...]
    notes: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()


def read_frame(frame: pl.DataFrame, symbol: str, where: str, options: ReadOptions | None = None) -> Reading:
    """Return the rows of each symbol in the order in which symbols first come.

    Args:
        frame: The table. Row numbers in messages count its rows from 1.
        symbol: The name of the instrument, when the table has no column of symbols.
        where: The table's name, for messages.
        options: What the user said about the table.

    Raises:
        DataError: When a column is missing, comes twice, or holds what cannot be a time or a number; all that
            is to be done is named at once.
    """
    options = options or ReadOptions()
    columns = identify(frame, options.map)
    problems = list(columns.problems)
    problems += [text for name in _PRICES if (text := _no_number_type(frame, columns.names.get(name, "")))]
    times = ParsedTimes(pl.Series(dtype=pl.Datetime("us")))
    if "time" in columns.names and "time" not in columns.twice:
        times = read_times(_time_cells(frame, columns), options, _symbols(frame, columns))
        problems += [times.problem] if times.problem else []
    if problems:
        raise DataError(f"{where}: " + "\n  and ".join(problems), problems=problems)
    table = _table(frame, columns, times, symbol)
    if (table["symbol"].is_null() | (table["symbol"] == "")).any():
        row = int((table["symbol"].is_null() | (table["symbol"] == "")).arg_max() or 0) + 1
        raise DataError(f"{where}: row {row} has no symbol. Fix: fill the column, or leave it out", row=row)
    parts = table.partition_by("symbol", maintain_order=True)
    turned = [_oldest_first(part) for part in parts]
    is_turned = any(flag for _, flag in turned)
    notes = times.notes if "volume" in columns.names else (*times.notes, NO_VOLUME)
    layout = (*_layout(columns, times), *(["newest first, turned round"] if is_turned else []))
    return Reading(tuple(_rows(part, times) for part, _ in turned), notes, layout)


def _no_number_type(frame: pl.DataFrame, name: str) -> str:
    if not name or frame.schema[name] == pl.String or frame.schema[name].is_numeric():
        return ""
    if frame.schema[name] == pl.Null:
        return ""
    return f"column {name} holds {frame.schema[name]}, not numbers. Fix: write plain numbers"


def _symbols(frame: pl.DataFrame, columns: Columns) -> pl.Series | None:
    return frame[columns.names["symbol"]] if "symbol" in columns.names else None


def _time_cells(frame: pl.DataFrame, columns: Columns) -> pl.Series:
    """Return the column of times; where date and clock stand apart, both as one text."""
    name = columns.names["time"]
    if not columns.clock:
        return frame[name]
    clock = pl.col(columns.clock).str.strip_chars()
    digits = clock.str.contains(r"^\d+$")
    clock = pl.when(digits).then(clock.str.zfill(6)).otherwise(clock)
    day = pl.col(name).cast(pl.String).str.strip_chars()
    return frame.select((day + " " + clock).alias(name))[name]


def _table(frame: pl.DataFrame, columns: Columns, times: ParsedTimes, symbol: str) -> pl.DataFrame:
    """Return the columns that are read, by our names, with times in UTC and each row's number."""
    names = {role: name for role, name in columns.names.items() if role not in ("time", "symbol")}
    table = frame.select(pl.col(name).alias(role) for role, name in names.items())
    symbols = _symbols(frame, columns)
    table = table.with_columns(
        times.utc.alias("time"),
        (pl.Series("symbol", [symbol]).new_from_index(0, frame.height) if symbols is None else symbols)
        .cast(pl.String)
        .alias("symbol"),
    )
    if times.written is not None:
        table = table.with_columns(times.written.alias("time_text"))
    if times.offsets:
        table = table.with_columns(pl.Series("offset", times.offsets))
    if "volume" not in names:
        table = table.with_columns(volume=pl.lit(0.0))
    return table.with_row_index("row_number", offset=1)


def _oldest_first(part: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """Return one symbol's rows, turned round where every one is earlier than the one before."""
    gaps = part["time"].diff().drop_nulls().dt.total_microseconds()
    is_newest_first = part.height > 1 and len(gaps) == part.height - 1 and bool((gaps < 0).all())
    return (part.reverse(), True) if is_newest_first else (part, False)


def _layout(columns: Columns, times: ParsedTimes) -> tuple[str, ...]:
    """Return what was understood of the columns, in words, where it is not as we would write it."""
    remarks: list[str] = []
    for role, name in columns.names.items():
        how = f" ({times.how})" if role == "time" and times.how else ""
        shown = f"{name} + {columns.clock}" if role == "time" and columns.clock else name
        if how or (shown.strip().lower().replace(" ", "_") != role):
            remarks.append(f"{role}={shown or 'the first column'}{how}")
    if columns.unused:
        shown = ", ".join(repr(name) if not name.strip() else name for name in columns.unused[:6])
        more = f" and {len(columns.unused) - 6} more" if len(columns.unused) > 6 else ""
        remarks.append(f"not used: {shown}{more}")
    return tuple(remarks)


def _rows(part: pl.DataFrame, times: ParsedTimes) -> SymbolRows:
    """Return one symbol's rows."""
    numeric = [*COLUMNS, *(["adj_close"] if "adj_close" in part.columns else [])]
    text = [name for name in numeric if part.schema[name] == pl.String]
    part = part.with_columns(pl.col(text).str.strip_chars())
    read = part.select(pl.col(numeric).cast(pl.Float64, strict=False))
    values = {name: np.array(read[name].fill_null(math.nan).to_numpy(), dtype=np.float64) for name in numeric}
    adj_close = values.pop("adj_close", None)
    time = part["time"].to_numpy()
    bars = Bars(symbol=str(part["symbol"][0]), time=time.astype("datetime64[us]"), **values)
    unread = _unread(part) if "time_text" in part.columns else {}
    rows = SymbolRows(bars, adj_close, part["row_number"].to_numpy().astype(np.int64), unread=unread)
    problems = _mixed_zone(rows, part["offset"].to_list() if times.offsets else ())
    problems += [*_no_numbers(rows, part.select(text), read), *_bad_adjustment(rows)]
    return replace(rows, problems=tuple(problems))


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
