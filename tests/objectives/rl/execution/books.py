"""Books and bars that are made up: a random walk in ticks of 0.1, with trades at the best prices."""

from dataclasses import replace

import numpy as np
import polars as pl

from sharpen.objectives.rl.execution.book_data import Book, Trades
from sharpen.seeds import rng_for
from worlds import make_world

PANEL = make_world(11, n_bars=300)


def quiet_panel():
    """Return bars of which every third has no volume."""
    volume = PANEL.volume.copy()
    volume[::3] = 0.0
    return replace(PANEL, volume=volume)


def make_book(seed=0, n_rows=300, n_levels=5, n_trades=8):
    """Return a book of one snapshot a second, and trades between the snapshots."""
    rng = rng_for(seed, "book")
    bid = np.round(100 + 0.1 * np.cumsum(rng.integers(-1, 2, n_rows)), 1)
    steps = np.round(0.1 * np.arange(n_levels), 1)
    sizes = rng.integers(1, 30, (2, n_rows, n_levels)).astype(float)
    time_s = 1_700_000_000.0 + np.arange(n_rows)
    row = np.sort(rng.integers(0, n_rows - 1, n_trades * n_rows))
    side = rng.choice([-1.0, 1.0], len(row))
    price = np.round(np.where(side > 0, bid[row] + 0.1, bid[row]), 1)
    trades = Trades(time_s[row] + 0.5, price, rng.integers(1, 5, len(row)).astype(float), side)
    bids, asks = np.round(bid[:, None] - steps, 1), np.round(bid[:, None] + 0.1 + steps, 1)
    return Book(time_s, bids, sizes[0], asks, sizes[1], trades)


def write_book(book, folder):
    """Write a book and its trades as parquet files, and return their paths."""
    columns = {"time": pl.Series((book.time_s * 1e6).astype(np.int64)).cast(pl.Datetime("us"))}
    for k in range(book.n_levels):
        columns |= {f"bid_px{k}": book.bid_price[:, k], f"bid_qty{k}": book.bid_size[:, k]}
        columns |= {f"ask_px{k}": book.ask_price[:, k], f"ask_qty{k}": book.ask_size[:, k]}
    pl.DataFrame(columns).write_parquet(folder / "book.parquet")
    made = book.trades
    trades = {"time": made.time_s, "price": made.price, "qty": made.size, "side": made.side.astype(int)}
    pl.DataFrame(trades).write_parquet(folder / "trades.parquet")
    return folder / "book.parquet", folder / "trades.parquet"
