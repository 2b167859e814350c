# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What SAC and DDPG share: acting into a replay, targets that follow, and the pace of updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sharpen.objectives.rl.agent import Course, observe
from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.networks import Observed, Parameters
from sharpen.objectives.rl.replay_buffer import Experience, ReplayBuffer
from sharpen.objectives.rl.settings import AgentSettings


@torch.no_grad()
def collect(
    env: Environment, course: Course, replay: ReplayBuffer, n_steps: int, act: Callable[[Observed], Tensor]
) -> dict[str, Tensor]:
    """Take steps and remember them; return each member's mean reward, and its largest so far. (P,) each.

    Until the replay holds ``buffer_init_size`` steps the actions are drawn evenly.
    """
    n_first = course.settings[0].buffer_init_size
    total = torch.zeros(env.n_members, device=course.n_steps.device)
    largest = course.extra["reward_max"]
    seen = observe(env, course.state)
    for _ in range(n_steps):
        if int(course.n_steps[0]) < n_first:
            action = (course.streams.uniform(env.n_envs, env.action_dim) * 2.0 - 1.0).float()
        else:
            action = act(seen)
        step = env.step(course.state, action)
        reward = step.reward * course.of["reward_scale"][:, None]
        then = observe(env, step.state)
        replay.add(seen, action, reward, 1.0 - step.terminated.float(), then)
        over = step.terminated | step.truncated
        course.state = course.begin_anew(env, step.state, over)
        seen = observe(env, course.state) if bool(over.any()) else then
        course.n_steps += env.n_envs
        total += step.reward.mean(1)
        largest = torch.maximum(largest, reward.abs().amax(1), out=largest)
    return {"reward": total / n_steps, "reward_max": largest.clone()}


def minibatches(
    course: Course, replay: ReplayBuffer, settings: AgentSettings, n_envs: int, n_steps: int
) -> Iterator[Experience]:
    """Give the minibatches that so many steps pay for; none while the replay is being filled."""
    if int(course.n_steps.min()) < max(settings.buffer_init_size, 1):
        return
    n_counted = n_steps * (n_envs if settings.scale_updates else 1)
    for _ in range(max(1, round(settings.repeat_times * n_counted))):
        yield replay.draw(course.streams, settings.batch_size)


@torch.no_grad()
def follow(target: Parameters, source: Parameters, share: Tensor) -> None:
    """Move targets towards what they follow. share: (P,)."""
    target.flat.lerp_(source.flat, share[:, None].expand_as(target.flat))


def means(figures: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the means of the figures of several updates; nothing for none."""
    return {name: torch.stack([f[name] for f in figures]).mean(0) for name in figures[0]} if figures else {}
