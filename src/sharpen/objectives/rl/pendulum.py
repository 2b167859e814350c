# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Gymnasium's Pendulum-v1 over tensors: what the agents are checked on.

Source: gymnasium 1.4, ``Pendulum-v1``: its equations and constants.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sharpen.objectives.rl.environment import State, Step
from sharpen.objectives.rl.streams import Streams

_GRAVITY, _DT, _MAX_SPEED, _MAX_TORQUE = 10.0, 0.05, 8.0, 2.0


class Pendulum:
    """P members times E pendulums; an action of 1 is the torque 2."""

    def __init__(self, n_members: int, n_envs: int, device: str | torch.device = "cpu") -> None:
        self.n_members, self.n_envs = n_members, n_envs
        self.action_dim, self.own_dim = 1, 3
        self.table: Tensor | None = None
        self.device = torch.device(device)
        self.episode_steps = 200

    def reset(self, streams: Streams) -> State:
        """Return pendulums at random angles and speeds."""
        draws = streams.uniform(self.n_envs, 2) * 2.0 - 1.0
        zero = torch.zeros_like(draws[..., 0])
        return {"angle": draws[..., 0] * math.pi, "speed": draws[..., 1], "age": zero}

    def own(self, state: State) -> Tensor:
        """Return cosine and sine of the angle, and the speed. (P, ..., 3)."""
        angle = state["angle"]
        return torch.stack([angle.cos(), angle.sin(), state["speed"]], -1).float()

    def row(self, state: State) -> Tensor | None:
        """Return None: there is no table."""
        return None

    def step(self, state: State, action: Tensor) -> Step:
        """Return the pendulums 0.05 s later."""
        angle, speed = state["angle"], state["speed"]
        torque = action[..., 0].double().clamp(-1.0, 1.0) * _MAX_TORQUE
        off = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
        cost = off**2 + 0.1 * speed**2 + 0.001 * torque**2
        speed = speed + (1.5 * _GRAVITY * angle.sin() + 3.0 * torque) * _DT
        speed = speed.clamp(-_MAX_SPEED, _MAX_SPEED)
        after = {"angle": angle + speed * _DT, "speed": speed, "age": state["age"] + 1}
        truncated = after["age"] >= self.episode_steps
        return Step(after, (-cost).float(), torch.zeros_like(truncated), truncated)
