# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Where orders begin in recorded prices: at which row, in which symbol, and on which side.

Axes: ``P`` members, each with orders of a part of its own; ``E`` orders; ``S`` symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sharpen.arrays import Ints
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.data_split import Part
from sharpen.objectives.rl.streams import Streams


class Recorded(NamedTuple):
    """Rows of recorded prices, and what an order needs of them.

    Attributes:
        market: The market's name.
        unit: What a row is called, in the plural.
        n_rows: How many rows there are.
        first: The first row of each symbol. (S,)
        last: The last row of each symbol. (S,)
        n_before: Rows that must come before an order.
        length: Rows that an order takes, beyond the one in which it begins.
    """

    market: str
    unit: str
    n_rows: int
    first: Ints
    last: Ints
    n_before: int
    length: int


class Start(NamedTuple):
    """Where orders begin. (P, E) each; the side is 1 to buy, -1 to sell."""

    row: Tensor
    symbol: Tensor
    side: Tensor


@dataclass(frozen=True, eq=False)
class StartRanges:
    """Where the orders of each member may begin.

    Attributes:
        first: The first row for each symbol. (P, S)
        n_starts: How many rows from there; 0 where a symbol has no room for an order. (P, S)
        symbols: Symbols with room, those without at the end. (P, S)
        n_symbols: How many have room. (P, 1)
        in_order: Rows and symbols one after another, so that orders do not overlap; None for orders that
            begin anywhere. (P, G, 2)
    """

    first: Tensor
    n_starts: Tensor
    symbols: Tensor
    n_symbols: Tensor
    in_order: Tensor | None

    @property
    def n_orders(self) -> int:
        """How many orders there are that do not overlap, to buy and to sell; 0 where they begin anywhere."""
        return 0 if self.in_order is None else 2 * self.in_order.shape[1]

    @property
    def traded(self) -> set[int]:
        """The symbols in which any member has orders."""
        if self.in_order is not None:
            return set(self.in_order[..., 1].flatten().tolist())
        return set((self.n_starts > 0).any(0).nonzero().flatten().tolist())

    def draw(self, streams: Streams, n_envs: int) -> Start:
        """Return where so many orders of each member begin.

        Orders in order are taken to buy and to sell. Fewer than there are, are spread over the whole part.
        """
        n_members = len(streams.generators)
        if self.in_order is not None:
            n_pairs, number = self.in_order.shape[1], torch.arange(n_envs)
            pair = number // 2 % n_pairs
            if n_envs < 2 * n_pairs:
                pair = number // 2 * n_pairs // ((n_envs + 1) // 2)
            row, symbol = self.in_order[:, pair].expand(n_members, -1, -1).unbind(-1)
            return Start(row, symbol, torch.where(number % 2 == 0, 1.0, -1.0).double().expand(row.shape))
        draws = streams.uniform(n_envs, 3)
        side = torch.where(draws[..., 0] < 0.5, -1.0, 1.0).double()
        symbols, first, n_starts = (
            table.expand(n_members, -1) for table in (self.symbols, self.first, self.n_starts)
        )
        symbol = symbols.gather(1, (draws[..., 1] * self.n_symbols).long())
        row = first.gather(1, symbol) + (draws[..., 2] * n_starts.gather(1, symbol)).long()
        return Start(row, symbol, side)


def rows_of(part: Part, recorded: Recorded) -> tuple[int, int]:
    """Return the first row of a part in which an order may begin, and the row after the part.

    Raises:
        UsageError: There is no room for an order.
    """
    n, needed = recorded.n_rows, recorded.length + 1
    first, stop = max(round(part.start * n), recorded.n_before), round(part.stop * n)
    if stop - first < needed:
        raise UsageError(
            f"the market {recorded.market} needs more {recorded.unit}: from {first} to {stop} there is no"
            f" room for an order, that takes {needed}, and {recorded.n_before} must come before it",
            n_rows=n,
        )
    return first, stop


def start_ranges(recorded: Recorded, parts: Sequence[Part]) -> StartRanges:
    """Return where orders may begin, for each member in a part of its own.

    Raises:
        UsageError: A part has no room for an order.
    """
    spans = torch.tensor([rows_of(part, recorded) for part in parts])
    first = torch.maximum(spans[:, :1], torch.as_tensor(recorded.first + recorded.n_before))
    stop = torch.minimum(spans[:, 1:], torch.as_tensor(recorded.last + 1))
    n_starts = (stop - first - recorded.length).clamp_min(0)
    has_room = n_starts > 0
    if not bool(has_room.any(1).all()):
        raise UsageError(
            f"the market {recorded.market} needs more {recorded.unit}: in a part of them no symbol has as"
            f" many as an order takes, {recorded.length + 1}, and {recorded.n_before} before it"
        )
    symbols = (~has_room).long().argsort(dim=1, stable=True)
    in_order = _in_order(spans, first, n_starts, recorded.length) if parts[0].in_order else None
    return StartRanges(first, n_starts, symbols, has_room.sum(1, keepdim=True), in_order)


def _in_order(spans: Tensor, first: Tensor, n_starts: Tensor, length: int) -> Tensor:
    """Return rows and symbols of orders that follow each other, as many for each member. (P, G, 2)."""
    by_member: list[Tensor] = []
    for (start, stop), own, n in zip(spans.tolist(), first, n_starts, strict=True):
        rows = start + length * torch.arange(max(1, (stop - start - length) // length))
        fits = (rows[:, None] >= own) & (rows[:, None] < own + n)
        window, symbol = fits.nonzero().unbind(-1)
        by_member.append(torch.stack([rows[window], symbol], -1))
    fewest = min(len(one) for one in by_member)
    return torch.stack([one[:fewest] for one in by_member])
