"""Bytes of a CSV file -> table of text, or a sentence that says what is wrong with the file.

All cells are text: a single odd one must show as its row's fault, not stop the reading.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from sharpen.data.header_forms import Header, find_header
from sharpen.data.number_forms import plain_numbers
from sharpen.errors import DataError
from sharpen.free_memory import refuse_without_room

SHOWN = 3
MAX_BYTES = 512 << 20
"""A CSV file that holds more text than this is refused before it fills the memory."""
BYTES_A_LETTER = 8
"""Reading a CSV file takes at least so much for each letter; of bars of one minute it is 15."""
_BEGINNINGS = {
    b"\x80": "this looks like a pickle, which can run code when it is read. Fix: write it with to_parquet",
    b"PAR1": "this is a Parquet file. Fix: let its name end in .parquet",
    b"PK\x03\x04": "this is a zip archive or a workbook. Fix: save the table in it as CSV",
    b"\xd0\xcf\x11\xe0": "this is a workbook. Fix: save the table in it as CSV",
    b"\xff\xfe": "this is UTF-16 text. Fix: save it as UTF-8",
    b"\xfe\xff": "this is UTF-16 text. Fix: save it as UTF-8",
}


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A CSV file's cells, all text, and what was understood of its form.

    Attributes:
        frame: The rows below the header; it may have none.
        form: In words: separator, header, decimal commas; none for a plain file.
    """

    frame: pl.DataFrame
    form: tuple[str, ...]


def read_csv(content: bytes, where: str) -> CsvTable:
    r"""Return a CSV file's table, every cell as text; it may have no rows.

    Args:
        content: The file, gzipped or not, whatever its name.
        where: The file's name, for messages.

    Raises:
        DataError: It is empty, too large, is not text, or a row has more or fewer cells than the header.

    >>> read_csv(b"time;open;high;low;close\n2024-01-31;1,5;2,5;0,5;1", "x.csv").form
    ("separated by ';'", 'decimal commas')
    """
    content = _unzipped(content, where)
    refuse_without_room(where, len(content) * BYTES_A_LETTER)
    text = _text(content, where)
    header = find_header(text)
    body = text[header.body_at :].lstrip("\r\n")
    if not body:
        names = dict.fromkeys(name for name in header.names if name)
        return CsvTable(pl.DataFrame(schema=dict.fromkeys(names, pl.String)), header.form)
    _refuse_twice(header.names, where)
    frame = _cells(body, header, text, where)
    frame, form = plain_numbers(frame, header.separator)
    return CsvTable(header.long(frame), (*header.form, *form))


def _cells(body: str, header: Header, text: str, where: str) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            body.encode(), has_header=False, infer_schema=False, separator=header.separator, quote_char='"'
        )
    except PolarsError as error:
        _refuse_ragged(text, header, where)
        _refuse_open_quote(text, where)
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{where}: cannot be read: {reason}. Fix: write it again, with one header line"
        ) from error
    if frame.width != len(header.names) or frame[frame.columns[-1]].null_count():  # as after a short row
        _refuse_ragged(text, header, where)
    if frame.width != len(header.names):
        raise DataError(f"{where}: the header has {len(header.names)} cells, and the rows {frame.width}")
    frame.columns = _unique(header.names)
    if frame[frame.columns[0]].null_count():
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # a blank line is no row
    return frame


def _unique(names: tuple[str, ...]) -> list[str]:
    """Return names of which none comes twice: later ones get their place."""
    return [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]


def _refuse_twice(names: tuple[str, ...], where: str) -> None:
    roles = ("time", "date", "open", "high", "low", "close", "volume", "symbol", "adj_close")
    plain = [name.strip().lower().replace(" ", "_") for name in names]
    if twice := [role for role in roles if plain.count(role) > 1]:
        raise DataError(f"{where}: column {', '.join(twice)} comes twice. Fix: keep one of each")


def _unzipped(content: bytes, where: str) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        if len(content) > MAX_BYTES:
            raise _too_large(where)
        return content
    try:
        return _decompressed(content, where)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where}: the gzip file is damaged: {error}. Fix: get it again") from error


def _decompressed(content: bytes, where: str) -> bytes:
    """Return what gzip holds, a part at a time, so that too much is refused before it fills the memory."""
    parts: list[bytes] = []
    rest, n_bytes = content, 0
    while rest:  # a file may hold several gzip members
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            part = member.decompress(rest, 1 << 24)
            rest = member.unconsumed_tail
            if not part and not rest and not member.eof:
                raise EOFError("it ends too early")
            n_bytes += len(part)
            if n_bytes > MAX_BYTES:
                raise _too_large(where)
            parts.append(part)
        rest = member.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _too_large(where: str) -> DataError:
    return DataError(
        f"{where}: holds more than {MAX_BYTES >> 20} MiB of text. Fix: convert it to Parquet, or split it"
    )


def _text(content: bytes, where: str) -> str:
    if not content[:4096].strip() and not content.strip():
        raise DataError(f"{where}: the file is empty. Fix: write a header line, and a line for each bar")
    for beginning, what in _BEGINNINGS.items():
        if content.startswith(beginning):
            raise DataError(f"{where}: {what}")
    if b"\0" in content:
        raise DataError(f"{where}: this is a binary file, not text. Fix: write the table as CSV")
    if b"\r" in content and b"\n" not in content:  # line ends of an old Macintosh
        content = content.replace(b"\r", b"\n")
    try:
        return content.decode("utf-8-sig").rstrip()  # blank lines at the end are no rows
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}: line {line} is not UTF-8 text. Fix: save the file as UTF-8", line=line
        ) from error


def _refuse_ragged(text: str, header: Header, where: str) -> None:
    """Raise a DataError that names the first lines whose cells are not as many as the header's."""
    n_before = text.count("\n", 0, header.body_at)
    records = _records(text[header.body_at :], header.separator, n_before, where)
    n_cells = len(header.names)
    odd = ((line, len(cells)) for line, cells in records if len(cells) != n_cells)
    first = list(itertools.islice(odd, SHOWN))
    if not first:
        return
    n_more = sum(1 for _ in odd)
    counts = ", ".join(f"line {line} has {n}" for line, n in first) + (
        f", and {n_more} more" if n_more else ""
    )
    raise DataError(
        f"{where}: the header has {n_cells} cells, but {counts}. "
        "Fix: give each row a cell for every column, and quote cells that hold a comma",
        lines=[line for line, _ in first],
    )


def _refuse_open_quote(text: str, where: str) -> None:
    """Raise a DataError that names the first line with a quote that has no second one."""
    for line, cells in enumerate(text.split("\n"), 1):
        if cells.count('"') % 2:
            raise DataError(
                f"{where}: line {line} has a quote that is not closed. Fix: close it, or leave it out",
                line=line,
            )


def _records(body: str, separator: str, n_before: int, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each record begins in, counted from 1, and its cells; pass over blank lines."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    line = n_before + 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = n_before + reader.line_num + 1
    except csv.Error as error:
        fix = "Fix: close every quote, and double those inside a cell"
        what = (
            "are not in order" if re.search("quote|expected|EOF", str(error)) else "or the cells are too long"
        )
        raise DataError(f"{where}: the quotes in line {line} {what}: {error}. {fix}", line=line) from error
