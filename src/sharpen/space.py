"""The search space: each dimension maps the unit interval onto its values, and back.

An optimizer may work in the unit cube (:meth:`Space.from_unit`), read the dimensions' own bounds, or do
both. A distribution of any shape is its quantile function, so a new one is a new small class here.

Notation: ``u`` is a point of [0, 1]; names of nested parameters are dotted (``optimizer.lr``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Dimension(Protocol):
    """One parameter of the space."""

    def from_unit(self, u: float) -> Any:
        """Return the value at quantile ``u``."""
        ...

    def to_unit(self, value: Any) -> float:
        """Return a quantile whose value is ``value``: real numbers up to rounding, all others exactly."""
        ...

    def contains(self, value: Any) -> bool:
        """Return whether the dimension can take the value."""
        ...

    def grid(self) -> Sequence[Any] | None:
        """Return all values in order, or None when there are too many to count."""
        ...


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], uniform, or uniform in its logarithm.

    >>> Float(1e-4, 1e-2, log=True).from_unit(0.5)
    0.001
    """

    low: float
    high: float
    log: bool = False

    def from_unit(self, u: float) -> float:
        """Return the value at quantile ``u``, never outside the bounds."""
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
            value = float(f"{value:.12g}")
        else:
            value = self.low + u * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def to_unit(self, value: Any) -> float:
        """Return the quantile of a value."""
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def contains(self, value: Any) -> bool:
        """Return whether the value is a number within the bounds."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def grid(self) -> None:
        """Return None: real numbers are too many to count."""


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in [low, high], uniform, or uniform in its logarithm.

    >>> [Int(3, 5).from_unit(u) for u in (0.0, 0.5, 1.0)]
    [3, 4, 5]
    """

    low: int
    high: int
    log: bool = False

    def from_unit(self, u: float) -> int:
        """Return the value whose share of the interval holds ``u``."""
        if self.log:
            lo, hi = math.log(self.low - 0.5), math.log(self.high + 0.5)
            value = round(math.exp(lo + u * (hi - lo)))
        else:
            value = self.low + math.floor(u * (self.high - self.low + 1))
        return min(max(value, self.low), self.high)

    def to_unit(self, value: Any) -> float:
        """Return the middle of the value's share of the interval."""
        if self.log:
            lo, hi = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return (math.log(value) - lo) / (hi - lo)
        return (value - self.low + 0.5) / (self.high - self.low + 1)

    def contains(self, value: Any) -> bool:
        """Return whether the value is a whole number within the bounds."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def grid(self) -> Sequence[int]:
        """Return every whole number of the range."""
        return range(self.low, self.high + 1)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values of any kind, ``True``, ``False``, ``0`` and ``None`` among them.

    >>> Choice((True, False)).from_unit(0.75)
    False
    """

    options: tuple[Any, ...]

    def from_unit(self, u: float) -> Any:
        """Return the option whose share of the interval holds ``u``."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    def to_unit(self, value: Any) -> float:
        """Return the middle of the option's share of the interval."""
        return (self.index(value) + 0.5) / len(self.options)

    def contains(self, value: Any) -> bool:
        """Return whether the value is one of the options, ``1`` and ``True`` told apart."""
        return any(_same(value, option) for option in self.options)

    def grid(self) -> Sequence[Any]:
        """Return the options in order."""
        return self.options

    def index(self, value: Any) -> int:
        """Return the place of a value among the options."""
        return next(i for i, option in enumerate(self.options) if _same(value, option))


@dataclass(frozen=True, slots=True)
class Constant:
    """A single value.

    >>> Constant("hist").grid()
    ('hist',)
    """

    value: Any

    def from_unit(self, u: float) -> Any:
        """Return the value."""
        return self.value

    def to_unit(self, value: Any) -> float:
        """Return the middle of the interval."""
        return 0.5

    def contains(self, value: Any) -> bool:
        """Return whether it is the value."""
        return _same(value, self.value)

    def grid(self) -> Sequence[Any]:
        """Return the value alone."""
        return (self.value,)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


@dataclass(frozen=True, slots=True)
class Condition:
    """When a parameter is there: its parent is, and has one of the values."""

    parent: str
    values: tuple[Any, ...]

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Return whether a configuration meets the condition."""
        return self.parent in config and any(_same(config[self.parent], value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Space:
    """The parameters of a search, in the order in which they were written.

    >>> space = Space({"depth": Int(3, 8), "model.booster": Constant("gbtree")})
    >>> config = space.from_unit([0.0, 0.5])
    >>> config, nest(config)
    ({'depth': 3, 'model.booster': 'gbtree'}, {'depth': 3, 'model': {'booster': 'gbtree'}})
    """

    dimensions: Mapping[str, Dimension]
    conditions: Mapping[str, Condition] = field(default_factory=dict[str, Condition])
    forbidden: tuple[Mapping[str, Any], ...] = ()

    @property
    def size(self) -> int | None:
        """How many configurations there are; None when too many to count.

        >>> Space({"depth": Int(3, 8), "bagging": Choice((True, False))}).size
        12
        """
        grids = [dimension.grid() for dimension in self.dimensions.values()]
        return None if None in grids else math.prod(len(grid) for grid in grids if grid is not None)

    def key(self, config: Mapping[str, Any]) -> str:
        """Return a text that only the same configuration has, ``1`` and ``True`` told apart."""
        return repr([config.get(name) for name in self.dimensions])

    def from_unit(self, point: Sequence[float]) -> dict[str, Any]:
        """Return the configuration at a point of the unit cube, one coordinate a dimension."""
        pairs = zip(self.dimensions.items(), point, strict=True)
        return self._active({name: dimension.from_unit(float(u)) for (name, dimension), u in pairs})

    def to_unit(self, config: Mapping[str, Any]) -> list[float]:
        """Return the point of the unit cube of a configuration; 0.5 for a parameter that is not there."""
        return [
            dimension.to_unit(config[name]) if name in config else 0.5
            for name, dimension in self.dimensions.items()
        ]

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Return whether the parameters that should be there are, no others, and each value is possible."""
        return (
            config.keys() <= self.dimensions.keys()
            and all(self.dimensions[name].contains(value) for name, value in config.items())
            and all(
                (name in config) == (name not in self.conditions or self.conditions[name].holds(config))
                for name in self.dimensions
            )
        )

    def allows(self, config: Mapping[str, Any]) -> bool:
        """Return whether no forbidden combination is part of the configuration."""
        return not any(
            all(name in config and _same(config[name], value) for name, value in combination.items())
            for combination in self.forbidden
        )

    def _active(self, config: dict[str, Any]) -> dict[str, Any]:
        while self.conditions:
            kept = {
                n: v
                for n, v in config.items()
                if n not in self.conditions or self.conditions[n].holds(config)
            }
            if len(kept) == len(config):
                break
            config = kept
        return config


def nest(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with its dotted names unfolded into dictionaries.

    >>> nest({"optimizer.lr": 0.1, "optimizer.name": "adam"})
    {'optimizer': {'lr': 0.1, 'name': 'adam'}}
    """
    nested: dict[str, Any] = {}
    for name, value in config.items():
        *parents, leaf = name.split(".")
        room = nested
        for parent in parents:
            room = room.setdefault(parent, {})
        room[leaf] = value
    return nested
