# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Soft actor-critic for P members side by side, and ModSAC, which paces its actor by the critics' loss.

Source: Haarnoja et al. (2018), Soft Actor-Critic Algorithms and Applications, equations 5, 7 and 18. ModSAC
    is
ElegantRL's variant: its actor is updated less often while the critics' loss is large (the two-time-scale
    rule of Heusel et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sharpen.objectives.rl.agent import Course, Learner
from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.networks import Mlp, Observed, Parameters
from sharpen.objectives.rl.off_policy import collect, follow, means, minibatches
from sharpen.objectives.rl.replay_buffer import Experience, ReplayBuffer
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_LOG_STD_LIMITS = (-20.0, 2.0)
_LOSS_MEMORY = 0.995


class Sac:
    """P agents of one shape; see :class:`sharpen.objectives.rl.agent.Agent`."""

    def __init__(self, settings: Sequence[AgentSettings], env: Environment, streams: Streams) -> None:
        first, device = settings[0], streams.generators[0].device
        n_seen = env.own_dim + (0 if env.table is None else env.table.shape[1])
        self.env, self.shape = env, first
        self._actor = Mlp("actor", (n_seen, *first.net_dims, 2 * env.action_dim), first.activation)
        widths = (env.action_dim + n_seen, *first.net_dims, 1)
        self._critics = [Mlp(f"critic_{i}", widths, first.activation) for i in range(2)]
        self._policy = Learner.of(self._actor.draw(streams))
        self._value = Learner.of(self._critics[0].draw(streams) | self._critics[1].draw(streams))
        self._target = self._value.parameters.copy()
        log_alpha = torch.tensor([math.log(s.init_alpha) for s in settings], device=device)
        self._temperature = Learner.of({"log_alpha": log_alpha[:, None]})
        self.course = Course.start(settings, env, streams)
        self._replay = ReplayBuffer(env, first, device)
        zero = torch.zeros(len(settings), device=device)
        self.course.extra = {f"replay/{name}": value for name, value in self._replay.memory.items()}
        self.course.extra |= {name: zero.clone() for name in ("loss", "n_critic", "n_actor", "reward_max")}

    def policy(self) -> tuple[Mlp, Parameters]:
        """Return the actor, and the weights that hold its own."""
        return self._actor, self._policy.parameters

    def learners(self) -> dict[str, Learner]:
        """Return the learners of policy, critics and temperature."""
        return {"policy": self._policy, "value": self._value, "temperature": self._temperature}

    def targets(self) -> dict[str, Parameters]:
        """Return the target critics."""
        return {"value": self._target}

    @torch.no_grad()
    def act(self, seen: Observed) -> Tensor:
        """Return the squashed means of the policy. (P, B, A)."""
        out = self._actor.forward(self._policy.parameters.views, seen)
        return out[..., : self.env.action_dim].tanh()

    def update(self, most_steps: int | None = None) -> dict[str, Tensor]:
        """Act for a horizon, then learn from the replay."""
        n_steps = self.shape.horizon(most_steps)
        env, course = self.env, self.course
        rewards = collect(env, course, self._replay, n_steps, lambda seen: self._draw(seen)[0])
        batches = minibatches(course, self._replay, self.shape, env.n_envs, n_steps)
        return means([self._learn(batch) for batch in batches]) | rewards

    def _draw(self, seen: Observed) -> tuple[Tensor, Tensor]:
        """Return actions drawn from the policy, and their log-probabilities. (P, B, A), (P, B)."""
        out = self._actor.forward(self._policy.parameters.views, seen)
        mean, log_std = out.chunk(2, -1)
        log_std = log_std.clamp(*_LOG_STD_LIMITS)
        noise = self.course.streams.normal(*mean.shape[1:])
        raw = mean + log_std.exp() * noise
        return raw.tanh(), squashed_log_prob(noise, log_std, raw)

    def _learn(self, batch: Experience) -> dict[str, Tensor]:
        of, course = self.course.of, self.course
        alpha = self._temperature.parameters.flat.exp()  # (P, 1)
        with torch.no_grad():
            action, log_prob = self._draw(batch.then)
            least = self._least(self._target, batch.then, action)
            wanted = soft_target(batch.reward, batch.alive, of["gamma"][:, None], least, alpha * log_prob)
        values = self._values(self._value.parameters, batch.seen, batch.action)
        miss = torch.stack([(value - wanted).square().mean(1) for value in values]).sum(0)
        gradient = self._value.parameters.gradient(miss.sum())
        rate, limit = of["learning_rate"], of["clip_grad_norm"]
        self._value.adam.step(self._value.parameters, gradient, rate, limit)
        active = self._paced(miss.detach()) if self.shape.agent == "modsac" else None
        figures = self._improve(batch, alpha, active)
        follow(self._target, self._value.parameters, course.of["soft_update_tau"])
        return figures | {"value_loss": miss.detach() / 2, "alpha": alpha[:, 0].clone()}

    def _improve(self, batch: Experience, alpha: Tensor, active: Tensor | None) -> dict[str, Tensor]:
        """Move the policy and the temperature of the members that are active."""
        of = self.course.of
        action, log_prob = self._draw(batch.seen)
        least = self._least(self._value.parameters, batch.seen, action)
        loss = (alpha * log_prob - least).mean(1)
        rate, limit = of["learning_rate"], of["clip_grad_norm"]
        gradient = self._policy.parameters.gradient(loss.sum())
        self._policy.adam.step(self._policy.parameters, gradient, rate, limit, active)
        entropy = -log_prob.detach().mean(1)
        goal = torch.where(of["target_entropy"] == 0.0, -float(self.env.action_dim), of["target_entropy"])
        slope = (alpha[:, 0] * (entropy - goal))[:, None]  # of alpha (entropy - goal) in log alpha
        self._temperature.adam.step(self._temperature.parameters, slope, rate, None, active)
        return {"policy_loss": loss.detach(), "entropy": entropy}

    def _paced(self, miss: Tensor) -> Tensor:
        """Return which members' actors may move now, by the two-time-scale rule. (P,)."""
        extra = self.course.extra
        loss = extra["loss"].mul_(_LOSS_MEMORY).add_(miss / 2, alpha=1.0 - _LOSS_MEMORY)
        extra["n_critic"] += 1
        active = extra["n_actor"] / extra["n_critic"] < actor_share(loss)
        extra["n_actor"] += active
        return active

    def _values(self, critics: Parameters, seen: Observed, action: Tensor) -> list[Tensor]:
        return [net.forward(critics.views, seen.beside(action))[..., 0] for net in self._critics]

    def _least(self, critics: Parameters, seen: Observed, action: Tensor) -> Tensor:
        return torch.minimum(*self._values(critics, seen, action))


def squashed_log_prob(noise: Tensor, log_std: Tensor, raw: Tensor) -> Tensor:
    """Return the log-probability of ``tanh(raw)``, where ``raw = mean + std * noise``, summed over actions.

    >>> zero = torch.zeros(1)
    >>> round(float(squashed_log_prob(torch.tensor([0.5]), zero, torch.tensor([0.5]))), 6)
    -0.80371
    """
    plain = -0.5 * noise.square() - log_std - _LOG_ROOT_2PI
    return (plain - 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))).sum(-1)


def soft_target(
    reward: Tensor, alive: Tensor, gamma: Tensor, least: Tensor, alpha_log_prob: Tensor
) -> Tensor:
    """Return what the critics are to say: ``r + gamma (1 - d) (min Q - alpha log pi)``.

    >>> r, q, cost = (torch.tensor([x]) for x in (1.0, 5.0, 0.2 * -1.2))
    >>> round(float(soft_target(r, torch.ones(1), torch.tensor([0.99]), q, cost)), 4)
    6.1876
    """
    return reward + gamma * alive * (least - alpha_log_prob)


def actor_share(loss: Tensor) -> Tensor:
    """Return how many actor updates one critic update allows: 1 for no loss, 1/2 for a large one.

    >>> [round(x, 4) for x in actor_share(torch.tensor([0.0, 0.5, 2.0])).tolist()]
    [1.0, 0.8189, 0.5046]
    """
    return 1.0 / (2.0 - (-loss.square()).exp())
