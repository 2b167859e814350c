"""From wanted positions to orders: pure arithmetic in whole shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from sharpen.paper.orders import OrderRequest, client_order_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """A decision for one symbol.

    Attributes:
        symbol: The instrument.
        target: The position wanted, as a fraction of the symbol's money, in [-1, 1].
        price: The close that it was made at.
    """

    symbol: str
    target: float
    price: Decimal


def shares_wanted(wanted: Wanted, money: Decimal) -> Decimal:
    """Return the whole shares that a decision comes to, rounded towards none.

    >>> shares_wanted(Wanted("AAPL", -0.5, Decimal("30")), Decimal("1000"))
    Decimal('-16')
    """
    exact = Decimal(repr(wanted.target)) * money / wanted.price
    return exact.to_integral_value(rounding=ROUND_DOWN) + 0  # and -0 becomes 0


def orders_for(
    name: tuple[str, str, str],
    decisions: Sequence[Wanted],
    money: Decimal,
    held: Mapping[str, Decimal],
    can_turn: bool = True,
) -> list[OrderRequest]:
    """Return the orders that lead from what is held to what is wanted: sales first, then purchases.

    In whole shares: the fraction of a share that a split left is sold with the whole position alone.

    Args:
        name: Session, model digest and bar, for the orders' names.
        decisions: One for each symbol.
        money: What each symbol may use, in dollars: the account's worth, split evenly as in the backtest.
        held: Shares, open orders counted as if filled.
        can_turn: Whether one order may lead from a long position to a short one; else it takes two, and the
            second may be sent when the first is filled.

    >>> wanted = [Wanted("AAPL", 1.0, Decimal(10)), Wanted("IBM", 0.0, Decimal(20))]
    >>> [(o.side, o.symbol, str(o.quantity)) for o in
    ...     orders_for(("s", "d" * 8, "b"), wanted, Decimal(500), {"IBM": Decimal(5)})]
    [('sell', 'IBM', '5'), ('buy', 'AAPL', '50')]
    >>> short = {"AAPL": Decimal(-7)}
    >>> turn = orders_for(("s", "d" * 8, "b"), wanted[:1], Decimal(500), short, can_turn=False)
    >>> [(o.client_order_id, str(o.quantity)) for o in turn]
    [('s-dddddddd-b-AAPL-0', '7'), ('s-dddddddd-b-AAPL-1', '50')]
    """
    session, digest, bar = name
    orders: list[OrderRequest] = []
    for wanted in decisions:
        now, then = held.get(wanted.symbol, Decimal(0)), shares_wanted(wanted, money)
        changes = (_change(now, then),) if can_turn or now * then >= 0 else (-now, then)
        for n, change in enumerate(changes):
            if change:
                order_name = client_order_id(session, digest, bar, wanted.symbol, n)
                side = "buy" if change > 0 else "sell"
                orders.append(OrderRequest(order_name, wanted.symbol, side, abs(change), wanted.price))
    return sorted(orders, key=lambda order: order.side != "sell")


def _change(now: Decimal, then: Decimal) -> Decimal:
    """Return the shares to buy, below 0 to sell: whole ones, unless nothing is to be held.

    >>> str(_change(Decimal("31.125"), Decimal(10))), str(_change(Decimal("31.125"), Decimal(0)))
    ('-21', '-31.125')
    """
    return (then - now).to_integral_value(rounding=ROUND_DOWN) if then else -now
