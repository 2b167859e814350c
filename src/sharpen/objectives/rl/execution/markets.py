"""The markets by name, and what a reward of 1 is in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from sharpen.bars import Panel
from sharpen.errors import NotFound, UsageError
from sharpen.objectives.rl.execution.bar_replay import BarReplay, BarRules
from sharpen.objectives.rl.execution.book_data import Book
from sharpen.objectives.rl.execution.book_replay import BookReplay, BookRules
from sharpen.objectives.rl.execution.data_split import TRAINING, Part
from sharpen.objectives.rl.execution.environment import Execution
from sharpen.objectives.rl.execution.evaluation import play
from sharpen.objectives.rl.execution.linear import almgren_chriss_market, signal
from sharpen.objectives.rl.execution.policies import twap
from sharpen.objectives.rl.execution.port import ExecutionMarket
from sharpen.objectives.rl.execution.propagator import propagator_market
from sharpen.objectives.rl.execution.transient import obizhaeva_wang_market
from sharpen.objectives.rl.streams import Streams

MARKETS: dict[str, Callable[[Mapping[str, Any]], ExecutionMarket]] = {
    "signal": signal,
    "ac": almgren_chriss_market,
    "ow": obizhaeva_wang_market,
    "propagator": propagator_market,
}
"""Each market by its name, from settings that may lack anything."""
_LEAST_BPS = 1e-6
RECORDED = ("bars", "book")
"""Markets whose prices were recorded."""


def market_of(
    name: str,
    settings: Mapping[str, Any] | None = None,
    data: Panel | Book | None = None,
    part: Part = TRAINING,
) -> ExecutionMarket:
    """Return a market by its name; settings that are None have the market's own default.

    Args:
        name: One of :data:`MARKETS`, ``bars`` or ``book``.
        settings: What differs from the market's own defaults.
        data: The bars of the market ``bars``, the book of ``book``; bars to fit ``propagator`` to.
        part: Which part of them orders come from.

    Raises:
        NotFound: There is no such market.
        UsageError: A setting is out of range.

    >>> market_of("signal").name
    'signal'
    """
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    if name == "bars":
        if not isinstance(data, Panel):
            raise UsageError("the market bars needs bars: give --data")
        return BarReplay(data, BarRules.of(given), part)
    if name == "book":
        if not isinstance(data, Book):
            raise UsageError("the market book needs a recorded book: give --book FILE")
        return BookReplay(data, BookRules.of(given), part)
    if name == "propagator" and isinstance(data, Panel):
        return propagator_market(given, data)
    if name not in MARKETS:
        raise NotFound(f"no market {name!r}: there are {', '.join(MARKETS)}, bars, book", name=name)
    return MARKETS[name](given)


def unit_bps(market: ExecutionMarket, n_episodes: int = 512) -> float:
    """Return what a reward of 1 is, in basis points of the order at arrival.

    The gain of the optimum where that is known, or the market's own scale. Elsewhere what equal slices cost
    in impact, spread and fees: there a reward of 1 is an order that costs nothing but what the price moves.

    Raises:
        UsageError: That is nothing.

    >>> round(unit_bps(market_of("signal")), 6)
    3.0
    """
    known = market.scale_bps if market.gain_bps is None else market.gain_bps
    unit = _cost_of_equal_slices(market, n_episodes) if known is None else known
    if not unit > _LEAST_BPS:
        raise UsageError(
            f"in the market {market.name} equal slices cost nothing that could be saved: give a larger impact"
            " or spread"
        )
    return unit


def _cost_of_equal_slices(market: ExecutionMarket, n_episodes: int) -> float:
    """Return what equal slices cost in basis points where prices stand still."""
    env = Execution(market, 1, n_episodes, 1.0)
    state = env.reset(Streams.of([0]))
    arrival = state["mid"][..., :1]
    still = state | {name: arrival.expand_as(state[name]) for name in ("mid", "price") if name in state}
    return float(play(env, still, twap).shortfall_bps.mean())


def execution(
    market: ExecutionMarket, n_members: int, n_envs: int, unit: float | torch.Tensor | None = None
) -> Execution:
    """Return orders in a market, with the reward's unit of it."""
    return Execution(market, n_members, n_envs, unit_bps(market) if unit is None else unit)


def episodes(env: Execution, seed: int) -> dict[str, torch.Tensor]:
    """Return new orders of every member, all of them the same: what policies are compared on."""
    return env.reset(Streams.of([seed] * env.n_members))
