"""When a parameter is there: values of others, compared and joined.

A part about a parameter that is not there itself does not hold.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sharpen.space.dimensions import same

Order = Literal["<", "<=", ">", ">="]
ORDERS: Mapping[Order, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class When(Protocol):
    """What a parameter waits for."""

    @property
    def parents(self) -> tuple[str, ...]:
        """The parameters that it depends on, each once."""
        ...

    def holds_in(self, config: Mapping[str, Any]) -> bool:
        """Return whether it holds with these values of parameters that are there."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """When a parameter is there: its parent is there, and has one of some values.

    >>> Condition("booster", ("dart", "goss")).holds("goss")
    True
    """

    parent: str
    values: tuple[Any, ...]

    @property
    def parents(self) -> tuple[str, ...]:
        """The one."""
        return (self.parent,)

    def holds(self, value: Any) -> bool:
        """Return whether the parent's value is one of the values."""
        return any(same(value, wanted) for wanted in self.values)

    def holds_in(self, config: Mapping[str, Any]) -> bool:
        """Return whether the parent is there with one of the values."""
        return self.parent in config and self.holds(config[self.parent])

    def __str__(self) -> str:
        shown = [repr(value) for value in self.values]
        return f"{self.parent} is {', '.join(shown[:-1])}{' or ' if shown[1:] else ''}{shown[-1]}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter of numbers is on one side of a number.

    >>> Bound("lr", ">", 0.1).holds_in({"lr": 0.5}), Bound("lr", ">", 0.1).holds_in({})
    (True, False)
    """

    parent: str
    order: Order
    number: float

    @property
    def parents(self) -> tuple[str, ...]:
        """The one."""
        return (self.parent,)

    def holds_in(self, config: Mapping[str, Any]) -> bool:
        """Return whether the parameter is there, on that side."""
        return self.parent in config and ORDERS[self.order](config[self.parent], self.number)

    def __str__(self) -> str:
        return f"{self.parent} {self.order} {self.number}"


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, all of which are to hold, or any.

    >>> both = Joined("and", (Condition("booster", ("dart",)), Bound("depth", ">", 3)))
    >>> both.holds_in({"booster": "dart", "depth": 4}), both.parents
    (True, ('booster', 'depth'))
    """

    word: Literal["and", "or"]
    parts: tuple[When, ...]

    @property
    def parents(self) -> tuple[str, ...]:
        """Those of all parts, each once."""
        return tuple(dict.fromkeys(parent for part in self.parts for parent in part.parents))

    def holds_in(self, config: Mapping[str, Any]) -> bool:
        """Return whether all parts hold, or any."""
        return (all if self.word == "and" else any)(part.holds_in(config) for part in self.parts)

    def __str__(self) -> str:
        inner = (f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts)
        return f" {self.word} ".join(inner)
