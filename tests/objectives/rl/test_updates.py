"""Whole updates of each agent equal those of plain torch, written from the papers: no term can go missing."""

import math

import pytest
import torch
from torch.nn import functional

from sharpen.objectives.rl.agent import observe
from sharpen.objectives.rl.environment import Step
from sharpen.objectives.rl.networks import Observed
from sharpen.objectives.rl.pendulum import Pendulum
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.replay_buffer import Experience
from sharpen.objectives.rl.settings import AgentSettings

from . import reference

SMALL = {"net_dims_0": 8, "net_dims_1": 6, "n_envs": 2, "learning_rate": 0.01, "gamma": 0.9}
CLOSE = {"rtol": 1e-3, "atol": 2e-5}


def made(**settings):
    """Return an agent of two members, of which the second is looked at."""
    own = AgentSettings.of({**SMALL, **settings})
    group = Population([Member(own, 4), Member(own, 5)], lambda m: Pendulum(len(m), 2), layout="stack")
    return group.agent(1)


PPO = {"horizon_len": 8, "batch_size": 16, "repeat_times": 6, "ratio_clip": 0.05, "clip_grad_norm": 0.4}
"""Every minibatch is the whole rollout: its order does not matter."""


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"lambda_entropy": 0.2},
        {"value_coef": 2.0, "clip_grad_norm": 100.0},
        {"value_clip": 0.02},
        {"if_use_v_trace": True},
        {"reward_scale": 3.0, "lambda_gae_adv": 0.5},
    ],
)
def test_an_update_of_ppo(more):
    agent, k = made(agent="ppo", **{**PPO, **more})
    env, shape = agent.env, agent.shape
    agent.course.state["age"] += 195.0  # a time limit cuts after five steps
    member = reference.Member(agent, k, epsilon=1e-5)
    weights, states = member.weights["ppo"], []
    step = env.step

    def watched(state, action):
        states.append((state, step(state, action)))
        return states[-1][1]

    env.step = watched
    agent.update()

    def value(own):
        return reference.net(weights, "critic", own, torch.tanh)[..., 0]

    with torch.no_grad():
        own = torch.stack([env.own(before)[k] for before, _ in states])
        last = env.own(agent.course.state)[k]
        values = torch.cat([value(own), value(last)[None]])
        mean = reference.net(weights, "actor", own, torch.tanh)
        action = mean + weights["log_std"].exp() * member.normal(8, 2, 1)
        reward = torch.stack([after.reward[k] for _, after in states]) * more.get("reward_scale", 1.0)
        cut = torch.stack([after.truncated[k] for _, after in states])
        assert cut.sum() == 2
        after = torch.stack([value(env.own(after.state)[k]) for _, after in states])
        reward = reward + 0.9 * after * cut
        alive = 1.0 - cut.float()
        advantage = reference.advantages(reward, values, alive, 0.9, shape.lambda_gae_adv)
        target, before = advantage + values[:-1], reference.log_density(action, mean, weights["log_std"])
    for _ in range(6):
        now = reference.log_density(
            action, reference.net(weights, "actor", own, torch.tanh), weights["log_std"]
        )
        ratio = (now - before).exp()
        if more.get("if_use_v_trace"):
            with torch.no_grad():
                values = torch.cat([value(own), value(last)[None]])
                advantage, target = reference.traced(reward, values, alive, 0.9, ratio)
        even = (advantage - advantage.mean()) / advantage.std()
        gain = torch.min(ratio * even, ratio.clamp(0.95, 1.05) * even).mean()
        miss = (value(own) - target) ** 2
        if (most := shape.value_clip) > 0:
            near = values[:-1] + (value(own) - values[:-1]).clamp(-most, most)
            miss = torch.max(miss, (near - target) ** 2)
        entropy = (weights["log_std"] + 0.5 * math.log(2 * math.pi * math.e)).sum()
        member.move("ppo", -gain + shape.value_coef * miss.mean() - shape.lambda_entropy * entropy)
    member.equals(agent, **CLOSE)


def batch(n=32, seed=0):
    """Return steps that nobody took, some of which end an episode; the members' are different."""
    g = torch.Generator().manual_seed(seed)
    seen, then = torch.randn(2, n, 3, generator=g), torch.randn(2, n, 3, generator=g)
    alive = (torch.rand(2, n, generator=g) < 0.7).float()
    action, reward = torch.rand(2, n, 1, generator=g) * 2 - 1, torch.randn(2, n, generator=g)
    return Experience(Observed(seen), action, reward, alive, Observed(then))


def q(weights, name, seen, action):
    return reference.net(weights, name, torch.cat([action, seen], -1), functional.relu)[..., 0]


@pytest.mark.parametrize("agent", ["sac", "modsac"])
@pytest.mark.parametrize("more", [{}, {"target_entropy": -3.0}])
def test_updates_of_sac(agent, more):
    settings = {"soft_update_tau": 0.2, "init_alpha": 0.5, "clip_grad_norm": 2.0, **more}
    agent, k = made(agent=agent, **settings)
    member = reference.Member(agent, k)
    value, alpha = member.weights["value"], member.weights["temperature"]["log_alpha"]
    target = {key: leaf.detach().clone() for key, leaf in value.items()}
    loss, n_actor = 1.2, 0
    agent.course.extra["loss"] += loss
    for n in range(8):
        many = batch(seed=n)
        agent._learn(many)
        seen, action, then = many.seen.own[k], many.action[k], many.then.own[k]
        with torch.no_grad():
            now = alpha.exp()
            chosen, log_prob = reference.squashed(member, then)
            least = torch.min(*(q(target, f"critic_{i}", then, chosen) for i in range(2)))
            wanted = many.reward[k] + 0.9 * many.alive[k] * (least - now * log_prob)
        misses = [((q(value, f"critic_{i}", seen, action) - wanted) ** 2).mean() for i in range(2)]
        member.move("value", sum(misses))
        loss = 0.995 * loss + 0.005 * float(sum(misses).detach()) / 2
        chosen, log_prob = reference.squashed(member, seen)
        if agent.shape.agent == "sac" or n_actor / (n + 1) < 1 / (2 - math.exp(-(loss**2))):
            least = torch.min(*(q(value, f"critic_{i}", seen, chosen) for i in range(2)))
            member.move("policy", (now * log_prob - least).mean())
            wanted_entropy = more.get("target_entropy", -1.0)
            member.move("temperature", (-alpha.exp() * (log_prob.detach() + wanted_entropy)).mean())
            n_actor += 1
        for key, leaf in value.items():
            target[key] += 0.2 * (leaf.detach() - target[key])
    assert n_actor == (8 if agent.shape.agent == "sac" else 5)
    member.equals(agent, **CLOSE)
    for key, view in agent.targets()["value"].views.items():
        torch.testing.assert_close(view[k].detach(), target[key], **CLOSE)


@pytest.mark.parametrize(
    "more", [{}, {"twin_critics": True}, {"twin_critics": True, "target_noise_std": 0.4, "actor_delay": 3}]
)
def test_updates_of_ddpg_and_td3(more):
    agent, k = made(agent="ddpg", soft_update_tau=0.2, clip_grad_norm=1.0, **more)
    member = reference.Member(agent, k)
    value, policy = member.weights["value"], member.weights["policy"]
    late, late_policy = ({key: leaf.detach().clone() for key, leaf in w.items()} for w in (value, policy))
    critics = [f"critic_{i}" for i in range(2 if more else 1)]

    for n in range(1, 7):
        many = batch(seed=n)
        agent._learn(many)
        seen, action, then = many.seen.own[k], many.action[k], many.then.own[k]
        with torch.no_grad():
            chosen = reference.acted(late_policy, then, member, more.get("target_noise_std", 0.0))
            least = torch.stack([q(late, name, then, chosen) for name in critics]).min(0).values
            wanted = many.reward[k] + 0.9 * many.alive[k] * least
        member.move("value", sum(((q(value, name, seen, action) - wanted) ** 2).mean() for name in critics))
        if n % more.get("actor_delay", 1) == 0:
            member.move("policy", -q(value, "critic_0", seen, reference.acted(policy, seen)).mean())
            for old, new in ((late, value), (late_policy, policy)):
                for key, leaf in new.items():
                    old[key] += 0.2 * (leaf.detach() - old[key])
    member.equals(agent, **CLOSE)
    for name, kept in (("value", late), ("policy", late_policy)):
        for key, view in agent.targets()[name].views.items():
            torch.testing.assert_close(view[k].detach(), kept[key], **CLOSE)


@pytest.mark.parametrize("agent", ["sac", "ddpg"])
@pytest.mark.parametrize("is_end", [False, True])
def test_a_replay_knows_an_end_from_a_time_limit(agent, is_end):
    class Cut(Pendulum):
        def step(self, state, action):
            step = super().step(state, action)
            over = torch.ones_like(step.truncated)
            return Step(step.state, step.reward, over if is_end else ~over, over)

    settings = AgentSettings.of({**SMALL, "agent": agent, "horizon_len": 4, "buffer_init_size": 99})
    group = Population([Member(settings)], lambda m: Cut(1, 2))
    group.train(8)
    numbers = group.agent(0)[0].course.extra["replay/numbers"][0]
    assert numbers[:8, -1].tolist() == [0.0 if is_end else 1.0] * 8


def test_noise_of_ddpg_is_as_wide_as_it_says():
    agent, k = made(agent="ddpg", explore_noise_std=0.05)
    seen = observe(agent.env, agent.course.state)
    tried = torch.stack([agent._explore(seen)[k] for _ in range(400)])
    assert float((tried - agent.act(seen)[k]).std()) == pytest.approx(0.05, rel=0.1)
