"""A belief that good configurations are near known ones, which fades as trials come in.

Notation: ``M`` points, ``D`` axes, ``C`` centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.space import Space
from sharpen.space.encoding import Cube
from sharpen.trial import ParameterValues, Trial

WIDTH = 0.2  # standard deviation, in shares of a parameter's range
OTHER_OPTION = 0.2  # density of another option of a category, beside 1 for the centre's
FLOOR = 1e-12
ORIGIN = "prior"


@dataclass(frozen=True, eq=False)
class Belief:
    """Where good configurations are thought to be, as a density that is 1 at a lone centre.

    Source: Hvarfner et al. (2022), πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian
    Optimization, ICLR, equation 6: the acquisition is multiplied by the density to the power of β / n.

    Attributes:
        centres: Configurations that are thought good. (C, D)
        is_category: Which coordinates can only be equal or not. (D,)
        weight: The power, β / n.
    """

    centres: Floats
    is_category: Bools
    weight: float

    @staticmethod
    def of(cube: Cube, history: Sequence[Trial], strength: float) -> Belief | None:
        """Return the belief in the configurations of ``prior``; None without any, or without strength.

        Args:
            cube: The coordinates.
            history: Every trial so far; those that the sweep's file gave are the centres.
            strength: β: after as many trials the belief counts as much as the acquisition itself.
        """
        centres = [t.config for t in history if t.origin == ORIGIN and cube.space.contains(t.config)]
        if not centres or strength <= 0 or not cube.axes:
            return None
        n = 1 + sum(t.state.is_final for t in history)
        return Belief(cube.encode(centres), cube.is_category, strength / n)

    def log_power(self, u: Floats) -> Floats:
        """Return the log of what the acquisition is multiplied by, at points (M, D), (M,)."""
        return self.weight * np.log(np.exp(self._logs(u)).mean(1) + FLOOR)

    def slope(self, u: Floats) -> Floats:
        """Return the derivatives of that by the real coordinates, (M, D)."""
        density = np.exp(self._logs(u))
        away = np.where(self.is_category, 0.0, self.centres - u[:, None, :]) / WIDTH**2
        by_u = (density[:, :, None] * away).mean(1)
        return self.weight * by_u / (density.mean(1) + FLOOR)[:, None]

    def draw(self, cube: Cube, rng: np.random.Generator) -> ParameterValues:
        """Return a configuration from the density."""
        centre = self.centres[rng.integers(len(self.centres))]
        near = np.clip(centre + WIDTH * rng.standard_normal(len(centre)), 0.0, 1.0)
        keeps = rng.random(len(centre)) >= OTHER_OPTION
        other = rng.random(len(centre))
        u = np.where(self.is_category, np.where(keeps, centre, other), near)
        return cube.decode(cube.snap(u[None])[0])

    def _logs(self, u: Floats) -> Floats:
        """Return the log density of each point around each centre, (M, C)."""
        away = u[:, None, :] - self.centres
        apart = np.where(away == 0.0, 0.0, np.log(OTHER_OPTION))
        return np.where(self.is_category, apart, -0.5 * (away / WIDTH) ** 2).sum(2)


def drawn(belief: Belief, cube: Cube, seen: set[str], rng: np.random.Generator) -> ParameterValues | None:
    """Return a new and allowed configuration from a belief; None when a few draws give none."""
    space: Space = cube.space
    for _ in range(32):
        config = belief.draw(cube, rng)
        if space.key(config) not in seen and space.allows(config):
            return config
    return None
