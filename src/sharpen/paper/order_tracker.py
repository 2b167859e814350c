"""What became of the orders that were meant: asked of the broker by name, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from sharpen.errors import Refused
from sharpen.paper.adoption import adopted
from sharpen.paper.ledger import Intent, IntentStatus, Ledger
from sharpen.paper.orders import BrokerOrder, place_in_decision
from sharpen.paper.ports import Broker, Clock

Prices = tuple[Decimal | None, Decimal | None]
MAX_LOOKUPS = 3
MAX_COMPARISONS = 3


class OrderTracker:
    """Keeps ledger and broker one.

    Args:
        ledger: What was meant.
        broker: What happened.
        clock: The time here.
        say: Is told what people should know.
        kill: Is called with a reason when nothing may be traded any more.
    """

    def __init__(
        self,
        ledger: Ledger,
        broker: Broker,
        clock: Clock,
        say: Callable[[str], None],
        kill: Callable[[str], None],
    ) -> None:
        self._ledger, self._broker, self._clock = ledger, broker, clock
        self._say, self._kill = say, kill

    def refresh(self) -> None:
        """Hear of every open order and of every fill."""
        self._find_orders()
        self._take_fills()
        self._find_orders()

    def _find_orders(self) -> None:
        """Ask the broker for every order that may be open there."""
        for intent in self._ledger.intents(only_open=True):
            broker_order = self._broker.find(intent.order.client_order_id)
            if broker_order is not None:
                self.match(intent, broker_order)
            elif intent.status is IntentStatus.UNKNOWN:
                self._ledger.count_lookup(intent.order.client_order_id)
                if intent.n_lookups + 1 >= MAX_LOOKUPS:
                    self.set(intent, IntentStatus.NOT_TAKEN, "the broker has no such order")
            elif intent.status is IntentStatus.SENT:
                self.set(intent, IntentStatus.UNKNOWN, "the broker no longer has this order")

    def sendable(self) -> list[Intent]:
        """Return the orders that may be sent: the oldest of each symbol, where none of it is at the broker.

        Where a position turns around in two orders, the second is refused when the first was not filled.
        """
        waiting = self._ledger.intents(only_open=True)
        busy = {i.order.symbol for i in waiting if i.status is not IntentStatus.INTENDED}
        first: dict[str, Intent] = {}
        for intent in waiting:
            first.setdefault(intent.order.symbol, intent)
        free = [intent for symbol, intent in first.items() if symbol not in busy]
        in_vain = [intent for intent in free if self._is_in_vain(intent)]
        for intent in in_vain:
            self.set(intent, IntentStatus.REFUSED, "the order before it was not filled")
        return [intent for intent in free if intent not in in_vain]

    def _is_in_vain(self, intent: Intent) -> bool:
        """Return whether an order counts on a position having been closed that is still there.

        It is the second of two that turn a position around; or an order of an earlier bar, which was at the
        broker when it was decided, ended unfilled.
        """
        order = intent.order
        held = self._ledger.positions().get(order.symbol, Decimal(0))
        if held * order.signed_quantity >= 0:
            return False
        return place_in_decision(order.client_order_id) > 0 or (
            not self._broker.can_turn and order.quantity > abs(held)
        )

    def match(self, intent: Intent, broker_order: BrokerOrder) -> None:
        """Take over what the broker says of an order."""
        order = intent.order
        if (broker_order.symbol, broker_order.side, broker_order.quantity) != (
            order.symbol,
            order.side,
            order.quantity,
        ):
            self._kill(f"the broker has another order under the name {order.client_order_id}")
            return
        if not broker_order.status.is_final:
            if intent.status is not IntentStatus.SENT:
                self.set(intent, IntentStatus.SENT)
            return
        known = [f.quantity for f in self._ledger.fills() if f.client_order_id == order.client_order_id]
        if sum(known, Decimal(0)) == broker_order.filled:  # else its fills are still to be heard of
            self.set(intent, IntentStatus.ENDED, broker_order.status)
        elif intent.status is not IntentStatus.SENT:
            self.set(intent, IntentStatus.SENT)

    def _take_fills(self) -> None:
        """Store the fills of our own orders; others' are not ours to count."""
        ours = {intent.order.client_order_id for intent in self._ledger.intents()}
        self._ledger.keep_fills([fill for fill in self._broker.fills() if fill.client_order_id in ours])

    def reconcile(
        self,
        symbols: Sequence[str],
        adopt_reason: str,
        prices: Callable[[str], Prices] = lambda _: (None, None),
    ) -> None:
        """Refuse to go on while ledger and broker hold different shares, or take the broker's word.

        Args:
            symbols: What is traded here; others are not ours to count.
            adopt_reason: Why the broker's word is taken; empty to refuse.
            prices: Of a symbol, that of its last decision and the last one.

        Raises:
            Refused: They differ and there is no reason to adopt.
        """
        for _ in range(MAX_COMPARISONS - 1):
            if not self._differing(symbols):
                return
            self.refresh()  # an order may have been filled between the two questions
        differing = self._differing(symbols)
        if not differing:
            return
        ours = self._ledger.positions()
        lines: dict[str, str] = {}
        for symbol, more in differing.items():
            held = ours.get(symbol, Decimal(0))
            lines[symbol] = f"{symbol}: ledger {held}, broker {held + more}"
        if not adopt_reason:
            raise Refused(
                f"ledger and broker disagree: {'; '.join(lines.values())}. A split, a trade by hand, another"
                " program? Look, then take the broker's word with --adopt REASON"
            )
        for symbol, more in differing.items():
            held = ours.get(symbol, Decimal(0))
            taken = adopted(held, held + more, *prices(symbol))
            self._ledger.adjust(symbol, more, taken.cash, adopt_reason, self._clock.time())
            lines[symbol] += f", taken over as {taken.text}"
        self._note("adopted", f"{'; '.join(lines.values())}: {adopt_reason}")

    def _differing(self, symbols: Sequence[str]) -> dict[str, Decimal]:
        """Return how many shares more the broker holds than the ledger, where they differ."""
        ours, theirs = self._ledger.positions(), self._broker.positions()
        more = {s: theirs.get(s, Decimal(0)) - ours.get(s, Decimal(0)) for s in symbols}
        return {symbol: quantity for symbol, quantity in more.items() if quantity}

    def set(self, intent: Intent, status: IntentStatus, reason: str = "") -> None:
        """Store what became of an order, and say it unless all went well."""
        self._ledger.set_intent(intent.order.client_order_id, status, reason)
        if status not in (IntentStatus.SENT, IntentStatus.ENDED):
            order = intent.order
            self._note(f"order {status}", f"{order.side} {order.quantity} {order.symbol}: {reason}")

    def _note(self, kind: str, text: str) -> None:
        self._ledger.note(kind, text, self._clock.time())
        self._say(f"{kind}: {text}")
