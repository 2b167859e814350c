"""Functions whose importances are known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sharpen.arrays import Floats
from sharpen.importance import Observations
from sharpen.space import Float, Space
from sharpen.space.encoding import cube_of


def additive(points: Floats) -> Floats:
    """4a + 2b + c: shares 16/21, 4/21, 1/21."""
    return points @ np.array([4.0, 2.0, 1.0])


def ishigami(points: Floats) -> Floats:
    """Sobol indices of Ishigami (7, 0.1): .3139, .4424, 0, and .2437 for the first with the third."""
    z = (points * 2 - 1) * np.pi
    return np.sin(z[:, 0]) + 7 * np.sin(z[:, 1]) ** 2 + 0.1 * z[:, 2] ** 4 * np.sin(z[:, 0])


def seen(function: Callable[[Floats], Floats], n: int, n_inert: int = 0, seed: int = 0) -> Observations:
    """Return n uniform trials of a function of three parameters, and inert ones beside them."""
    points = np.random.default_rng(seed).random((n, 3 + n_inert))
    space = Space({f"x{d}": Float(0.0, 1.0) for d in range(3 + n_inert)})
    return Observations(cube_of(space), points, function(points[:, :3]), tuple(range(1, n + 1)))
