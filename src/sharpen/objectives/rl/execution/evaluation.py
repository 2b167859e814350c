# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What policies cost, each on the same episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sharpen.arrays import Floats, Ints
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.environment import Execution
from sharpen.objectives.rl.execution.policies import Policy

_TAIL = 0.95


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a policy came to, episode by episode.

    Attributes:
        shortfall_bps: Implementation shortfall: what the order cost more than at its arrival price, in basis
            points of it; a positive number is a loss. (M,)
        advantage_bps: How much better the average price is than the mean mid of all slices. (M,)
        forced: Share of the order that only the end of its time has traded. (M,)
        reward: 0 for the market's baseline. (M,)
        halted: Share of its slices in which nobody could trade. (M,)
        traded: Share of the order by the end of each slice. (M, N)
        window: Orders of the same number share their prices. (M,)
    """

    shortfall_bps: Floats
    advantage_bps: Floats
    forced: Floats
    reward: Floats
    halted: Floats
    traded: Floats
    window: Ints


@torch.no_grad()
def play(env: Execution, state: State, policy: Policy) -> Outcomes:
    """Return the outcomes of a policy on the orders of a state that :meth:`Execution.reset` gave.

    Args:
        env: The environment; its members' episodes are taken together.
        state: New orders.
        policy: Who trades.
    """
    start, traded = state, list[torch.Tensor]()
    for _ in range(env.market.n_slices):
        decision = policy(env, state)
        state = env.trade(state, decision.wanted, decision.passive)
        traded.append(1.0 - state["left"] / state["order"])
    worth = state["order"] * state["mid"][..., 0]
    cost = env.cost(state)
    average = -state["side"] * state["cash"] / state["order"]
    mean_mid = state["mid"][..., :-1].mean(-1)
    way = torch.stack(traded, -1).flatten(0, 1).cpu().numpy()
    values = (
        cost / worth * 1e4,
        state["side"] * (mean_mid - average) / mean_mid * 1e4,
        state["forced"] / state["order"],
        env.market.twap_reward + (start["twap"].sum(-1) - cost) / worth * (1e4 / env.unit_bps),
        start["halted"].mean(-1) if "halted" in start else torch.zeros_like(cost),
    )
    paid, advantage, forced, reward, halted = (value.flatten().cpu().numpy() for value in values)
    window = start["window"].flatten().cpu().numpy() if "window" in start else np.arange(len(paid))
    return Outcomes(paid, advantage, forced, reward, halted, way, window)


def together(parts: Sequence[Outcomes]) -> Outcomes:
    """Return the outcomes of several parts as one; no window of one part is taken for one of another."""
    windows = [np.unique(part.window, return_inverse=True)[1] for part in parts]
    first = np.cumsum([0, *(int(window.max()) + 1 for window in windows[:-1])])
    names = ("shortfall_bps", "advantage_bps", "forced", "reward", "halted", "traded")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    window = np.concatenate([w + k for w, k in zip(windows, first, strict=True)])
    return Outcomes(**joined, window=window)


@dataclass(frozen=True, slots=True)
class Row:
    """A policy in a table; all numbers in basis points but shares and ratios.

    Attributes:
        policy: Its name.
        shortfall: Mean implementation shortfall against arrival.
        error: Standard error of that mean.
        advantage: Mean price advantage (PA): how much better than the market's mean price.
        gain_loss: Mean advantage where it is positive over mean loss where it is negative (GLR).
        tail: Mean shortfall of the worst 5 % of the episodes.
        completion: Mean share of the order that was traded before the end of its time forced the rest.
        saved: Mean shortfall less than that of ``twap`` on the same episodes.
        saved_error: Standard error of that mean of paired differences.
        reward: Mean reward: 0 for the market's baseline, 1 for the optimum where that is known.
    """

    policy: str
    shortfall: float
    error: float
    advantage: float
    gain_loss: float
    tail: float
    completion: float
    saved: float
    saved_error: float
    reward: float


def row(name: str, outcomes: Outcomes, reference: Outcomes) -> Row:
    """Return a policy's row, beside ``twap``'s outcomes on the same episodes."""
    cost = outcomes.shortfall_bps
    mean, error = mean_error(cost, outcomes.window)
    saved, saved_error = mean_error(reference.shortfall_bps - cost, outcomes.window)
    return Row(
        policy=name,
        shortfall=mean,
        error=error,
        advantage=float(outcomes.advantage_bps.mean()),
        gain_loss=gain_loss(outcomes.advantage_bps),
        tail=tail(cost),
        completion=1.0 - float(outcomes.forced.mean()),
        saved=saved,
        saved_error=saved_error,
        reward=float(outcomes.reward.mean()),
    )


def table(outcomes: Mapping[str, Outcomes]) -> list[Row]:
    """Return the rows of policies that traded the same episodes; ``twap`` must be among them."""
    return [row(name, policy_outcomes, outcomes["twap"]) for name, policy_outcomes in outcomes.items()]


def has_a_cost(name: str, outcomes: Mapping[str, Outcomes]) -> bool:
    """Return whether a baseline costs clearly more than 0: only then has a percentage of its cost a meaning.

    Its cost must be more than twice its standard error, and more than twice that of its difference to a
    policy without any skill, ``random`` (for that one, ``twap``): where orders to buy and to sell cancel,
    the first can be near 0 where nothing is known of any other schedule.
    """
    cost, window = outcomes[name].shortfall_bps, outcomes[name].window
    mean, error = mean_error(cost, window)
    other = outcomes["twap" if name == "random" else "random"]
    return mean > 2.0 * max(error, mean_error(cost - other.shortfall_bps, window)[1])


def saved_bps(outcomes: Mapping[str, Outcomes]) -> dict[str, Floats]:
    """Return what the policy saves against each baseline in basis points, by window. (W,) each."""
    own = outcomes["ppo"]
    window_index = np.unique(own.window, return_inverse=True)[1]
    n_orders = np.bincount(window_index)
    return {
        name: np.bincount(window_index, other.shortfall_bps - own.shortfall_bps) / n_orders
        for name, other in outcomes.items()
        if name != "ppo"
    }


def mean_error(values: Floats, window: Ints | None = None) -> tuple[float, float]:
    """Return a mean and its standard error, clustered by window: orders of one may depend on each other.

    Source: Cameron and Miller (2015), A Practitioner's Guide to Cluster-Robust Inference, equation 10, for a
        mean, with ``G / (G - 1)``.

    >>> mean_error(np.array([1.0, 3.0]))
    (2.0, 1.0)
    >>> mean_error(np.array([1.0, 1.0, 3.0, 3.0]), np.array([5, 5, 6, 6]))
    (2.0, 1.0)
    """
    mean = float(values.mean())
    if window is None:
        window = np.arange(len(values))
    sums = np.bincount(np.unique(window, return_inverse=True)[1], values - mean)
    n = len(sums)
    error = math.sqrt(n / (n - 1) * float(np.square(sums).sum())) / len(values) if n > 1 else math.nan
    return mean, error


def gain_loss(advantage: Floats) -> float:
    """Return the mean of the positive values over that of the negative ones' size; NaN without either.

    >>> gain_loss(np.array([2.0, -1.0, -3.0]))
    1.0
    """
    up, down = advantage[advantage > 0], advantage[advantage < 0]
    return float(up.mean() / -down.mean()) if len(up) and len(down) else math.nan


def tail(cost: Floats) -> float:
    """Return the mean of the worst 5 % of the costs, of one at least.

    >>> tail(np.arange(100.0))
    97.0
    """
    n_worst = max(1, round(len(cost) * (1.0 - _TAIL)))
    return float(np.sort(cost)[-n_worst:].mean())
