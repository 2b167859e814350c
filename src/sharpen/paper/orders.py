"""The values that a trader and a broker exchange. Quantities and prices are decimals, never floats."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import numpy as np

Side = Literal["buy", "sell"]
MAX_ID_CHARACTERS = 48  # what older documentation of Alpaca allows; newer says 128


class OrderStatus(StrEnum):
    """Where an order is in its life at the broker; the last four are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it.

        >>> OrderStatus.OPEN.is_final, OrderStatus.EXPIRED.is_final
        (False, True)
        """
        return self is not OrderStatus.OPEN


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is sent: a market order for the day.

    Attributes:
        client_order_id: Chosen here, unique for ever: the broker takes it once.
        symbol: The instrument.
        side: ``buy`` or ``sell``.
        quantity: Shares, above 0.
        reference_price: The close that the decision was made at, for limits and for the shortfall.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reference_price: Decimal

    @property
    def signed_quantity(self) -> Decimal:
        """Shares, below 0 for a sale."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker knows it."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    status: OrderStatus


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that was carried out.

    Attributes:
        execution_id: Unique for ever; a fill that is heard of twice counts once.
        client_order_id: Of the order.
        symbol: The instrument.
        side: ``buy`` or ``sell``.
        quantity: Shares, above 0.
        price: A share.
        at: Unix seconds.
    """

    execution_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: float

    @property
    def signed_quantity(self) -> Decimal:
        """Shares, below 0 for a sale."""
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """What the broker says of the time.

    Attributes:
        now: Unix seconds.
        is_open: Whether orders are carried out now.
        session: A name of the session that is open, or of the one that opens next.
    """

    now: float
    is_open: bool
    session: str


def client_order_id(run: str, digest: str, bar: str, symbol: str, n: int) -> str:
    """Return an order's name: the same decision has the same name, after a crash too.

    Args:
        run: The trading session's id.
        digest: SHA-256 of the model file, of which the first eight digits are kept.
        bar: When the decision was made, such as ``20240105T2100``.
        symbol: The instrument.
        n: Counts the orders of one decision.

    >>> client_order_id("s3k9", "ab12cd34ef", "20240105", "AAPL", 0)
    's3k9-ab12cd34-20240105-AAPL-0'
    """
    name = f"{run}-{digest[:8]}-{bar}-{symbol}-{n}"
    if len(name) > MAX_ID_CHARACTERS:
        raise ValueError(
            f"an order's name has {MAX_ID_CHARACTERS} characters at most, not {len(name)}: {name}"
        )
    return name


def place_in_decision(name: str) -> int:
    """Return which of the orders of one decision and symbol a name of :func:`client_order_id` is, from 0 on.

    >>> place_in_decision("s3k9-ab12cd34-20240105-AAPL-1")
    1
    """
    return int(name.rpartition("-")[2])


def bar_name(time: np.datetime64) -> str:
    """Return a bar's time as orders' names have it; names sort as times do.

    >>> bar_name(np.datetime64("2024-01-05T21:00"))
    '20240105T2100'
    """
    return str(time.astype("datetime64[m]")).replace("-", "").replace(":", "")
