"""Kernel densities over the coordinates of a space, to draw from and to compare.

Notation: ``N`` points, ``M`` other points, ``D`` axes, ``h`` (D,) the widths.

A number has a normal kernel, cut off at the bounds; an option keeps ``1 - h`` for itself and leaves ``h`` to
the others. The widths are those of the normal reference rule, ``1.06 σ N**(-1 / (4 + D))``.

Source: Falkner, Klein, Hutter (2018), BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML,
section 3.2; Aitchison, Aitken (1976), Multivariate Binary Discrimination by the Kernel Method, Biometrika 63.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.space.encoding import Axis, Cube

LEAST_WIDTH = 1e-3
LEAST_DENSITY = 1e-32
MOST_TRIES = 100
_erf = np.vectorize(math.erf, otypes=[float])


@dataclass(frozen=True, eq=False)
class Density:
    """A density with a kernel at each of some points.

    Attributes:
        cube: The axes.
        points: (N, D)
        widths: (D,)
        n_levels: (D,) how many options an axis has; 0 for a number.
    """

    cube: Cube
    points: Floats
    widths: Floats
    n_levels: Floats

    @classmethod
    def of(cls, cube: Cube, points: Floats) -> Density:
        """Return the density of points (N, D) of a space."""
        n, n_axes = points.shape
        n_levels = np.array([_n_levels(axis) for axis in cube.axes])
        spread = np.asarray(points.std(axis=0)) * np.maximum(n_levels, 1.0)
        widths = np.maximum(1.06 * spread * n ** (-1 / (4 + n_axes)), LEAST_WIDTH)
        most = np.where(n_levels > 1, (n_levels - 1) / np.maximum(n_levels, 1), math.inf)
        return cls(cube, points, np.minimum(widths, most), n_levels)

    def at(self, u: Floats) -> Floats:
        """Return the density at points (M, D): (M,), never 0."""
        total = np.ones((len(u), len(self.points)))
        for d, (width, levels) in enumerate(zip(self.widths, self.n_levels, strict=True)):
            x = self.points[:, d]
            if levels > 0:
                other = width / max(levels - 1, 1)
                total *= np.where(u[:, d, None] == x, 1 - width if levels > 1 else 1.0, other)
            else:
                inside = _cumulative((1 - x) / width) - _cumulative(-x / width)
                z = (u[:, d, None] - x) / width
                total *= np.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * width * inside)
        return np.maximum(total.mean(1), LEAST_DENSITY)

    def draw(self, n: int, widen: float, rng: np.random.Generator) -> Floats:
        """Return ``n`` draws (n, D) from kernels that are wider by a factor; not so for options."""
        centres = self.points[rng.integers(len(self.points), size=n)]
        drawn = centres.copy()
        for d, (width, levels) in enumerate(zip(self.widths, self.n_levels, strict=True)):
            if levels > 0:
                moved = rng.random(n) < width
                drawn[moved, d] = rng.choice(self.cube.axes[d].units, size=int(moved.sum()))
            else:
                drawn[:, d] = _cut_normal(centres[:, d], width * widen, rng)
        return self.cube.snap(drawn)


def _n_levels(axis: Axis) -> float:
    return float(len(axis.units) + (axis.needs is not None)) if axis.kind == "category" else 0.0


def _cumulative(z: Floats) -> Floats:
    return 0.5 * (1 + _erf(z / math.sqrt(2)))


def _cut_normal(centre: Floats, width: float, rng: np.random.Generator) -> Floats:
    """Return normal draws within [0, 1], one a centre."""
    drawn = rng.normal(centre, width)
    for _ in range(MOST_TRIES):
        outside = (drawn < 0) | (drawn > 1)
        if not outside.any():
            break
        drawn[outside] = rng.normal(centre[outside], width)
    return np.clip(drawn, 0.0, 1.0)
