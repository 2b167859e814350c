"""The compiled walk of one portfolio is the market's, bar by bar."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sharpen.objectives.rl.agent import observe
from sharpen.objectives.rl.evaluation import follow
from sharpen.objectives.rl.market import Market, MarketSettings
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.one_portfolio import _Bars, trade_bar
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams

from .test_ragged_market import ragged

RULES = {
    "shares": {"max_trade": 40.0},
    "value": {"max_trade": 0.3, "trade_unit": "value", "slippage_bps": 7.0},
    "poor": {"max_trade": 1000.0, "cost_bps": 25.0, "initial_cash": 2345.67},
    "close": {"max_trade": 40.0, "fill": "next_close", "dead_zone": 0.0},
    "lookahead": {"max_trade": 40.0, "fill": "same_close_lookahead"},
    "flees": {"max_trade": 40.0, "turbulence_limit": 5.0, "delisting_return": -0.3},
}


@pytest.fixture(scope="module")
def whole(world):
    return market_data(world(seed=3, n_bars=400), scaling="relative")


def data_of_kind(kind, whole, world):
    return whole if kind == "whole" else market_data(ragged(world), scaling="relative")


@pytest.mark.parametrize("kind", ["whole", "ragged"])
@pytest.mark.parametrize("rules", RULES)
def test_every_bar_trades_as_the_market_does(kind, rules, whole, world):
    data = data_of_kind(kind, whole, world)
    market = MarketSettings(**RULES[rules], first_bar=data.warmup_bars, stop_bar=len(data))
    env = Market(data, [market], 1)
    state = env.reset(Streams.of([0]))
    bars = _Bars.of(data, market)
    cash, shares = market.initial_cash, np.zeros(len(data.symbols))
    rng = np.random.default_rng(1)
    for t in range(market.stop_bar - market.first_bar - 1):
        action = rng.uniform(-1, 1, len(shares)).astype(np.float32)
        state = env.step(state, torch.from_numpy(action)[None, None]).state
        cash, assets = trade_bar(t, cash, shares, action.astype(np.float64), *bars.arrays)
        np.testing.assert_array_equal(shares, state["shares"][0, 0].numpy())
        assert cash == pytest.approx(float(state["cash"]), rel=1e-12, abs=1e-9)
        assert assets == pytest.approx(float(state["assets"]), rel=1e-12)
    assert shares.any() or rules == "flees"


@pytest.mark.parametrize("scaling", ["relative", "elegantrl"])
@pytest.mark.parametrize("agent", ["ppo", "sac", "ddpg"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_a_policy_walks_as_it_acts_in_tensors(agent, activation, scaling, world):
    data = market_data(world(seed=3, n_bars=400), scaling=scaling)
    rules = MarketSettings(
        first_bar=data.warmup_bars, stop_bar=len(data), max_trade=0.2, trade_unit="value", dead_zone=0.0
    )
    small = {"net_dims_0": 24, "net_dims_1": 8, "n_envs": 2, "buffer_size": 10, "horizon_len": 4}
    settings = AgentSettings.of({**small, "agent": agent, "activation": activation})
    members = [Member(settings, seed, replace(rules, max_trade=0.1 + 0.1 * seed)) for seed in range(2)]
    population = Population(
        members, lambda m: Market(data, [x.market for x in m], 2, scaling), layout="stack"
    )
    brain = population.stacks[0].agent
    for learner in brain.learners().values():
        learner.parameters.flat.mul_(3.0)  # so that it trades
    tracks = follow(brain, data, [m.market for m in members], scaling)
    env = Market(data, [m.market for m in members], 1, scaling)
    state = env.reset(Streams.of([0, 0]))
    with torch.no_grad():
        for t in range(1, rules.stop_bar - rules.first_bar):
            state = env.step(state, brain.act(observe(env, state))).state
            for k, track in enumerate(tracks):
                assert track.assets[t] == pytest.approx(float(state["assets"][k]), rel=1e-4)
    assert all(track.shares.any() for track in tracks)
