"""Two members that differ in every rate act and learn through ``update``: both equal plain torch.

What single steps of learning cannot show: that what was seen is what is learnt from, row by row, with ends of
both kinds, minibatches, a replay that is overwritten, and each member's own settings. In double precision.
"""

import math
from typing import NamedTuple

import pytest
import torch
from torch.nn import functional

from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings

from . import reference
from .scripted import N_ENVS, N_STEPS, Recorded, Scripted, Taken, double_precision

N_ROWS = N_STEPS * N_ENVS
SIZES = {"net_dims_0": 4, "net_dims_1": 3, "n_envs": N_ENVS, "horizon_len": N_STEPS}
OFF_POLICY = {"batch_size": 5, "repeat_times": 0.5, "buffer_size": 8, "buffer_init_size": 4}
RATES = (
    {"learning_rate": 0.03, "gamma": 0.9, "clip_grad_norm": 0.3, "reward_scale": 2.0, "soft_update_tau": 0.3},
    {"learning_rate": 0.01, "gamma": 0.6, "clip_grad_norm": 5.0, "reward_scale": 0.5, "soft_update_tau": 0.1},
)


def updated(epsilon, each, **shared):
    """Return an agent after an update, what it drew, and its members' weights from before."""
    members = [
        Member(AgentSettings.of({**SIZES, **rates, **own, **shared}), seed)
        for seed, (rates, own) in enumerate(zip(RATES, each, strict=True))
    ]
    agent, _ = Population(members, lambda m: Scripted(len(m)), layout="stack").agent(0)
    before = [reference.Member(agent, k, epsilon) for k in range(2)]
    agent.course.streams = drawn = Recorded(agent.course.streams)
    figures = agent.update()
    assert len(agent.env.taken) == N_STEPS
    assert agent.course.n_steps.tolist() == [N_ROWS, N_ROWS]
    return agent, drawn, before, figures


def near(found, wanted):
    """Compare; torch.testing would import for seconds."""
    assert found.shape == wanted.shape
    assert float((found - wanted).detach().abs().max()) < 1e-6


def flat(parts):
    return torch.cat([part.flatten() for part in parts])


def equal(agent, member):
    """Compare weights, and the means of the gradients: Adam's steps do not show how long those are."""
    for name, learner in agent.learners().items():
        near(learner.parameters.flat[member.k], flat(member.weights[name].values()))
        near(learner.adam.first[member.k], flat(member.adam[name].m))
        assert int(learner.adam.count[member.k]) == member.adam[name].t


def taken(agent, k):
    """Return what a member did. (T, E, ...) each."""
    return Taken(*(torch.stack([part[k] for part in parts]) for parts in zip(*agent.env.taken, strict=True)))


PPO = (
    {
        "lambda_gae_adv": 0.8,
        "ratio_clip": 0.02,
        "lambda_entropy": 0.3,
        "value_coef": 0.7,
        "init_log_std": -0.3,
    },
    {
        "lambda_gae_adv": 0.3,
        "ratio_clip": 0.1,
        "lambda_entropy": 0.05,
        "value_coef": 1.5,
        "init_log_std": 0.2,
    },
)


@pytest.mark.parametrize(
    ("more", "n_updates"),
    [
        ({"value_clip": 0.05}, 9),
        ({"if_use_vtrace": True, "batch_size": 5}, 7),
        ({"scale_updates": False, "repeat_times": 4}, 6),
    ],
)
def test_ppo(more, n_updates):
    with double_precision():
        agent, drawn, before, figures = updated(
            1e-5, PPO, **{"agent": "ppo", "batch_size": 4, "repeat_times": 3, **more}
        )
        assert len(drawn.orders) == math.ceil(n_updates / (N_ROWS // agent.shape.batch_size))
        for k, member in enumerate(before):
            found = plain_ppo(agent, drawn, member)
            assert member.adam["ppo"].t == n_updates
            equal(agent, member)
            for name, values in found.items():
                assert float(figures[name][k]) == pytest.approx(sum(values) / n_updates, abs=1e-6)
            assert sum(found["clip_share"]) > 0


def plain_ppo(agent, drawn, member):
    """Learn as PPO does; return what each minibatch showed."""
    k, own, shape = member.k, agent.course.settings[member.k], agent.shape
    did, w = taken(agent, k), member.weights["ppo"]

    def value(seen):
        return reference.net(w, "critic", seen, torch.tanh)[..., 0]

    def log_density(seen, raw):
        return reference.log_density(raw, reference.net(w, "actor", seen, torch.tanh), w["log_std"])

    with torch.no_grad():
        raw = reference.net(w, "actor", did.seen, torch.tanh) + w["log_std"].exp() * drawn.normals[0][k]
        near(did.action, raw.tanh())
        last = agent.env.seen(agent.course.state)[k]
        reward = own.reward_scale * did.reward + own.gamma * value(did.after) * (did.cut & ~did.ended)
        alive = (~(did.cut | did.ended)).double()
        old = torch.cat([value(did.seen), value(last)[None]])
        advantage = reference.advantages(reward, old, alive, own.gamma, own.lambda_gae_adv)
        target, old_log = advantage + old[:-1], log_density(did.seen, raw)
    found = {name: [] for name in ("policy_loss", "value_loss", "entropy", "clip_share")}
    size, n_updates = shape.batch_size, int(agent.learners()["ppo"].adam.count[k])
    a_pass = N_ROWS // size
    for n in range(n_updates):
        if n % a_pass == 0 and shape.if_use_v_trace:
            with torch.no_grad():
                ratio = (log_density(did.seen, raw) - old_log).exp()
                now = torch.cat([value(did.seen), value(last)[None]])
                advantage, target = reference.traced(reward, now, alive, own.gamma, ratio)
        rows = drawn.orders[n // a_pass][k][(n % a_pass) * size :][:size]
        t, e = rows // N_ENVS, rows % N_ENVS
        ratio = (log_density(did.seen[t, e], raw[t, e]) - old_log[t, e]).exp()
        even = (advantage[t, e] - advantage[t, e].mean()) / (advantage[t, e].std() + 1e-8)
        low, high = 1 - own.ratio_clip, 1 + own.ratio_clip
        gain = torch.min(ratio * even, ratio.clamp(low, high) * even).mean()
        values = value(did.seen[t, e])
        miss = (values - target[t, e]) ** 2
        if most := shape.value_clip:
            bounded = old[t, e] + (values - old[t, e]).clamp(-most, most)
            miss = torch.max(miss, (bounded - target[t, e]) ** 2)
        entropy = (w["log_std"] + 0.5 * math.log(2 * math.pi * math.e)).sum()
        member.move("ppo", -gain + own.value_coef * miss.mean() - own.lambda_entropy * entropy)
        outside = ((ratio < low) | (ratio > high)).double().mean()
        for name, one in zip(found, (-gain, miss.mean(), entropy, outside), strict=True):
            found[name].append(float(one.detach()))
    return found


class Batch(NamedTuple):
    seen: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    alive: torch.Tensor
    after: torch.Tensor


def batches(agent, drawn, k):
    """Return the minibatches of a member's update: a replay of 8 has the last 8 of 12 steps."""
    did = taken(agent, k)
    rows = [part.flatten(0, 1) for part in did]
    held = torch.tensor([8, 9, 10, 11, 4, 5, 6, 7])
    for uniform in drawn.uniforms[2:]:  # those before are random actions of the first 4 steps
        seen, action, reward, ended, _, after = (part[held[(uniform[k] * 8).long()]] for part in rows)
        scale = agent.course.settings[k].reward_scale
        yield Batch(seen, action, scale * reward, (~ended).double(), after)


def q(weights, name, seen, action):
    return reference.net(weights, name, torch.cat([action, seen], -1), functional.relu)[..., 0]


def squashed(member, seen, noise):
    """Return SAC's actions, and their log-densities."""
    mean, log_std = reference.net(member.weights["policy"], "actor", seen, functional.relu).chunk(2, -1)
    raw = mean + log_std.exp() * noise
    return raw.tanh(), reference.log_density(raw, mean, log_std) - (1 - raw.tanh() ** 2).log().sum(-1)


def follow(target, weights, share):
    for name, leaf in weights.items():
        target[name] = (1 - share) * target[name] + share * leaf.detach()


def copied(weights):
    return {name: leaf.detach().clone() for name, leaf in weights.items()}


def targets_equal(agent, name, k, target):
    near(agent.targets()[name].flat[k], flat(target.values()))


SAC = ({"init_alpha": 0.5}, {"init_alpha": 0.2, "target_entropy": -0.7})


@pytest.mark.parametrize(("agent_name", "scales"), [("sac", (2.0, 0.5)), ("modsac", (6.0, 0.5))])
def test_sac(agent_name, scales):
    each = [{**own, "reward_scale": scale} for own, scale in zip(SAC, scales, strict=True)]
    with double_precision():
        agent, drawn, before, _ = updated(1e-8, each, agent=agent_name, **OFF_POLICY)
        for k, member in enumerate(before):
            n_actor = plain_sac(agent, drawn, member)
            assert n_actor == (4 if agent_name == "modsac" and k == 0 else 6)
            equal(agent, member)


def plain_sac(agent, drawn, member):
    """Learn as SAC and ModSAC do; return how often the actor moved."""
    k, own, w = member.k, agent.course.settings[member.k], member.weights
    did, noise = taken(agent, k), [normal[k] for normal in drawn.normals]
    for t in range(2, N_STEPS):
        near(did.action[t], squashed(member, did.seen[t], noise[t - 2])[0].detach())
    noise = noise[N_STEPS - 2 :]
    value, log_alpha, target = w["value"], w["temperature"]["log_alpha"], copied(w["value"])
    wanted_entropy = own.target_entropy or -2.0
    loss, n_actor = 0.0, 0
    for n, batch in enumerate(batches(agent, drawn, k)):
        with torch.no_grad():
            alpha = log_alpha.exp()
            action, log_prob = squashed(member, batch.after, noise[2 * n])
            least = torch.min(*(q(target, f"critic_{i}", batch.after, action) for i in range(2)))
            goal = batch.reward + own.gamma * batch.alive * (least - alpha * log_prob)
        miss = sum(((q(value, f"critic_{i}", batch.seen, batch.action) - goal) ** 2).mean() for i in range(2))
        member.move("value", miss)
        loss = 0.995 * loss + 0.005 * float(miss.detach()) / 2
        if own.agent == "sac" or n_actor / (n + 1) < 1 / (2 - math.exp(-(loss**2))):
            action, log_prob = squashed(member, batch.seen, noise[2 * n + 1])
            least = torch.min(*(q(value, f"critic_{i}", batch.seen, action) for i in range(2)))
            member.move("policy", (alpha * log_prob - least).mean())
            member.move("temperature", (-log_alpha.exp() * (log_prob.detach() + wanted_entropy)).mean())
            n_actor += 1
        follow(target, value, own.soft_update_tau)
    assert n == 5  # half an update for each of 12 steps
    targets_equal(agent, "value", k, target)
    return n_actor


DDPG = (
    {"explore_noise_std": 0.9, "target_noise_std": 0.2},
    {"explore_noise_std": 0.1, "target_noise_std": 1.0},
)
TD3 = {"twin_critics": True, "actor_delay": 2}


@pytest.mark.parametrize(
    ("each", "more", "n_updates"),
    [
        (DDPG, TD3, 6),
        ([{"explore_noise_std": 0.9}, {"explore_noise_std": 0.1}], {"scale_updates": False}, 3),
    ],
)
def test_ddpg_and_td3(each, more, n_updates):
    with double_precision():
        agent, drawn, before, _ = updated(1e-8, each, agent="ddpg", **OFF_POLICY, **more)
        for member in before:
            assert plain_ddpg(agent, drawn, member) == n_updates
            equal(agent, member)


def plain_ddpg(agent, drawn, member):
    """Learn as DDPG and TD3 do; return how many updates there were."""
    k, own, w = member.k, agent.course.settings[member.k], member.weights
    value, policy = w["value"], w["policy"]
    did, noise = taken(agent, k), [normal[k] for normal in drawn.normals]
    for t in range(2, N_STEPS):
        tried = reference.acted(policy, did.seen[t]).detach() + own.explore_noise_std * noise[t - 2]
        near(did.action[t], tried.clamp(-1, 1))
    noise = noise[N_STEPS - 2 :]
    late, late_policy = copied(value), copied(policy)
    critics = ["critic_0", "critic_1"][: 1 + agent.shape.twin_critics]
    for n, batch in enumerate(batches(agent, drawn, k)):
        with torch.no_grad():
            action = reference.acted(late_policy, batch.after)
            if own.target_noise_std:
                action = (action + (own.target_noise_std * noise[n]).clamp(-0.5, 0.5)).clamp(-1, 1)
            least = torch.stack([q(late, name, batch.after, action) for name in critics]).min(0).values
            goal = batch.reward + own.gamma * batch.alive * least
        misses = [((q(value, name, batch.seen, batch.action) - goal) ** 2).mean() for name in critics]
        member.move("value", sum(misses))
        if (n + 1) % agent.shape.actor_delay == 0:
            gain = q(value, "critic_0", batch.seen, reference.acted(policy, batch.seen)).mean()
            member.move("policy", -gain)
            follow(late, value, own.soft_update_tau)
            follow(late_policy, policy, own.soft_update_tau)
    targets_equal(agent, "value", k, late)
    targets_equal(agent, "policy", k, late_policy)
    return n + 1
