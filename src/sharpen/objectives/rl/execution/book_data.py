# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Order books as they were recorded: snapshots of some levels, and the trades between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sharpen.arrays import Floats
from sharpen.errors import NotFound, UsageError
from sharpen.table_size import refuse_vast

MOST_VALUES = 500_000_000
"""Of a book: a million snapshots of 20 levels have 80 million."""

_SIDES = {"bid": "bid", "bids": "bid", "b": "bid", "ask": "ask", "asks": "ask", "a": "ask", "offer": "ask"}
_KINDS = {
    **dict.fromkeys(("px", "price", "p"), "price"),
    **dict.fromkeys(("qty", "size", "sz", "amount", "volume", "vol", "quantity", "q"), "size"),
}
_TIMES = (
    "time",
    "timestamp",
    "ts",
    "system_time",
    "datetime",
    "date",
    "local_timestamp",
    "exchange_timestamp",
)
_BUY = ("buy", "b", "bid", "1", "+1", "1.0", "true")
_SELL = ("sell", "s", "ask", "-1", "-1.0", "0", "false")


@dataclass(frozen=True, eq=False)
class Trades:
    """Trades in the order in which they happened.

    Attributes:
        time_s: Seconds since 1970. (M,)
        price: (M,)
        size: (M,)
        side: 1 where the buyer took, -1 where the seller did. (M,)
    """

    time_s: Floats
    price: Floats
    size: Floats
    side: Floats


@dataclass(frozen=True, eq=False)
class Book:
    """Snapshots of a book of L levels, the best first; an empty level has the size 0.

    Attributes:
        time_s: Seconds since 1970; no two are alike. (S,)
        bid_price: (S, L)
        bid_size: (S, L)
        ask_price: (S, L)
        ask_size: (S, L)
        trades: What was traded, if that is known.

    Raises:
        UsageError: Times do not grow, a size is negative or infinite, or no snapshot has two sides.
    """

    time_s: Floats
    bid_price: Floats
    bid_size: Floats
    ask_price: Floats
    ask_size: Floats
    trades: Trades | None = None

    def __post_init__(self) -> None:
        if (late := np.flatnonzero(~(np.diff(self.time_s) > 0))).size:
            raise UsageError(
                f"the book's row {late[0] + 2} is not later than the row before it: sort it, one row a time"
            )
        for name in ("bid_size", "ask_size"):
            sizes = getattr(self, name)
            if (below := np.flatnonzero((sizes < 0).any(1))).size:
                raise UsageError(f"the book's row {below[0] + 1} has a {name} below 0")
            if (odd := np.flatnonzero(~np.isfinite(sizes).all(1))).size:
                raise UsageError(f"the book's row {odd[0] + 1} has a {name} that is no finite number")
        if not len(self.time_s):
            raise UsageError("the book has no rows")
        if not self.is_open.any():
            raise UsageError("no row of the book has a bid below an ask: are bids and asks exchanged?")

    @property
    def is_open(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Where there is a bid, an ask, and the bid is lower; elsewhere nobody can trade. (S,)."""
        both = (self.bid_size[:, 0] > 0) & (self.ask_size[:, 0] > 0)
        return both & (self.bid_price[:, 0] < self.ask_price[:, 0])

    @property
    def n_levels(self) -> int:
        """L."""
        return self.bid_price.shape[1]


def read_book(path: str | Path, trades: str | Path | None = None) -> Book:
    """Return a book from a parquet or CSV file, a row a snapshot.

    Columns are called by side, kind and level, such as ``bid_px0 bid_qty0 ask_px0 ask_qty0``,
    ``bids[0].price bids[0].amount`` or ``ask_price_1 ask_size_1``. ``bids_distance_0 bids_notional_0`` with
    ``midpoint`` are taken, too: shares of the midpoint, and money. Levels may come in any order, and those
    that are missing, NaN or 0 are empty.

    Args:
        path: The snapshots.
        trades: The trades: time, price, size (or ``qty``, ``amount``) and the taker's side.

    Raises:
        NotFound: There is no such file.
        DataError: It holds more than 500,000,000 values, or columns of lists.
        UsageError: A column is missing or has what is no number, or no trade is of the book's time.
    """
    frame = _frame(path)
    by_kind = _columns(frame.columns)
    if not by_kind and "midpoint" in frame.columns:
        frame = _absolute(frame)
        by_kind = _columns(frame.columns)
    wanted = [(side, kind) for side in ("bid", "ask") for kind in ("price", "size")]
    if missing := [f"{side} {kind}" for side, kind in wanted if (side, kind) not in by_kind]:
        raise UsageError(
            f"{path} has no columns of {', '.join(missing)}: name them by side, kind and level, such as"
            f" bid_px0, bid_qty0, ask_px0, ask_qty0; it has {', '.join(frame.columns[:12])}"
        )
    n_levels = min(len(names) for names in by_kind.values())
    levels = [_numbers(frame, path, *by_kind[key][:n_levels]) for key in wanted]
    bid, ask = _best_first(levels[0], levels[1], -1.0), _best_first(levels[2], levels[3], 1.0)
    book = Book(_times(frame, path), *bid, *ask, None if trades is None else read_trades(trades))
    if book.trades is not None:
        _refuse_another_time(book.time_s, book.trades.time_s, f"{trades}", f"{path}")
    return book


def read_trades(path: str | Path) -> Trades:
    """Return trades from a parquet or CSV file; see :func:`read_book`.

    Raises:
        NotFound: There is no such file.
        UsageError: A column is missing, a price or size is no number above 0, or a side is neither a buy nor
            a sell.
    """
    frame = _frame(path)
    names = (
        _named(frame, path, "price", "px", "p"),
        _named(frame, path, "qty", "size", "amount", "quantity", "volume"),
    )
    price, size = _numbers(frame, path, *names).T
    for name, values in zip(names, (price, size), strict=True):
        if (odd := np.flatnonzero(~((values > 0) & np.isfinite(values)))).size:
            raise UsageError(f"{path}: row {odd[0] + 1} has a {name} of {values[odd[0]]}, which is no {name}")
    takers = frame[_named(frame, path, "side", "taker_side", "aggressor")].cast(pl.String).str.to_lowercase()
    side = np.select([takers.is_in(_BUY).to_numpy(), takers.is_in(_SELL).to_numpy()], [1.0, -1.0], np.nan)
    if (odd := np.flatnonzero(np.isnan(side))).size:
        raise UsageError(f"{path}: row {odd[0] + 1} has the side {takers[int(odd[0])]!r}, give buy or sell")
    time_s = _times(frame, path)
    order = np.argsort(time_s, kind="stable")
    return Trades(time_s[order], price[order], size[order], side[order])


def _frame(path: str | Path) -> pl.DataFrame:
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"there is no file {path}", path=str(path))
    try:
        if path.suffix in {".parquet", ".pq"}:
            n_rows: int = pl.scan_parquet(path).select(pl.len()).collect().item()
            schema = pl.read_parquet_schema(path)
            kinds = {name: str(kind.base_type()) if kind.is_nested() else "" for name, kind in schema.items()}
            refuse_vast(str(path), n_rows, kinds, MOST_VALUES)
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path} is no parquet or CSV file that can be read: {error}") from None


def _numbers(frame: pl.DataFrame, path: str | Path, *names: str) -> Floats:
    """Return columns as numbers, NaN where there is none. (rows, columns)."""
    try:
        return frame.select(names).cast(pl.Float64).to_numpy()
    except pl.exceptions.PolarsError as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"{path} has what is no number in {', '.join(names)}: {why}") from None


def _refuse_another_time(book_s: Floats, trades_s: Floats, trades: str, book: str) -> None:
    """Refuse trades none of which happened while the book was recorded."""
    if ((trades_s >= book_s[0]) & (trades_s <= book_s[-1])).any():
        return
    when = "there is none at all"
    if len(trades_s):
        when = f"they are from {moment(trades_s[0])} to {moment(trades_s[-1])}"
    raise UsageError(
        f"no trade in {trades} is of the time of {book}: {when}, the book is from {moment(book_s[0])} to"
        f" {moment(book_s[-1])}; are both of one day and one time zone?"
    )


def moment(time_s: float) -> str:
    """Return a time in words, to the second.

    >>> moment(0.0)
    '1970-01-01T00:00:00'
    """
    return str(np.datetime64(round(time_s * 1e6), "us").astype("datetime64[s]"))


def _columns(names: list[str]) -> dict[tuple[str, str], list[str]]:
    """Return the columns of each side and kind, by level."""
    by_level: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        parts = re.findall(r"[a-z]+|\d+", name.lower())
        labels, numbers = [p for p in parts if not p.isdigit()], [int(p) for p in parts if p.isdigit()]
        if len(labels) == 2 and len(numbers) == 1 and labels[0] in _SIDES and labels[1] in _KINDS:
            by_level.setdefault((_SIDES[labels[0]], _KINDS[labels[1]]), {})[numbers[0]] = name
    return {key: [levels[i] for i in sorted(levels)] for key, levels in by_level.items()}


def _absolute(frame: pl.DataFrame) -> pl.DataFrame:
    """Return prices and sizes in place of distances from the midpoint and money."""
    n = sum(name.startswith("bids_distance_") for name in frame.columns)
    made = [
        expression
        for i in range(n)
        for side in ("bid", "ask")
        for expression in (
            (pl.col("midpoint") * (1 + pl.col(f"{side}s_distance_{i}"))).alias(f"{side}_px{i}"),
            (
                pl.col(f"{side}s_notional_{i}") / (pl.col("midpoint") * (1 + pl.col(f"{side}s_distance_{i}")))
            ).alias(f"{side}_qty{i}"),
        )
    ]
    return frame.with_columns(made)


def _best_first(price: Floats, size: Floats, direction: float) -> tuple[Floats, Floats]:
    """Return the levels from the best to the worst, empty ones last with the price of the one before."""
    price, size = price.copy(), np.where(np.isnan(size), 0.0, size)
    empty = ~(price > 0) | ~np.isfinite(price) | (size == 0)
    key = np.where(empty, np.inf, direction * price)
    order = np.argsort(key, axis=1, kind="stable")
    price, size, empty = (np.take_along_axis(x, order, axis=1) for x in (price, size, empty))
    price[empty], size[empty] = np.nan, 0.0
    for level in range(1, price.shape[1]):
        price[:, level] = np.where(np.isnan(price[:, level]), price[:, level - 1], price[:, level])
    return price, size


def _named(frame: pl.DataFrame, path: str | Path, *names: str) -> str:
    by_lower = {name.lower(): name for name in frame.columns}
    for name in names:
        if name in by_lower:
            return by_lower[name]
    raise UsageError(f"{path} has no column {names[0]}: it has {', '.join(frame.columns[:12])}")


def _times(frame: pl.DataFrame, path: str | Path) -> Floats:
    name = _named(frame, path, *_TIMES)
    column = frame[name]
    try:
        if column.dtype == pl.String:
            column = column.str.to_datetime(time_unit="us")
    except pl.exceptions.PolarsError:
        raise UsageError(
            f"{path} has times in {name} that cannot be read: write them as 2024-08-08T23:54:16.25, or as"
            " seconds since 1970"
        ) from None
    if (absent := np.flatnonzero(column.is_null().to_numpy())).size:
        raise UsageError(f"{path}: row {absent[0] + 1} has no {name}")
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("us").to_numpy() / 1e6
    values = _numbers(frame, path, name)[:, 0]
    size = float(np.nanmax(np.abs(values), initial=0.0))
    digits = next((d for limit, d in ((1e11, 0), (1e14, 3), (1e17, 6)) if size < limit), 9)
    return values / 10.0**digits
