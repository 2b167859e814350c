"""Limit orders in a queue: how much of one at the best price would fill, by what was recorded.

A buyer's order stands at the best bid of the moment of decision; everything here is for bids. For asks, give
prices with the other sign. Source: the probability queue model of hftbacktest, with ``f(x) = x``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sharpen.arrays import Floats

_NEAR = 1e-9
"""Prices that differ by less, as a share of them, are the same price."""


class Flow(NamedTuple):
    """What is known of a book's bids and of the trades against them.

    Attributes:
        price: Bids, the best first. (S, L)
        size: (S, L)
        other: The best ask. (S,)
        first: Where the trades after each snapshot begin, in what follows. (S + 1,)
        traded_at: Prices of trades in which the seller took. (M,)
        traded: Their sizes. (M,)
    """

    price: Floats
    size: Floats
    other: Floats
    first: np.ndarray[tuple[int], np.dtype[np.int64]]
    traded_at: Floats
    traded: Floats


def ahead_after(front: float, before: float, traded: float, after: float) -> float:
    """Return how much is ahead in the queue after a change; below 0 is what has traded past it.

    What has left without being traded left from behind with the probability ``back / (back + front)``.

    Args:
        front: Ahead at first.
        before: The level's whole size before the change.
        traded: What was traded at the level meanwhile.
        after: The level's size now.

    >>> round(ahead_after(10.0, 20.0, 4.0, 14.0), 9)
    5.4
    """
    front -= traded
    if front <= 0:
        return front
    back = max(before - front, 0.0)
    cancelled = max(before - after - traded, 0.0)
    share_behind = back / (back + front)
    return min(max(front - (1.0 - share_behind) * cancelled, 0.0), after)


def fills(flow: Flow, arrives: np.ndarray[tuple[int], np.dtype[np.int64]], n_rows: int) -> Floats:
    """Return how much of an endless bid would fill: decided at each snapshot, cancelled ``n_rows`` later.

    Infinite where the price went through it. 0 where it would have met an ask on its arrival: it is taken
    back then (post only). (S - n_rows,)

    Args:
        flow: The book and the trades.
        arrives: The snapshot at which an order decided at each one is in the book. (S,)
        n_rows: How many snapshots after the decision it is taken back.
    """
    n = len(flow.other) - n_rows
    filled = np.zeros(n)
    for row in range(n):
        price, start = float(flow.price[row, 0]), int(arrives[row])
        if not math.isfinite(price) or start >= len(flow.other) or flow.other[start] <= price:
            continue
        filled[row] = _filled(flow, price, start, row + n_rows)
    return filled


def _filled(flow: Flow, price: float, start: int, stop: int) -> float:
    """Return how much fills between two snapshots of an order that joins the queue at the first."""
    near = _NEAR * abs(price)
    front, before, filled = 0.0, _size_at(flow, start, price), 0.0
    if math.isnan(before):
        return 0.0
    front = before
    for row in range(start, stop):
        trades = slice(flow.first[row], flow.first[row + 1])
        at, size = flow.traded_at[trades], flow.traded[trades]
        if (at < price - near).any() or flow.other[row + 1] <= price + near:
            return math.inf
        traded, after = float(size[np.abs(at - price) <= near].sum()), _size_at(flow, row + 1, price)
        front = front - traded if math.isnan(after) else ahead_after(front, before, traded, after)
        if front < 0:
            filled, front = filled - front, 0.0
        before = max(before - traded, front) if math.isnan(after) else after
    return filled


def _size_at(flow: Flow, row: int, price: float) -> float:
    """Return what a snapshot shows at a price; NaN where the price is beyond the levels that it shows."""
    shown, near = flow.price[row], _NEAR * abs(price)
    if not price >= shown[-1] - near:  # also where nothing is shown
        return math.nan
    return float(flow.size[row][np.abs(shown - price) <= near].sum())
