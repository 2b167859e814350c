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
from sharpen.bar_spacing import bars_per_year
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
    "price": (
        "with a price of zero or less",
        "such prices have no returns. A wrong one: get the row from the source again; a true one, as of crude"
        " oil in April 2020: take another contract, or one series that is adjusted backwards",
    ),
    "volume": ("with a negative volume", "get the rows from the source again"),
    "range": (
        "outside of what any market has had: a year before 1700 or after 2200, a price above 1e15, or a"
        " volume above 1e18",
        "say in which unit or form times and prices are, or get the rows from the source again",
    ),
}
_FIRST_YEAR, _END_YEAR = "1700", "2201"
_LARGEST_PRICE, _LARGEST_VOLUME = 1e15, 1e18
_AUTUMN = (
    "on a weekend when clocks change an hour comes twice, and both are right: say whose clock it is, as with"
    " --zone Europe/Berlin"
)
_SHOWN = 3
_ROUNDING = 1e-9


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
    """Bars of several instruments on one calendar, which has every time at which one of them has a bar.

    Where an instrument has no bar (not yet listed, delisted, a bar missing), its five values are NaN.

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
        """Return the panel of several instruments' bars, in the order given, at all of their times.

        Raises:
            DataError: Without bars, or when a symbol comes twice.

        >>> day = np.arange("2024-01-01", "2024-01-03", dtype="datetime64[D]").astype("datetime64[us]")
        >>> old, new = (Bars(name, day[at:], *[np.ones(2 - at)] * 5) for name, at in (("OLD", 0), ("NEW", 1)))
        >>> Panel.of([old, new]).present.tolist()
        [[True, False], [True, True]]
        """
        if not bars:
            raise DataError("a panel needs the bars of one symbol at least; none were given")
        symbols = tuple(b.symbol for b in bars)
        if twice := sorted({s for s in symbols if symbols.count(s) > 1}):
            raise DataError(f"{', '.join(twice)} came twice: name each symbol once", symbols=twice)
        time = bars[0].time
        for other in bars[1:]:
            if not np.array_equal(time, other.time):
                time = np.union1d(time, other.time)
        rows = [np.searchsorted(time, b.time) for b in bars]
        columns: dict[str, Floats] = {}
        for name in COLUMNS:
            columns[name] = np.full((len(time), len(bars)), np.nan)
            for s, b in enumerate(bars):
                columns[name][rows[s], s] = getattr(b, name)
        open_, high, low, close, volume = columns.values()
        return cls(symbols, time, open_, high, low, close, volume)

    @cached_property
    def present(self) -> Bools:
        """Where an instrument has a bar. (T, S)."""
        return ~np.isnan(self.close)

    @property
    def is_ragged(self) -> bool:
        """Whether an instrument lacks a bar."""
        return not bool(self.present.all())

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the symbols and every array, in hex; the same content gives the same digest."""
        return _digest(self.symbols, self.time, [getattr(self, name) for name in COLUMNS])

    def slice(self, start: int, stop: int) -> Panel:
        """Return the panel of the bars start..stop-1."""
        cut = {name: getattr(self, name)[start:stop] for name in ("time", *COLUMNS)}
        return replace(self, **cut)

    def instruments(self) -> tuple[Bars, ...]:
        """Return each instrument's own bars, as contiguous arrays, in the panel's order."""
        return tuple(self._own_bars(s, own) for s, own in enumerate(self.present.T))

    def _own_bars(self, s: int, own: Bools) -> Bars:
        columns = {name: np.ascontiguousarray(getattr(self, name)[own, s]) for name in COLUMNS}
        return Bars(self.symbols[s], self.time[own], **columns)

    def spread(self, values: Sequence[Floats]) -> Floats:
        """Return values of each instrument's bars at the panel's, NaN where it has none. (T, S, ...).

        Args:
            values: For each instrument, one row for each of its own bars.
        """
        aligned = np.full((*self.close.shape, *values[0].shape[1:]), np.nan)
        for s, own in enumerate(self.present.T):
            aligned[own, s] = values[s]
        return aligned


def stale_open_share(bars: Bars, among: Bools | None = None) -> float:
    """Return the share of opens within one basis point of the previous close; 0 for a single bar.

    Around 0.02 is usual for daily bars of exchange-traded stocks. A large share means that the source
    fills in the open from the previous close, so a fill "at the open" is a trade at a price that was
    gone by the time the decision was made. Where trading never pauses (crypto, intraday bars) a large
    share is natural: see :func:`sharpen.bar_spacing.follow_a_pause`.

    Args:
        bars: What to look at.
        among: Which bars count; None for all. (T,)
    """
    counted = slice(None) if among is None else among[1:]
    if len(bars) < 2 or (among is not None and not among[1:].any()):
        return 0.0
    with np.errstate(invalid="ignore"):  # infinite prices are another check's business
        is_stale = np.abs(bars.open[1:] - bars.close[:-1]) < 1e-4 * bars.close[:-1]
        return float(np.mean(is_stale[counted]))


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of fault in a symbol's bars.

    Attributes:
        kind: In a word: ``unsorted duplicate nan crossed outside price volume range time zone text adjustment
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
    problems: list[Problem] = []
    faulty = _faulty_rows(bars)
    for kind, mask in faulty.items():
        if mask.any():
            what, fix = _FAULTS[kind]
            if kind in ("unsorted", "duplicate") and _is_clock_change(bars.time, faulty["duplicate"]):
                fix = _AUTUMN
            problems.append(
                Problem(kind, f"{count_rows(mask)} {what}", fix, first_rows(bars, mask, rows, unread))
            )
    if len(bars) < min_rows:
        what = f"too few rows: {len(bars)}, and {min_rows} are needed"
        problems.append(Problem("rows", what, "bring a longer period"))
    return problems


def _out_of_range(bars: Bars) -> Bools:
    """Return where a time or a figure is none of a market, so that sums over it mean nothing."""
    first, end = np.datetime64(_FIRST_YEAR, "us"), np.datetime64(_END_YEAR, "us")
    is_elsewhen = (bars.time < first) | (bars.time >= end)
    is_large = ((bars.high > _LARGEST_PRICE) & (bars.high < np.inf)) | (
        (bars.volume > _LARGEST_VOLUME) & (bars.volume < np.inf)
    )
    return is_elsewhen | is_large


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
    bad = {symbol: faults for symbol, faults in problems.items() if faults}
    if not bad:
        return
    lines = [f"  {symbol}\n" + "\n".join(f"    - {p}" for p in faults) for symbol, faults in bad.items()]
    raise DataError(
        f"{_headline(bad, where)}\n" + "\n".join(lines),
        where=where,
        problems=bad,
        rows=[row for faults in bad.values() for p in faults for row in p.rows],
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
        "range": _out_of_range(bars),
    }


def _repeats(time: Times) -> Bools:
    repeats = np.ones(len(time), dtype=np.bool_)
    repeats[np.unique(time, return_index=True)[1]] = False
    return repeats & ~np.isnat(time)


def _is_clock_change(time: Times, repeats: Bools) -> bool:
    """Return whether times come twice only where clocks go back: an hour on a weekend of such months."""
    twice = time[repeats]
    if not len(twice) or np.isnat(time).any():
        return False
    days, months = twice.astype("datetime64[D]"), twice.astype("datetime64[M]").astype(np.int64) % 12 + 1
    is_weekend = np.isin((days.astype(np.int64) + 3) % 7, (5, 6))  # Monday is 0
    is_month = np.isin(months, (2, 3, 4, 9, 10, 11))
    is_hour = all(np.ptp(twice[days == day]) < np.timedelta64(1, "h") for day in np.unique(days))
    has_hours = bool((time != time.astype("datetime64[D]")).any())
    return is_hour and has_hours and bool((is_weekend & is_month).all())


def _digest(symbols: tuple[str, ...], time: Times, columns: list[Floats]) -> str:
    digest = hashlib.sha256(repr((symbols, len(time))).encode())
    digest.update(time.astype("datetime64[us]").astype("<i8").tobytes())
    for column in columns:
        digest.update(column.astype("<f8").tobytes())
    return digest.hexdigest()
