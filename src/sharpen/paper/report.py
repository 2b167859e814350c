"""What a paper account has done: positions, profit beside the backtest's, costs, mismatches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sharpen.arrays import Floats
from sharpen.backtest import backtest
from sharpen.bars import Panel
from sharpen.metrics import max_drawdown
from sharpen.paper.ledger import Intent, Ledger
from sharpen.paper.orders import Fill, bar_name
from sharpen.paper.ports import Strategy
from sharpen.paper.signal_comparison import SignalComparison, compare
from sharpen.paper.trader import first_index
from sharpen.seeds import rng_for

N_RESAMPLES = 1000
OPEN, CLOSE = 0, 3  # of a stored bar's prices
BLOCK_BARS = 10
FEWEST_RETURNS = 3
"""Below it no correlation is worked out."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What fills cost against a price.

    Attributes:
        n_fills: How many.
        mean_bps: Mean, weighted by value; above 0 is a cost.
        half_width_bps: Half of the 95 % interval of the mean over fills.
    """

    n_fills: int
    mean_bps: float
    half_width_bps: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Total return up to each bar, beside the backtest's.

    Attributes:
        bars: Their times; the first is the one before which nothing was held.
        paper: Of the account.
        backtest: Of the same decisions by the backtest.
        low: 5 % of the backtest's resampled bars lie below.
        high: 5 % lie above.
    """

    bars: tuple[str, ...]
    paper: tuple[float, ...]
    backtest: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PaperReport:
    """What a paper account has done.

    Attributes:
        n_sessions: Sessions traded.
        n_fills: Fills.
        positions: Shares held.
        worth: Cash and positions at the last close, in dollars.
        paper_return: Since the deposit.
        paper_drawdown: Largest fall from a peak, from session to session.
        backtest_return: Of the same decisions by the backtest.
        band: 5 % and 95 % of the backtest's return under resampled blocks of its bars.
        drawdown_band: 95 % of its drawdown likewise.
        return_percentile: Where the paper return lies among the resampled ones.
        drawdown_percentile: Where the paper drawdown lies.
        correlation: Of paper returns with the backtest's, session by session; NaN for fewer than
            :data:`FEWEST_RETURNS`.
        shortfall: Of the fills against the closes that they were decided at: overnight move and slippage.
        slippage: Of the fills against the opens that the backtest fills at.
        replay: Signals compared with the backtest's.
        edge_bps: What each dollar that the backtest trades earns after costs; NaN when it trades nothing.
        cost_bps: What the backtest takes for costs.
        growth: Return up to each bar, beside the backtest's and its band.
    """

    n_sessions: int
    n_fills: int
    positions: dict[str, str]
    worth: float
    paper_return: float
    paper_drawdown: float
    backtest_return: float
    band: tuple[float, float]
    drawdown_band: float
    return_percentile: float
    drawdown_percentile: float
    correlation: float
    shortfall: Shortfall
    slippage: Shortfall
    replay: SignalComparison
    edge_bps: float
    cost_bps: float
    growth: Growth


def report(ledger: Ledger, panel: Panel, strategy: Strategy, cost_bps: float, seed: int) -> PaperReport:
    """Return what an account has done beside what the backtest of its bars says.

    Args:
        ledger: Of the account.
        panel: The bars that it traded.
        strategy: The model that it traded by.
        cost_bps: What the backtest takes for costs.
        seed: Of the resampling.
    """
    decisions = ledger.decisions()
    first = first_index(panel, min((d.bar for d in decisions), default=""))
    last = first_index(panel, max(d.bar for d in decisions)) + 1
    traded = panel.slice(first, last)
    targets = strategy.targets(panel.slice(0, last), first)
    result = backtest(targets, traded.open, traded.close, cost_bps)
    tested = result.returns[1:]
    worth = worth_by_bar(ledger, traded)
    own = worth[1:] / worth[:-1] - 1 if len(worth) > 1 else np.zeros(0)
    resamples = resampled(tested, seed)
    fates = np.array([(_total(row), max_drawdown(row)) for row in resamples])
    total, fall = _total(own), max_drawdown(own) if len(own) else 0.0
    return PaperReport(
        n_sessions=len(ledger.sessions()),
        n_fills=len(ledger.fills()),
        positions={symbol: str(quantity) for symbol, quantity in ledger.positions().items()},
        worth=float(worth[-1]),
        paper_return=total,
        paper_drawdown=fall,
        backtest_return=_total(tested),
        band=(float(np.quantile(fates[:, 0], 0.05)), float(np.quantile(fates[:, 0], 0.95))),
        drawdown_band=float(np.quantile(fates[:, 1], 0.95)),
        return_percentile=float((fates[:, 0] <= total).mean()),
        drawdown_percentile=float((fates[:, 1] <= fall).mean()),
        correlation=_correlation(own, tested),
        shortfall=shortfall(ledger.intents(), ledger),
        slippage=slippage(ledger.intents(), ledger, panel),
        replay=compare(panel, strategy, decisions, ledger.bars()),
        edge_bps=_edge_bps(float(result.returns.sum()), result.turnover * len(traded)),
        cost_bps=cost_bps,
        growth=_growth([bar_name(time) for time in traded.time], own, tested, resamples),
    )


def _growth(bars: Sequence[str], own: Floats, tested: Floats, resamples: Floats) -> Growth:
    low, high = np.quantile(_up_to_each(resamples), (0.05, 0.95), axis=0)
    columns = (_up_to_each(own), _up_to_each(tested), low, high)
    return Growth(tuple(bars), *(tuple(column.tolist()) for column in columns))


def _up_to_each(returns: Floats) -> Floats:
    """Return the total return up to each bar, from 0 before the first: (..., T) becomes (..., T + 1)."""
    before = np.zeros((*returns.shape[:-1], 1))
    grown = np.cumprod(1 + np.concatenate([before, returns], axis=-1), axis=-1)
    return np.asarray(grown, dtype=np.float64) - 1


def worth_by_bar(ledger: Ledger, panel: Panel) -> Floats:
    """Return what the account was worth at the close of each bar of a panel, in dollars. (T,).

    At the closes that the account saw: a panel may have been adjusted for a split since. A symbol without a
    close keeps its last price.
    """
    ends = panel.time.astype("datetime64[us]").astype(np.int64) / 1e6 + 86_400.0
    ends[:-1] = np.minimum(ends[:-1], panel.time[1:].astype("datetime64[us]").astype(np.int64) / 1e6)
    seen = {(bar, symbol): prices[CLOSE] for bar, symbol, prices in ledger.bars()}
    cash, held, last = 0.0, dict.fromkeys(panel.symbols, 0.0), dict.fromkeys(panel.symbols, np.nan)
    worth = np.empty(len(panel))
    waiting = _changes(ledger)
    for t, time in enumerate(panel.time):
        while waiting and waiting[0][0] < ends[t]:
            _, symbol, shares, paid = waiting.pop(0)
            cash += paid
            held[symbol] = held.get(symbol, 0.0) + shares
            last[symbol] = -paid / shares if shares and paid else last.get(symbol, np.nan)
        closes = {
            s: seen.get((bar_name(time), s), float(panel.close[t, k])) for k, s in enumerate(panel.symbols)
        }
        last |= {symbol: close for symbol, close in closes.items() if close > 0}
        worth[t] = cash + sum(shares * last[symbol] for symbol, shares in held.items() if shares)
    return worth


def _changes(ledger: Ledger) -> list[tuple[float, str, float, float]]:
    """Return when shares or cash came, of which symbol, how many and how much; the deposit is the first."""
    came = [(a.at if a.symbol else -np.inf, a.symbol, a.quantity, a.cash) for a in ledger.adjustments()]
    came += [(f.at, f.symbol, f.signed_quantity, -f.signed_quantity * f.price) for f in ledger.fills()]
    return [(at, s, float(shares), float(cash)) for at, s, shares, cash in sorted(came, key=lambda c: c[0])]


def shortfall(intents: Sequence[Intent], ledger: Ledger) -> Shortfall:
    """Return what fills cost against the closes that they were decided at.

    Source: Perold (1988), The implementation shortfall: paper versus reality.
    """
    decided = {i.order.client_order_id: float(i.order.reference_price) for i in intents}
    return _cost(ledger.fills(), decided)


def slippage(intents: Sequence[Intent], ledger: Ledger, panel: Panel) -> Shortfall:
    """Return what fills cost against the next opens, at which the backtest fills; a panel has them by bar."""
    names = [bar_name(time) for time in panel.time]
    after = dict(pairwise(names))
    known = {
        (n, s): float(panel.open[t, k]) for t, n in enumerate(names) for k, s in enumerate(panel.symbols)
    }
    known |= {(bar, symbol): prices[OPEN] for bar, symbol, prices in ledger.bars()}  # before any split
    opens: dict[str, float] = {}
    for intent in intents:
        price = known.get((after.get(intent.bar, ""), intent.order.symbol), 0.0)
        if price > 0:
            opens[intent.order.client_order_id] = price
    return _cost(ledger.fills(), opens)


def _cost(fills: Sequence[Fill], references: Mapping[str, float]) -> Shortfall:
    """Return what fills cost against a price for each order's name; orders without one are left out."""
    known = [fill for fill in fills if fill.client_order_id in references]
    if not known:
        return Shortfall(0, float("nan"), float("nan"))
    prices = np.array([references[fill.client_order_id] for fill in known])
    paid = np.array([float(fill.price) for fill in known])
    signs = np.array([1.0 if fill.side == "buy" else -1.0 for fill in known])
    costs = signs * (paid / prices - 1) * 1e4
    mean = float(np.average(costs, weights=prices * [float(fill.quantity) for fill in known]))
    spread = 1.96 * float(np.std(costs, ddof=1)) / np.sqrt(len(costs)) if len(costs) > 1 else float("nan")
    return Shortfall(len(costs), mean, float(spread))


def resampled(returns: Floats, seed: int) -> Floats:
    """Return resampled blocks of returns: (N_RESAMPLES, T); one row of none where there are none.

    Blocks of :data:`BLOCK_BARS` bars, or a quarter of them if that is less, that wrap around at the end.
    """
    n = len(returns)
    if n == 0:
        return np.zeros((1, 0))
    rng = rng_for(seed, "paper", "band")
    block = max(1, min(BLOCK_BARS, n // 4))  # one block that holds every bar would be no resample at all
    starts = rng.integers(0, n, (N_RESAMPLES, -(-n // block)))
    return returns[(starts[:, :, None] + np.arange(block)).reshape(N_RESAMPLES, -1)[:, :n] % n]


def _edge_bps(earned: float, traded: float) -> float:
    """Return what each dollar that was traded has earned after costs, in bps; NaN when nothing was traded."""
    return 1e4 * earned / traded if traded > 0 else float("nan")


def _total(returns: Floats) -> float:
    return float(np.prod(1 + returns) - 1)


def _correlation(own: Floats, tested: Floats) -> float:
    if len(own) < FEWEST_RETURNS or len(own) != len(tested) or not own.std() or not tested.std():
        return float("nan")
    return float(np.corrcoef(own, tested)[0, 1])
