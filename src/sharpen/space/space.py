"""The parameters of a search together: conditions between them, and combinations that are forbidden."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sharpen.space.dimensions import Dimension, same


@dataclass(frozen=True, slots=True)
class Condition:
    """When a parameter is there: its parent is there, and has one of some values.

    >>> Condition("booster", ("dart", "goss")).holds("goss")
    True
    """

    parent: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Return whether the parent's value is one of the values."""
        return any(same(value, wanted) for wanted in self.values)


@dataclass(frozen=True, slots=True)
class Space:
    """The parameters of a search, in the order in which they were written.

    A parameter whose condition does not hold is *inactive*: configurations leave it out.

    Attributes:
        dimensions: By name.
        conditions: By the name of the parameter that waits; no parameter waits for itself, not even over
            others. All others are always active.
        forbidden: Combinations that no configuration may have.

    >>> from sharpen.space import Constant, Int
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
        """How many configurations there are, forbidden ones among them; None when too many to count.

        >>> from sharpen.space import Choice, Int
        >>> Space({"depth": Int(3, 8), "bagging": Choice((True, False))}).size
        12
        >>> Space({"bagging": Choice((True, False)), "share": Choice((0.5, 0.7, 0.9))},
        ...     {"share": Condition("bagging", (True,))}).size
        4
        """
        n_below = {name: self._n_below(name) for name in self.dimensions if name not in self.conditions}
        counts = list(n_below.values())
        return None if None in counts else math.prod(count for count in counts if count is not None)

    def active(self, config: Mapping[str, Any]) -> list[str]:
        """Return the parameters that a configuration with these values must have, in order."""
        if not self.conditions:
            return list(self.dimensions)
        return [name for name in self.dimensions if self._is_active(name, config)]

    def key(self, config: Mapping[str, Any]) -> str:
        """Return a text that only the same configuration has, ``1`` and ``True`` told apart."""
        return repr([config.get(name) for name in self.dimensions])

    def from_unit(self, point: Sequence[float]) -> dict[str, Any]:
        """Return the configuration at a point of the unit cube, one coordinate a dimension.

        The coordinate of an inactive parameter has no effect. Whether the configuration is forbidden is
        another question: see :meth:`allows`.
        """
        pairs = zip(self.dimensions.items(), point, strict=True)
        config = {name: dimension.from_unit(float(u)) for (name, dimension), u in pairs}
        return {name: config[name] for name in self.active(config)} if self.conditions else config

    def to_unit(self, config: Mapping[str, Any]) -> list[float]:
        """Return the point of the unit cube of a configuration, 0.5 for what it leaves out."""
        return [
            dimension.to_unit(config[name]) if name in config else 0.5
            for name, dimension in self.dimensions.items()
        ]

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Return whether every active parameter is there, no other is, and each value is possible."""
        return set(config) == set(self.active(config)) and all(
            self.dimensions[name].contains(value) for name, value in config.items()
        )

    def allows(self, config: Mapping[str, Any]) -> bool:
        """Return whether the configuration has none of the forbidden combinations.

        >>> from sharpen.space import Choice
        >>> space = Space({"a": Choice((1, 2))}, forbidden=({"a": 2},))
        >>> space.allows({"a": 1}), space.allows({"a": 2})
        (True, False)
        """
        return not any(
            all(name in config and same(config[name], value) for name, value in combination.items())
            for combination in self.forbidden
        )

    def complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with what it leaves out filled in: the middle of each range.

        What it gives to an inactive parameter is dropped.

        >>> from sharpen.space import Float, Int
        >>> Space({"depth": Int(3, 8), "rate": Float(0.01, 1.0, log=True)}).complete({"depth": 4})
        {'depth': 4, 'rate': 0.1}
        """
        middle = {name: dimension.from_unit(0.5) for name, dimension in self.dimensions.items()}
        full = {**middle, **config}
        return {name: full[name] for name in self.active(full)}

    def _is_active(self, name: str, config: Mapping[str, Any]) -> bool:
        condition = self.conditions.get(name)
        if condition is None:
            return True
        parent = condition.parent
        return parent in config and condition.holds(config[parent]) and self._is_active(parent, config)

    def _n_below(self, name: str) -> int | None:
        """How many ways there are to set a parameter and all that wait for it."""
        values = self.dimensions[name].grid()
        if values is None:
            return None
        waiting = [(c, self._n_below(child)) for child, c in self.conditions.items() if c.parent == name]
        special = {repr(value): value for condition, _ in waiting for value in condition.values}
        count = len(values) - len(special)
        for value in special.values():
            below = [n for condition, n in waiting if condition.holds(value)]
            if None in below:
                return None
            count += math.prod(n for n in below if n is not None)
        return count


def nest(config: Mapping[str, Any], flat: Collection[str] = ()) -> dict[str, Any]:
    """Return a configuration with its dotted names unfolded into dictionaries, but for the flat ones.

    >>> nest({"optimizer.lr": 0.1, "optimizer.name": "adam"})
    {'optimizer': {'lr': 0.1, 'name': 'adam'}}
    >>> nest({"optimizer.lr": 0.1}, flat={"optimizer.lr"})
    {'optimizer.lr': 0.1}
    """
    nested: dict[str, Any] = {}
    for name, value in config.items():
        *parents, leaf = [name] if name in flat else name.split(".")
        room = nested
        for parent in parents:
            room = room.setdefault(parent, {})
        room[leaf] = value
    return nested
