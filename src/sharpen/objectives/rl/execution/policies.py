# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The baselines: how much of an order to trade in each slice, without anything learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sharpen.objectives.rl.agent import Agent, observe
from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.execution.environment import Execution
from sharpen.objectives.rl.execution.port import at
from sharpen.objectives.rl.execution.schedules import almgren_chriss
from sharpen.objectives.rl.streams import Streams


class SliceDecision(NamedTuple):
    """What to do in a slice.

    Attributes:
        wanted: Shares. (P, E)
        passive: Where true, by limit orders; None for nowhere. (P, E)
    """

    wanted: Tensor
    passive: Tensor | None = None


Policy = Callable[[Execution, State], SliceDecision]


def immediate(env: Execution, state: State) -> SliceDecision:
    """Trade everything in the first slice."""
    return SliceDecision(state["left"])


def twap(env: Execution, state: State) -> SliceDecision:
    """Trade an equal part of what is left in each slice that is left."""
    return SliceDecision(state["left"] / (env.market.n_slices - state["k"]).clamp_min(1))


def passive_twap(env: Execution, state: State) -> SliceDecision:
    """Trade as :func:`twap`, by limit orders; what does not fill is left for later slices."""
    wanted = twap(env, state).wanted
    return SliceDecision(wanted, torch.ones_like(wanted, dtype=torch.bool))


def pov(env: Execution, state: State) -> SliceDecision:
    """Trade a constant share of the volume, as far as it is known: the mean of the slices before.

    The share is what would finish the order in time if every slice had the volume that is shown at first.
    """
    volume = state["volume"]
    k = state["k"]
    usual = state["usual"]
    past = torch.cat([torch.zeros_like(volume[..., :1]), volume.cumsum(-1)], -1)
    mean = torch.where(k > 0, at(past, k) / k.clamp_min(1), usual)
    rate = state["order"] / (usual * env.market.n_slices)
    return SliceDecision(rate * mean)


def risk_averse(env: Execution, state: State) -> SliceDecision:
    """Trade by the schedule of Almgren and Chriss, at the market's ``kappa_slice``."""
    market = env.market
    schedule = torch.as_tensor(almgren_chriss(1.0, market.n_slices, market.kappa_slice))
    schedule = schedule.to(state["left"].device)
    rest = schedule.flip(0).cumsum(0).flip(0)
    k = state["k"].clamp_max(market.n_slices - 1)
    share = torch.where(rest > 0, schedule / rest.clamp_min(1e-300), 1.0)  # far from the start all underflows
    return SliceDecision(state["left"] * share[k])


def optimal(env: Execution, state: State) -> SliceDecision:
    """Trade by the market's optimum. Call it only where there is one."""
    shares = env.market.optimum(state)
    assert shares is not None, "this market's optimum is not known"  # noqa: S101 - the caller asks first
    return SliceDecision(at(shares, state["k"]) * state["order"])


def random_participation(seed: int) -> Policy:
    """Return a policy that trades random shares, each way to split the order being as likely as another."""
    streams: dict[int, Streams] = {}

    def decide(env: Execution, state: State) -> SliceDecision:
        own = streams.setdefault(env.n_members, Streams.of([seed] * env.n_members, state["left"].device))
        later = (env.market.n_slices - 1 - state["k"]).clamp_min(0).double()
        draws = own.uniform(*state["left"].shape[1:])
        share = torch.where(later > 0, 1.0 - draws ** (1.0 / later.clamp_min(1.0)), 1.0)
        return SliceDecision(state["left"] * share)

    return decide


def of_agent(agent: Agent) -> Policy:
    """Return the best known actions of an agent as a policy."""

    def decide(env: Execution, state: State) -> SliceDecision:
        action = agent.act(observe(env, state))
        passive = action[..., 1] > 0 if env.action_dim > 1 else None
        return SliceDecision(env.share(state, action[..., 0].double()) * state["left"], passive)

    return decide


def baselines(env: Execution, seed: int = 0) -> dict[str, Policy]:
    """Return the baselines by name; ``optimum`` and ``passive`` only where the market has them."""
    policies: dict[str, Policy] = {
        "immediate": immediate,
        "twap": twap,
        "pov": pov,
        "almgren_chriss": risk_averse,
        "random": random_participation(seed),
    }
    if env.market.has_book:
        policies["passive_twap"] = passive_twap
    if env.market.gain_bps is not None:
        policies["optimum"] = optimal
    return policies
