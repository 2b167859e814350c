"""How orders are filled, compiled: for portfolios on a processor a tensor library takes longer to be called.

Each portfolio's sells come first, then its buys in the stocks' order; see
:mod:`sharpen.objectives.rl.market`, whose tensors do the same on other devices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.kernels import kernel

SLACK_LOTS = 1e-9  # a quotient that rounding left just below a whole number


class TradedBars(NamedTuple):
    """What orders meet.

    Attributes:
        close: Of each bar, or the last one before it. (T, S)
        price: What fills are asked at. (T, S)
        tradable: Whether a stock has a bar. (T, S)
        gone: Whether a stock has had its last bar. (T, S)
        turbulence: 0 where it is not known. (T,)
        fill_after_bars: How many bars after the decision orders are filled: 1; or 0, which looks ahead.
    """

    close: Floats
    price: Floats
    tradable: Bools
    gone: Bools
    turbulence: Floats
    fill_after_bars: int


# numba keeps compiled code on disk under this name: renamed, the files of an older version break every call
class Rules(NamedTuple):
    """What members may differ in. (P,) each.

    Attributes:
        max_trade: What an action of 1 trades: shares, or a share of ``cash``.
        cash: The initial cash for orders by value, or 0 for orders in shares.
        dead_zone: An action nearer to 0 is no order.
        fee: A side, as a fraction.
        slippage: As a fraction.
        turbulence_limit: From here on everything is sold.
        delisting_return: What a holder earns after the last close.
    """

    max_trade: Floats
    cash: Floats
    dead_zone: Floats
    fee: Floats
    slippage: Floats
    turbulence_limit: Floats
    delisting_return: Floats


@kernel
def trade_portfolios(
    day: Ints, cash: Floats, shares: Floats, action: Floats, bars: TradedBars, rules: Rules
) -> tuple[Floats, Floats, Floats]:
    """Return cash, shares and assets one bar later. (P, E), (P, E, S), (P, E).

    Args:
        day: The bar of the decision. (P, E)
        cash: Before the trade. (P, E)
        shares: (P, E, S)
        action: In [-1, 1]. (P, E, S)
        bars: The bars.
        rules: The rules.
    """
    n_members, n_envs = day.shape
    left, held, assets = np.empty_like(cash), np.empty_like(shares), np.empty_like(cash)
    lots, price = np.empty(shares.shape[2]), np.empty(shares.shape[2])
    for p in range(n_members):
        for e in range(n_envs):
            t = day[p, e]
            then = min(t + 1, len(bars.close) - 1)
            at = min(t + bars.fill_after_bars, then)
            ask(t, at, shares[p, e], action[p, e], bars, rules, p, lots, price)
            held[p, e] = shares[p, e]
            left[p, e] = fill(cash[p, e], held[p, e], lots, price, rules.fee[p], rules.slippage[p])
            worth = left[p, e]
            for s in range(len(lots)):
                if held[p, e, s] > 0 and not np.isnan(bars.close[then, s]):
                    worth += held[p, e, s] * bars.close[then, s]
            assets[p, e] = worth
    return left, held, assets


@kernel
def ask(  # noqa: PLR0913, PLR0917 - compiled code takes arrays, no classes
    t: int,
    at: int,
    shares: Floats,
    action: Floats,
    bars: TradedBars,
    rules: Rules,
    p: int,
    lots: Floats,
    price: Floats,
) -> None:
    """Write down the lots that an action at the close of bar t asks for, and the prices at bar ``at``.

    Args:
        t: The bar of the decision.
        at: The bar of the fill.
        shares: Held. (S,)
        action: (S,)
        bars: The bars.
        rules: The rules.
        p: Whose rules.
        lots: Is written to. (S,)
        price: Is written to. (S,)
    """
    flees = bars.turbulence[t] >= rules.turbulence_limit[p]
    for s in range(len(lots)):
        lots[s], price[s] = 0.0, bars.price[at, s]
        if bars.gone[at, s]:
            close = bars.close[at, s]
            lots[s] = -shares[s]
            price[s] = max((1.0 if np.isnan(close) else close) * (1.0 + rules.delisting_return[p]), 1e-12)
        elif bars.tradable[at, s] and bars.tradable[t, s]:
            if flees:
                lots[s] = -shares[s]
            elif abs(action[s]) >= rules.dead_zone[p]:
                unit = rules.max_trade[p]
                if rules.cash[p] > 0:
                    unit = unit * rules.cash[p] / bars.close[t, s]
                lots[s] = np.trunc(action[s] * unit)


@kernel
def fill(cash: float, shares: Floats, lots: Floats, price: Floats, fee: float, slippage: float) -> float:
    """Return the cash after all sells and then the buys, as far as it goes; shares change in place.

    Args:
        cash: Before them.
        shares: (S,)
        lots: To buy, or, below 0, to sell. (S,)
        price: (S,)
        fee: A side, as a fraction.
        slippage: As a fraction.
    """
    gained, paid = (1.0 - slippage) * (1.0 - fee), (1.0 + slippage) * (1.0 + fee)
    cost = 0.0
    for s in range(len(shares)):
        if lots[s] < 0:
            sold = min(-lots[s], shares[s])
            cash += sold * (price[s] * gained)
            shares[s] -= sold
        elif lots[s] > 0:
            cost += lots[s] * (price[s] * paid)
    if cost <= cash:
        for s in range(len(shares)):
            shares[s] += max(lots[s], 0.0)
        return cash - cost
    for s in range(len(shares)):
        if lots[s] > 0:
            unit_cost = price[s] * paid
            lot = min(lots[s], max(np.floor(cash * (1.0 / unit_cost) + SLACK_LOTS), 0.0))
            cash -= lot * unit_cost
            shares[s] += lot
    return max(cash, 0.0)
