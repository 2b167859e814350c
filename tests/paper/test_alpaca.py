"""Alpaca's paper account through alpaca-py, against a stand-in that answers as documented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

pytest.importorskip("alpaca")
pytest.importorskip("exchange_calendars")

from sharpen.errors import Refused, UsageError
from sharpen.paper.account_files import paths_of
from sharpen.paper.alpaca.broker import AlpacaBroker
from sharpen.paper.alpaca.connection import AlpacaAccess, access_from
from sharpen.paper.alpaca.feed import AlpacaFeed
from sharpen.paper.ledger import IntentStatus, Ledger
from sharpen.paper.live import LiveSession, fills_since, is_stale, silence
from sharpen.paper.market_calendar import MarketCalendar
from sharpen.paper.orders import OrderRequest, OrderStatus
from sharpen.paper.ports import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from sharpen.paper.recorded import RecordedClock
from sharpen.paper.report import report
from sharpen.paper.risk import RiskLimits
from sharpen.paper.trader import Parts, Trader

from .alpaca_stand_in import KEY, SECRET, AlpacaStandIn, Fault
from .worlds import Momentum

SYMBOLS = ("AAA", "BBB")
NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = MarketCalendar()
EVENING = 1719964800.0  # 2024-07-03 00:00 UTC: the session of the second has ended
MORNING = 1720013460.0  # 2024-07-03 09:31 in New York, a day that ends at 13:00
DAYS = [str(day.date()) for day in CALENDAR._calendar.sessions_in_range("2024-06-10", "2024-07-02")]


@dataclass
class Muted:
    """A stream that tells, or not."""

    tells: bool = True

    def is_connected(self) -> bool:
        return self.tells


@dataclass
class AlpacaWorld:
    """A trader on the stand-in, opened anew as after a crash."""

    folder: Path
    alpaca: Any
    clock: Any = field(default_factory=lambda: RecordedClock(EVENING))
    limits: RiskLimits = field(default_factory=RiskLimits)
    updates: Muted = field(default_factory=Muted)
    said: list[str] = field(default_factory=list)
    ledger: Ledger | None = None
    began: float = EVENING

    def set_time(self, now: float, *, is_open: bool) -> None:
        self.clock.now = self.alpaca.now = now
        self.alpaca.is_open = is_open

    def open(self) -> LiveSession:
        if self.ledger is not None:
            self.ledger.close()
        path, kill_switch, _ = paths_of(self.folder, "test")
        ledger = self.ledger = Ledger(path)
        if ledger.fact("session") is None:
            ledger.keep_fact("session", "s1")
            ledger.keep_fact("began_at", repr(self.began))
        broker = AlpacaBroker(self.alpaca.access, fills_since(ledger))
        parts = Parts(
            ledger,
            broker,
            Momentum(SYMBOLS),
            self.clock,
            kill_switch,
            self.limits,
            self.said.append,
            lambda bar, now: is_stale(CALENDAR, bar, now),
            lambda now: silence(self.updates, CALENDAR, now),
        )
        feed = AlpacaFeed(self.alpaca.access, SYMBOLS, "2016-01-01", (CALENDAR, self.clock))
        session = LiveSession(
            Trader(parts), ledger, feed, (CALENDAR, self.clock), self.folder / "bars.csv", self.said.append
        )
        session.start()
        return session

    def decided(self) -> LiveSession:
        """Return a session that has decided in the evening; it is morning now and nothing has been sent."""
        session = self.open()
        assert session.decide()
        self.set_time(MORNING, is_open=True)
        return session

    def hold(self) -> None:
        """Have what was decided in the evening filled in the morning."""
        session = self.decided()
        session.trader.tick()
        for order in self.alpaca.orders:
            self.alpaca.fill(order, order["qty"])
        session.trader.tick()

    def statuses(self) -> list[str]:
        assert self.ledger is not None
        return [intent.status for intent in self.ledger.intents()]


def midnight(day: str) -> str:
    """Return when a day begins in New York, as Alpaca says it: at 04:00 or 05:00 UTC."""
    return f"{datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def fill_with_bars(stand_in: AlpacaStandIn, days: list[str]) -> None:
    """Give a stand-in a random walk of daily bars."""
    for k, symbol in enumerate(SYMBOLS):
        rng = np.random.default_rng(k)
        closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
        stand_in.bars[symbol] = [
            {"t": t, "o": c, "h": c * 1.01, "l": c * 0.99, "c": c, "v": 1e6, "n": 1, "vw": c}
            for t, c in zip(map(midnight, days), closes.round(2).tolist(), strict=True)
        ]
        stand_in.prices[symbol] = str(round(float(closes[-1]), 2))


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    stand_in = AlpacaStandIn(EVENING)
    fill_with_bars(stand_in, DAYS)
    yield stand_in
    stand_in.close()


@pytest.fixture
def world(tmp_path: Path, alpaca: AlpacaStandIn) -> Iterator[AlpacaWorld]:
    found = AlpacaWorld(tmp_path, alpaca)
    yield found
    if found.ledger is not None:
        found.ledger.close()


# --- what may be used at all ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://api.alpaca.markets/v2",
        "http://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.example",
        "https://paper-api.alpaca.markets@api.alpaca.markets",
        "https://127.0.0.1.nip.io",
        "//",
    ],
)
def test_what_is_not_the_paper_account_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="sharpen trades no real money"):
        access_from({"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET, "APCA_API_BASE_URL": url})


def test_live_keys_and_missing_keys_are_refused() -> None:
    with pytest.raises(UsageError, match="live account"):
        AlpacaAccess("AKLIVE", SECRET)
    with pytest.raises(UsageError, match="set APCA_API_KEY_ID"):
        access_from({})


def test_secrets_are_never_shown(alpaca: AlpacaStandIn) -> None:
    assert SECRET not in repr(alpaca.access)
    assert KEY not in repr(alpaca.access)
    alpaca.faults = [Fault("GET", "/account", 403, '{"code": 1, "message": "no"}')]
    with pytest.raises(BrokerUnavailable) as problem:
        AlpacaBroker(alpaca.access, 0.0)
    assert SECRET not in problem.value.message


def test_wrong_keys_are_said(alpaca: AlpacaStandIn) -> None:
    with pytest.raises(BrokerUnavailable, match="401"):
        AlpacaBroker(AlpacaAccess("PK", "wrong", alpaca.url, alpaca.url, "ws://127.0.0.1:9"), 0.0)


def test_a_blocked_account_is_refused(alpaca: AlpacaStandIn) -> None:
    alpaca.account_status = "ACCOUNT_CLOSED"
    with pytest.raises(Refused, match="ACCOUNT_CLOSED"):
        AlpacaBroker(alpaca.access, 0.0)


# --- one order --------------------------------------------------------------------------------------------

ORDER = OrderRequest("name-1", "AAA", "buy", Decimal(10), Decimal(100))


def test_an_order_is_sent_as_a_market_order_for_the_day_and_found_by_name(alpaca: AlpacaStandIn) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    assert broker.find("name-1") is None
    assert broker.submit(ORDER).status is OrderStatus.OPEN
    sent = alpaca.orders[0]
    assert (sent["qty"], sent["time_in_force"], sent["client_order_id"]) == ("10", "day", "name-1")
    alpaca.fill(sent, "4", "100.5")
    found = broker.find("name-1")
    assert found is not None
    assert (found.filled, found.status) == (Decimal(4), OrderStatus.OPEN)
    assert [(f.client_order_id, f.quantity, f.price) for f in broker.fills()] == [
        ("name-1", Decimal(4), Decimal("100.5"))
    ]
    broker.cancel(found.order_id)
    broker.cancel(found.order_id)  # 422: it has ended already
    assert broker.open_orders() == []


@pytest.mark.parametrize("status", ["pending_new", "held", "done_for_day", "pending_replace", "brand_new"])
def test_a_status_that_is_not_final_is_open(alpaca: AlpacaStandIn, status: str) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    broker.submit(ORDER)
    alpaca.orders[0]["status"] = status
    found = broker.find("name-1")
    assert found is not None
    assert found.status is OrderStatus.OPEN


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/orders", 504, "", taken=True),
        Fault("POST", "/orders", 500, "<html>", taken=True),
        Fault("POST", "/orders", 502, "<html>", taken=True),
        Fault("POST", "/orders", 0, "", taken=True),
        Fault("POST", "/orders", 200, "", taken=True),
        Fault("POST", "/orders", 200, "[]", taken=True),
        Fault("POST", "/orders", 302, "", taken=True),
        Fault("POST", "/orders", 200, "{", taken=True),
    ],
)
def test_an_answer_that_is_lost_is_unknown_and_the_order_is_sent_once(
    alpaca: AlpacaStandIn, fault: Fault
) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    alpaca.faults = [fault]
    with pytest.raises(OutcomeUnknown):
        broker.submit(ORDER)
    assert len(alpaca.orders) == 1
    assert alpaca.calls.count(("POST", "/orders")) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(403, 40310000), (403, 40310100), (422, 42210000), (404, 40410000)]
)
def test_a_refusal_is_told_with_its_code(alpaca: AlpacaStandIn, status: int, code: int) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    alpaca.faults = [Fault("POST", "/orders", status, f'{{"code": {code}, "message": "no"}}')]
    with pytest.raises(OrderRejected) as refused:
        broker.submit(ORDER)
    assert refused.value.facts["code"] == code


def test_a_full_rate_limit_says_until_when(alpaca: AlpacaStandIn) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    body, headers = (
        '{"code": 42910000, "message": "rate limit exceeded"}',
        {"X-RateLimit-Reset": "1720000000"},
    )
    alpaca.faults = [
        Fault(method, "/orders", 429, body, headers=headers) for method in ("POST", "GET", "DELETE")
    ]
    for call in (lambda: broker.submit(ORDER), lambda: broker.find("x"), lambda: broker.cancel("o0")):
        with pytest.raises(RateLimited) as full:
            call()
        assert full.value.facts["reset_at"] == 1720000000.0
    assert alpaca.orders == []


@pytest.mark.parametrize(
    "fault", [Fault("GET", "/positions", s, b) for s, b in ((500, ""), (0, ""), (200, ""))]
)
def test_a_question_without_an_answer_is_of_one_kind(alpaca: AlpacaStandIn, fault: Fault) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    alpaca.faults = [fault]
    with pytest.raises(BrokerUnavailable):
        broker.positions()


def test_fills_come_in_pages_and_late_ones_are_not_missed(alpaca: AlpacaStandIn) -> None:
    broker = AlpacaBroker(alpaca.access, 0.0)
    broker.submit(OrderRequest("many", "AAA", "sell", Decimal(230), Decimal(100)))
    for _ in range(230):
        alpaca.fill(alpaca.orders[0], "1")
    found = broker.fills()
    assert (len(found), len({fill.execution_id for fill in found})) == (230, 230)
    assert sum(fill.signed_quantity for fill in found) == -230
    broker.submit(ORDER)
    alpaca.now -= 600  # its fill is told late
    alpaca.fill(alpaca.orders[1], "10")
    assert [fill for fill in broker.fills() if fill.client_order_id == "name-1"]


# --- the trader on it -------------------------------------------------------------------------------------


def test_an_evening_a_morning_and_the_fills(world: AlpacaWorld) -> None:
    session = world.decided()
    assert world.alpaca.orders == []
    session.trader.tick()
    assert [order["symbol"] for order in world.alpaca.orders] == ["AAA", "BBB"]
    for order in world.alpaca.orders:
        world.alpaca.fill(order, order["qty"])
    session.trader.tick()
    assert session.ledger.positions() == {s: q for s, q in world.alpaca.held.items() if q}
    assert session.ledger.cash() == world.alpaca.cash
    assert set(world.statuses()) == {IntentStatus.ENDED}


def move_against_what_is_held(world: AlpacaWorld, day: str) -> None:
    for symbol, bars in world.alpaca.bars.items():
        factor = 0.9 if world.alpaca.held[symbol] > 0 else 1.1
        close = round(bars[-1]["c"] * factor, 2)
        bars.append(bars[-1] | {"t": midnight(day), "o": close, "h": close, "l": close, "c": close})


def turned(world: AlpacaWorld) -> LiveSession:
    """Return a session whose positions should turn around this morning."""
    world.hold()
    move_against_what_is_held(world, "2024-07-03")
    world.limits = RiskLimits(max_daily_loss=1.0)
    world.set_time(1720026000.0 + 1000, is_open=False)
    session = world.open()
    assert session.decide()
    world.set_time(1720186260.0, is_open=True)  # 2024-07-05 09:31 in New York
    return session


def test_a_position_turns_around_in_two_orders(world: AlpacaWorld) -> None:
    session = turned(world)
    before = dict(session.ledger.positions())
    session.trader.tick()
    closing = world.alpaca.orders[2:]
    assert {o["symbol"]: Decimal(o["qty"]) for o in closing} == {s: abs(q) for s, q in before.items()}
    session.trader.tick()
    assert len(world.alpaca.orders) == 4, "the second waits for the first"
    for order in closing:
        world.alpaca.fill(order, order["qty"])
    session.trader.tick()
    assert len(world.alpaca.orders) == 6
    for order in world.alpaca.orders[4:]:
        world.alpaca.fill(order, order["qty"])
    session.trader.tick()
    after = session.ledger.positions()
    assert all(after[symbol] * quantity < 0 for symbol, quantity in before.items())
    assert set(world.statuses()) == {IntentStatus.ENDED}


def test_a_position_that_could_not_be_closed_is_not_turned(world: AlpacaWorld) -> None:
    session = turned(world)
    before = dict(session.ledger.positions())
    session.trader.tick()
    for order in world.alpaca.orders[2:]:
        order["status"] = "canceled"
    for _ in range(3):
        session.trader.tick()
    assert len(world.alpaca.orders) == 4
    assert world.statuses().count(IntentStatus.REFUSED) == 2
    assert session.ledger.positions() == before


def test_an_order_that_counts_on_one_which_ended_unfilled_is_not_sent(world: AlpacaWorld) -> None:
    session = turned(world)
    before = dict(session.ledger.positions())
    session.trader.tick()
    move_against_what_is_held(world, "2024-07-05")
    world.set_time(1720209600.0 + 1000, is_open=False)
    assert session.decide(), "the orders that close are at the broker, and count as filled"
    for order in world.alpaca.orders[2:]:
        order["status"] = "expired"
    world.set_time(1720445460.0, is_open=True)  # 2024-07-08 09:31
    for _ in range(3):
        session.trader.tick()
    meant = [i for i in session.ledger.intents() if i.bar.startswith("20240705")]
    passes = {i.order.symbol: i.order.quantity > abs(before[i.order.symbol]) for i in meant}
    assert set(passes.values()) == {True, False}, "one would pass through 0"
    assert {o["symbol"]: False for o in world.alpaca.orders[4:]} == {s: p for s, p in passes.items() if not p}
    refused = {i.order.symbol: i.reason for i in meant if i.status is IntentStatus.REFUSED}
    assert refused == {s: "the order before it was not filled" for s, p in passes.items() if p}


@pytest.mark.parametrize("status", [504, 0])
@pytest.mark.parametrize("taken", [True, False])
def test_after_a_lost_answer_there_is_one_order_at_most(world: AlpacaWorld, status: int, taken: bool) -> None:
    session = world.decided()
    world.alpaca.faults = [Fault("POST", "/orders", status, taken=taken)]
    for _ in range(5):
        session.trader.tick()
    names = [order["client_order_id"] for order in world.alpaca.orders]
    assert len(names) == len(set(names)) == (2 if taken else 1)
    assert world.statuses().count(IntentStatus.NOT_TAKEN) == (0 if taken else 1)


def test_killed_between_taking_and_writing_the_order_is_found_by_name(world: AlpacaWorld) -> None:
    world.decided()
    assert world.ledger is not None
    AlpacaBroker(world.alpaca.access, 0.0).submit(world.ledger.intents()[0].order)  # and then it died
    session = world.open()
    session.trader.tick()
    assert len(world.alpaca.orders) == 2
    assert set(world.statuses()) == {IntentStatus.SENT}


def test_a_restart_in_the_middle_of_a_fill_holds_what_was_filled(world: AlpacaWorld) -> None:
    world.decided().trader.tick()
    order = world.alpaca.order("AAA")
    world.alpaca.fill(order, "4")
    session = world.open()
    sign = 1 if order["side"] == "buy" else -1
    assert session.ledger.positions() == {"AAA": 4 * sign}
    world.alpaca.fill(order, str(Decimal(order["qty"]) - 4))
    for _ in range(3):
        session.trader.tick()
    assert session.ledger.positions() == {"AAA": Decimal(order["qty"]) * sign}
    assert len(session.ledger.fills()) == 2


def test_a_start_asks_for_no_more_than_a_day_of_fills(world: AlpacaWorld) -> None:
    world.decided().trader.tick()
    world.alpaca.fill(world.alpaca.order("AAA"), "1")
    world.open()
    assert world.ledger is not None
    assert fills_since(world.ledger) == MORNING - 86_400, "the newest fill counts"
    world.alpaca.calls.clear()
    world.set_time(MORNING + 40 * 86_400, is_open=False)
    for _ in range(30):  # a long past, all of it known
        world.alpaca.fill(world.alpaca.order("AAA"), "1")
    world.open()
    world.set_time(MORNING + 80 * 86_400, is_open=False)
    world.alpaca.fill(world.alpaca.order("BBB"), "1")
    world.open()
    world.alpaca.calls.clear()
    world.open()
    assert world.alpaca.n_told == 1
    assert world.ledger.positions() == {s: q for s, q in world.alpaca.held.items() if q}


@pytest.mark.parametrize("code", [40310000, 40310100, 42210000])
def test_no_funds_day_trading_and_halts_are_refused_once(world: AlpacaWorld, code: int) -> None:
    session = world.decided()
    world.alpaca.faults = [Fault("POST", "/orders", 403, f'{{"code": {code}, "message": "no"}}')]
    for _ in range(4):
        session.trader.tick()
    assert world.alpaca.calls.count(("POST", "/orders")) == 2
    assert world.statuses().count(IntentStatus.REJECTED) == 1


@pytest.mark.parametrize(
    ("code", "said"), [("null", "no"), ('"forbidden"', "no"), ("40010001", "refused: AAA: no")]
)
def test_a_refusal_is_a_refusal_whatever_its_code(world: AlpacaWorld, code: str, said: str) -> None:
    session = world.decided()
    world.alpaca.faults = [Fault("POST", "/orders", 422, f'{{"code": {code}, "message": "no"}}')]
    for _ in range(4):
        session.trader.tick()
    assert world.alpaca.calls.count(("POST", "/orders")) == 2
    assert [order["symbol"] for order in world.alpaca.orders] == ["BBB"]
    assert any(said in line for line in world.said)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clock", "{}"),
        ("/clock", "[]"),
        ("/clock", '{"timestamp": null, "is_open": true, "next_close": "2024-07-03T13:00:00-04:00"}'),
        ("/account/activities/FILL", '{"message": "maintenance"}'),
        ("/account/activities/FILL", "[3]"),
    ],
)
def test_an_answer_that_cannot_be_read_sends_nothing_and_ends_nothing(
    world: AlpacaWorld, path: str, body: str
) -> None:
    session = world.decided()
    world.alpaca.faults = [Fault("GET", path, 200, body)]
    session.trader.tick()
    assert world.alpaca.orders == []
    assert any("the broker cannot be asked, so nothing is sent" in line for line in world.said)
    session.trader.tick()
    assert len(world.alpaca.orders) == 2


def add_day(world: AlpacaWorld, factors: dict[str, float]) -> None:
    """Let the session of the third of July end, with closes so many times those before."""
    for symbol, bars in world.alpaca.bars.items():
        close = round(bars[-1]["c"] * factors[symbol], 2)
        prices = {
            "o": bars[-1]["c"],
            "h": max(close, bars[-1]["c"]),
            "l": min(close, bars[-1]["c"]),
            "c": close,
        }
        bars.append(bars[-1] | {"t": midnight("2024-07-03"), **prices})
    world.set_time(1720026000.0 + 1000, is_open=False)


def test_a_loss_while_nobody_was_there_acts_at_the_start(world: AlpacaWorld) -> None:
    world.hold()
    against = {s: 0.7 if q > 0 else 1.3 for s, q in world.alpaca.held.items()}
    add_day(world, against)  # and the trader is dead
    session = world.open()
    session.trader.tick()
    kill = paths_of(world.folder, "test")[1].state()
    assert kill is not None
    assert "the account fell by" in kill.reason


def test_a_price_far_from_the_bar_before_is_refused_after_a_restart_too(world: AlpacaWorld) -> None:
    world.decided()
    add_day(world, {"AAA": 2.5, "BBB": 1.01})
    session = world.open()  # which has seen the newest close
    assert session.decide()
    assert {i.order.symbol for i in session.ledger.intents() if i.bar.startswith("20240703")} == {"BBB"}
    assert any("is 150% from" in line for line in world.said)


def test_after_429_nothing_is_asked_until_the_reset_and_cancels_come_first(world: AlpacaWorld) -> None:
    session = world.decided()
    session.trader.tick()
    paths_of(world.folder, "test")[1].pull("ann", "stop", MORNING)
    body, headers = '{"code": 42910000, "message": "rate limit"}', {"X-RateLimit-Reset": str(MORNING + 30)}
    world.alpaca.faults = [Fault("GET", "/orders", 429, body, headers=headers)]
    session.trader.tick()
    world.alpaca.calls.clear()
    world.set_time(MORNING + 29, is_open=True)
    session.trader.tick()
    assert world.alpaca.calls == []
    world.set_time(MORNING + 31, is_open=True)
    session.trader.tick()
    methods = [method for method, _ in world.alpaca.calls]
    assert methods[:3] == ["GET", "DELETE", "DELETE"]
    assert {order["status"] for order in world.alpaca.orders} == {"canceled"}


def test_a_mute_stream_holds_orders_back_while_the_market_is_open(world: AlpacaWorld) -> None:
    session = world.decided()
    world.updates.tells = False
    world.set_time(EVENING + 60, is_open=False)
    session.trader.tick()
    assert not any("ALARM" in line for line in world.said), "silence is right while it is closed"
    assert silence(world.updates, CALENDAR, EVENING + 60) == ""
    assert silence(world.updates, CALENDAR, MORNING).startswith("ALARM")
    world.set_time(MORNING, is_open=True)
    session.trader.tick()
    assert world.alpaca.orders == []
    assert world.said[-1].endswith("ALARM: the stream of trade updates is mute while the market is open")
    world.updates.tells = True
    session.trader.tick()
    assert len(world.alpaca.orders) == 2


def test_fills_of_a_dead_stream_are_applied_before_new_orders(world: AlpacaWorld) -> None:
    session = world.decided()
    world.alpaca.calls.clear()
    session.trader.tick()
    asked = [path.partition("?")[0] for _, path in world.alpaca.calls]
    sent = world.alpaca.calls.index(("POST", "/orders"))
    assert any("activities" in path for path in asked[:sent]), "fills are asked for first"
    world.updates.tells = False
    for order in world.alpaca.orders:
        world.alpaca.fill(order, order["qty"])
    world.alpaca.calls.clear()
    session.trader.tick()
    assert session.ledger.positions() == {s: q for s, q in world.alpaca.held.items() if q}
    assert ("POST", "/orders") not in world.alpaca.calls


# --- bars and the calendar --------------------------------------------------------------------------------


def test_only_bars_of_sessions_that_have_ended_are_taken(world: AlpacaWorld) -> None:
    feed = AlpacaFeed(world.alpaca.access, SYMBOLS, "2016-01-01", (CALENDAR, world.clock))
    for symbol in SYMBOLS:
        bar = {"t": "2024-07-03T04:00:00Z", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}
        world.alpaca.bars[symbol].append(bar)
    world.clock.now = MORNING
    assert str(feed.complete().time[-1])[:10] == "2024-07-02"
    world.clock.now = 1720026000.0 + 899  # 13:00 in New York, and almost fifteen minutes
    assert str(feed.complete().time[-1])[:10] == "2024-07-02"
    world.clock.now += 2
    assert str(feed.complete().time[-1])[:10] == "2024-07-03"


def test_bars_come_in_pages_over_all_symbols(world: AlpacaWorld) -> None:
    feed = AlpacaFeed(world.alpaca.access, SYMBOLS, "2016-01-01", (CALENDAR, world.clock))
    whole = feed.complete()
    world.alpaca.page = 7
    again = feed.complete()
    assert np.array_equal(whole.close, again.close)
    assert len(whole) == len(DAYS)


def test_a_symbol_without_its_newest_bar_is_not_traded(world: AlpacaWorld) -> None:
    world.alpaca.bars["BBB"].pop()
    session = world.decided()
    session.trader.tick()
    assert {order["symbol"] for order in world.alpaca.orders} == {"AAA"}
    assert any("incomplete bar: 20240702T0000 BBB" in line for line in world.said)
    # the day after, BBB trades again: the bar that the account began with is still there, and compared
    bar = world.alpaca.bars["BBB"][-1]
    world.alpaca.bars["BBB"].append(bar | {"t": midnight("2024-07-03")})
    world.alpaca.bars["AAA"].append(world.alpaca.bars["AAA"][-1] | {"t": midnight("2024-07-03")})
    world.set_time(1720026000.0 + 1000, is_open=False)
    assert session.decide()
    panel = session.feed.complete()
    found = report(session.ledger, panel, Momentum(SYMBOLS), 2.0, seed=0)
    assert found.replay.mismatches == ()
    assert np.isfinite([found.worth, found.paper_return]).all()


def test_no_bars_at_all_are_said(world: AlpacaWorld) -> None:
    session = world.open()
    world.alpaca.bars.clear()
    assert not session.decide()
    assert any("no bars" in line for line in world.said)


def test_half_days_holidays_and_summer_time() -> None:
    def at(text: str) -> float:
        return float(np.datetime64(text, "s").astype(np.int64))

    assert CALENDAR.is_open(at("2024-07-03T16:59:59"))
    assert not CALENDAR.is_open(at("2024-07-03T17:00:00")), "the third of July ends at 13:00"
    assert not CALENDAR.is_open(at("2024-07-04T15:00:00"))
    assert CALENDAR.last_closed(at("2024-07-05T12:00:00")).date == "2024-07-03"
    for day, opens in (
        ("2024-03-08", 14.5),
        ("2024-03-11", 13.5),
        ("2024-11-01", 13.5),
        ("2024-11-04", 14.5),
    ):
        begin = at(f"{day}T00:00:00") + opens * 3600
        assert (CALENDAR.is_open(begin - 1), CALENDAR.is_open(begin)) == (False, True), day
    with pytest.raises(Refused, match="update exchange_calendars"):
        CALENDAR.is_open(at("2099-01-05T15:00:00"))


def test_a_decision_is_due_once_a_session_and_not_in_the_next(world: AlpacaWorld) -> None:
    session = world.open()
    assert session.is_due(EVENING)
    assert session.decide()
    assert not session.is_due(EVENING)
    assert not session.is_due(MORNING)
    assert is_stale(CALENDAR, np.datetime64("2024-07-02"), MORNING)
    assert is_stale(CALENDAR, np.datetime64("2024-07-01"), EVENING)
    assert not is_stale(CALENDAR, np.datetime64("2024-07-02"), EVENING)


def test_it_runs_by_itself_until_it_has_decided(world: AlpacaWorld) -> None:
    session = world.open()
    waits: list[float] = []
    assert session.run(1, lambda: len(waits) > 5, waits.append) == 1
    header, first = (world.folder / "bars.csv").read_text().splitlines()[:2]
    assert header == "time,symbol,open,high,low,close,volume"
    assert first.startswith(f"{DAYS[0]},AAA,")
