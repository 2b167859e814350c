# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The market as gymnasium environments, for other people's agents."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sharpen.errors import UsageError
from sharpen.objectives.rl.agent import begun_anew
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.market import MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import MarketData
from sharpen.objectives.rl.streams import Streams

_LIMIT = 1e4
"""An observation is cut to +- this, for spaces have bounds."""

Observation = npt.NDArray[np.float32]
Info = dict[str, Any]


def _spaces(market: PortfolioMarket) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    table = market.table
    n_seen = market.own_dim + (0 if table is None else table.shape[1])
    observation_space = gymnasium.spaces.Box(-_LIMIT, _LIMIT, (n_seen,), np.float32)
    return observation_space, gymnasium.spaces.Box(-1.0, 1.0, (market.action_dim,), np.float32)


def _seen(market: PortfolioMarket, state: State) -> Observation:
    """Return what each portfolio sees. (E, n_seen)."""
    own, table = market.own(state)[:, 0], market.table
    observation = own if table is None else torch.cat([own, table[market.row(state)[:, 0]]], -1)
    return observation.clamp(-_LIMIT, _LIMIT).cpu().numpy()


def _actions(market: PortfolioMarket, raw: npt.NDArray[np.float32]) -> torch.Tensor:
    """Return the actions of all portfolios. (P, 1, S)."""
    actions = torch.as_tensor(raw)
    if actions.numel() != market.n_members * market.action_dim:
        raise UsageError(
            f"an action of shape {tuple(actions.shape)}: {market.n_members} x {market.action_dim} numbers are"
            " needed"
        )
    return actions.reshape(market.n_members, 1, market.action_dim)


class PortfolioEnv(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """One portfolio; an action of 1 buys ``max_trade`` of a stock, -1 sells as much.

    Args:
        data: The bars.
        settings: The rules and the window.
        scaling: ``elegantrl`` or ``relative``, as ``data`` was made.
    """

    def __init__(self, data: MarketData, settings: MarketSettings, scaling: str = "elegantrl") -> None:
        self._market = PortfolioMarket(data, [settings], 1, scaling)
        spaces: tuple[Any, Any] = _spaces(self._market)
        self.observation_space, self.action_space = spaces
        self._streams: Streams | None = None
        self._state: State | None = None
        self._is_over = False

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Begin an episode."""
        super().reset(seed=seed)
        if seed is not None or self._streams is None:
            self._streams = Streams.of([int(self.np_random.integers(2**31))])
        self._state, self._is_over = self._market.reset(self._streams), False
        return _seen(self._market, self._state)[0], self._info()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Observation, float, bool, bool, Info]:
        """Trade, and go one bar on.

        Raises:
            UsageError: The episode is over: bars beyond the window are not traded.
        """
        assert self._state is not None, "call reset first"  # noqa: S101 - gymnasium's contract
        if self._is_over:
            raise UsageError("the episode is over: call reset before the next step")
        step = self._market.step(self._state, _actions(self._market, action))
        self._state, self._is_over = step.state, bool(step.truncated)
        seen = _seen(self._market, step.state)[0]
        return seen, float(step.reward), bool(step.terminated), bool(step.truncated), self._info()

    def _info(self) -> Info:
        state = self._state or {}
        return {name: float(state[name]) for name in ("cash", "assets") if name in state}


class PortfolioVectorEnv(VectorEnv[Observation, npt.NDArray[np.float32], npt.NDArray[Any]]):
    """Many portfolios in one market; an episode that ends begins anew in the same step.

    Args:
        data: The bars.
        settings: The rules and the window.
        num_envs: How many portfolios.
        scaling: ``elegantrl`` or ``relative``, as ``data`` was made.
    """

    def __init__(
        self, data: MarketData, settings: MarketSettings, num_envs: int, scaling: str = "elegantrl"
    ) -> None:
        self._market = PortfolioMarket(
            data, [settings] * num_envs, 1, scaling
        )  # each draws from a stream of its own
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        spaces: tuple[Any, Any] = _spaces(self._market)
        self.single_observation_space, self.single_action_space = spaces
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._streams: Streams | None = None
        self._state: State = {}

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode in each."""
        seeds = seed if isinstance(seed, list) else [None] * self.num_envs
        if len(seeds) != self.num_envs:
            raise UsageError(f"{len(seeds)} seeds for {self.num_envs} portfolios: give one, or one for each")
        super().reset(seed=seed if isinstance(seed, int) else None)
        if isinstance(seed, int) or self._streams is None:
            self._streams = Streams.of(self.np_random.integers(2**31, size=self.num_envs).tolist())
        for k, env_seed in enumerate(seeds):
            if env_seed is not None:
                self._streams.generators[k] = Streams.of([env_seed]).generators[0]
        self._state = self._market.reset(self._streams)
        return _seen(self._market, self._state), {}

    def step(
        self, actions: npt.NDArray[np.float32]
    ) -> tuple[Observation, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], Info]:
        """Trade in each, and go one bar on."""
        assert self._streams is not None, "call reset first"  # noqa: S101 - gymnasium's contract
        step = self._market.step(self._state, _actions(self._market, actions))
        over = step.terminated | step.truncated
        info: Info = {}
        self._state = begun_anew(self._market, self._streams, step.state, over)
        if bool(over.any()):
            info = {"final_obs": _seen(self._market, step.state), "_final_obs": over[:, 0].numpy()}
        seen = _seen(self._market, self._state)
        reward, terminated, truncated = (
            part[:, 0].numpy() for part in (step.reward, step.terminated, step.truncated)
        )
        return seen, reward, terminated, truncated, info
