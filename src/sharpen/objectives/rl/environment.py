"""What the agents ask of an environment over tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sharpen.objectives.rl.streams import Streams

State = dict[str, Tensor]
"""All that an environment remembers, each (P, E, ...); so small that rollouts keep it in place of what is
observed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step gives.

    Attributes:
        state: After the step, before any new episode begins.
        reward: (P, E)
        terminated: The episode is over and nothing comes after it. (P, E)
        truncated: The episode is over by a time limit: what comes after it has a value. (P, E)
    """

    state: State
    reward: Tensor
    terminated: Tensor
    truncated: Tensor


class Environment(Protocol):
    """``P`` members times ``E`` copies of one environment.

    An observation is two parts beside each other: ``own(state)``, which differs from copy to copy, and row
    ``row(state)`` of ``table``, which they share; ``table`` is None where there is no such part.
    """

    n_members: int
    n_envs: int
    action_dim: int
    own_dim: int
    table: Tensor | None  # (rows, M), float32

    def reset(self, streams: Streams) -> State:
        """Return the state at the beginning of new episodes."""
        ...

    def own(self, state: State) -> Tensor:
        """Return the part of the observation that is a copy's own. (P, ..., own_dim), float32."""
        ...

    def row(self, state: State) -> Tensor | None:
        """Return the row of ``table`` that is the rest of the observation. (P, ...)."""
        ...

    def step(self, state: State, action: Tensor) -> Step:
        """Return what an action in [-1, 1] gives. action: (P, E, action_dim)."""
        ...
