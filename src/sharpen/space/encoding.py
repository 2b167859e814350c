"""How a space looks to a model: coordinates of the unit cube, and what kind each one is.

Notation: ``D`` axes, those parameters that have more than one value; ``M`` points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.space.conditions import Condition
from sharpen.space.dimensions import Dimension, is_number
from sharpen.space.space import Space

MOST_LEVELS = 200
ABSENT = {"real": 0.5, "ordered": 0.5, "category": -1.0}

Kind = Literal["real", "ordered", "category"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter that varies.

    Attributes:
        name: Of the parameter.
        position: Of the parameter in the space.
        kind: ``real`` for one of so many values that rounding does not matter; ``ordered`` for one of a few
            numbers in order; ``category`` for options without an order.
        units: The coordinate of each value of an ordered or categorical parameter, rising.
        needs: Without these coordinates of another axis the parameter is not there; None for always there.
    """

    name: str
    position: int
    kind: Kind
    units: Floats
    needs: tuple[int, Floats] | None = None


@dataclass(frozen=True, eq=False)
class Cube:
    """The varying parameters of a space as coordinates; one that is not there has a fixed coordinate."""

    space: Space
    axes: tuple[Axis, ...]

    @property
    def is_category(self) -> Bools:
        """Which coordinates can only be equal or not, (D,)."""
        return np.array([axis.kind == "category" for axis in self.axes], dtype=bool)

    @property
    def is_real(self) -> Bools:
        """Which coordinates take any value, (D,)."""
        return np.array([axis.kind == "real" for axis in self.axes], dtype=bool)

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> Floats:
        """Return the coordinates of configurations of the space, (M, D)."""
        if not configs:
            return np.empty((0, len(self.axes)))
        u = np.array([self.space.to_unit(config) for config in configs])[:, [a.position for a in self.axes]]
        for d, axis in enumerate(self.axes):
            if axis.name in self.space.conditions:
                u[[axis.name not in config for config in configs], d] = ABSENT[axis.kind]
        return u

    def snap(self, u: Floats) -> Floats:
        """Return points (M, D) moved to the nearest values, and absent parameters to their place."""
        u = np.clip(u, 0.0, 1.0)
        for d, axis in enumerate(self.axes):
            if axis.units.size:
                middles = (axis.units[1:] + axis.units[:-1]) / 2
                u[:, d] = axis.units[np.searchsorted(middles, u[:, d])]
        # parents first, however the file orders them: as many passes as conditions can be nested
        for _ in range(len({axis.needs[0] for axis in self.axes if axis.needs})):
            for d, axis in enumerate(self.axes):
                if axis.needs is not None:
                    parent, units = axis.needs
                    u[~np.isin(u[:, parent], units), d] = ABSENT[axis.kind]
        self._snap_joined(u)
        return u

    def _snap_joined(self, u: Floats) -> None:
        """Move absent parameters that wait for several others to their place."""
        joined = [d for d, axis in enumerate(self.axes) if self._waits_for_several(axis)]
        for row in u if joined else ():
            config = self.decode(row)
            for d in joined:
                if self.axes[d].name not in config:
                    row[d] = ABSENT[self.axes[d].kind]

    def _waits_for_several(self, axis: Axis) -> bool:
        condition = self.space.conditions.get(axis.name)
        return condition is not None and not isinstance(condition, Condition)

    def decode(self, u: Floats) -> dict[str, Any]:
        """Return the configuration at a point (D,)."""
        point = np.full(len(self.space.dimensions), 0.5)
        for value, axis in zip(u, self.axes, strict=True):
            point[axis.position] = 0.5 if value < 0 else value
        return self.space.from_unit(point.tolist())


def is_near(cube: Cube, u: Floats, others: Floats, distance: float) -> bool:
    """Return whether the configuration at a point is next to one of others.

    A point that a model names lies between the values of a rounded parameter, and those may be further apart
    than the distance: so it is the coordinates of the configuration that count.

    Args:
        cube: The coordinates.
        u: The point. (D,)
        others: Coordinates of configurations. (M, D)
        distance: How far away nothing is next to it any more, in the coordinate that differs most.
    """
    if not len(others):
        return False
    return bool((np.abs(others - cube.encode([cube.decode(u)])).max(1) < distance).any())


def cube_of(space: Space) -> Cube:
    """Return the coordinates of a space."""
    axes: list[Axis] = []
    for position, (name, dimension) in enumerate(space.dimensions.items()):
        values = dimension.grid()
        if values is not None and len(values) <= 1:
            continue
        kind, units = kind_of(dimension, values)
        axes.append(Axis(name, position, kind, units))
    return Cube(space, tuple(_conditioned(axis, axes, space) for axis in axes))


def kind_of(dimension: Dimension, values: Sequence[Any] | None) -> tuple[Kind, Floats]:
    """Return what kind of axis a parameter is, and the coordinate of each value unless it is ``real``."""
    if values is None or (isinstance(values, range) and len(values) > MOST_LEVELS):
        return "real", np.empty(0)
    is_rising = all(is_number(v) for v in values) and list(values) in (sorted(values), sorted(values)[::-1])
    units = np.array([dimension.to_unit(value) for value in values])
    if is_rising and len(values) > 2:
        return ("real", np.empty(0)) if len(values) > MOST_LEVELS else ("ordered", units)
    return "category", units


def _conditioned(axis: Axis, axes: Sequence[Axis], space: Space) -> Axis:
    condition = space.conditions.get(axis.name)
    if not isinstance(condition, Condition):  # what waits for several is looked at row by row
        return axis
    parent = next((i for i, other in enumerate(axes) if other.name == condition.parent), None)
    # a parent of a single value is there or not for all; one with too many values is never conditioned on
    if parent is None or axes[parent].kind == "real":
        return axis
    dimension = space.dimensions[condition.parent]
    units = np.array([dimension.to_unit(v) for v in condition.values if dimension.contains(v)])
    return Axis(axis.name, axis.position, axis.kind, axis.units, (parent, units))
