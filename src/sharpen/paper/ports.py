"""What a trader needs from outside: a broker, a feed of bars, a strategy, a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from sharpen.arrays import Floats
from sharpen.bars import Panel
from sharpen.errors import SharpenError
from sharpen.paper.orders import BrokerClock, BrokerOrder, Fill, OrderRequest


class OrderRejected(SharpenError):
    """The broker refused an order, for good: no funds, a halt, a rule."""


class OutcomeUnknown(SharpenError):
    """Nobody can say whether the broker took an order: it must be looked up, and not be sent again."""


class RateLimited(SharpenError):
    """The broker took nothing, because too much was asked; ``reset_at`` says until when (Unix seconds)."""


class BrokerUnavailable(SharpenError):
    """The broker could not be asked; nothing was sent."""


class Clock(Protocol):
    """The time here."""

    def time(self) -> float:
        """Return Unix seconds."""
        ...


class Broker(Protocol):
    """Where orders go. Only paper accounts: no implementation speaks to a live one."""

    @property
    def account(self) -> str:
        """The account's number."""
        ...

    @property
    def can_turn(self) -> bool:
        """Whether one order may lead from a long position to a short one, and back."""
        ...

    def clock(self) -> BrokerClock:
        """Return the broker's time and whether its market is open."""
        ...

    def cash(self) -> Decimal:
        """Return the account's cash in dollars."""
        ...

    def positions(self) -> Mapping[str, Decimal]:
        """Return the shares held, by symbol, below 0 for short ones."""
        ...

    def submit(self, order: OrderRequest) -> BrokerOrder:
        """Send an order and return it as the broker took it.

        Raises:
            OrderRejected: It was refused.
            OutcomeUnknown: It may have been taken or not.
            RateLimited: It was not taken.
        """
        ...

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order of a name; None when the broker has none."""
        ...

    def open_orders(self) -> Sequence[BrokerOrder]:
        """Return every order that is not final, others' among them."""
        ...

    def cancel(self, order_id: str) -> None:
        """Ask for the end of an order; one that has ended already stays as it is."""
        ...

    def fills(self) -> Sequence[Fill]:
        """Return the account's fills in the broker's order, from the first that may be new to the caller."""
        ...


class Feed(Protocol):
    """Where bars come from."""

    def complete(self) -> Panel:
        """Return every bar that is complete by now, the oldest first."""
        ...


class Strategy(Protocol):
    """A model and its way to decide, the same in a backtest and live."""

    @property
    def digest(self) -> str:
        """SHA-256 of the model file."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """What it trades, in the order of the panel."""
        ...

    def targets(self, panel: Panel, first_bar: int) -> Floats:
        """Return the position wanted at the close of each bar from the first on, in [-1, 1]: (T, S).

        A fraction of the symbol's money. What it says of a bar depends on bars up to it alone.

        Args:
            panel: Bars up to now.
            first_bar: Where trading began; earlier bars only warm up.
        """
        ...
