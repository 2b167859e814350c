"""First lines of a CSV file -> where the rows begin, what separates cells, what the columns are called.

Besides one plain header line: comments before it, the three header lines of yfinance, files of klines and of
MetaTrader 4 that have none.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field

import polars as pl

SEPARATORS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'", " ": "spaces"}
_N_LEAST = 5  # time, open, high, low, close
_PREAMBLE = ("#", "//", "%", "sep=", "http")
_MAX_PREAMBLE = 20
_MAX_LINE = 1 << 17
_N_PROVING = 100
_A_TIME = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|(19|20)\d{6}( \d{4,6})?$|\d{10}$|\d{13}$|\d{16}$"
)
_KLINES = (
    *("time", "open", "high", "low", "close", "volume"),
    *("close_time", "quote_volume", "n_trades", "taker_base", "taker_quote", "ignore"),
)
_METATRADER4 = ["date", "time", "open", "high", "low", "close", "volume"]


@dataclass(frozen=True, slots=True)
class Header:
    """Where a file's rows begin, and what its columns are called.

    Attributes:
        names: As in the file, one for each cell of a row.
        separator: What stands between cells.
        body_at: The first character of the first row.
        form: What is unusual, in words.
        symbols: Of a wide file the instrument of each column, the first one's empty; none for others.
    """

    names: tuple[str, ...]
    separator: str
    body_at: int
    form: tuple[str, ...] = ()
    symbols: tuple[str, ...] = field(default=())

    def long(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a wide file's rows of each instrument one below the other; other files' as they are.

        A row in which an instrument has no cell at all is no bar of it.
        """
        if not self.symbols:
            return frame
        parts: list[pl.DataFrame] = []
        for symbol in dict.fromkeys(self.symbols[1:]):
            at = [i for i, own in enumerate(self.symbols) if own == symbol]
            columns = [pl.col(frame.columns[i]).alias(self.names[i].partition("\0")[0]) for i in at]
            part = frame.select(pl.col(frame.columns[0]).alias(self.names[0]), *columns)
            cells = pl.exclude(self.names[0]).str.strip_chars()
            part = part.filter(pl.any_horizontal(cells.is_not_null() & (cells != "")))
            parts.append(part.with_columns(symbol=pl.lit(symbol)))
        return pl.concat(parts, how="diagonal")


def find_header(text: str) -> Header:
    r"""Return what the first lines of a text say.

    >>> find_header("# by a vendor\nDate;Open;High;Low;Close\n").names
    ('Date', 'Open', 'High', 'Low', 'Close')
    """
    start = _skip_preamble(text)
    form = ("lines before the header passed over",) if text[:start].strip() else ()
    first = _lines(text[start:], 4)
    separator = _separator(first[0])
    if separator != ",":
        form = (*form, f"separated by {SEPARATORS[separator]}")
    rows = [_split(line, separator) for line in first]
    after = [start + sum(len(line) + 1 for line in first[: n + 1]) for n in range(len(first))]
    if wide := _three_lines(rows):
        names, symbols = wide
        single = tuple(dict.fromkeys(symbols[1:]))
        description = f"yfinance, 3 header lines, {len(single)} symbol{'s' * (len(single) != 1)}"
        return Header(names, separator, after[2], (*form, description), symbols)
    if headerless := _without_header(rows[0]):
        names, description = headerless
        return Header(names, separator, start, (*form, description))
    if names := _bars_alone([_split(line, separator) for line in _lines(text[start:], _N_PROVING)]):
        return Header(names, separator, start, (*form, f"without a header, as {', '.join(names)}"))
    return Header(tuple(rows[0]), separator, after[0], form)


def _skip_preamble(text: str) -> int:
    """Return where the first line begins that is no comment."""
    start = 0
    for _ in range(_MAX_PREAMBLE):
        stop = text.find("\n", start)
        line = text[start : stop if stop >= 0 else len(text)].strip()
        if stop < 0 or (line and not line.lower().lstrip('"').startswith(_PREAMBLE)):
            return start
        start = stop + 1
    return start


def _lines(text: str, n: int) -> list[str]:
    return text.split("\n", n)[:n]


def _split(line: str, separator: str) -> list[str]:
    if len(line) > _MAX_LINE:
        return [line[:80]]
    line = line.replace("\r", " ")  # one inside a line, which ends none: the csv module fails on it
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [""])]


def _separator(line: str) -> str:
    if len(_split(line, ",")) >= _N_LEAST:
        return ","
    # a comma may be there all the same: in a decimal number, or in a column's name
    counts = {sep: len(_split(line, sep)) for sep in SEPARATORS if sep != ","}
    return next((sep for sep, n in counts.items() if n >= _N_LEAST), ",")


def _three_lines(rows: list[list[str]]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the names and the symbols of yfinance's header: prices, tickers, and the word Date alone."""
    if len(rows) < 3 or not len(rows[0]) == len(rows[1]) == len(rows[2]) or len(rows[0]) < _N_LEAST:
        return None
    kinds, tickers = rows[0], rows[1]
    if kinds[0].lower() in ("ticker", "tickers") and tickers[0].lower() in ("price", "attributes"):
        kinds, tickers = tickers, kinds
    is_named = kinds[0].lower() in ("price", "attributes", "") and tickers[0].lower() in (
        "ticker",
        "symbols",
        "",
    )
    if not is_named or rows[2][0].lower() not in ("date", "datetime") or any(rows[2][1:]):
        return None
    names = [rows[2][0], *(f"{kind}\0{ticker}" for kind, ticker in zip(kinds[1:], tickers[1:], strict=True))]
    return tuple(names), ("", *tickers[1:])


def _without_header(cells: list[str]) -> tuple[tuple[str, ...], str] | None:
    """Return the names of a file of known form without a header, and its form in words."""
    numbers = [_is_number(cell) for cell in cells]
    if len(cells) == len(_KLINES) and all(numbers) and int(float(cells[6])) > int(float(cells[0])):
        digits = len(cells[0].partition(".")[0])
        fits = digits in (10, 13, 16) and _prices_fit(cells[1:5])
        return (_KLINES, "klines without a header") if fits else None
    is_mt4 = len(cells) == len(_METATRADER4) and all(numbers[2:])
    if is_mt4 and re.fullmatch(r"\d{4}\.\d{2}\.\d{2}", cells[0]) and re.fullmatch(r"\d{1,2}:\d{2}", cells[1]):
        return (tuple(_METATRADER4), "MetaTrader 4, without a header") if _prices_fit(cells[2:6]) else None
    return None


def _bars_alone(rows: list[list[str]]) -> tuple[str, ...]:
    """Return the names of a file that begins with its first bar; none where the rows do not prove it.

    They do when each begins with a time, and its next four cells can be open, high, low and close. Behind
    these may be a volume and a number of trades, as Kraken writes them, with the average price before or not.
    """
    width = len(rows[0])
    if (
        not _N_LEAST <= width <= _N_LEAST + 3
        or len(rows) < _N_LEAST
        or any(len(row) != width for row in rows)
    ):
        return ()
    if not all(re.match(_A_TIME, row[0]) and all(map(_is_number, row[1:])) for row in rows):
        return ()
    if not all(_prices_fit(row[1:5]) for row in rows):
        return ()
    more = ("volume", "n_trades")[: width - _N_LEAST]
    if width == _N_LEAST + 3:
        if not all(float(row[3]) <= float(row[5]) <= float(row[2]) or not float(row[5]) for row in rows):
            return ()
        more = ("average", "volume", "n_trades")
    return ("time", "open", "high", "low", "close", *more)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", cell) is not None


def _prices_fit(cells: list[str]) -> bool:
    """Return whether four prices can be open, high, low and close, in this order."""
    open_, high, low, close = map(float, cells)
    return low <= min(open_, close) and max(open_, close) <= high
