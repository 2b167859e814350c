"""From decisions to returns: fills at the next open, marks at each close, costs on every change.

Axes: ``T`` bars, ``S`` symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.errors import UsageError
from sharpen.kernels import kernel


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a series of decisions would have earned.

    Attributes:
        returns: Net return of each bar, from close to close, as a fraction. (T,)
        held: Position during each bar, from its open on; the exit at the last close is not in it. (T, S)
        trade_returns: Net return of each trade on its symbol's money; by symbol, then in time order.
            (n_trades,)
        n_trades: A trade is a maximal stretch of one sign in one symbol.
        turnover: Mean absolute change of position per bar and symbol, the exit at the last close included.
        exposure: Mean absolute position per bar and symbol.
    """

    returns: Floats
    held: Floats
    trade_returns: Floats
    n_trades: int
    turnover: float
    exposure: float


def backtest(
    decision: Floats, open: Floats, close: Floats, cost_bps: float, delisting_return: float = 0.0
) -> Backtest:
    """Return what decisions earn: one made at the close of bar t fills at the open of bar t + 1.

    So the overnight move into bar t + 1 belongs to the old position, and the last bar's decision never
    fills. A symbol's net return of one bar is::

        (1 + old * (open / previous close - 1)) * (1 - cost * |new - old|)
            * (1 + new * (close / open - 1)) - 1

    and positions are closed, at a cost, at the last close. Symbols are weighted equally at every bar; moving
    money between symbols, and keeping a position at its fraction of the symbol's money as prices move, are
    free. A symbol cannot lose more than its money, and one that has lost it is not traded again.

    A symbol trades on its own bars, which are those with prices, and shares in the money from its first to
    its last one: 1/S where all do. Across a bar that it lacks a position is held, and a decision made there
    is none. A symbol whose bars end early was delisted: its position is closed at its last close.

    Args:
        decision: Wanted position as a fraction of the symbol's money, in [-1, 1]; NaN means flat. (T, S)
        open: Positive prices; NaN where a symbol has no bar. (T, S)
        close: Positive prices; NaN where a symbol has no bar. (T, S)
        cost_bps: Cost of trading, in 1/10000 of the value traded.
        delisting_return: What a holder earns after the last close of a symbol that was delisted: 0 settles at
            that close, -0.3 at 30 % less, -1 at nothing.

    Raises:
        UsageError: Shapes differ, a decision lies outside [-1, 1], or the cost is negative.

    >>> result = backtest(np.array([[1.0], [0.0], [0.0]]), np.full((3, 1), 100.0),
    ...                   np.array([[100.0], [110.0], [110.0]]), cost_bps=0.0)
    >>> result.returns.round(4).tolist(), result.n_trades
    ([0.0, 0.1, -0.0909], 1)
    """
    _check(decision, open, close, cost_bps, delisting_return)
    target = np.nan_to_num(np.ascontiguousarray(decision, dtype=np.float64), nan=0.0)
    if target.size == 0:
        return Backtest(np.zeros(len(target)), target, np.zeros(0), 0, 0.0, 0.0)
    prices = np.ascontiguousarray(open, dtype=np.float64), np.ascontiguousarray(close, dtype=np.float64)
    listed = _listed(close)
    n_listed = np.maximum(listed.sum(axis=1), 1).astype(np.float64)
    returns, held, trades, n_trades, traded = _simulate(
        target, *prices, n_listed, cost_bps / 1e4, delisting_return
    )
    n_cells = max(int(listed.sum()), 1)
    return Backtest(
        returns=returns,
        held=held,
        trade_returns=trades[:n_trades].copy(),
        n_trades=int(n_trades),
        turnover=float(traded / n_cells),
        exposure=float(np.abs(held).sum() / n_cells),
    )


def _listed(close: Floats) -> Bools:
    """Return where a symbol is between its first and its last bar, both included. (T, S)."""
    there = ~np.isnan(close)
    return np.maximum.accumulate(there) & np.maximum.accumulate(there[::-1])[::-1]


def buy_and_hold(open: Floats, close: Floats, cost_bps: float, delisting_return: float = 0.0) -> Backtest:
    """Return equal-weight buy-and-hold: each symbol bought at its second bar's open, sold at its last close.

    The weights stay equal at every bar, as in :func:`backtest`, so that a strategy that is always fully
    long earns exactly this.

    >>> prices = np.array([[100.0], [100.0], [121.0]])
    >>> buy_and_hold(prices, prices, cost_bps=0.0).returns.round(4).tolist()
    [0.0, 0.0, 0.21]
    """
    return backtest(np.ones(close.shape), open, close, cost_bps, delisting_return)


def _check(decision: Floats, open_: Floats, close: Floats, cost_bps: float, delisting_return: float) -> None:
    if decision.ndim != 2 or not decision.shape == open_.shape == close.shape:
        raise UsageError(
            f"decision, open and close must share one (bars, symbols) shape, not {decision.shape},"
            f" {open_.shape} and {close.shape}"
        )
    outside = np.argwhere(np.abs(decision) > 1.0)
    if len(outside):
        bar, symbol = outside[0].tolist()
        raise UsageError(
            f"decision {decision[bar, symbol]:.6g} at bar {bar}, symbol {symbol} lies outside [-1, 1]:"
            " scale it to a fraction of the symbol's money",
            bar=bar,
            symbol=symbol,
        )
    if not -1.0 <= delisting_return <= 1.0:
        raise UsageError(f"delisting_return is {delisting_return}, give one in [-1, 1], such as -0.3")
    if not cost_bps >= 0.0:
        raise UsageError(f"cost_bps is {cost_bps}, give 0 or more", cost_bps=cost_bps)


@kernel
def _simulate(
    decision: Floats, open_: Floats, close: Floats, weight: Floats, cost: float, delisting: float
) -> tuple[Floats, Floats, Floats, int, float]:
    """Return returns, positions, the trades' returns, their number and the positions traded."""
    n_bars, n_symbols = decision.shape
    returns = np.zeros(n_bars)
    held = np.zeros((n_bars, n_symbols))
    trades = np.empty(n_bars * n_symbols)
    n_trades = 0
    traded = 0.0
    for s in range(n_symbols):
        rows = np.flatnonzero(~np.isnan(close[:, s]))
        if len(rows) < 2:
            continue
        last = 1.0 if rows[-1] == n_bars - 1 else 1.0 + delisting
        earned, position, closed, traded = _one_symbol(
            decision[rows, s], open_[rows, s], close[rows, s], cost, last, traded
        )
        trades[n_trades : n_trades + len(closed)] = closed
        n_trades += len(closed)
        for i in range(1, len(rows)):
            returns[rows[i]] += earned[i] / weight[rows[i]]
            held[rows[i - 1] + 1 : rows[i], s] = position[i - 1]
            held[rows[i], s] = position[i]
    return returns, held, trades, n_trades, traded


@kernel
def _one_symbol(
    decision: Floats, open_: Floats, close: Floats, cost: float, last: float, traded: float
) -> tuple[Floats, Floats, Floats, float]:
    """Return a symbol's returns, positions and trades, and what was traded, added to what is given.

    ``last`` is what becomes of one unit of money in the symbol after its last close.
    """
    n_bars = len(decision)
    returns, held, trades = np.zeros(n_bars), np.zeros(n_bars), np.empty(n_bars)
    n_trades, old = 0, 0.0
    equity = 1.0  # of the trade that is open
    for t in range(1, n_bars):
        overnight = max(1.0 + old * (open_[t] / close[t - 1] - 1.0), 0.0)
        new = decision[t - 1] if overnight > 0.0 else 0.0  # who is ruined buys nothing
        held[t] = new
        traded += abs(new - old)
        intraday = max(1.0 + new * (close[t] / open_[t] - 1.0), 0.0)
        exit_paid = 1.0
        if t == n_bars - 1:
            intraday *= max(1.0 + new * (last - 1.0), 0.0)
            exit_paid = 1.0 - cost * abs(new)
            traded += abs(new)
        growth = overnight * (1.0 - cost * abs(new - old)) * intraday * exit_paid
        returns[t] = growth - 1.0
        if np.sign(new) == np.sign(old):
            equity *= overnight * (1.0 - cost * abs(new - old)) * intraday
        else:
            if old != 0.0:  # the old trade pays for its exit, the new one for its entry
                trades[n_trades] = equity * overnight * (1.0 - cost * abs(old)) - 1.0
                n_trades += 1
            equity = (1.0 - cost * abs(new)) * intraday
        old = new
        if growth <= 0.0:
            break
    if old != 0.0:
        trades[n_trades] = equity * (1.0 - cost * abs(old)) - 1.0
        n_trades += 1
    return returns, held, trades[:n_trades], traded
