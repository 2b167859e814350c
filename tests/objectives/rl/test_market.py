"""The market: a worked example to the cent, what must always hold, and no look into the future."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharpen.errors import UsageError
from sharpen.objectives.rl.market import FILLS, MarketSettings, PortfolioMarket, affordable
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.streams import Streams

from .worked import ACTIONS, CLOSE, OPEN, data_of

SETTINGS = MarketSettings(stop_bar=5, initial_cash=500.25, max_trade=10, cost_bps=10)


def walk(market, actions, shares=(10, 0, 0)):
    """Return the states and steps of some actions, taken by every portfolio."""
    state = market.reset(Streams.of([0] * market.n_members))
    state["shares"] = torch.zeros_like(state["shares"]) + torch.tensor(shares, dtype=torch.float64)
    state["assets"] = market.assets(state)
    states, steps = [state], []
    for action in actions:
        wide = torch.as_tensor(action).expand(market.n_members, market.n_envs, -1)
        steps.append(market.step(states[-1], wide))
        states.append(steps[-1].state)
    return states, steps


@pytest.mark.parametrize(
    ("fill", "cash", "shares", "assets"),
    [
        (
            "next_open",
            [34.785, 96.547, 33.100, 102.852],
            [(10, 10, 5), (18, 4, 5), (8, 1, 10), (9, 4, 7)],
            [634.785, 658.547, 667.100, 676.852],
        ),
        (
            "next_close",
            [49.800, 97.560, 25.112, 89.871],
            [(10, 10, 4), (18, 4, 4), (8, 1, 9), (9, 4, 6)],
            [599.800, 609.560, 607.112, 612.871],
        ),
    ],
)
def test_the_worked_example_to_the_cent(fill, cash, shares, assets):
    market = PortfolioMarket(data_of(OPEN, CLOSE), [replace(SETTINGS, fill=fill)], n_envs=2)
    states, steps = walk(market, ACTIONS)
    assert states[0]["assets"][0, 0] == 600.25
    for k, state in enumerate(states[1:]):
        assert state["cash"][0].tolist() == pytest.approx([cash[k]] * 2, abs=5e-4)
        assert state["shares"][0, 1].tolist() == list(shares[k])
        assert state["assets"][0].tolist() == pytest.approx([assets[k]] * 2, abs=5e-4)
    assert [bool(step.truncated.all()) for step in steps] == [False, False, False, True]
    assert not any(step.terminated.any() for step in steps)


def test_the_reward_is_the_scaled_gain_with_a_bonus_at_the_end():
    settings = replace(SETTINGS, fill="next_close", bonus_gamma=0.99)
    _, steps = walk(PortfolioMarket(data_of(OPEN, CLOSE), [settings], n_envs=1), ACTIONS)
    rewards = [float(step.reward[0, 0]) for step in steps]
    assert rewards[:2] == pytest.approx([-1.098633e-4, 2.382812e-3], rel=1e-4)
    assert rewards[3] - (612.871 - 607.112) * 2**-12 == pytest.approx(0.0770325, rel=1e-4)


def test_filling_at_the_observed_close_looks_ahead_and_says_so():
    settings = replace(SETTINGS, fill="same_close_lookahead")
    states, _ = walk(PortfolioMarket(data_of(OPEN, CLOSE), [settings], n_envs=1), ACTIONS)
    assert float(states[-1]["assets"]) == pytest.approx(702.833, abs=5e-4)


def test_members_differ_in_their_numbers_and_do_not_touch_each_other():
    members = [replace(SETTINGS, cost_bps=c, slippage_bps=s) for c, s in [(10, 0), (50, 0), (10, 40)]]
    together, _ = walk(PortfolioMarket(data_of(OPEN, CLOSE), members, n_envs=1), ACTIONS)
    for k, member in enumerate(members):
        alone, _ = walk(PortfolioMarket(data_of(OPEN, CLOSE), [member], n_envs=1), ACTIONS)
        assert all(torch.equal(a["assets"][0], b["assets"][k]) for a, b in zip(alone, together, strict=True))
    assert together[-1]["assets"][0] > together[-1]["assets"][1]
    assert together[-1]["assets"][0] > together[-1]["assets"][2]


@given(seed=st.integers(0, 1000), fill=st.sampled_from(FILLS), cost=st.sampled_from([0.0, 10.0, 333.0]))
def test_cash_and_shares_are_never_negative_and_lots_are_whole(seed, fill, cost):
    rng = np.random.default_rng(seed)
    close = np.round(np.exp(rng.normal(2, 1, (8, 4))), 2) + 0.01
    opens = np.round(close * np.exp(rng.normal(0, 0.1, close.shape)), 2) + 0.01
    settings = MarketSettings(stop_bar=8, initial_cash=300.0, max_trade=30, cost_bps=cost, fill=fill)
    market = PortfolioMarket(data_of(opens, close), [settings], n_envs=5)
    state = market.reset(Streams.of([seed]))
    for _ in range(7):
        before, state = state, market.step(state, torch.as_tensor(rng.uniform(-1, 1, (1, 5, 4)))).state
        assert bool((state["cash"] >= 0).all())
        assert bool((state["shares"] >= 0).all())
        assert torch.equal(state["shares"], state["shares"].round())
        traded = (state["shares"] - before["shares"]).abs()
        price = torch.as_tensor(
            close[int(before["day"][0, 0])]
            if fill == "same_close_lookahead"
            else (opens if fill == "next_open" else close)[int(state["day"][0, 0])]
        )
        worth = state["cash"] + (state["shares"] * price).sum(-1)
        fee = (traded * price).sum(-1) * cost * 1e-4
        assert torch.allclose(worth + fee, before["cash"] + (before["shares"] * price).sum(-1), atol=1e-6)


def test_exactly_affordable_lots_are_bought():
    close = np.full((2, 1), 33.3)
    settings = MarketSettings(stop_bar=2, initial_cash=33.3 * 1.001 * 7, max_trade=10, fill="next_close")
    states, _ = walk(PortfolioMarket(data_of(close, close), [settings], n_envs=1), [[1.0]], shares=(0,))
    assert states[1]["shares"].item() == 7


def test_buys_take_their_turn_until_the_cash_is_gone():
    draw = np.random.default_rng(3)
    cash, wanted = draw.uniform(0, 3e4, 50), draw.integers(0, 90, (50, 6)).astype(float)
    paid = draw.uniform(3, 300, (50, 6))
    found = affordable(*(torch.from_numpy(x)[None] for x in (cash, wanted, paid)))[0].numpy()
    for b, left in enumerate(cash):
        for s in range(6):
            lot = min(wanted[b, s], math.floor(left / paid[b, s]))
            assert found[b, s] == lot
            left -= lot * paid[b, s]  # noqa: PLW2901 - the cash after this buy


def test_random_starts_stay_in_the_window_and_last_as_long_as_asked():
    close = np.full((50, 2), 10.0)
    settings = MarketSettings(first_bar=10, stop_bar=40, episode_bars=5, random_start=True, random_reset=True)
    market = PortfolioMarket(data_of(close, close), [settings], n_envs=300)
    state = market.reset(Streams.of([3]))
    assert int(state["day"].min()) == 10
    assert int(state["day"].max()) == 34
    assert 0.75e6 <= float(state["cash"].min()) < float(state["cash"].max()) <= 1.25e6
    assert float(state["shares"].mean()) == pytest.approx(128 * 0.8 - 0.5, rel=0.1)
    for step in range(5):
        result = market.step(state, torch.zeros(1, 300, 2))
        state = result.state
        assert bool(result.truncated.all()) == (step == 4)


def test_a_stock_that_misses_bars_is_not_traded():
    close = CLOSE.copy()
    close[2:4, 1] = np.nan
    settings = replace(SETTINGS, fill="next_close")
    states, _ = walk(PortfolioMarket(data_of(close, close), [settings], n_envs=1), ACTIONS)
    assert [s["shares"][0, 0, 1].item() for s in states] == [0, 10, 10, 10, 10]
    assert all(bool(torch.isfinite(s["assets"]).all()) for s in states)


def test_turbulence_sells_everything():
    data = replace(data_of(OPEN, CLOSE), turbulence=np.array([0.0, 0.0, 99.0, 0.0, 0.0]))
    states, _ = walk(PortfolioMarket(data, [replace(SETTINGS, turbulence_limit=50.0)], n_envs=1), ACTIONS)
    assert states[2]["shares"].sum() > 0
    assert states[3]["shares"].sum() == 0
    assert states[4]["shares"].sum() > 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"stop_bar": 1}, "too short"),
        ({"stop_bar": 9}, "not within"),
        ({"fill": "now"}, "must be one of next_open"),
        ({"trade_unit": "dollars"}, "shares or value"),
    ],
)
def test_bad_rules_are_refused(change, match):
    with pytest.raises(UsageError, match=match):
        PortfolioMarket(data_of(OPEN, CLOSE), [replace(SETTINGS, **change)], n_envs=1)


@pytest.mark.parametrize("scaling", ["elegantrl", "relative"])
def test_no_column_of_the_state_knows_the_future(world, other_future, scaling):
    panel = world(seed=4, n_bars=420)
    known = market_data(panel, scaling=scaling)
    for after in (300, 350, 400):
        bent = market_data(other_future(panel, after), scaling=scaling)
        np.testing.assert_allclose(bent.table[: after + 1], known.table[: after + 1], rtol=1e-9, atol=1e-12)
        assert not np.allclose(bent.table[after + 1 :], known.table[after + 1 :])


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
def test_what_a_portfolio_has_does_not_depend_on_later_bars(world, other_future, fill):
    panel = world(seed=4, n_bars=420)
    rng = np.random.default_rng(0)
    actions, after = rng.uniform(-1, 1, (60, 3)), 340
    settings = MarketSettings(first_bar=300, stop_bar=400, max_trade=0.2, trade_unit="value", fill=fill)
    ways = [
        walk(PortfolioMarket(market_data(p), [settings], n_envs=1), actions, (0, 0, 0))[0]
        for p in (panel, other_future(panel, after))
    ]
    for k in range(len(actions)):
        same = torch.allclose(ways[0][k]["assets"], ways[1][k]["assets"], rtol=1e-12)
        assert same == (300 + k <= after)


def test_a_decision_made_at_a_close_cannot_have_that_close():
    """An order at the close of bar t costs what bar t + 1 asks, whatever bar t asked."""
    opens, close = OPEN.copy(), CLOSE.copy()
    opens[0], close[0] = 1.0, 1.0
    for fill in ("next_open", "next_close"):
        spent = []
        for prices in ((OPEN, CLOSE), (opens, close)):
            market = PortfolioMarket(data_of(*prices), [replace(SETTINGS, fill=fill)], n_envs=1)
            states, _ = walk(market, ACTIONS[:1], (0, 0, 0))
            spent.append(states[1]["cash"].item())
        assert spent[0] == spent[1]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_actions_beyond_the_limits_count_as_the_limits_and_no_number_as_no_order(is_compiled):
    def earned(actions):
        market = PortfolioMarket(data_of(OPEN, CLOSE), [SETTINGS], n_envs=1)
        market.is_compiled = is_compiled
        states, _ = walk(market, actions)
        return torch.cat([states[-1]["cash"], states[-1]["shares"][0]], -1)

    wild = [(5.0, math.inf, math.nan), (-7.0, math.nan, 1.0), (math.nan, -math.inf, 0.3)]
    tame = [(1.0, 1.0, 0.0), (-1.0, 0.0, 1.0), (0.0, -1.0, 0.3)]
    assert torch.equal(earned(wild), earned(tame))


def test_the_whole_window_is_a_setting():
    market = PortfolioMarket(data_of(OPEN, CLOSE), [replace(SETTINGS, first_bar=1)], n_envs=8)
    state = market.reset(Streams.of([3]))
    assert state["day"].unique().tolist() == [1]
    assert state["cash"].unique().tolist() == [500.25]
    assert not state["shares"].any()


@pytest.mark.parametrize("bonus_gamma", [0.0, 0.99])
def test_a_bonus_stands_for_what_would_have_come_so_no_value_is_added(bonus_gamma):
    market = PortfolioMarket(data_of(OPEN, CLOSE), [replace(SETTINGS, bonus_gamma=bonus_gamma)], n_envs=1)
    _, steps = walk(market, ACTIONS)
    assert [bool(step.truncated) for step in steps] == [False, False, False, True]
    assert [bool(step.terminated) for step in steps] == [False, False, False, bonus_gamma > 0]
