# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Deep deterministic policy gradients for P members side by side, with the three details of TD3 as options.

Source: Lillicrap et al. (2016), Continuous Control with Deep Reinforcement Learning, algorithm 1; Fujimoto
    et al. (2018), Addressing Function Approximation Error in Actor-Critic Methods, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharpen.objectives.rl.agent import Course, Learner
from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.networks import Mlp, Observed, Parameters
from sharpen.objectives.rl.off_policy import collect, follow, means, minibatches
from sharpen.objectives.rl.replay_buffer import Experience, ReplayBuffer
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams

_TARGET_NOISE_LIMIT = 0.5


class Ddpg:
    """P agents of one shape; see :class:`sharpen.objectives.rl.agent.Agent`."""

    def __init__(self, settings: Sequence[AgentSettings], env: Environment, streams: Streams) -> None:
        first, device = settings[0], streams.generators[0].device
        n_seen = env.own_dim + (0 if env.table is None else env.table.shape[1])
        self.env, self.shape = env, first
        self._actor = Mlp("actor", (n_seen, *first.net_dims, env.action_dim), first.activation)
        widths = (env.action_dim + n_seen, *first.net_dims, 1)
        n_critics = 2 if first.twin_critics else 1
        self._critics = [Mlp(f"critic_{i}", widths, first.activation) for i in range(n_critics)]
        self._policy = Learner.of(self._actor.draw(streams))
        self._value = Learner.of({k: v for net in self._critics for k, v in net.draw(streams).items()})
        self._target_policy, self._target = self._policy.parameters.copy(), self._value.parameters.copy()
        self.course = Course.start(settings, env, streams)
        self._replay = ReplayBuffer(env, first, device)
        self.course.extra = {f"replay/{name}": value for name, value in self._replay.memory.items()}
        self.course.extra["n_updates"] = torch.zeros(len(settings), dtype=torch.long, device=device)
        self.course.extra["reward_max"] = torch.zeros(len(settings), device=device)

    def policy(self) -> tuple[Mlp, Parameters]:
        """Return the actor, and the weights that hold its own."""
        return self._actor, self._policy.parameters

    def learners(self) -> dict[str, Learner]:
        """Return the learners of policy and critics."""
        return {"policy": self._policy, "value": self._value}

    def targets(self) -> dict[str, Parameters]:
        """Return the targets of policy and critics."""
        return {"policy": self._target_policy, "value": self._target}

    @torch.no_grad()
    def act(self, seen: Observed) -> Tensor:
        """Return the policy's actions. (P, B, A)."""
        return self._actor.forward(self._policy.parameters.views, seen).tanh()

    def update(self, most_steps: int | None = None) -> dict[str, Tensor]:
        """Act for a horizon, then learn from the replay."""
        n_steps = self.shape.horizon(most_steps)
        rewards = collect(self.env, self.course, self._replay, n_steps, self._explore)
        batches = minibatches(self.course, self._replay, self.shape, self.env.n_envs, n_steps)
        return means([self._learn(batch) for batch in batches]) | rewards

    def _explore(self, seen: Observed) -> Tensor:
        action = self.act(seen)
        noise = self.course.streams.normal(*action.shape[1:])
        return (action + self.course.of["explore_noise_std"][:, None, None] * noise).clamp(-1.0, 1.0)

    def _learn(self, batch: Experience) -> dict[str, Tensor]:
        of = self.course.of
        with torch.no_grad():
            values = self._values(self._target, batch.then, self._target_action(batch.then))
            least = torch.stack(values).amin(0)
            wanted = batch.reward + of["gamma"][:, None] * batch.alive * least
        values = self._values(self._value.parameters, batch.seen, batch.action)
        miss = torch.stack([(value - wanted).square().mean(1) for value in values]).sum(0)
        gradient = self._value.parameters.gradient(miss.sum())
        self._value.adam.step(self._value.parameters, gradient, of["learning_rate"], of["clip_grad_norm"])
        n_updates = self.course.extra["n_updates"]
        n_updates += 1
        due = n_updates % self.shape.actor_delay == 0
        gain = self._improve(batch, due)
        return {"value_loss": miss.detach() / len(values), "policy_loss": -gain}

    def _improve(self, batch: Experience, due: Tensor) -> Tensor:
        """Move policy and targets of the members that are due; return what the policy is worth. (P,)."""
        if not bool(due.any()):
            return torch.zeros_like(self.course.of["gamma"])
        of = self.course.of
        action = self._actor.forward(self._policy.parameters.views, batch.seen).tanh()
        gain = self._values(self._value.parameters, batch.seen, action)[0].mean(1)
        gradient = self._policy.parameters.gradient(-gain.sum())
        self._policy.adam.step(
            self._policy.parameters, gradient, of["learning_rate"], of["clip_grad_norm"], due
        )
        share = of["soft_update_tau"] * due
        follow(self._target, self._value.parameters, share)
        follow(self._target_policy, self._policy.parameters, share)
        return gain.detach()

    def _target_action(self, then: Observed) -> Tensor:
        action = self._actor.forward(self._target_policy.views, then).tanh()
        spread = self.course.of["target_noise_std"][:, None, None]
        if not bool(spread.any()):
            return action
        noise = self.course.streams.normal(*action.shape[1:])
        return (action + (spread * noise).clamp(-_TARGET_NOISE_LIMIT, _TARGET_NOISE_LIMIT)).clamp(-1.0, 1.0)

    def _values(self, critics: Parameters, seen: Observed, action: Tensor) -> list[Tensor]:
        return [net.forward(critics.views, seen.beside(action))[..., 0] for net in self._critics]
