"""The compiled walk of one portfolio is the market's, bar by bar."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sharpen.objectives.rl.agent import observe
from sharpen.objectives.rl.evaluation import follow
from sharpen.objectives.rl.market import MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import market_data
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
def test_compiled_code_trades_every_bar_as_the_tensors_do(kind, rules, whole, world):
    data = data_of_kind(kind, whole, world)
    market = MarketSettings(**RULES[rules], first_bar=data.warmup_bars, stop_bar=len(data))
    members = [market, replace(market, max_trade=market.max_trade / 3, cost_bps=market.cost_bps + 50)]
    compiled, tensors = (PortfolioMarket(data, members, 2, "relative") for _ in range(2))
    assert compiled.is_compiled
    tensors.is_compiled = False
    ways = [env.reset(Streams.of([0, 0])) for env in (compiled, tensors)]
    rng = np.random.default_rng(1)
    for _ in range(market.stop_bar - market.first_bar - 1):
        action = torch.from_numpy(rng.uniform(-1, 1, (2, 2, len(data.symbols))).astype(np.float32))
        steps = [env.step(state, action) for env, state in zip((compiled, tensors), ways, strict=True)]
        ways = [step.state for step in steps]
        assert torch.equal(ways[0]["shares"], ways[1]["shares"])
        for name in ("cash", "assets", "earned"):
            torch.testing.assert_close(ways[0][name], ways[1][name], rtol=1e-12, atol=1e-8)
        assert torch.equal(steps[0].truncated, steps[1].truncated)
    assert bool(ways[0]["shares"].any()) or rules == "flees"


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
        members, lambda m: PortfolioMarket(data, [x.market for x in m], 2, scaling), layout="stack"
    )
    brain = population.stacks[0].agent
    for learner in brain.learners().values():
        learner.parameters.flat.mul_(3.0)  # so that it trades
    tracks = follow(brain, data, [m.market for m in members], scaling)
    env = PortfolioMarket(data, [m.market for m in members], 1, scaling)
    state = env.reset(Streams.of([0, 0]))
    with torch.no_grad():
        for t in range(1, rules.stop_bar - rules.first_bar):
            state = env.step(state, brain.act(observe(env, state))).state
            for k, track in enumerate(tracks):
                assert track.assets[t] == pytest.approx(float(state["assets"][k]), rel=1e-4)
    assert all(track.shares.any() for track in tracks)
