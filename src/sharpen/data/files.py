"""Bars from the user's own CSV and Parquet files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from sharpen.data.dataset import Raw
from sharpen.data.frames import read_frame
from sharpen.errors import DataError, NotFound

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def is_path(name: str) -> bool:
    """Return whether a name means a file rather than a row of the catalogue.

    >>> is_path("bars/btc.csv"), is_path("AAPL,GOOG")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES) or "/" in name or "\\" in name


def read_file(path: str) -> Raw:
    """Return what a file holds; the file's stem names the symbol when there is no such column.

    Raises:
        NotFound: When there is no such file.
        DataError: When it is neither CSV nor Parquet, cannot be parsed, or lacks a column.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFound(f"{path}: no such file (looked for {file.absolute()})", path=path)
    reading = read_frame(_table(file), file.name.split(".")[0], str(path))
    adjusted = any(r.adj_close is not None for r in reading.rows)
    return Raw(
        reading.rows,
        tuple(f"{path}: {note}" for note in reading.notes),
        f"file {path}, prices {'scaled by adj_close / close' if adjusted else 'as they are'}",
    )


def _table(file: Path) -> pl.DataFrame:
    name = file.name.lower()
    if not name.endswith(SUFFIXES):
        raise DataError(f"{file}: not a {', '.join(SUFFIXES)} file. Fix: convert it to one of them")
    try:
        # all text: a single odd cell must show as that row's fault, not stop the reading
        table = (
            pl.read_parquet(file)
            if name.endswith(".parquet")
            else pl.read_csv(file.read_bytes(), infer_schema=False)
        )
    except (PolarsError, OSError) as error:
        raise DataError(
            f"{file}: cannot be read: {error}. Fix: write it again, with one header line"
        ) from error
    if table.is_empty():
        raise DataError(f"{file}: there are no rows below the header. Fix: bring a longer period")
    return table
