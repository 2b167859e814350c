# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a market for one order is: episodes that nobody can change, and what one's own trades pay in them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from sharpen.objectives.rl.environment import State
from sharpen.objectives.rl.streams import Streams

Episode = State
"""All that happens to an order whatever its trader does:

- ``mid``: the price at the start of each slice, and after the last one. (P, E, N + 1)
- ``side``: 1 to buy, -1 to sell. (P, E)
- ``order``: shares to trade. (P, E)
- ``volume``: what others trade in each slice, in shares. (P, E, N)
- ``usual``: the volume of a slice as expected at the start. (P, E)

and what a market adds. Orders with the same number in ``window``, (P, E), share their prices; without it each
order has its own. Only what lies before a decision may be shown to whoever decides.
"""


class Fill(NamedTuple):
    """What a slice came to.

    Attributes:
        quantity: Shares traded. (P, E)
        price: Their average price. (P, E)
        impact: What one's own trades so far do to the prices of the next slice. (P, E, I)
    """

    quantity: Tensor
    price: Tensor
    impact: Tensor


class ExecutionMarket(Protocol):
    """A market for orders of ``n_slices`` slices.

    Attributes:
        name: What it is called in a command.
        n_slices: N.
        n_seen: How many numbers :meth:`seen` has.
        n_impact: I, how many numbers remember one's own trades.
        has_book: Whether a slice can be traded by limit orders, which may not fill.
        baseline: The policy whose mean reward is 0.
        twap_reward: The mean reward of equal slices: 0 where they are the baseline.
        gain_bps: By how much the optimum costs less than that baseline, in basis points of the order at
            arrival; None where no optimum is known.
        scale_bps: What a reward of 1 is where no optimum is known; None for what equal slices cost.
        kappa_slice: How fast the risk-averse baseline trades: kappa times the length of a slice.
        participation: Largest share of a slice's volume that may be traded; inf for no limit.
    """

    name: str
    n_slices: int
    n_seen: int
    n_impact: int
    has_book: bool
    baseline: str
    twap_reward: float
    gain_bps: float | None
    scale_bps: float | None
    kappa_slice: float
    participation: float

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new episodes."""
        ...

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return what is known at the start of slice k, from the trader's side. (P, E, n_seen)."""
        ...

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return what an order of ``wanted`` shares in slice k comes to.

        Args:
            episode: The episodes.
            k: The slice. (P, E)
            impact: From one's trades before. (P, E, I)
            wanted: Shares, 0 or more. (P, E)
            passive: Where true, by limit orders. (P, E)
        """
        ...

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return the best schedule as shares of the order, (P, E, N); None where none is known."""
        ...


def at(path: Tensor, k: Tensor) -> Tensor:
    """Return what a path holds at k, or its last value after its end. path: (P, E, N); k: (P, E)."""
    return path.gather(-1, k.clamp_max(path.shape[-1] - 1)[..., None])[..., 0]
