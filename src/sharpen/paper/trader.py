"""The trading loop: bars in, decisions, orders that are meant before they are sent, fills out.

What was decided at the close of a bar is sent when the market is open next. Every step may be cut off by a
crash: whoever restarts reads the ledger, asks the broker by each order's name, and goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from sharpen.bars import Panel
from sharpen.errors import Refused
from sharpen.paper.kill_switch import Kill, KillSwitch
from sharpen.paper.ledger import Decision, Intent, IntentStatus, Ledger
from sharpen.paper.order_tracker import OrderTracker
from sharpen.paper.orders import BrokerClock, OrderRequest, bar_name
from sharpen.paper.plan import Wanted, orders_for
from sharpen.paper.ports import (
    Broker,
    BrokerUnavailable,
    Clock,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Strategy,
)
from sharpen.paper.risk import RiskLimits, broken_limits, daily_loss, percent

DUPLICATE_NAME = 40010001
LONGEST_QUIET_S = 300.0
LOSS_SEEN = "loss_seen"


def _nothing(_now: float) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a trader is made of.

    Attributes:
        ledger: Its memory.
        broker: Where orders go.
        strategy: What decides.
        clock: The time here.
        kill_switch: A person's last word.
        limits: What no order may exceed.
        say: Is told what people should know.
        is_stale: Whether a bar is too old to decide on, at a time.
        held_back: Why nothing may be sent at a time, although the market is open; empty when it may.
    """

    ledger: Ledger
    broker: Broker
    strategy: Strategy
    clock: Clock
    kill_switch: KillSwitch
    limits: RiskLimits
    say: Callable[[str], None]
    is_stale: Callable[[np.datetime64, float], bool]
    held_back: Callable[[float], str] = _nothing


class Trader:
    """Trades one paper account by one model.

    Args:
        parts: Ledger, broker, strategy and the rest.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ledger, self._broker = parts.ledger, parts.broker
        self._orders = OrderTracker(
            parts.ledger, parts.broker, parts.clock, parts.say, lambda reason: self.kill("the trader", reason)
        )
        self._prices: dict[str, Decimal] = {}
        self._quiet_until = 0.0
        self._said = ""

    @property
    def limits(self) -> RiskLimits:
        """What no order may exceed."""
        return self._parts.limits

    def start(self, panel: Panel, adopt_reason: str = "") -> None:
        """Make the ledger and the broker agree before anything is traded.

        Args:
            panel: Bars up to now, for the prices of what is held.
            adopt_reason: Why the broker's positions are to be taken over where they differ; empty to refuse.

        Raises:
            Refused: They differ, or the clocks do.
        """
        self.see_prices(panel)
        if self._ledger.fact("deposit") is None:
            self._ledger.deposit(self._broker.cash(), self._now())
        self._check_clock(self._broker.clock())
        self._orders.refresh()
        decided = {d.symbol: d.price for d in self._ledger.decisions()}
        self._orders.reconcile(
            self._parts.strategy.symbols, adopt_reason, lambda s: (decided.get(s), self._prices.get(s))
        )
        self._ledger.note("started", f"model {self._parts.strategy.digest[:8]}", self._now())

    def tick(self) -> None:
        """Hear what happened at the broker, then send what waits; nothing is sent while that is in doubt."""
        if self._now() < self._quiet_until:
            return
        kill = self._parts.kill_switch.state()
        if kill is not None:
            self._end_orders(kill)  # cancels come before every question
        try:
            clock = self._broker.clock()
            self._check_clock(clock)
            self._orders.refresh()
        except RateLimited as full:
            self._wait_for(full)
            return
        except BrokerUnavailable as problem:
            self._say_once(f"the broker cannot be asked, so nothing is sent: {problem.message}")
            return
        except Refused as problem:
            self._say_once(problem.message)
            return
        if kill is None and not self._is_killed(clock):
            self._send_waiting(clock)

    def on_bar(self, panel: Panel) -> None:
        """Decide at the close of a panel's newest bar, once.

        A bar that was decided on before is not decided on again, also when its prices have changed since;
        that they have is noted. A symbol whose close is no price above 0 is not traded at this bar.
        """
        bar, t, now = bar_name(panel.time[-1]), len(panel) - 1, self._now()
        last = self._ledger.last_bar()
        prices = {s: _prices(panel, t, k) for k, s in enumerate(panel.symbols)}
        revised = self._ledger.keep_bar(bar, prices)
        if last is not None and bar <= last:
            if revised:
                self._note("revised bar", f"{bar}: {', '.join(revised)}; not decided on again")
            return
        if self._parts.is_stale(panel.time[-1], now):
            self._note("stale bars", f"the newest bar is {bar}: nothing is decided")
            return
        self._expire(bar)
        first = self._ledger.fact("first_bar")
        if first is None:
            first = bar
            self._ledger.keep_fact("first_bar", bar)
        target = self._parts.strategy.targets(panel, first_index(panel, first))[-1]
        decisions: list[Decision] = []
        for k, symbol in enumerate(panel.symbols):
            close = float(panel.close[t, k])
            if not (math.isfinite(close) and close > 0 and math.isfinite(target[k])):
                self._note("incomplete bar", f"{bar} {symbol}: not traded")
                continue
            decisions.append(Decision(bar, symbol, float(target[k]), Decimal(repr(close))))
        if decisions:
            self._decide(bar, decisions, closes_before(panel, t), len(panel.symbols))

    def _decide(
        self, bar: str, decisions: list[Decision], previous: Mapping[str, Decimal], n_symbols: int
    ) -> None:
        self._prices.update({d.symbol: d.price for d in decisions})
        try:
            money = self.worth() / n_symbols
        except (ArithmeticError, KeyError) as problem:
            self.kill("the trader", f"the account's worth cannot be computed: {problem!r}")
            return
        wanted = [Wanted(d.symbol, d.target, d.price) for d in decisions]
        session = self._session()
        name = (session, self._parts.strategy.digest, bar)
        orders = orders_for(name, wanted, money, self._held(), self._broker.can_turn)
        allowed: list[OrderRequest] = []
        refusals: list[str] = []
        positions = self._ledger.positions()
        for order in orders:
            held = positions.get(order.symbol, Decimal(0))
            broken = broken_limits(order, held, previous.get(order.symbol), self._parts.limits)
            if broken:
                refusals.append(f"{order.side} {order.quantity} {order.symbol}: {'; '.join(broken)}")
            else:
                allowed.append(order)
                positions[order.symbol] = held + order.signed_quantity
        self._ledger.decide(decisions, allowed, self._now())
        for refusal in refusals:
            self._note("refused by limits", refusal)

    def kill(self, who: str, reason: str) -> None:
        """Stop all trading, end open orders, and stay stopped until a person lifts it."""
        self._parts.kill_switch.pull(who, reason, self._now())
        self._end_orders(Kill(who, reason))

    def worth(self) -> Decimal:
        """Return cash and positions at the last prices, in dollars.

        Raises:
            KeyError: A position has no price.
        """
        held = self._ledger.positions()
        return self._ledger.cash() + sum((q * self._prices[s] for s, q in held.items()), Decimal(0))

    def see_prices(self, panel: Panel) -> None:
        """Take a panel's newest closes as prices, without deciding anything."""
        for k, symbol in enumerate(panel.symbols):
            close = float(panel.close[-1, k])
            if math.isfinite(close) and close > 0:
                self._prices[symbol] = Decimal(repr(close))

    def _held(self) -> dict[str, Decimal]:
        """Return positions with open orders counted as if filled."""
        held = self._ledger.positions()
        filled: dict[str, Decimal] = {}
        for fill in self._ledger.fills():
            filled[fill.client_order_id] = filled.get(fill.client_order_id, Decimal(0)) + fill.signed_quantity
        for intent in self._ledger.intents(only_open=True):
            order = intent.order
            left = order.signed_quantity - filled.get(order.client_order_id, Decimal(0))
            held[order.symbol] = held.get(order.symbol, Decimal(0)) + left
        return held

    def _check_clock(self, clock: BrokerClock) -> None:
        now = self._now()
        skew = abs(clock.now - now)
        if skew > self._parts.limits.max_clock_skew_s:
            raise Refused(
                f"the broker's clock is {skew:.1f} s from ours, so nothing is traded: set the clock"
            )
        last = float(self._ledger.fact("last_time") or "-inf")
        if now < last:
            raise Refused(f"the clock went back by {last - now:.1f} s, so nothing is traded: set the clock")
        self._ledger.keep_fact("last_time", repr(now))

    def _is_killed(self, clock: BrokerClock) -> bool:
        kill = self._parts.kill_switch.state()
        if kill is None:
            kill = self._loss_too_large(clock)
            if kill is not None:
                self._parts.kill_switch.pull(kill.who, kill.reason, self._now())
        if kill is not None:
            self._end_orders(kill)
        return kill is not None

    def _loss_too_large(self, clock: BrokerClock) -> Kill | None:
        """Compare the account's worth with that at the session's begin; the unknown counts as a loss.

        Prices of a session come when it is over. So it is still compared with its begin until the next one
        opens, and once more then, for who was not there to see it close.
        """
        limit = self._parts.limits.max_daily_loss
        try:
            worth = self.worth()
            last = self._ledger.newest_session()
            if clock.is_open and (last is None or last[0] != clock.session):
                self._ledger.worth_at_start(clock.session, worth, self._now())
            loss = daily_loss(worth, worth if last is None else self._loss_counts_from(*last))
        except (ArithmeticError, KeyError) as problem:
            return Kill("the trader", f"the account's worth cannot be computed: {problem!r}")
        if not loss <= limit:
            if last is not None:  # a person who lifts the switch has seen this loss
                self._ledger.keep_fact(LOSS_SEEN, json.dumps([last[0], str(worth)]))
            return Kill(
                "the trader", f"the account fell by {percent(loss)} in a session, more than {percent(limit)}"
            )
        return None

    def _loss_counts_from(self, session: str, began_with: Decimal) -> Decimal:
        """Return what the account was worth at a session's begin, or when its loss has stopped all before."""
        seen, worth = json.loads(self._ledger.fact(LOSS_SEEN) or '["", "0"]')
        return Decimal(worth) if seen == session else began_with

    def _end_orders(self, kill: Kill) -> None:
        why = f"kill switch: {kill.reason} ({kill.who})"
        names = {intent.order.client_order_id for intent in self._ledger.intents()}
        for intent in self._ledger.intents(only_open=True):
            if intent.status is IntentStatus.INTENDED:
                self._orders.set(intent, IntentStatus.REFUSED, why)
        try:
            for order in self._broker.open_orders():
                if order.client_order_id in names:
                    self._broker.cancel(order.order_id)
        except RateLimited as full:
            self._wait_for(full)
        except BrokerUnavailable as problem:  # the next tick tries again
            self._say_once(f"orders cannot be canceled yet: {problem.message}")
        self._say_once(f"nothing is traded: {why}")

    def _send_waiting(self, clock: BrokerClock) -> None:
        if not clock.is_open or self._now() < self._quiet_until:
            return
        why = self._parts.held_back(self._now())
        if why:
            self._say_once(f"nothing is sent: {why}")
            return
        self._said = ""
        for intent in self._orders.sendable():
            if not self._send(intent):
                return

    def _send(self, intent: Intent) -> bool:
        """Send an order; return whether others may follow."""
        try:
            taken = self._broker.submit(intent.order)
        except RateLimited as full:
            self._wait_for(full)
            return False
        except OrderRejected as refusal:
            self._refused(intent, refusal)
        except OutcomeUnknown as problem:
            self._orders.set(intent, IntentStatus.UNKNOWN, problem.message)
        except BrokerUnavailable as problem:
            self._say_once(f"the broker cannot be asked: {problem.message}")
            return False
        else:
            self._orders.match(intent, taken)
        return self._parts.kill_switch.state() is None

    def _wait_for(self, full: RateLimited) -> None:
        """Ask nothing until the broker takes questions again; at most for some minutes, whatever it says."""
        asked = float(full.facts.get("reset_at", self._now() + 60.0))
        self._quiet_until = min(asked, self._now() + LONGEST_QUIET_S)
        self._say_once(full.message)

    def _refused(self, intent: Intent, refusal: OrderRejected) -> None:
        if refusal.facts.get("code") != DUPLICATE_NAME:
            self._orders.set(intent, IntentStatus.REJECTED, refusal.message)
            return
        broker_order = self._broker.find(intent.order.client_order_id)
        if (
            broker_order is None
        ):  # the code says a taken name, and also everything else that was wrong in the order
            self._note("refused", f"{intent.order.symbol}: {refusal.message}")
            self._orders.set(intent, IntentStatus.UNKNOWN, refusal.message)
        else:
            self._orders.match(intent, broker_order)

    def _expire(self, bar: str) -> None:
        for intent in self._ledger.intents(only_open=True):
            if intent.status is IntentStatus.INTENDED and intent.bar < bar:
                self._orders.set(intent, IntentStatus.EXPIRED, f"decided at {intent.bar}, and {bar} has come")

    def _session(self) -> str:
        session = self._ledger.fact("session")
        if session is None:
            raise Refused("the ledger has no session: it was not begun by 'sharpen paper run'")
        return session

    def _note(self, kind: str, text: str) -> None:
        self._ledger.note(kind, text, self._now())
        self._parts.say(f"{kind}: {text}")

    def _say_once(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._note("held back", text)

    def _now(self) -> float:
        return self._parts.clock.time()


def closes_before(panel: Panel, t: int) -> dict[str, Decimal]:
    """Return the last close of each symbol before a bar; symbols without one are left out."""
    closes: dict[str, Decimal] = {}
    for k, symbol in enumerate(panel.symbols):
        earlier = panel.close[:t, k]
        known = earlier[np.isfinite(earlier) & (earlier > 0)]
        if len(known):
            closes[symbol] = Decimal(repr(float(known[-1])))
    return closes


def first_index(panel: Panel, first: str) -> int:
    """Return where in a panel the bar of a name is.

    Raises:
        Refused: It is not in there: the feed has too few bars.
    """
    names = [bar_name(time) for time in panel.time]
    if first not in names:
        raise Refused(f"the feed no longer has the bar {first} that trading began with: give it more history")
    return names.index(first)


def _prices(panel: Panel, t: int, k: int) -> tuple[float, ...]:
    return tuple(float(x[t, k]) for x in (panel.open, panel.high, panel.low, panel.close, panel.volume))
