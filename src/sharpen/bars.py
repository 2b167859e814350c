"""Bars and panels: OHLCV arrays with a content hash, and what makes bars fit to use.

Axes: ``T`` bars in time order, ``S`` symbols.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sharpen.arrays import Bools, Floats, Ints, Times
from sharpen.errors import DataError

COLUMNS = ("open", "high", "low", "close", "volume")
PRICES = ("open", "high", "low", "close")
MIN_ROWS = 100
"""Fewer bars than this are refused: the longest feature alone needs as many to warm up."""

_FAULTS = {
    "time": ("without a readable time", "write ISO 8601 times, such as 2024-01-31T16:00:00Z"),
    "unsorted": ("earlier than the row before", "sort the rows by time"),
    "duplicate": ("with the time of an earlier row", "keep one row a time, after finding out which is right"),
    "nan": ("with a missing or infinite value", "drop the rows, or get them from the source again"),
    "crossed": ("whose high is below the low", "get the rows from the source again"),
    "outside": ("with an open or close outside low..high", "adjust all four prices by one factor"),
    "price": ("with a price of zero or less", "drop the rows; such prices have no returns"),
    "volume": ("with a negative volume", "get the rows from the source again"),
}
_SHOWN = 3
_ROUNDING = 1e-9
_DAY = np.timedelta64(1, "D")
_DAILY = {4: 252.0, 5: 252.0, 7: 365.0}  # by trading days a week


@dataclass(frozen=True, eq=False)
class Bars:
    """Open, high, low, close and volume of one instrument.

    Attributes:
        symbol: The instrument's name.
        time: When each bar began, UTC, ``datetime64[us]``, strictly increasing. (T,)
        open: Price of the first trade, adjusted for splits and dividends where the source allows it. (T,)
        high: Highest price, adjusted alike. (T,)
        low: Lowest price, adjusted alike. (T,)
        close: Price of the last trade, adjusted alike. (T,)
        volume: Units traded, as the source gives them. (T,)
    """

    symbol: str
    time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the symbol and every array, in hex; the same content gives the same digest."""
        return _digest((self.symbol,), self.time, [getattr(self, name) for name in COLUMNS])

    def slice(self, start: int, stop: int) -> Bars:
        """Return the bars start..stop-1."""
        cut = {name: getattr(self, name)[start:stop] for name in ("time", *COLUMNS)}
        return replace(self, **cut)


@dataclass(frozen=True, eq=False)
class Panel:
    """Bars of several instruments on one calendar.

    Attributes:
        symbols: The instruments' names. (S,)
        time: When each bar began, UTC, ``datetime64[us]``, strictly increasing. (T,)
        open: As in :class:`Bars`, as are the four that follow. (T, S)
        bars_a_year: How many bars make a year, where the user said so; None takes it from the times.
    """

    symbols: tuple[str, ...]
    time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    bars_a_year: float | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def bars_per_year(self) -> float:
        """How many bars make a year: as given, or by :func:`bars_per_year`."""
        return self.bars_a_year or bars_per_year(self.time)

    @classmethod
    def of(cls, bars: Sequence[Bars]) -> Panel:
        """Return the panel of several instruments' bars, in the order given.

        Raises:
            DataError: Without bars, when a symbol comes twice, or when two calendars differ;
                it names the first differing times.
        """
        if not bars:
            raise DataError("a panel needs the bars of one symbol at least; none were given")
        symbols = tuple(b.symbol for b in bars)
        if twice := sorted({s for s in symbols if symbols.count(s) > 1}):
            raise DataError(f"{', '.join(twice)} came twice: name each symbol once", symbols=twice)
        for other in bars[1:]:
            _require_same_calendar(bars[0], other)
        open_, high, low, close, volume = (
            np.column_stack([getattr(b, name) for b in bars]) for name in COLUMNS
        )
        return cls(symbols, bars[0].time, open_, high, low, close, volume)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the symbols and every array, in hex; the same content gives the same digest."""
        return _digest(self.symbols, self.time, [getattr(self, name) for name in COLUMNS])

    def slice(self, start: int, stop: int) -> Panel:
        """Return the panel of the bars start..stop-1."""
        cut = {name: getattr(self, name)[start:stop] for name in ("time", *COLUMNS)}
        return replace(self, **cut)

    def instruments(self) -> tuple[Bars, ...]:
        """Return each instrument's bars, as contiguous arrays, in the panel's order."""
        return tuple(
            Bars(
                symbol=symbol,
                time=self.time,
                open=np.ascontiguousarray(self.open[:, s]),
                high=np.ascontiguousarray(self.high[:, s]),
                low=np.ascontiguousarray(self.low[:, s]),
                close=np.ascontiguousarray(self.close[:, s]),
                volume=np.ascontiguousarray(self.volume[:, s]),
            )
            for s, symbol in enumerate(self.symbols)
        )


def bars_per_year(time: Times) -> float:
    """Return how many bars a year holds: the factor that annualises a Sharpe ratio, once rooted.

    Daily bars (median gap of 23 to 25 hours) count 252 where a week has up to five of them, and 365 where it
    has seven, whichever days these are and whatever hour they begin at: a day of Tokyo begins on the
    day before in UTC, and some markets rest on Friday and Saturday. In between, as with a Sunday candle,
    and for any other spacing it is measured: gaps divided by the time they span, in years of 365.25 days.
    Intraday bars of fewer than a few weeks overstate it, for too few nights are in the span.

    Raises:
        DataError: With fewer than two bars.

    >>> day = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]").astype("datetime64[us]")
    >>> bars_per_year(day), bars_per_year(day[np.is_busday(day.astype("datetime64[D]"))])
    (365.0, 252.0)
    >>> round(bars_per_year(day[::7]), 1)
    52.2
    """
    if len(time) < 2:
        raise DataError(f"bars per year needs two bars at least; there are {len(time)}", n_rows=len(time))
    days = np.diff(time) / _DAY
    if 23 / 24 <= float(np.median(days)) <= 25 / 24:
        n_days = _trading_days_a_week(time)
        if n_days in _DAILY:
            return _DAILY[n_days]
    return float(365.25 * len(days) / days.sum())


def _trading_days_a_week(time: Times) -> int:
    """Return on how many days of the week there usually are bars; a rare one beside the others is none.

    Bars that begin around midnight in UTC fall on two days of the week as the clocks change: the hour at
    which most bars begin is made noon.
    """
    within_day: Ints = time.astype("datetime64[h]").astype(np.int64) % 24
    hour = int(np.bincount(within_day, minlength=24).argmax())
    counts = np.bincount(_weekday(time + np.timedelta64(12 - hour, "h")), minlength=7)
    return int((counts > 0.2 * counts.max()).sum())


def stale_open_share(bars: Bars) -> float:
    """Return the share of opens within one basis point of the previous close; 0 for a single bar.

    Around 0.02 is usual for daily bars of exchange-traded stocks. A large share means that the source
    fills in the open from the previous close, so a fill "at the open" is a trade at a price that was
    gone by the time the decision was made. Where trading never pauses (crypto, intraday bars) a large
    share is natural.
    """
    if len(bars) < 2:
        return 0.0
    with np.errstate(invalid="ignore"):  # infinite prices are another check's business
        return float(np.mean(np.abs(bars.open[1:] - bars.close[:-1]) < 1e-4 * bars.close[:-1]))


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of fault in a symbol's bars.

    Attributes:
        kind: In a word: ``unsorted duplicate nan crossed outside price volume time zone text adjustment
            rows calendar``.
        what: What is wrong, with how often.
        fix: What to do about it.
        rows: The first offending rows: (row number from 1, time, values), at most three; the time as it is
            written where it cannot be read.
    """

    kind: str
    what: str
    fix: str
    rows: tuple[tuple[int, str, str], ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n      row {row} ({time}): {values}" for row, time, values in self.rows)
        return f"{self.what}. Fix: {self.fix}{shown}"


def find_problems(
    bars: Bars,
    min_rows: int = MIN_ROWS,
    row_numbers: Ints | None = None,
    unread: Mapping[int, str] | None = None,
) -> list[Problem]:
    """Return every kind of fault in the bars; an empty list means that they are fit to use.

    Args:
        bars: What to look at.
        min_rows: Fewer rows than this are a fault.
        row_numbers: Each bar's row number in its file, for the message; None counts from 1. (T,)
        unread: What stands where a bar's time cannot be read, by the bar's place, for the message.
    """
    rows = np.arange(1, len(bars) + 1) if row_numbers is None else row_numbers
    found: list[Problem] = []
    for kind, mask in _faulty_rows(bars).items():
        if mask.any():
            what, fix = _FAULTS[kind]
            found.append(
                Problem(kind, f"{count_rows(mask)} {what}", fix, first_rows(bars, mask, rows, unread))
            )
    if len(bars) < min_rows:
        what = f"too few rows: {len(bars)}, and {min_rows} are needed"
        found.append(Problem("rows", what, "bring a longer period"))
    return found


def count_rows(mask: Bools) -> str:
    """Return how many rows are marked, in words: ``1 row``, ``3 rows``."""
    n_rows = int(mask.sum())
    return f"{n_rows} row" if n_rows == 1 else f"{n_rows} rows"


def first_rows(
    bars: Bars, mask: Bools, row_numbers: Ints, unread: Mapping[int, str] | None = None
) -> tuple[tuple[int, str, str], ...]:
    """Return the first marked rows as a :class:`Problem` carries them."""
    written = unread or {}
    return tuple(
        (
            int(row_numbers[i]),
            repr(written[i]) if i in written else str(bars.time[i].astype("datetime64[s]")),
            " ".join(f"{name}={getattr(bars, name)[i]:g}" for name in COLUMNS),
        )
        for i in np.flatnonzero(mask)[:_SHOWN].tolist()
    )


def refuse(problems: dict[str, list[Problem]], where: str = "") -> None:
    """Raise a DataError that lists the problems of every symbol; return nothing when there are none."""
    bad = {symbol: found for symbol, found in problems.items() if found}
    if not bad:
        return
    lines = [f"  {symbol}\n" + "\n".join(f"    - {p}" for p in found) for symbol, found in bad.items()]
    raise DataError(
        f"{_headline(bad, where)}\n" + "\n".join(lines),
        where=where,
        problems=bad,
        rows=[row for found in bad.values() for p in found for row in p.rows],
    )


def _headline(bad: dict[str, list[Problem]], where: str) -> str:
    """Return the first problem in one line, for where no more than a line is shown of an error."""
    symbol, (first, *_) = next(iter(bad.items()))
    n = sum(map(len, bad.values()))
    head = f"{where}: " if where else ""
    row = f" (row {first.rows[0][0]})" if first.rows else ""
    rest = "" if n == 1 else f"; there are {n} problems"
    return f"{head}{symbol}: {first.what}{row}. Fix: {first.fix}. Nothing was repaired{rest}."


def _faulty_rows(bars: Bars) -> dict[str, Bools]:
    """Return, for each kind of fault that rows can have, which rows have it."""
    prices = np.stack([getattr(bars, name) for name in PRICES])
    body = np.stack([bars.open, bars.close])
    finite = np.isfinite(prices).all(axis=0) & np.isfinite(bars.volume)
    slack = np.where(finite, _ROUNDING * np.abs(prices).max(axis=0), 0.0)
    crossed = finite & (bars.high < bars.low - slack)
    outside = finite & ~crossed & ((body > bars.high + slack) | (body < bars.low - slack)).any(axis=0)
    backwards = np.zeros(len(bars), dtype=np.bool_)
    backwards[1:] = np.diff(bars.time) < np.timedelta64(0, "us")
    return {
        "time": np.isnat(bars.time),
        "unsorted": backwards,
        "duplicate": _repeats(bars.time),
        "nan": ~finite,
        "crossed": crossed,
        "outside": outside,
        "price": np.asarray((prices <= 0).any(axis=0)),
        "volume": bars.volume < 0,
    }


def _repeats(time: Times) -> Bools:
    repeats = np.ones(len(time), dtype=np.bool_)
    repeats[np.unique(time, return_index=True)[1]] = False
    return repeats & ~np.isnat(time)


def _weekday(time: Times) -> Ints:
    """Return the day of the week, Monday 0 to Sunday 6; 1970-01-01 was a Thursday."""
    return (time.astype("datetime64[D]").astype(np.int64) + 3) % 7


def _require_same_calendar(a: Bars, b: Bars) -> None:
    if len(a) == len(b) and bool((a.time == b.time).all()):
        return
    only_a, only_b = np.setdiff1d(a.time, b.time)[:_SHOWN], np.setdiff1d(b.time, a.time)[:_SHOWN]
    told = [
        f"only {x.symbol} has {', '.join(str(t.astype('datetime64[s]')) for t in only)}"
        for x, only in ((a, only_a), (b, only_b))
        if len(only)
    ]
    raise DataError(
        f"{a.symbol} ({len(a)} bars) and {b.symbol} ({len(b)} bars) are on different calendars: "
        + ("; ".join(told) or "the same times in another order")
        + ". Fix: cut both to their common times",
        symbols=(a.symbol, b.symbol),
    )


def _digest(symbols: tuple[str, ...], time: Times, columns: list[Floats]) -> str:
    found = hashlib.sha256(repr((symbols, len(time))).encode())
    found.update(time.astype("datetime64[us]").astype("<i8").tobytes())
    for column in columns:
        found.update(column.astype("<f8").tobytes())
    return found.hexdigest()
