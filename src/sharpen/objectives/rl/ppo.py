# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Proximal policy optimization for P members side by side.

Source: Schulman et al. (2017), Proximal Policy Optimization Algorithms, equations 7, 9, 11 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sharpen.objectives.rl.advantages import gae, vtrace
from sharpen.objectives.rl.agent import Course, Learner, observe
from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.networks import Mlp, Observed, Parameters, project, take_rows
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_ADAM_EPSILON = (
    1e-5  # Huang et al. (2022), The 37 Implementation Details of PPO, detail 3: 1e-8 learns less surely
)
_ROWS_AT_ONCE = 2048  # of each member, whoever is beside it: a product's last digits depend on its rows


@dataclass
class Rollout:
    """What was seen and done in a horizon; in place of the observations their own part and their row.

    Attributes:
        own: (P, T, E, k)
        row: (P, T, E), or None without a table.
        action: Before it is squashed. (P, T, E, A)
        log_prob: Of the action when it was taken. (P, T, E)
        reward: (P, T, E)
        alive: 0.0 where the step ended an episode, by a time limit or not. (P, T, E)
        last: What is seen after the last step.
        cut: What was seen where time limits cut: member, step, environment; own part; row.
    """

    own: Tensor
    row: Tensor | None
    action: Tensor
    log_prob: Tensor
    reward: Tensor
    alive: Tensor
    last: Observed
    cut: list[tuple[Tensor, Tensor, Tensor | None]]


class Ppo:
    """P agents of one shape; see :class:`sharpen.objectives.rl.agent.Agent`."""

    def __init__(self, settings: Sequence[AgentSettings], env: Environment, streams: Streams) -> None:
        first = settings[0]
        n_seen = env.own_dim + (0 if env.table is None else env.table.shape[1])
        widths = (n_seen, *first.net_dims)
        self.env = env
        self.shape = first
        self._actor = Mlp("actor", (*widths, env.action_dim), first.activation, True, 0.01)
        self._critic = Mlp("critic", (*widths, 1), first.activation, True, 1.0)
        log_std = torch.tensor([s.init_log_std for s in settings], device=streams.generators[0].device)
        log_std = log_std[:, None, None].expand(-1, 1, env.action_dim)
        weights = self._actor.draw(streams) | self._critic.draw(streams) | {"log_std": log_std}
        self._learner = Learner.of(weights, _ADAM_EPSILON)
        self.course = Course.start(settings, env, streams)

    def policy(self) -> tuple[Mlp, Parameters]:
        """Return the actor, and the weights that hold its own."""
        return self._actor, self._learner.parameters

    def learners(self) -> dict[str, Learner]:
        """Return the one learner, of actor and critic."""
        return {"ppo": self._learner}

    def targets(self) -> dict[str, Parameters]:
        """Return none."""
        return {}

    @torch.no_grad()
    def act(self, seen: Observed) -> Tensor:
        """Return the squashed means of the policy. (P, B, A)."""
        return self._actor.forward(self._learner.parameters.views, seen).tanh()

    def update(self, most_steps: int | None = None) -> dict[str, Tensor]:
        """Act for a horizon, then learn from it."""
        n_steps = self.shape.horizon(most_steps)
        rollout = self.collect(n_steps)
        with torch.no_grad():
            values = self._values(rollout)
            rewards = self._with_cut_values(rollout)
        learnt = self._learn(rollout, values, rewards)
        self.course.n_steps += n_steps * self.env.n_envs
        reward = rollout.reward
        return learnt | {"reward": reward.mean((1, 2)), "reward_max": reward.abs().amax((1, 2))}

    @torch.no_grad()
    def collect(self, n_steps: int) -> Rollout:
        """Act for so many steps; return what was seen and done."""
        env, course, weights = self.env, self.course, self._learner.parameters.views
        n_members, n_envs = env.n_members, env.n_envs
        projected = project(env.table, weights, self._actor)
        noise = course.streams.normal(n_steps, n_envs, env.action_dim)
        deviation = weights["log_std"].exp()
        action = torch.empty_like(noise)
        reward, alive = (noise.new_empty(n_members, n_steps, n_envs) for _ in range(2))
        own = noise.new_empty(n_members, n_steps, n_envs, env.own_dim)
        row = None if env.table is None else torch.empty(own.shape[:3], dtype=torch.long, device=own.device)
        cut: list[tuple[Tensor, Tensor, Tensor | None]] = []
        seen = replace(observe(env, course.state), projected=projected)
        for t in range(n_steps):
            own[:, t] = seen.own
            if row is not None and seen.row is not None:
                row[:, t] = seen.row
            mean = self._actor.forward(weights, seen)
            torch.addcmul(mean, deviation, noise[:, t], out=action[:, t])
            step = env.step(course.state, action[:, t].tanh())
            over = step.terminated | step.truncated
            reward[:, t], alive[:, t] = step.reward, 1.0 - over.float()
            is_cut = step.truncated & ~step.terminated  # nothing comes after what has come to its own end
            if bool(is_cut.any()):
                cut.append(_cut(observe(env, step.state), is_cut, t))
            course.state = course.begin_anew(env, step.state, over)
            seen = replace(observe(env, course.state), projected=projected)
        log_prob = noise.square_().mul_(-0.5).sub_((weights["log_std"] + _LOG_ROOT_2PI)[:, None]).sum(-1)
        reward *= course.of["reward_scale"][:, None, None]
        return Rollout(own, row, action, log_prob, reward, alive, replace(seen, projected=None), cut)

    def _values(self, rollout: Rollout) -> Tensor:
        """Return the values of every state and of the one after the last step. (P, T + 1, E)."""
        weights, env = self._learner.parameters.views, self.env
        n_members, n_steps, n_envs = rollout.reward.shape
        projected = project(env.table, weights, self._critic)
        own = rollout.own.reshape(n_members, n_steps * n_envs, -1)
        row = None if rollout.row is None else rollout.row.reshape(n_members, -1)
        parts: list[Tensor] = []
        for start in range(0, n_steps * n_envs, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            part = Observed(own[:, rows], None if row is None else row[:, rows], env.table, projected)
            parts.append(self._critic.forward(weights, part)[..., 0])
        last = self._critic.forward(weights, replace(rollout.last, projected=projected))[..., 0]
        return torch.cat([torch.cat(parts, 1).view(n_members, n_steps, n_envs), last[:, None]], 1)

    def _with_cut_values(self, rollout: Rollout) -> Tensor:
        """Return the rewards, with what would have come after each time limit in the last one. (P, T, E).

        Each member's cut states go through its critic by themselves: so it does not matter how many others
        have.
        """
        reward = rollout.reward.clone()
        if not rollout.cut:
            return reward
        cut_index = torch.cat([c[0] for c in rollout.cut])
        own = torch.cat([c[1] for c in rollout.cut])
        rows = [c[2] for c in rollout.cut if c[2] is not None]
        row = torch.cat(rows) if rows else None
        for k in range(len(reward)):
            mine = cut_index[:, 0] == k
            if not bool(mine.any()):
                continue
            weights = self._learner.parameters.member(k)
            seen = Observed(own[mine][None], None if row is None else row[mine][None], self.env.table)
            value = self._critic.forward(weights, seen)[0, :, 0]
            _, t, e = cut_index[mine].unbind(1)
            reward[k, t, e] += self.course.of["gamma"][k] * value
        return reward

    def _learn(self, rollout: Rollout, values: Tensor, rewards: Tensor) -> dict[str, Tensor]:
        _, n_steps, n_envs = rewards.shape
        gamma, lam = self.course.of["gamma"][:, None], self.course.of["lambda_gae_adv"][:, None]
        advantage = gae(rewards, values, rollout.alive, gamma, lam)
        target = advantage + values[:, :-1]
        if self.shape.if_use_v_trace:  # nothing has been learnt from it: the policy is the one that acted
            one = torch.ones_like(rewards)
            advantage, target = vtrace(rewards, values, rollout.alive, self.course.of["gamma"][:, None], one)
        flat = _Flat.of(rollout, advantage, target, values[:, :-1])
        n_rows = n_steps * n_envs
        size = min(self.shape.batch_size, n_rows)
        n_counted = n_rows if self.shape.scale_updates else n_steps
        n_updates = max(1, round(self.shape.repeat_times * n_counted / size))
        figures: list[dict[str, Tensor]] = []
        order, start = self.course.streams.permutation(n_rows), 0
        for _ in range(n_updates):
            if start + size > n_rows:
                order, start = self.course.streams.permutation(n_rows), 0
                if self.shape.if_use_v_trace:
                    flat = self._traced(rollout, rewards, flat)
            figures.append(self._minibatch(flat, order[:, start : start + size]))
            start += size
        return {name: torch.stack([f[name] for f in figures]).mean(0) for name in figures[0]}

    @torch.no_grad()
    def _traced(self, rollout: Rollout, rewards: Tensor, flat: _Flat) -> _Flat:
        """Return the rows with advantages and targets by V-trace, under the policy as it is now."""
        weights = self._learner.parameters.views
        values = self._values(rollout)
        n_members, n_steps, n_envs = rewards.shape
        seen = Observed(flat.own, flat.row, self.env.table, project(self.env.table, weights, self._actor))
        ratio = (self._log_prob(seen, flat.action) - flat.log_prob).exp().view(n_members, n_steps, n_envs)
        gamma = self.course.of["gamma"][:, None]
        advantage, target = vtrace(rewards, values, rollout.alive, gamma, ratio)
        return replace(flat, advantage=advantage.flatten(1), target=target.flatten(1))

    def _log_prob(self, seen: Observed, action: Tensor) -> Tensor:
        weights = self._learner.parameters.views
        log_std = weights["log_std"]
        off = (action - self._actor.forward(weights, seen)) * (-log_std).exp()
        return (off.square() * -0.5).sum(-1) - (log_std + _LOG_ROOT_2PI).sum(-1)

    def _minibatch(self, flat: _Flat, rows: Tensor) -> dict[str, Tensor]:
        part, of = flat.take(rows), self.course.of
        table = self.env.table
        seen = Observed(
            part.own if part.row is None or table is None else torch.cat([part.own, table[part.row]], -1)
        )
        log_ratio = self._log_prob(seen, part.action) - part.log_prob
        ratio = log_ratio.exp()
        advantage = _normalized(part.advantage)
        gain = clipped_gain(ratio, advantage, of["ratio_clip"][:, None]).mean(1)
        weights = self._learner.parameters.views
        value = self._critic.forward(weights, seen)[..., 0]
        miss = (value - part.target).square()
        if self.shape.value_clip:
            near = part.value + (value - part.value).clamp(-self.shape.value_clip, self.shape.value_clip)
            miss = torch.maximum(miss, (near - part.target).square())
        entropy = (weights["log_std"] + _LOG_ROOT_2PI + 0.5).sum((1, 2))
        loss = -gain + of["value_coef"] * miss.mean(1) - of["lambda_entropy"] * entropy
        gradient = self._learner.parameters.gradient(loss.sum())
        norm = self._learner.adam.step(
            self._learner.parameters, gradient, of["learning_rate"], of["clip_grad_norm"]
        )
        with torch.no_grad():
            clipped = ((ratio - 1.0).abs() > of["ratio_clip"][:, None]).float().mean(1)
            kl = ((ratio - 1.0) - log_ratio).mean(1)
        figures = {"policy_loss": -gain, "value_loss": miss.mean(1), "entropy": entropy, "grad_norm": norm}
        return {name: value.detach() for name, value in figures.items()} | {"kl": kl, "clip_share": clipped}


def clipped_gain(ratio: Tensor, advantage: Tensor, clip: Tensor | float) -> Tensor:
    """Return PPO's clipped gain, ``min(r A, clip(r, 1 - e, 1 + e) A)``.

    >>> r, a = torch.tensor([1.5, 1.5, 0.5, 0.5]), torch.tensor([2.0, -2.0, 2.0, -2.0])
    >>> [round(x, 4) for x in clipped_gain(r, a, 0.2).tolist()]
    [2.4, -3.0, 1.0, -1.6]
    """
    limit = torch.as_tensor(clip)
    return torch.minimum(ratio * advantage, ratio.clamp(1.0 - limit, 1.0 + limit) * advantage)


@dataclass(frozen=True)
class _Flat:
    """A rollout's rows without their order. (P, B, ...) each."""

    own: Tensor
    row: Tensor | None
    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    target: Tensor
    value: Tensor

    @classmethod
    def of(cls, rollout: Rollout, advantage: Tensor, target: Tensor, value: Tensor) -> _Flat:
        row = None if rollout.row is None else rollout.row.flatten(1)
        return cls(
            rollout.own.flatten(1, 2),
            row,
            rollout.action.flatten(1, 2),
            rollout.log_prob.flatten(1),
            advantage.flatten(1),
            target.flatten(1),
            value.flatten(1),
        )

    def take(self, rows: Tensor) -> _Flat:
        row = None if self.row is None else self.row.gather(1, rows)
        wide = (take_rows(self.own, rows), row, take_rows(self.action, rows))
        rest = (self.log_prob, self.advantage, self.target, self.value)
        return _Flat(*wide, *(values.gather(1, rows) for values in rest))


def _normalized(advantage: Tensor) -> Tensor:
    if advantage.shape[1] < 2:
        return advantage
    deviation, mean = torch.std_mean(advantage, 1, keepdim=True)
    return (advantage - mean) / (deviation + 1e-8)


def _cut(seen: Observed, truncated: Tensor, t: int) -> tuple[Tensor, Tensor, Tensor | None]:
    member, env = truncated.nonzero().unbind(1)
    index = torch.stack([member, torch.full_like(member, t), env], 1)
    return index, seen.own[member, env], None if seen.row is None else seen.row[member, env]
