# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""One portfolio's way through a market by a policy's best known actions, compiled.

It is what :class:`sharpen.objectives.rl.market.PortfolioMarket` does, without tensors: for a single portfolio
the calls of a tensor library take fifty times as long as the work, and evaluation walks many bars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sharpen.arrays import Floats
from sharpen.objectives.rl.market import MarketSettings, rules_of, traded_bars
from sharpen.objectives.rl.market_data import MarketData
from sharpen.objectives.rl.orders import trade_portfolios

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
    bars, rules = traded_bars(data, market.fill), rules_of([market])
    close = data.close[first:stop].astype(np.float32)
    cash, shares = np.full((1, 1), market.initial_cash), np.zeros((1, 1, n_stocks))
    assets, held = np.empty(n_bars), np.zeros((n_bars, n_stocks))
    assets[0] = market.initial_cash
    for t in range(n_bars - 1):
        own = _own(cash[0, 0], shares[0, 0], close[t], relative)
        action = _action(policy, known[t] + own @ policy.weights[0][:n_own], n_stocks)
        day, wanted = np.full((1, 1), first + t), action.astype(np.float64)[None, None]
        cash, shares, worth = trade_portfolios(day, cash, shares, wanted, bars, rules)
        assets[t + 1], held[t + 1] = worth[0, 0], shares[0, 0]
    return assets, held


def _own(cash: float, shares: Floats, close: Singles, relative: bool) -> Singles:
    observation = np.empty(1 + len(shares), dtype=np.float32)
    observation[0], observation[1:] = cash, shares
    if not relative:
        observation[0] *= np.float32(2.0**-18)
        observation[1:] *= np.float32(2.0**-10)
        return np.tanh(observation)
    worth = observation[1:] * close
    observation[1:] = np.where(np.isnan(worth), np.float32(0), worth)
    return observation / observation.sum()


def _action(policy: Policy, first: Singles, n_stocks: int) -> Singles:
    activation, x = _ACTIVATIONS[policy.activation], first
    for weight, bias in zip(policy.weights[1:], policy.biases[1:], strict=True):
        x = activation(x) @ weight + bias
    return np.tanh(x[:n_stocks])
