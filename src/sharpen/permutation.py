"""The permuted-bar null: histories whose bars come in random order.

What scores on them say is in :mod:`sharpen.permutation_null`, which needs no arrays.

Axes: ``T`` bars in time order, ``S`` symbols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.bars import COLUMNS, PRICES, Panel
from sharpen.permutation_null import LEVEL, PermutationTest, PermutedFigure

__all__ = ["LEVEL", "PermutationTest", "PermutedFigure", "permuted"]


def permuted(panel: Panel, rng: np.random.Generator, first_bar: int = 0) -> Panel:
    """Return a history of the same price moves in another order, on the same calendar.

    In logarithms each bar is its gap (open against the previous close) and its shape (high, low and close
    against its own open) with its volume. The gaps change places among themselves, and so do the shapes, by
    another permutation. Both are the same for all symbols, so that what happened on one day to all of them
    still does. The last closes stay what they were, to rounding, and with them every symbol's total return.

    Symbols keep their own bars: those before and after one begins or ends change places apart, and a bar that
    a symbol lacks stays lacking, so that its moves then shift against the others'.

    Args:
        panel: Bars that are fit to use.
        rng: Draws the two permutations.
        first_bar: It and the bars before it stay as they are.

    Source: Masters (2020), Permutation and Randomization Tests for Trading System Development, 3rd edition.

    >>> time = np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]").astype("datetime64[us]")
    >>> close = np.array([[1.0], [2.0], [6.0]])
    >>> panel = Panel(("A",), time, open=close / 2, high=close, low=close / 2, close=close, volume=close)
    >>> permuted(panel, np.random.default_rng(3)).close.round(9).ravel().tolist()
    [1.0, 3.0, 6.0]
    """
    columns = {name: getattr(panel, name).copy() for name in COLUMNS}
    for start, stop in _segments(panel, first_bar):
        orders = rng.permutation(stop - start), rng.permutation(stop - start)
        for group in _alike(panel.present[:stop]):
            rows = np.flatnonzero(panel.present[:stop, group[0]])
            before, own = rows[rows < start], rows[rows >= start]
            if len(before) and len(own):
                last_and_own = np.concatenate([before[-1:], own])
                taken = {name: column[np.ix_(last_and_own, group)] for name, column in columns.items()}
                moved = _moved(taken, *(_among(order, own - start) for order in orders))
                for name, values in moved.items():
                    columns[name][np.ix_(own, group)] = values
    return replace(panel, **columns)


def _segments(panel: Panel, first_bar: int) -> list[tuple[int, int]]:
    """Return the stretches of bars within which no symbol begins or ends."""
    edges = {first_bar + 1, len(panel)}
    for own in panel.present[first_bar:].T:
        rows = first_bar + np.flatnonzero(own)
        edges |= {int(row) + 1 for row in (*rows[:1], *rows[-1:])}
    return [(start, stop) for start, stop in pairwise(sorted(edges)) if start > first_bar]


def _alike(there: Bools) -> list[Ints]:
    """Return the symbols' places, in groups that have the same bars. (T, S)."""
    groups: dict[bytes, list[int]] = {}
    for s, own in enumerate(there.T):
        groups.setdefault(own.tobytes(), []).append(s)
    return [np.array(group) for group in groups.values()]


def _among(order: Ints, own: Ints) -> Ints:
    """Return an order of all rows as one of some of them.

    >>> _among(np.array([3, 0, 2, 1]), np.array([0, 1, 3])).tolist()
    [2, 0, 1]
    """
    index_among = np.full(len(order), -1)
    index_among[own] = np.arange(len(own))
    reordered = index_among[order]
    return reordered[reordered >= 0]


def _moved(columns: Mapping[str, Floats], gap_order: Ints, shape_order: Ints) -> dict[str, Floats]:
    """Return bars with their moves in another order; the first row is the bar before them, and stays."""
    logs = {name: np.log(columns[name]) for name in PRICES}
    gap = (logs["open"][1:] - logs["close"][:-1])[gap_order]
    shape = {name: (logs[name][1:] - logs["open"][1:])[shape_order] for name in ("high", "low", "close")}
    closed = logs["close"][0] + np.cumsum(gap + shape["close"], axis=0)
    opened = np.concatenate([logs["close"][:1], closed[:-1]]) + gap
    moved: dict[str, Floats] = {"open": np.exp(opened)}
    moved |= {name: np.exp(opened + move) for name, move in shape.items()}
    moved["high"] = np.maximum.reduce([moved[name] for name in PRICES])  # against the rounding of exp
    moved["low"] = np.minimum.reduce([moved[name] for name in PRICES])
    moved["volume"] = columns["volume"][1:][shape_order]
    return moved
