# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""Columns of the whole market that come from a file, such as the VIX: what is known of each at each close."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from sharpen.arrays import Floats, Times
from sharpen.errors import DataError
from sharpen.table_size import refuse_vast

MOST_VALUES = 50_000_000
_TIME_NAMES = ("time", "date", "datetime", "timestamp", "observation_date")
_MISSING = ["", ".", "NA", "NaN", "nan", "null", "None"]  # "." is FRED's
_INTRADAY_BARS_PER_YEAR = 400.0


def read_columns(path: Path, time: Times, bars_per_year: float) -> dict[str, Floats]:
    r"""Return every column of a file as it is known at each bar's close; NaN before its first value. (T,).

    A value counts from its time on, until the next one. A value that bears a date alone is one of that day's
    close: daily bars know it at that close, shorter bars on the next day.

    Args:
        path: A CSV or Parquet file with a column ``date`` or ``time``, as FRED, Cboe and Yahoo write it.
        time: When each bar began. (T,)
        bars_per_year: How many bars a year has.

    Raises:
        DataError: There is no such file, it is too large, no column of times, no column of numbers, or none
            before the bars' end.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "vix.csv"
    >>> _ = file.write_text("DATE,VIXCLS\n2024-01-02,13.2\n2024-01-03,.\n2024-01-04,14.1\n")
    >>> days = np.array(["2024-01-01", "2024-01-03", "2024-01-04"], dtype="datetime64[us]")
    >>> read_columns(file, days, 252.0)["vixcls"].tolist()
    [nan, 13.2, 14.1]
    """
    table = _table(path)
    named = {name.strip().lower(): table[name] for name in table.column_names}
    stamps = next((named.pop(name) for name in _TIME_NAMES if name in named), None)
    if stamps is None or not (pa.types.is_timestamp(stamps.type) or pa.types.is_date(stamps.type)):
        raise DataError(f"{path}: needs a column of times called date or time, has {', '.join(named)}")
    at = stamps.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
    at = _known_from(at, bars_per_year)
    columns = {
        name: _as_of(at, values.cast(pa.float64()).to_numpy().astype(np.float64), time)
        for name, values in named.items()
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
    }
    if not any(np.isfinite(values).any() for values in columns.values()):
        raise DataError(f"{path}: no column has a number at or before the last bar, {time[-1]}")
    return columns


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise DataError(f"there is no file {path} of market columns")
    try:
        if path.suffix in (".parquet", ".pq"):
            with parquet.ParquetFile(path) as file:
                fields = file.schema_arrow
                kinds = {one.name: str(one.type) if pa.types.is_nested(one.type) else "" for one in fields}
                refuse_vast(str(path), file.metadata.num_rows, kinds, MOST_VALUES)
                return file.read()
        parsers: list[Any] = [csv.ISO8601, "%m/%d/%Y"]
        options = csv.ConvertOptions(
            timestamp_parsers=parsers, null_values=_MISSING, strings_can_be_null=True
        )
        return csv.read_csv(path, convert_options=options)
    except pa.ArrowException as problem:
        raise DataError(f"{path} is no table of market columns: {problem}") from problem


def _known_from(at: Times, bars_per_year: float) -> Times:
    """Return from when on each value is known."""
    are_dates = bool((at == at.astype("datetime64[D]")).all())
    if are_dates and bars_per_year > _INTRADAY_BARS_PER_YEAR:
        return at + np.timedelta64(1, "D")
    return at


def _as_of(at: Times, values: Floats, time: Times) -> Floats:
    """Return the last value at or before each time. (T,)."""
    known = np.isfinite(values) & ~np.isnat(at)
    order = np.argsort(at[known], kind="stable")
    at, values = at[known][order], values[known][order]
    last_index = np.searchsorted(at, time.astype("datetime64[us]"), side="right") - 1
    return (
        np.where(last_index >= 0, values[np.maximum(last_index, 0)], np.nan)
        if len(at)
        else np.full(len(time), np.nan)
    )
