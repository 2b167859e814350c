# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""An order in a market as a gymnasium environment, for other people's agents."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch

from sharpen.errors import UsageError
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.markets import execution
from sharpen.objectives.rl.execution.port import ExecutionMarket
from sharpen.objectives.rl.streams import Streams

_LIMIT = 1e4
"""An observation is cut to +- this, for spaces have bounds."""

Observation = npt.NDArray[np.float32]
Info = dict[str, Any]


class ExecutionEnv(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """One order after another; the same actions, observations and rewards as our own agents have.

    Args:
        market: Of :func:`sharpen.objectives.rl.execution.markets.market_of`.

    >>> from sharpen.objectives.rl.execution.markets import market_of
    >>> env = ExecutionEnv(market_of("signal"))
    >>> seen, _ = env.reset(seed=0)
    >>> seen.shape, env.action_space.shape
    ((5,), (1,))
    """

    def __init__(self, market: ExecutionMarket) -> None:
        self._env = execution(market, 1, 1)
        space: Any = gymnasium.spaces.Box(-_LIMIT, _LIMIT, (self._env.own_dim,), np.float32)
        actions: Any = gymnasium.spaces.Box(-1.0, 1.0, (self._env.action_dim,), np.float32)
        self.observation_space, self.action_space = space, actions
        self._streams: Streams | None = None
        self._state: State | None = None

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Begin an order."""
        super().reset(seed=seed)
        if seed is not None or self._streams is None:  # without a seed gymnasium draws one
            self._streams = Streams.of([int(self.np_random.integers(2**31)) if seed is None else seed])
        self._state = self._env.reset(self._streams)
        return self._seen(), self._info()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Observation, float, bool, bool, Info]:
        """Trade a slice.

        Raises:
            UsageError: The action is no number.
        """
        assert self._state is not None, "call reset first"  # noqa: S101 - gymnasium's contract
        if not np.isfinite(action).all():
            raise UsageError(f"the action {action} has what is no number: the agent that chose it broke down")
        step = self._env.step(self._state, torch.as_tensor(action).reshape(1, 1, -1))
        self._state = step.state
        return self._seen(), float(step.reward), bool(step.terminated), False, self._info()

    def _seen(self) -> Observation:
        assert self._state is not None  # noqa: S101 - set before
        return self._env.own(self._state)[0, 0].clamp(-_LIMIT, _LIMIT).cpu().numpy()

    def _info(self) -> Info:
        state = self._state or {}
        return {name: float(state[name]) for name in ("left", "cash", "forced") if name in state}
