"""Bytes of a CSV file -> table of text, or a sentence that says what is wrong with the file.

All cells are text: a single odd one must show as its row's fault, not stop the reading.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator

import polars as pl
from polars.exceptions import PolarsError

from sharpen.data.frames import REQUIRED, refuse_twice
from sharpen.errors import DataError

SHOWN = 3
_BEGINNINGS = {
    b"PAR1": "this is a Parquet file. Fix: let its name end in .parquet",
    b"PK\x03\x04": "this is a zip archive or a workbook. Fix: save the table in it as CSV",
    b"\xd0\xcf\x11\xe0": "this is a workbook. Fix: save the table in it as CSV",
    b"\xff\xfe": "this is UTF-16 text. Fix: save it as UTF-8",
    b"\xfe\xff": "this is UTF-16 text. Fix: save it as UTF-8",
}
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'", " ": "spaces"}


def read_csv(content: bytes, where: str) -> pl.DataFrame:
    """Return a CSV file's table, every cell as text; it may have no rows.

    Args:
        content: The file, gzipped or not, whatever its name.
        where: The file's name, for messages.

    Raises:
        DataError: It is empty, is not text, is separated by something else than commas, or a row has more or
            fewer cells than the header.

    >>> read_csv(b"time;open;high;low;close;volume", "x.csv")
    Traceback (most recent call last):
    sharpen.errors.DataError: x.csv: looks like it is separated by ';', not by ','. Fix: write it with ...
    """
    text = _text(_unzipped(content, where), where)
    header = next(csv.reader([text.lstrip().partition("\n")[0]]))
    _refuse_other_separator(header, where)
    refuse_twice(header, where)  # polars would give the second one another name
    try:
        table = pl.read_csv(text.encode(), infer_schema=False)
    except PolarsError as error:
        _refuse_ragged(text, where)
        said = str(error).strip().splitlines()[0]
        raise DataError(
            f"{where}: cannot be read: {said}. Fix: write it again, with one header line"
        ) from error
    if table.height and table[table.columns[-1]].null_count():  # as after a row that is too short
        _refuse_ragged(text, where)
    return table


def _unzipped(content: bytes, where: str) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where}: the gzip file is damaged: {error}. Fix: get it again") from error


def _text(content: bytes, where: str) -> str:
    if not content.strip():
        raise DataError(f"{where}: the file is empty. Fix: write a header line, and a line for each bar")
    for beginning, what in _BEGINNINGS.items():
        if content.startswith(beginning):
            raise DataError(f"{where}: {what}")
    if b"\0" in content:
        raise DataError(f"{where}: this is a binary file, not text. Fix: write the table as CSV")
    try:
        return content.decode("utf-8-sig").rstrip()  # blank lines at the end are no rows
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}: line {line} is not UTF-8 text. Fix: save the file as UTF-8", line=line
        ) from error


def _refuse_other_separator(header: list[str], where: str) -> None:
    if len(header) >= len(REQUIRED):
        return
    # a comma may be there all the same: in a decimal number, or in a column's name
    line = ",".join(header).strip()
    for separator, name in _SEPARATORS.items():
        if line.count(separator) >= len(REQUIRED) - 1:
            raise DataError(
                f"{where}: looks like it is separated by {name}, not by ','. "
                "Fix: write it with commas between the cells, and with points in decimal numbers",
                separator=separator,
            )


def _refuse_ragged(text: str, where: str) -> None:
    """Raise a DataError that names the first lines whose cells are not as many as the header's."""
    records = _records(text, where)
    _, header = next(records)
    odd = ((line, len(cells)) for line, cells in records if len(cells) != len(header))
    first = list(itertools.islice(odd, SHOWN))
    if not first:
        return
    n_more = sum(1 for _ in odd)
    told = ", ".join(f"line {line} has {n}" for line, n in first) + (f", and {n_more} more" if n_more else "")
    raise DataError(
        f"{where}: the header has {len(header)} cells, but {told}. "
        "Fix: give each row a cell for every column, and quote cells that hold a comma",
        lines=[line for line, _ in first],
    )


def _records(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each record begins in, counted from 1, and its cells; pass over blank lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{where}: the quotes in line {line} are not in order: {error}. "
            "Fix: close every quote, and double those inside a cell",
            line=line,
        ) from error
