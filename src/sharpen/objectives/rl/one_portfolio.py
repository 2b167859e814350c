# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""One portfolio's way through a market by a policy's best known actions, compiled.

It is what :class:`sharpen.objectives.rl.market.Market` does, without tensors: for a single portfolio the
calls of a tensor library take fifty times as long as the work, and evaluation walks many bars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sharpen.arrays import Bools, Floats
from sharpen.kernels import kernel
from sharpen.objectives.rl.market import SLACK_LOTS, MarketSettings
from sharpen.objectives.rl.market_data import MarketData

Singles = npt.NDArray[np.float32]
_SMALL = np.float32(1 / np.sqrt(2.0))
_ACTIVATIONS: Mapping[str, Callable[[Singles], Singles]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: np.float32(0.5) * x * (1 + special.erf(x * _SMALL)),
}


@dataclass(frozen=True, eq=False)
class Policy:
    """A network that says what to trade.

    Attributes:
        weights: Of each layer. (in, out)
        biases: Of each layer. (out,)
        activation: After each hidden layer.
    """

    weights: tuple[Singles, ...]
    biases: tuple[Singles, ...]
    activation: str


def walk(policy: Policy, data: MarketData, market: MarketSettings, relative: bool) -> tuple[Floats, Floats]:
    """Return the assets at each close of a window, and the shares after each bar's fills. (V,), (V, S).

    Args:
        policy: Whose squashed outputs, the first S, are the actions.
        data: The bars.
        market: The rules and the window; the way begins in cash, at its first bar.
        relative: Whether cash and shares are shown as parts of the assets.
    """
    first, stop, n_stocks = market.first_bar, market.stop_bar, len(data.symbols)
    n_bars, n_own = stop - first, 1 + n_stocks
    table = data.table[first:stop].astype(np.float32)
    known = table @ policy.weights[0][n_own:] + policy.biases[0]
    bars = _Bars.of(data, market)
    close = data.close[first:stop].astype(np.float32)
    cash, shares = market.initial_cash, np.zeros(n_stocks)
    assets, held = np.empty(n_bars), np.zeros((n_bars, n_stocks))
    assets[0] = cash
    for t in range(n_bars - 1):
        own = _own(cash, shares, close[t], relative)
        action = _action(policy, known[t] + own @ policy.weights[0][:n_own], n_stocks)
        cash, assets[t + 1] = trade_bar(t, cash, shares, action.astype(np.float64), *bars.arrays)
        held[t + 1] = shares
    return assets, held


def _own(cash: float, shares: Floats, close: Singles, relative: bool) -> Singles:
    seen = np.empty(1 + len(shares), dtype=np.float32)
    seen[0], seen[1:] = cash, shares
    if not relative:
        seen[0] *= np.float32(2.0**-18)
        seen[1:] *= np.float32(2.0**-10)
        return np.tanh(seen)
    worth = seen[1:] * close
    seen[1:] = np.where(np.isnan(worth), np.float32(0), worth)
    return seen / seen.sum()


def _action(policy: Policy, first: Singles, n_stocks: int) -> Singles:
    activation, x = _ACTIVATIONS[policy.activation], first
    for weight, bias in zip(policy.weights[1:], policy.biases[1:], strict=True):
        x = activation(x) @ weight + bias
    return np.tanh(x[:n_stocks])


@dataclass(frozen=True, eq=False)
class _Bars:
    """The bars of a window and the rules, as the compiled step takes them."""

    arrays: tuple[Floats, Floats, Bools, Bools, Bools, Floats]

    @classmethod
    def of(cls, data: MarketData, market: MarketSettings) -> _Bars:
        window = slice(market.first_bar, market.stop_bar)
        close = np.ascontiguousarray(data.close[window])
        price = np.ascontiguousarray((data.open if market.fill == "next_open" else data.close)[window])
        if market.fill == "same_close_lookahead":  # what bar t + 1 fills at is the close of bar t
            price = np.concatenate([price[:1], price[:-1]])
        tradable = np.ascontiguousarray(data.tradable[window])
        shift = market.fill == "same_close_lookahead"
        gone = np.ascontiguousarray(data.delisted[window])
        at_fill = (tradable, gone)
        if shift:
            at_fill = tuple(np.concatenate([x[:1], x[:-1]]) for x in at_fill)
            settled = np.concatenate([close[:1], close[:-1]])
        else:
            settled = close
        price = np.where(at_fill[1], _settled(settled, market), price)
        can = np.zeros_like(tradable)
        can[1:] = at_fill[0][1:] & tradable[:-1]
        flee = np.nan_to_num(data.turbulence[window], nan=0.0) >= market.turbulence_limit
        rules = np.array(
            [
                market.max_trade,
                market.initial_cash if market.trade_unit == "value" else 0.0,
                market.dead_zone,
                market.cost_bps * 1e-4,
                market.slippage_bps * 1e-4,
            ]
        )
        return cls((close, np.ascontiguousarray(price), can, at_fill[1], flee, rules))


def _settled(close: Floats, market: MarketSettings) -> Floats:
    return np.maximum(np.nan_to_num(close, nan=1.0) * (1.0 + market.delisting_return), 1e-12)


@kernel
def trade_bar(  # noqa: PLR0913, PLR0917 - compiled code takes arrays, no classes
    t: int,
    cash: float,
    shares: Floats,
    action: Floats,
    close: Floats,
    price: Floats,
    can: Bools,
    gone: Bools,
    flee: Bools,
    rules: Floats,
) -> tuple[float, float]:
    """Trade at bar t + 1 what an action at the close of bar t asks for; return cash and assets then.

    Args:
        t: The bar of the decision.
        cash: Before the trade.
        shares: Changed in place. (S,)
        action: In [-1, 1]. (S,)
        close: (V, S)
        price: Of the fills of each bar. (V, S)
        can: Whether an order from the bar before is filled. (V, S)
        gone: Whether a stock is sold because it was delisted. (V, S)
        flee: Whether at a bar all is to be sold. (V,)
        rules: ``max_trade``, the initial cash for orders by value or 0, ``dead_zone``, fee, slippage.
    """
    lots = np.zeros(len(shares))
    for s in range(len(shares)):
        if gone[t + 1, s] or (can[t + 1, s] and flee[t]):
            lots[s] = -shares[s]
        elif can[t + 1, s] and abs(action[s]) >= rules[2]:
            unit = rules[0] * rules[1] / close[t, s] if rules[1] > 0 else rules[0]
            lots[s] = np.trunc(action[s] * unit)
    cash = _fill(cash, shares, lots, price[t + 1], rules)
    assets = cash
    for s in range(len(shares)):
        if shares[s] > 0:
            assets += shares[s] * close[t + 1, s]
    return cash, assets


@kernel
def _fill(cash: float, shares: Floats, lots: Floats, price: Floats, rules: Floats) -> float:
    """Return the cash after all sells and then the buys, as far as it goes; shares change in place."""
    gained, paid = (1.0 - rules[4]) * (1.0 - rules[3]), (1.0 + rules[4]) * (1.0 + rules[3])
    cost = 0.0
    for s in range(len(shares)):
        if lots[s] < 0:
            sold = min(-lots[s], shares[s])
            cash += sold * (price[s] * gained)
            shares[s] -= sold
        elif lots[s] > 0:
            cost += lots[s] * (price[s] * paid)
    if cost <= cash:
        shares += np.maximum(lots, 0.0)
        return cash - cost
    for s in range(len(shares)):
        if lots[s] > 0:
            each = price[s] * paid
            lot = min(lots[s], max(np.floor(cash * (1.0 / each) + SLACK_LOTS), 0.0))
            cash -= lot * each
            shares[s] += lot
    return max(cash, 0.0)
