"""The parameters of a search together: conditions between them, and combinations that are forbidden."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sharpen.space.conditions import Condition, When
from sharpen.space.dimensions import Dimension, same

MOST_COUNTED = 2_000  # combinations of values that others wait for


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
    conditions: Mapping[str, When] = field(default_factory=dict[str, When])
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
        simple = {name: c for name, c in self.conditions.items() if isinstance(c, Condition)}
        if len(simple) < len(self.conditions):
            return self._n_counted()
        n_below = {name: self._n_below(name, simple) for name in self.dimensions if name not in simple}
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
        return condition.holds_in(
            {
                parent: config[parent]
                for parent in condition.parents
                if parent in config and self._is_active(parent, config)
            }
        )

    def needed(self, name: str) -> list[str]:
        """Return the parameters on which it depends whether one is there, the nearest first.

        >>> Space({}, {"c": Condition("b", (1,)), "b": Condition("a", (1,))}).needed("c")
        ['b', 'a']
        """
        parents: dict[str, None] = {}
        waiting = [name]
        while waiting:
            condition = self.conditions.get(waiting.pop(0))
            new = [parent for parent in condition.parents if parent not in parents] if condition else []
            parents |= dict.fromkeys(new)
            waiting += new
        return list(parents)

    def _n_counted(self) -> int | None:
        """Count the configurations of a space in which parameters wait for several others."""
        grids = {name: dimension.grid() for name, dimension in self.dimensions.items()}
        sizes = {name: len(grid) for name, grid in grids.items() if grid is not None}
        parents = {parent: grids[parent] for c in self.conditions.values() for parent in c.parents}
        if len(sizes) < len(grids) or math.prod(sizes[parent] for parent in parents) > MOST_COUNTED:
            return None
        by_key: dict[str, int] = {}
        for values in product(*(grid or () for grid in parents.values())):
            config = dict(zip(parents, values, strict=True))
            there = [name for name in self.dimensions if self._is_active(name, config)]
            key = repr([(name, config[name]) for name in there if name in parents])
            by_key[key] = math.prod(sizes[name] for name in there if name not in parents)
        return sum(by_key.values())

    def _n_below(self, name: str, conditions: Mapping[str, Condition]) -> int | None:
        """How many ways there are to set a parameter and all that wait for it."""
        values = self.dimensions[name].grid()
        if values is None:
            return None
        waiting = [
            (c, self._n_below(child, conditions)) for child, c in conditions.items() if c.parent == name
        ]
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
        group = nested
        for parent in parents:
            group = group.setdefault(parent, {})
        group[leaf] = value
    return nested
