"""Functional ANOVA: which share of the score's variance a parameter explains, alone or in a pair.

Exact on trees: a tree is constant on boxes, so its marginals are sums over boxes.

Source: Hutter, Hoos, Leyton-Brown (2014), An Efficient Approach for Assessing Hyperparameter Importance,
equations 3 to 6 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from sharpen.arrays import Floats
from sharpen.importance.forest import Forest, Tree
from sharpen.importance.share import Share, shares

N_PAIRED = 8  # pairs of the so many most important parameters; all pairs of 20 would be 190


def fanova(forest: Forest, names: Sequence[str], *, pairs: bool = True) -> list[Share]:
    """Return the share of the variance of each parameter, and of pairs, the largest first.

    A pair's share is what the two explain together beyond each alone. All shares of a tree sum to 1 at most;
    what is missing belongs to pairs that are not listed and to larger groups. Intervals are over the trees,
    each of which saw another bootstrap sample of the trials.

    Args:
        forest: The surrogate.
        names: The parameters, in the order of its coordinates.
        pairs: Whether to add pairs of the :data:`N_PAIRED` most important parameters.

    >>> tree = Tree(np.array([[0.0], [0.5]]), np.array([[0.5], [1.0]]), np.array([1.0, 3.0]))
    >>> [(share.names, share.value) for share in fanova(Forest((tree,), 1.0), ["rate"])]
    [(('rate',), 1.0)]
    """
    mains = np.array([[_main(tree, d) for d in range(len(names))] for tree in forest.trees])
    columns: list[tuple[str, ...]] = [(name,) for name in names]
    samples = [mains]
    order = np.argsort(-mains.mean(axis=0), kind="stable")
    leading = sorted(int(d) for d in order[:N_PAIRED])
    for first, second in combinations(leading if pairs else [], 2):
        columns.append((names[first], names[second]))
        together = [_pair(tree, first, second) for tree in forest.trees]
        alone = mains[:, first] + mains[:, second]
        samples.append(np.maximum(np.array(together) - alone, 0.0)[:, None])
    return shares(columns, np.concatenate(samples, axis=1))


def _main(tree: Tree, axis: int) -> float:
    """Return a parameter's share of a tree's variance; 0 for a constant tree."""
    marginal, widths = _marginal(tree, axis)
    return _share(tree, float(widths @ (marginal - tree.mean) ** 2))


def _pair(tree: Tree, first: int, second: int) -> float:
    """Return the share of the variance that two parameters explain together, each alone included."""
    inside_first, width_first = _segments(tree, first)
    inside_second, width_second = _segments(tree, second)
    sides = np.delete(tree.high - tree.low, [first, second], axis=1)
    weights = tree.values * np.prod(sides, axis=1)
    marginal = (inside_first * weights[:, None]).T @ inside_second
    spread = width_first @ (marginal - tree.mean) ** 2 @ width_second
    return _share(tree, float(spread))


def _marginal(tree: Tree, axis: int) -> tuple[Floats, Floats]:
    """Return the mean of a tree given a parameter, on each of its segments, and their widths."""
    inside, widths = _segments(tree, axis)
    rest = np.prod(np.delete(tree.high - tree.low, axis, axis=1), axis=1)
    return (tree.values * rest) @ inside, widths


def _segments(tree: Tree, axis: int) -> tuple[Floats, Floats]:
    """Return which leaf reaches over which segment between two splits, (L, S), and the widths (S,)."""
    edges = np.unique(np.concatenate([tree.low[:, axis], tree.high[:, axis], [0.0, 1.0]]))
    middles = (edges[1:] + edges[:-1]) / 2
    inside = (tree.low[:, axis, None] < middles) & (middles < tree.high[:, axis, None])
    return inside.astype(np.float64), np.diff(edges)


def _share(tree: Tree, explained: float) -> float:
    return explained / tree.variance if tree.variance > 0.0 else 0.0
