"""Bars from the user's own CSV and Parquet files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from sharpen import regular_file
from sharpen.data.dataset import SourceData
from sharpen.data.delimited import CsvTable, read_csv
from sharpen.data.frames import read_frame
from sharpen.errors import DataError, NotFound
from sharpen.read_options import ReadOptions
from sharpen.regular_file import other_kind
from sharpen.table_size import refuse_vast

MOST_VALUES = 50_000_000
POLARS_ERRORS = (PolarsError, PanicException)
"""What polars raises; its panics are no Exception."""
SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv", ".parquet")


def is_path(name: str) -> bool:
    """Return whether a name means a file rather than a row of the catalogue.

    >>> is_path("bars/btc.csv"), is_path("AAPL,GOOG")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES) or "/" in name or "\\" in name


def read_file(path: str, options: ReadOptions | None = None) -> SourceData:
    """Return what a file holds; the file's stem names the symbol when there is no such column.

    Raises:
        NotFound: When there is no such file.
        DataError: When it is neither CSV nor Parquet, cannot be parsed, or lacks a column.
    """
    file = Path(path).expanduser()
    if kind := other_kind(file):
        raise DataError(f"{path}: it is {kind}, and no regular file. Fix: name a file")
    if not file.is_file():
        raise NotFound(f"{path}: no such file (looked for {file.absolute()})", path=path)
    try:
        table = _table(file, str(path))
        reading = read_frame(table.frame, file.name.split(".")[0], str(path), options)
    except POLARS_ERRORS as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path}: cannot be read: {reason}. Fix: write plain times, numbers and names of symbols"
        ) from error
    adjusted = any(r.adj_close is not None for r in reading.rows)
    return SourceData(
        reading.rows,
        tuple(f"{path}: {note}" for note in reading.notes),
        f"file {path}, prices {'scaled by adj_close / close' if adjusted else 'as they are'}",
        "; ".join((*table.form, *reading.layout)) or "the columns as they are named",
    )


def _table(file: Path, path: str) -> CsvTable:
    name = file.name.lower()
    if name.endswith((".pkl", ".pickle")):
        raise DataError(
            f"{path}: a pickle can run code when it is read. Fix: frame.to_parquet('bars.parquet')"
        )
    if not name.endswith(SUFFIXES):
        raise DataError(f"{path}: not a {', '.join(SUFFIXES)} file. Fix: convert it to one of them")
    try:
        content = regular_file.read_file(file)
        is_parquet = name.endswith(".parquet")
        table = CsvTable(_parquet(content, path), ()) if is_parquet else read_csv(content, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}. Fix: see who may read it") from error
    if table.frame.is_empty():
        raise DataError(f"{path}: there are no rows below the header. Fix: bring a longer period")
    return table


def _parquet(content: bytes, path: str) -> pl.DataFrame:
    if not content.startswith(b"PAR1"):
        raise DataError(
            f"{path}: this is not a Parquet file. Fix: write it again; if it is text, name it .csv"
        )
    os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")  # of times in a zone such as +05:30
    try:
        schema = pl.read_parquet_schema(io.BytesIO(content))
        n_rows: int = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
        kinds = {name: str(kind.base_type()) if kind.is_nested() else "" for name, kind in schema.items()}
        refuse_vast(path, n_rows, kinds, MOST_VALUES)
        return pl.read_parquet(content)
    except POLARS_ERRORS as error:
        raise DataError(f"{path}: the Parquet file is damaged: {error}. Fix: get it again") from error
