"""Limits that an order must keep before it may reach the network: pure checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from sharpen.paper.orders import OrderRequest


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """What no order and no day may exceed.

    Attributes:
        max_order_usd: Value of one order.
        max_order_shares: Shares of one order.
        max_position_usd: Value of a position, after the order.
        max_price_change: How far a price may lie from the one before it, as a fraction.
        max_daily_loss: Fall of the account's worth since the session began, unrealised losses included, as a
            fraction; beyond it everything stops.
        max_clock_skew_s: How far the broker's clock may be from ours.
    """

    max_order_usd: Decimal = Decimal(100_000)
    max_order_shares: Decimal = Decimal(100_000)
    max_position_usd: Decimal = Decimal(200_000)
    max_price_change: float = 0.5
    max_daily_loss: float = 0.05
    max_clock_skew_s: float = 2.0


ORDER_PER_DEPOSIT, POSITION_PER_DEPOSIT = 3, 2
"""An order that turns all of an account around is worth twice of it; both leave room for what it earns."""


def limits_of(overrides: Mapping[str, float], deposit: Decimal) -> RiskLimits:
    """Return the limits of an account.

    Args:
        overrides: Those that the user gives, by their names in :class:`RiskLimits`. By default an order may
            be worth three times the deposit, and a position twice.
        deposit: What the account began with, in dollars.

    >>> limits = limits_of({"max_order_shares": 50.0}, Decimal(1000))
    >>> str(limits.max_order_usd), str(limits.max_position_usd), str(limits.max_order_shares)
    ('3000', '2000', '50.0')
    """
    plain = RiskLimits(
        max_order_usd=ORDER_PER_DEPOSIT * deposit, max_position_usd=POSITION_PER_DEPOSIT * deposit
    )
    changes = {name: Decimal(repr(x)) if name in AMOUNTS else x for name, x in overrides.items()}
    return replace(plain, **cast("dict[str, Any]", changes))


AMOUNTS = ("max_order_usd", "max_order_shares", "max_position_usd")


def percent(share: float) -> str:
    """Return a share in percent with three digits that count.

    >>> percent(0.05), percent(0.0000123), percent(0.0512), percent(0.0)
    ('5%', '0.00123%', '5.12%', '0%')
    """
    return f"{100 * share:.3g}%"


def broken_limits(
    order: OrderRequest, held: Decimal, previous_price: Decimal | None, limits: RiskLimits
) -> tuple[str, ...]:
    """Return every limit that an order breaks, in words; empty when it may be sent.

    Args:
        order: What would be sent.
        held: Shares of its symbol now.
        previous_price: The symbol's price before the decision; None for the first.
        limits: What holds.

    >>> order = OrderRequest("a", "IBM", "buy", Decimal("NaN"), Decimal(100))
    >>> broken_limits(order, Decimal(0), None, RiskLimits())
    ('quantity NaN is no number of shares above 0',)
    """
    odd = _odd(order, held)
    if odd:
        return (odd,)
    quantity, price = order.quantity, order.reference_price
    after = held + order.signed_quantity
    broken: list[str] = []
    if quantity > limits.max_order_shares:
        broken.append(f"{quantity} shares are more than {limits.max_order_shares}")
    if quantity * price > limits.max_order_usd:
        broken.append(f"{quantity * price:.2f} usd are more than {limits.max_order_usd} for one order")
    if abs(after) > abs(held) and abs(after) * price > limits.max_position_usd:
        broken.append(f"a position of {abs(after) * price:.2f} usd is more than {limits.max_position_usd}")
    if previous_price is not None and previous_price > 0:
        change = abs(price / previous_price - 1)
        if change > Decimal(repr(limits.max_price_change)):
            broken.append(
                f"price {price} is {float(change):.0%} from {previous_price},"
                f" more than {limits.max_price_change:.0%}"
            )
    return tuple(broken)


def daily_loss(worth: Decimal, worth_at_start: Decimal) -> float:
    """Return the fall since the session began, as a fraction; NaN when it cannot be known.

    >>> daily_loss(Decimal(95), Decimal(100))
    0.05
    """
    if not (worth.is_finite() and worth_at_start.is_finite()) or worth_at_start <= 0:
        return float("nan")
    return float(1 - worth / worth_at_start)


def _odd(order: OrderRequest, held: Decimal) -> str:
    """Return why an order has no quantity or price that could be sent; empty when it has."""
    quantity, price = order.quantity, order.reference_price
    if not (quantity.is_finite() and quantity > 0):
        return f"quantity {quantity} is no number of shares above 0"
    # the fraction of a share that a split left may be sold with the rest
    if quantity != quantity.to_integral_value() and held + order.signed_quantity:
        return f"quantity {quantity} is no whole number of shares"
    return "" if price.is_finite() and price > 0 else f"price {price} is no amount above 0"
