"""Ranges, lists and single values: the dimensions whose values are equally likely, or so in the logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
        return is_number(value) and self.low <= value <= self.high

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
        return any(same(value, option) for option in self.options)

    def grid(self) -> Sequence[Any]:
        """Return the options in order."""
        return self.options

    def index(self, value: Any) -> int:
        """Return the place of a value among the options."""
        return next(i for i, option in enumerate(self.options) if same(value, option))


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
        return same(value, self.value)

    def grid(self) -> Sequence[Any]:
        """Return the value alone."""
        return (self.value,)


def is_number(value: Any) -> bool:
    """Return whether a value is a number, which True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(a: Any, b: Any) -> bool:
    """Return whether two values are the same, ``1``, ``1.0`` and ``True`` told apart."""
    return type(a) is type(b) and bool(a == b)
