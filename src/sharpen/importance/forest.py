"""The surrogate of the score: regression trees, each a partition of the unit cube into boxes.

Axes: ``B`` trees, ``L`` leaves of a tree, ``D`` parameters, ``M`` points.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import MissingExtra
from sharpen.importance.observations import Observations
from sharpen.seeds import seed_for

N_TREES = 64


@dataclass(frozen=True, eq=False)
class Tree:
    """A function that is constant on boxes.

    Attributes:
        low: Lower corner of each leaf. (L, D)
        high: Upper corner of each leaf. (L, D)
        values: What the tree says there. (L,)
    """

    low: Floats
    high: Floats
    values: Floats

    @property
    def volumes(self) -> Floats:
        """How much of the cube each leaf takes; they sum to 1: (L,)."""
        return np.prod(self.high - self.low, axis=1)

    @property
    def mean(self) -> float:
        """Mean over the cube."""
        return float(self.volumes @ self.values)

    @property
    def variance(self) -> float:
        """Variance over the cube."""
        return float(self.volumes @ (self.values - self.mean) ** 2)


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees on bootstrap samples, and how well they foretell trials that they have not seen.

    Attributes:
        trees: The partitions. (B)
        r_squared: Out of bag: 1 is perfect, 0 no better than the mean, below 0 worse.
    """

    trees: tuple[Tree, ...]
    r_squared: float

    def predict(self, points: Floats) -> Floats:
        """Return what each tree says of points.

        Args:
            points: (M, D)

        Returns:
            (B, M)
        """
        return np.array([_predict(tree, points) for tree in self.trees])


def fit(seen: Observations, seed: int, n_trees: int = N_TREES) -> Forest:
    """Return a random forest of the scores; the same seed gives the same forest.

    Source: Hutter, Hoos, Leyton-Brown (2014), An Efficient Approach for Assessing Hyperparameter Importance,
    section 4, which uses trees of this kind.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        ensemble: Any = import_module("sklearn.ensemble")  # an extra, and slow to import
    except ImportError as absent:
        raise MissingExtra("scikit-learn", "importance") from absent
    forest = ensemble.RandomForestRegressor(
        n_estimators=n_trees,
        min_samples_leaf=1 if len(seen.scores) < 50 else 2,
        max_features=max(1, round(len(seen.names) * 5 / 6)),
        oob_score=len(seen.scores) >= 2,
        random_state=seed_for(seed, "importance", "forest"),
    )
    forest.fit(seen.points, seen.scores)
    trees = tuple(_boxes(one.tree_, len(seen.names)) for one in forest.estimators_)
    constant = float(np.ptp(seen.scores)) == 0.0
    return Forest(trees, 0.0 if constant else float(forest.oob_score_))


def _boxes(tree: Any, n_dimensions: int) -> Tree:
    """Return the leaves of a scikit-learn tree as boxes of the unit cube."""
    low: list[Floats] = []
    high: list[Floats] = []
    values: list[float] = []
    open_nodes = [(0, np.zeros(n_dimensions), np.ones(n_dimensions))]
    while open_nodes:
        node, lower, upper = open_nodes.pop()
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            low.append(lower)
            high.append(upper)
            values.append(float(tree.value[node, 0, 0]))
            continue
        # an absent category lies below 0: the cube ends at 0, so such a leaf has no volume
        axis, at = int(tree.feature[node]), min(max(float(tree.threshold[node]), 0.0), 1.0)
        below, above = upper.copy(), lower.copy()
        below[axis], above[axis] = min(at, upper[axis]), max(at, lower[axis])
        open_nodes += [(left, lower, below), (right, above, upper)]
    return Tree(np.array(low), np.array(high), np.array(values))


def _predict(tree: Tree, points: Floats) -> Floats:
    clipped = np.clip(points, 1e-12, 1.0)  # boxes are open below and closed above, as the tree's splits are
    inside = (clipped[:, None, :] > tree.low) & (clipped[:, None, :] <= tree.high)
    return tree.values[inside.all(axis=2).argmax(axis=1)]
