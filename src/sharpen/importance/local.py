"""Local parameter importance: what moves the score when one parameter leaves the incumbent.

Source: Biedenkapp, Marben, Lindauer, Hutter (2018), CAVE: Configuration Assessment, Visualization and
Evaluation, section "Local Parameter Importance".
"""

from __future__ import annotations

import numpy as np

from sharpen.arrays import Floats
from sharpen.importance.forest import Forest
from sharpen.importance.share import Share, shares
from sharpen.space.encoding import Axis, Cube

N_VALUES = 50


def local_importance(forest: Forest, cube: Cube, incumbent: Floats) -> list[Share]:
    """Return each parameter's share of the variance around the incumbent, the largest first.

    One parameter at a time takes all its values, the others stay. Its share is the variance of the foretold
    score over these values, by the sum over all parameters; 0 for all where nothing moves it. Intervals are
    over the trees.

    Args:
        forest: The surrogate.
        cube: The coordinates.
        incumbent: The best point. (D,)
    """
    spreads = np.array([_spread(forest, incumbent, d, _values(axis)) for d, axis in enumerate(cube.axes)])
    whole = spreads.sum(axis=0)
    samples = np.divide(spreads, whole, out=np.zeros_like(spreads), where=whole > 0.0)
    return shares([(axis.name,) for axis in cube.axes], samples.T)


def _values(axis: Axis) -> Floats:
    """Return the coordinates that a parameter takes: each of its values, or evenly spaced ones."""
    return axis.units if axis.units.size else (np.arange(N_VALUES) + 0.5) / N_VALUES


def _spread(forest: Forest, incumbent: Floats, axis: int, values: Floats) -> Floats:
    """Return the variance over one parameter's values by each tree: (B,)."""
    points = np.repeat(incumbent[None, :], len(values), axis=0)
    points[:, axis] = values
    return forest.predict(points).var(axis=1)
