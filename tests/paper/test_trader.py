from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from sharpen.errors import Refused
from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import IntentStatus
from sharpen.paper.orders import BrokerClock, BrokerOrder, Fill, OrderRequest, OrderStatus
from sharpen.paper.ports import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from sharpen.paper.report import worth_by_bar
from sharpen.paper.risk import RiskLimits
from sharpen.paper.signal_comparison import compare
from sharpen.paper.simulated import Frictions

from .worlds import FIRST_BAR, Momentum, World, panel_of


class Troubled:
    """A broker whose answers get lost, or that refuses."""

    def __init__(self, broker, trouble, *, taken: bool) -> None:
        self._broker, self._trouble, self._taken = broker, trouble, taken
        self.n_submitted = 0

    def __getattr__(self, name):
        return getattr(self._broker, name)

    def submit(self, order):
        self.n_submitted += 1
        if self._taken:
            self._broker.submit(order)
        raise self._trouble


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, frictions=Frictions(partial_share=0.0))


def _decided(world):
    """Return an account that has decided at its first bar, with orders that wait for the next open."""
    account = world.open()
    t = account.start()
    account.session.play_bar(t)
    return account, t + 1


def test_what_is_decided_at_a_close_is_sent_at_the_next_open_and_filled_there(world):
    account, t = _decided(world)
    assert {i.status for i in account.ledger.intents()} == {IntentStatus.INTENDED}
    assert account.broker.fills() == []
    account.session.play_bar(t)
    fills = account.ledger.fills()
    assert {f.symbol for f in fills} == {"AAA", "BBB"}
    for fill in fills:
        k = world.panel.symbols.index(fill.symbol)
        worse = 1.0002 if fill.side == "buy" else 0.9998
        assert float(fill.price) == pytest.approx(world.panel.open[t, k] * worse, abs=1e-3)


def test_a_closed_market_gets_no_order(world):
    account, _ = _decided(world)
    account.trader.tick()
    assert account.broker.open_orders() == []
    assert len(account.ledger.intents(only_open=True)) == 2


def test_an_order_that_nobody_sent_expires_when_the_next_bar_comes(world):
    account, t = _decided(world)
    bar = account.ledger.last_bar()
    account.trader.on_bar(world.panel.slice(0, t + 1))
    old = [i for i in account.ledger.intents() if i.bar == bar]
    assert {i.status for i in old} == {IntentStatus.EXPIRED}
    assert any("order expired" in line for line in world.said)


@pytest.mark.parametrize("taken", [True, False])
def test_an_unknown_outcome_is_looked_up_and_never_sent_again(world, taken):
    troubled = []

    def wrap(broker):
        troubled.append(Troubled(broker, OutcomeUnknown("the connection broke"), taken=taken))
        return troubled[0]

    world.wrap_broker = wrap
    account, t = _decided(world)
    account.open_market(t)
    for _ in range(6):
        account.trader.tick()
    assert troubled[0].n_submitted == 2  # once for each symbol
    expected = IntentStatus.SENT if taken else IntentStatus.NOT_TAKEN
    assert {i.status for i in account.ledger.intents()} == {expected}
    assert len(account.broker.open_orders()) == (2 if taken else 0)


def test_a_name_that_the_broker_knows_is_adopted_when_the_order_matches(world):
    refusal = OrderRejected("client_order_id must be unique", code=40010001)
    world.wrap_broker = lambda broker: Troubled(broker, refusal, taken=True)
    account, t = _decided(world)
    account.open_market(t)
    account.trader.tick()
    assert {i.status for i in account.ledger.intents()} == {IntentStatus.SENT}


def test_another_order_under_our_name_stops_everything(world):
    account, t = _decided(world)
    account.open_market(t)
    first = account.ledger.intents()[0].order
    account.broker.submit(replace(first, quantity=first.quantity + 1))
    account.trader.tick()
    kill = paths_of(world.folder, "test")[1].state()
    assert kill is not None
    assert "another order under the name" in kill.reason
    assert account.broker.open_orders() == []


def test_a_refused_order_is_not_tried_again(world):
    troubled = []

    def wrap(broker):
        troubled.append(Troubled(broker, OrderRejected("no funds", code=40310000), taken=False))
        return troubled[0]

    world.wrap_broker = wrap
    account, t = _decided(world)
    account.open_market(t)
    for _ in range(4):
        account.trader.tick()
    assert troubled[0].n_submitted == 2
    assert {i.status for i in account.ledger.intents()} == {IntentStatus.REJECTED}


def test_a_full_rate_limit_is_waited_out(world):
    troubled = []

    def wrap(broker):
        troubled.append(Troubled(broker, RateLimited("too many", reset_at=2e9), taken=False))
        return troubled[0]

    world.wrap_broker = wrap
    account, t = _decided(world)
    account.open_market(t)
    for _ in range(3):
        account.trader.tick()
    assert troubled[0].n_submitted == 1
    assert {i.status for i in account.ledger.intents()} == {IntentStatus.INTENDED}


def test_a_broker_that_cannot_be_asked_gets_nothing(world):
    account, t = _decided(world)
    account.open_market(t)

    def down():
        raise BrokerUnavailable("no route")

    account.broker.clock = down
    account.trader.tick()
    assert account.broker.open_orders() == []
    assert any("cannot be asked" in line for line in world.said)


def test_a_fill_that_is_heard_of_twice_counts_once_in_any_order(world):
    account, t = _decided(world)
    account.session.play_bar(t)
    before = account.ledger.positions()
    fills = account.broker.fills()
    assert account.ledger.keep_fills([*reversed(fills), *fills]) == 0
    assert account.ledger.positions() == before


def test_orders_and_positions_of_others_are_left_alone(world):
    account = world.open()
    foreign = OrderRequest("by-hand", "ZZZ", "buy", Decimal(7), Decimal(50))
    account.broker.submit(foreign)
    account.broker.trade({"ZZZ": 50.0})
    t = account.start()
    account.session.play_bar(t)
    account.broker.submit(OrderRequest("by-hand-2", "ZZZ", "buy", Decimal(1), Decimal(50)))
    account.trader.kill("ann", "a test")
    assert [order.client_order_id for order in account.broker.open_orders()] == ["by-hand-2"]
    assert "ZZZ" not in account.ledger.positions()
    assert account.broker.positions()["ZZZ"] == 7


def test_a_broker_that_holds_something_else_is_refused_until_adopted(world):
    account, t = _decided(world)
    account.session.play_bar(t)
    by_hand = OrderRequest("by-hand", "AAA", "buy", Decimal(3), Decimal(100))
    account.broker.submit(by_hand)
    account.broker.trade({"AAA": 100.0})
    ours = account.ledger.positions()["AAA"]
    with pytest.raises(Refused, match=f"AAA: ledger {ours}, broker {ours + 3}.*--adopt REASON"):
        account.start()
    account.session.start(t + 1, adopt_reason="bought by hand")
    assert account.ledger.positions()["AAA"] == ours + 3
    assert any(e.kind == "adopted" and "bought by hand" in e.text for e in account.ledger.events())


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.1])
def test_adopting_is_neither_profit_nor_loss(world, factor):
    """Three shares were bought by hand, or each share was split: the account is worth what it was."""
    account, t = _decided(world)
    account.session.play_bar(t)
    held = account.ledger.positions()
    price = {s: account.trader._prices[s] for s in held}
    before = account.trader.worth()
    if factor == 1.0:
        account.broker.positions = lambda: {s: q + 3 for s, q in held.items()}
    else:
        account.broker.positions = lambda: {s: q * Decimal(str(factor)) for s, q in held.items()}
    close = world.panel.close.copy()
    close[t : t + 2] = close[t] / factor
    morning = replace(world.panel, close=close)
    account.open_market(t + 1)
    account.trader.start(morning.slice(0, t + 1), adopt_reason="looked at it")
    assert account.trader.worth() == pytest.approx(before, rel=Decimal("1e-6"))
    event = next(e.text for e in account.ledger.events() if e.kind == "adopted")
    wanted = (
        [f"3 shares at {p}" for p in price.values()] if factor == 1.0 else [f"a split, {factor:.4g} for 1"]
    )
    assert all(words in event for words in wanted), event
    assert worth_by_bar(account.ledger, morning.slice(0, t + 2))[-2:] == pytest.approx(
        float(before), rel=1e-6
    )


def test_the_fraction_that_a_reverse_split_left_holds_no_order_up(world):
    account, t = _decided(world)
    account.session.play_bar(t)
    filled = account.broker.positions
    gone = {s: -q * Decimal("0.875") for s, q in filled().items()}  # eight shares became one
    account.broker.positions = lambda: {s: q + gone.get(s, 0) for s, q in filled().items()}
    account.session.start(t + 1, adopt_reason="a reverse split")
    assert any(q % 1 for q in account.ledger.positions().values())
    n_fills = len(account.broker.fills())
    for bar in range(t + 1, t + 5):
        account.session.play_bar(bar)
    assert len(account.broker.fills()) > n_fills + 2
    assert not [e.text for e in account.ledger.events() if e.kind == "refused by limits"]


def test_a_second_trader_is_refused(world):
    account = world.open()
    with pytest.raises(Refused, match="another trader works on this account"):
        world.open()
    account.close()
    world.open().close()


def test_a_trader_whose_place_was_taken_can_write_nothing(world):
    account = world.open()
    account.ledger._put_fact("token", "99")
    with pytest.raises(Refused, match="taken this account over"):
        account.ledger.note("x", "y", 0.0)


@pytest.mark.parametrize("skew_s", [2.5, -2.5])
def test_clocks_that_differ_stop_orders(world, skew_s):
    account, t = _decided(world)
    account.open_market(t)
    now = account.session.clock.now
    account.broker.set_clock(BrokerClock(now + skew_s, True, "x"))
    account.trader.tick()
    assert account.broker.open_orders() == []
    assert any("set the clock" in line for line in world.said)


def test_a_clock_that_goes_back_stops_orders(world):
    account, t = _decided(world)
    account.open_market(t)
    account.session.clock.now -= 10 * 86_400
    account.broker.set_clock(BrokerClock(account.session.clock.now, True, "x"))
    account.trader.tick()
    assert account.broker.open_orders() == []
    assert any("the clock went back" in line for line in world.said)


def test_a_bar_is_decided_on_once_and_a_revision_is_noted(world):
    account, t = _decided(world)
    n = len(account.ledger.decisions())
    panel = world.panel.slice(0, t)
    account.trader.on_bar(panel)
    revised = replace(panel, close=panel.close * 1.01)
    account.trader.on_bar(revised)
    assert len(account.ledger.decisions()) == n
    assert any(e.kind == "revised bar" for e in account.ledger.events())


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0])
def test_an_incomplete_bar_is_not_traded(world, bad):
    account, t = _decided(world)
    close = world.panel.close.copy()
    close[t, 0] = bad
    panel = replace(world.panel, close=close).slice(0, t + 1)
    account.trader.on_bar(panel)
    newest = account.ledger.last_bar()
    assert [d.symbol for d in account.ledger.decisions() if d.bar == newest] == ["BBB"]
    assert any(e.kind == "incomplete bar" for e in account.ledger.events())


def test_stale_bars_decide_nothing(world):
    account = world.open()
    t = account.start()
    account.trader._parts = replace(account.trader._parts, is_stale=lambda _bar, _now: True)
    account.trader.on_bar(world.panel.slice(0, t + 1))
    assert account.ledger.decisions() == []


def test_the_kill_switch_survives_restarts_and_a_person_lifts_it(world):
    account, t = _decided(world)
    account.trader.kill("ann", "wrong prices")
    account.close()
    again = world.open()
    again.start()
    again.session.play_bar(t)
    assert again.broker.fills() == []
    paths_of(world.folder, "test")[1].lift("ann", "prices are right", 0.0)
    again.session.play_bar(t + 1)
    again.session.play_bar(t + 2)
    assert again.broker.fills() != []


@pytest.mark.parametrize("content", [b'\n{"kill": false, "who"', b""])
def test_a_damaged_kill_switch_stops_trading(world, content):
    account, t = _decided(world)
    path = paths_of(world.folder, "test")[0].with_suffix(".kills")
    path.write_bytes(content)
    account.session.play_bar(t)
    assert account.broker.fills() == []


@pytest.mark.parametrize("was_down", [False, True])
def test_a_daily_loss_that_is_not_realised_stops_trading(tmp_path, was_down):
    world = World(tmp_path, panel_of(12), RiskLimits(max_daily_loss=0.05), Frictions(partial_share=0.0))
    account = world.open()
    t = account.start()
    account.session.play_bar(t)
    account.session.play_bar(t + 1)
    account.open_market(t + 2)
    account.trader.tick()  # this session begins with what the account is worth now
    held, n_fills = account.ledger.positions(), len(account.ledger.fills())
    assert held
    assert paths_of(tmp_path, "test")[1].state() is None
    worse = [1 - 0.3 * np.sign(float(held.get(symbol, 0))) for symbol in world.panel.symbols]
    fallen = replace(world.panel, close=world.panel.close * np.array(worse)).slice(0, t + 2)
    if was_down:
        account.close()
        account = world.open()
        account.open_market(t + 2)
        account.trader.start(fallen)
    else:
        account.trader.see_prices(fallen)
    account.trader.tick()
    kill = paths_of(tmp_path, "test")[1].state()
    account.close()
    assert kill is not None
    assert "fell by" in kill.reason
    assert len(account_fills(world)) == n_fills, "nothing was sold: the loss was on paper"


def fallen_at_a_close(world):
    """Return how many bars are over when one opens as before and closes 30 % against what will be held."""
    account = world.open()
    t = account.start()
    account.session.play_bar(t)
    account.session.play_bar(t + 1)
    held = account.ledger.positions()
    for intent in account.ledger.intents(only_open=True):
        held[intent.order.symbol] = held.get(intent.order.symbol, 0) + intent.order.signed_quantity
    account.close()
    factor = np.ones(world.panel.close.shape)
    factor[t + 2 :] = [1 - 0.3 * np.sign(float(held[symbol])) for symbol in world.panel.symbols]
    opening = factor.copy()
    opening[t + 2] = 1.0
    world.panel = replace(world.panel, close=world.panel.close * factor, open=world.panel.open * opening)
    return t + 2


@pytest.mark.parametrize("was_away", [False, True])
def test_a_loss_at_a_close_stops_trading_before_the_next_session(tmp_path, was_away):
    world = World(tmp_path, panel_of(12), RiskLimits(max_daily_loss=0.05), Frictions(partial_share=0.0))
    t = fallen_at_a_close(world)
    kill_switch = paths_of(tmp_path, "test")[1]
    account = world.open()
    account.start()
    if was_away:  # the process dies when the bar is decided on, and comes back when the next one trades
        ticks = iter([account.trader.tick] * 3)
        account.trader.tick = lambda: next(ticks)()  # noqa: PLW0108 - the next one at each call
        with pytest.raises(StopIteration):
            account.session.play_bar(t)
        assert kill_switch.state() is None
        account.close()
        account = world.open()
        account.session.start(t + 1)
    account.session.play(t + was_away, len(world.panel))
    kill = kill_switch.state()
    assert kill is not None
    assert "fell by 1" in kill.reason, kill
    last_fill = max(fill.at for fill in account.ledger.fills())
    assert last_fill < float(world.panel.time[t + 1].astype(np.int64)) / 1e6
    kill_switch.lift("ann", "looked at it", 0.0)
    account.session.start(len(world.panel))
    account.trader.tick()
    assert kill_switch.state() is None, "who lifts it has seen this loss"
    account.close()


def account_fills(world):
    account = world.open()
    found = account.ledger.fills()
    account.close()
    return found


def test_a_worth_that_cannot_be_known_stops_trading(world):
    account, t = _decided(world)
    account.session.play_bar(t)
    account.trader._prices.clear()
    account.trader.tick()
    kill = paths_of(world.folder, "test")[1].state()
    assert kill is not None
    assert "cannot be computed" in kill.reason


def test_orders_beyond_the_limits_never_reach_the_broker(tmp_path):
    world = World(tmp_path, limits=RiskLimits(max_order_usd=Decimal(100), max_daily_loss=1.0))
    account = world.open()
    account.play()
    assert account.broker.fills() == []
    assert any(e.kind == "refused by limits" and "more than 100" in e.text for e in account.ledger.events())


def test_a_halted_symbol_is_refused_once_a_bar_and_the_other_trades(tmp_path):
    world = World(tmp_path, frictions=Frictions(halted=frozenset({"AAA"}), partial_share=0.0))
    account = world.open()
    account.play()
    assert {f.symbol for f in account.broker.fills()} == {"BBB"}
    rejected = [i for i in account.ledger.intents() if i.status is IntentStatus.REJECTED]
    assert {i.order.symbol for i in rejected} == {"AAA"}


def test_every_signal_equals_the_backtests_and_an_altered_bar_is_reported(world):
    account = world.open()
    account.play()
    strategy = Momentum(world.panel.symbols)
    decisions, recorded = account.ledger.decisions(), account.ledger.bars()
    same = compare(world.panel, strategy, decisions, recorded)
    assert same.n_signals == 2 * (len(world.panel) - FIRST_BAR)
    assert same.mismatches == ()
    close = world.panel.close.copy()
    close[FIRST_BAR + 4, 1] *= 0.9
    altered = compare(replace(world.panel, close=close), strategy, decisions, recorded)
    assert any(m.kind == "bar" and m.symbol == "BBB" for m in altered.mismatches)


def test_a_split_overnight_halts_the_next_start(world):
    account, t = _decided(world)
    account.session.play_bar(t)
    held = account.ledger.positions()

    def after_a_split():
        return {symbol: 2 * quantity for symbol, quantity in held.items()}

    account.broker.positions = after_a_split
    with pytest.raises(Refused, match="A split"):
        account.start()


def test_fills_of_a_time_when_nobody_listened_are_applied_once(world):
    account, t = _decided(world)
    account.open_market(t)
    account.trader.tick()
    account.close()
    away = world.open()
    away.open_market(t)
    away.broker.trade({"AAA": 101.0, "BBB": 99.0})
    away.trader._orders.refresh()
    once = away.ledger.positions()
    away.trader._orders.refresh()
    assert away.ledger.positions() == once == away.broker.positions()


def test_an_order_that_the_broker_forgot_is_in_doubt_first(world):
    account, t = _decided(world)
    account.open_market(t)
    account.trader.tick()
    account.broker.find = lambda _name: None
    account.trader.tick()
    assert {i.status for i in account.ledger.intents()} == {IntentStatus.UNKNOWN}


def test_a_status_that_came_before_its_fills_waits_for_them(world):
    account, t = _decided(world)
    account.open_market(t)
    account.trader.tick()
    order = account.ledger.intents()[0].order
    filled = BrokerOrder(
        "1",
        order.client_order_id,
        order.symbol,
        order.side,
        order.quantity,
        order.quantity,
        OrderStatus.FILLED,
    )
    account.trader._orders.match(account.ledger.intents()[0], filled)
    assert account.ledger.intents()[0].status is IntentStatus.SENT
    fill = Fill("x1", order.client_order_id, order.symbol, order.side, order.quantity, Decimal(100), 0.0)
    account.ledger.keep_fills([fill])
    account.trader._orders.match(account.ledger.intents()[0], filled)
    assert account.ledger.intents()[0].status is IntentStatus.ENDED
