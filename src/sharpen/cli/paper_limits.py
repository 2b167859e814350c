"""The options that limit a paper account's orders and days, and what is said when they were met."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal

import click

from sharpen.cli.options import FiniteRange
from sharpen.errors import UsageError
from sharpen.paper.ledger import Ledger
from sharpen.paper.risk import ORDER_PER_DEPOSIT, POSITION_PER_DEPOSIT, RiskLimits, percent

REFUSED = "refused by limits"
_DEFAULTS = RiskLimits()


ABOVE_0 = FiniteRange(min=0, min_open=True)
SHARE = FiniteRange(0, 1)
OPTIONS = (
    click.option(
        "--max-order-usd",
        type=ABOVE_0,
        help=f"Value of one order. [default: {ORDER_PER_DEPOSIT} times what the account began with]",
    ),
    click.option(
        "--max-position-usd",
        type=ABOVE_0,
        help=f"Value of one position. [default: {POSITION_PER_DEPOSIT} times what it began with]",
    ),
    click.option(
        "--max-order-shares",
        type=ABOVE_0,
        help=f"Shares of one order. [default: {_DEFAULTS.max_order_shares}]",
    ),
    click.option(
        "--max-price-change",
        type=FiniteRange(min=0),
        help="How far an order's price may be from the bar before, as a fraction."
        f" [default: {_DEFAULTS.max_price_change}]",
    ),
    click.option(
        "--max-daily-loss",
        type=SHARE,
        help="Fall of the account in a session, unrealised losses included, beyond which all stops."
        f" [default: {_DEFAULTS.max_daily_loss}]",
    ),
    click.option(
        "--max-clock-skew-s",
        type=FiniteRange(min=0),
        help=f"How far the broker's clock may be from this one. [default: {_DEFAULTS.max_clock_skew_s:.0f}]",
    ),
)


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the limits as options; it gets each by its name in :class:`RiskLimits`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def keep_limits(ledger: Ledger, limits: RiskLimits, now: float) -> None:
    """Keep by which limits an account is traded, and note it when they are others than before."""
    names = ("max_order_usd", "max_position_usd", "max_order_shares", "max_price_change", "max_daily_loss")
    text = json.dumps({name: str(getattr(limits, name)) for name in (*names, "max_clock_skew_s")})
    before = ledger.fact("limits")
    if text != before:
        ledger.keep_fact("limits", text)
        if before is not None:
            ledger.note("limits changed", limits_sentence(text), now)


def limits_sentence(text: str) -> str:
    """Return what :func:`keep_limits` kept, in words."""
    of: Mapping[str, str] = json.loads(text)
    order = f"order {_usd(of['max_order_usd'])} usd, {_usd(of['max_order_shares'])} shares"
    position = f"position {_usd(of['max_position_usd'])} usd"
    price, loss = percent(float(of["max_price_change"])), percent(float(of["max_daily_loss"]))
    clock = f"clock {float(of['max_clock_skew_s']):g} s"
    return f"{order}; {position}; price {price} from the bar before; loss {loss} a session; {clock}"


def checked_limits(limits: Mapping[str, float | None]) -> dict[str, float]:
    """Return the limits that somebody said.

    Raises:
        UsageError: They take away every order.
    """
    given_limits = {name: value for name, value in limits.items() if value is not None}
    if given_limits.get("max_order_shares", 1.0) < 1.0:
        raise UsageError("--max-order-shares must be 1 or more: orders are whole shares")
    return given_limits


def refusals_sentence(ledger: Ledger, n_events_before: int) -> str:
    """Return what the limits refused since so many events of an account; empty for nothing."""
    refused = [event.text for event in ledger.events()[n_events_before:] if event.kind == REFUSED]
    if not refused:
        return ""
    one = "1 order was" if len(refused) == 1 else f"{len(refused)} orders were"
    return f"{one} refused by the limits, the last: {refused[-1]}. The options --max-… set them"


def _usd(amount: str) -> str:
    return f"{Decimal(amount):f}".removesuffix(".0")
