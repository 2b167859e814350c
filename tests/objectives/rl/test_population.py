"""A member trains as if it were alone, whoever is beside it, and can be handled while the others go on."""

import math
from dataclasses import replace

import pytest
import torch

from sharpen.errors import UsageError
from sharpen.objectives.rl.market import MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.pendulum import Pendulum
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings

SMALL = {"net_dims_0": 16, "net_dims_1": 8, "n_envs": 2, "batch_size": 32}
COMMON = {
    "ppo": {**SMALL, "agent": "ppo", "horizon_len": 64},
    "sac": {**SMALL, "agent": "sac", "horizon_len": 4, "buffer_init_size": 16, "buffer_size": 500},
    "modsac": {**SMALL, "agent": "modsac", "horizon_len": 4, "buffer_init_size": 16, "buffer_size": 500},
    "ddpg": {
        **SMALL,
        "agent": "ddpg",
        "horizon_len": 4,
        "buffer_init_size": 16,
        "buffer_size": 500,
        "twin_critics": True,
        "actor_delay": 2,
        "target_noise_std": 0.2,
    },
}
STEPS = {"ppo": 1280, "sac": 120, "modsac": 120, "ddpg": 120}
"""Ten updates and more, and an episode's end for PPO."""


def member(agent, seed=0, **changes):
    return Member(AgentSettings.of({**COMMON[agent], **changes}), seed)


def population(members, layout="stack"):
    return Population(members, lambda m: Pendulum(len(m), m[0].agent.n_envs), layout=layout)


def weights(group, number):
    agent, k = group.agent(number)
    return torch.cat([learner.parameters.flat[k] for learner in agent.learners().values()])


@pytest.mark.parametrize("layout", ["stack", "loop"])
@pytest.mark.parametrize("agent", COMMON)
def test_a_member_of_a_population_is_the_same_run_alone(agent, layout):
    members = [
        member(agent, 5),
        member(agent, 6, learning_rate=0.01, gamma=0.9),
        member(agent, 7, net_dims_0=24),
        member(agent, 8, learning_rate=10.0, reward_scale=1e30),
    ]
    together = population(members, layout)
    together.train(STEPS[agent])
    assert "no finite number" in (together.problem(3) or "")
    for number in range(3):
        alone = population([members[number]])
        alone.train(STEPS[agent])
        assert alone.n_steps(0) == STEPS[agent]
        torch.testing.assert_close(weights(together, number), weights(alone, 0), rtol=0, atol=1e-5)
        assert together.problem(number) is None


@pytest.mark.parametrize("agent", COMMON)
def test_a_restored_member_goes_on_to_the_bit(agent):
    one, half = population([member(agent, 3)]), STEPS[agent] // 2
    one.train(half)
    kept = one.save(0)
    one.train(STEPS[agent])
    other = population([member(agent, 99)])
    other.load(0, kept)
    other.train(STEPS[agent])
    assert torch.equal(weights(one, 0), weights(other, 0))


@pytest.mark.parametrize("layout", ["stack", "loop"])
def test_stopping_and_adding_members_does_not_touch_the_others(layout):
    group = population([member("ppo", seed) for seed in range(3)], layout)
    group.train(384)
    group.stop(1)
    group.add(7, member("ppo", 70))
    group.train(640)
    assert sorted(group.members) == [0, 2, 7]
    for number, seed in ((0, 0), (2, 2), (7, 70)):
        alone = population([member("ppo", seed)])
        alone.train(640)
        torch.testing.assert_close(weights(group, number), weights(alone, 0), rtol=0, atol=1e-5)
    with pytest.raises(UsageError, match="no member 1"):
        group.n_steps(1)
    with pytest.raises(UsageError, match="member 7 is there"):
        group.add(7, member("ppo"))


def test_exploit_copies_weights_and_explore_really_acts():
    group = population([member("ppo", 0), member("ppo", 1), member("ppo", 2, net_dims_0=24)])
    group.train(128)
    for target in (1, 2):
        group.copy(0, target)
        assert torch.equal(weights(group, 0), weights(group, target))
        group.change(target, learning_rate=1e-9 * (1 + target), gamma=0.5)
    before = weights(group, 0).clone()
    group.train(256)
    assert float((weights(group, 0) - before).abs().max()) > 1e-5
    for target in (1, 2):
        rate = group.figures(target)["learning_rate"]
        assert rate == pytest.approx(1e-9 * (1 + target)) == group.members[target].agent.learning_rate
        moved = float((weights(group, target) - before).abs().max())
        assert moved < 1e-6  # the rate that is shown is the rate that is used
        agent, k = group.agent(target)
        assert float(agent.course.of["gamma"][k]) == 0.5


def test_the_pace_may_change_and_sizes_may_not():
    group = population([member("ppo", 0), member("ppo", 1)])
    group.train(128)
    before = weights(group, 1).clone()
    group.change(0, batch_size=16)
    assert torch.equal(weights(group, 1), before)
    group.train(256)
    assert [group.n_steps(k) for k in (0, 1)] == [256, 256]
    with pytest.raises(UsageError, match="net_dims_0 of member 0 cannot change"):
        group.change(0, net_dims_0=32)
    with pytest.raises(UsageError, match="learning_rate is 0"):
        group.change(0, learning_rate=0.0)


def test_members_of_one_shape_are_one_stack():
    group = population([member("ppo", 0), member("ppo", 1, gamma=0.5), member("ppo", 2, net_dims_1=0)])
    assert [stack.numbers for stack in group.stacks] == [[0, 1], [2]]
    assert [stack.numbers for stack in population([member("ppo", 0)] * 2, "loop").stacks] == [[0], [1]]


def test_figures_are_numbers():
    for agent in COMMON:
        group = population([member(agent)])
        group.train(128)
        assert all(math.isfinite(value) for value in group.figures(0).values())
        assert {"reward", "policy_loss", "value_loss"} <= set(group.figures(0))


class BadPrices(Pendulum):
    """Pendulums of which one member's rewards are no numbers from its second episode on."""

    def step(self, state, action):
        step = super().step(state, action)
        reward = step.reward.clone()
        self.n_done += 1
        if self.n_done > 200:
            reward[self.bad] = math.nan
        return replace(step, reward=reward)


@pytest.mark.parametrize("agent", COMMON)
def test_rewards_that_are_no_numbers_end_a_member_with_a_sentence_and_no_other(agent):
    def made(members):
        env = BadPrices(len(members), 2)
        env.bad, env.n_done = [m.seed == 1 for m in members], 0
        return env

    group = Population([member(agent, seed) for seed in range(3)], made, layout="stack")
    group.train(640)
    assert group.problem(1) == (
        f"training broke down at step {512 if agent == 'ppo' else 408}: a reward is no finite number; look at"
        " the prices and columns, or give a smaller reward_per_unit or reward_scale"
    )
    for number in (0, 2):
        alone = population([member(agent, number)])
        alone.train(640)
        assert group.problem(number) is None
        torch.testing.assert_close(weights(group, number), weights(alone, 0), rtol=0, atol=1e-5)


def test_members_may_differ_in_where_their_episodes_begin(world):
    data = market_data(world(seed=3, n_bars=400))
    rules = MarketSettings(first_bar=data.warmup_bars, stop_bar=380)
    members = [replace(member("ppo", k), market=replace(rules, random_start=k > 0)) for k in range(3)]
    group = Population(members, lambda m: PortfolioMarket(data, [x.market for x in m], 2), layout="stack")
    group.train(128)
    assert [stack.numbers for stack in group.stacks] == [[0], [1, 2]]
