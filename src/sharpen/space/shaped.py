"""Dimensions some of whose values are likelier than others, and rounding to multiples.

The tails of the normal, log-normal and beta distributions are cut at the quantiles ``EDGE`` and
``1 - EDGE``: every dimension has a smallest and a largest value, and no draw is an accident.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Any

from sharpen.space.dimensions import Dimension, is_number, same

EDGE = 1e-6
MOST_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Weighted:
    """One of several values, each with a probability; one of probability 0 is never taken.

    >>> options = Weighted(("adam", "sgd"), (0.75, 0.25))
    >>> options.from_unit(0.7), options.from_unit(0.8)
    ('adam', 'sgd')
    """

    options: tuple[Any, ...]
    weights: tuple[float, ...]

    def from_unit(self, u: float) -> Any:
        """Return the option whose share of the interval holds ``u``."""
        ends = list(accumulate(self.weights))
        last = max(i for i, weight in enumerate(self.weights) if weight > 0)
        return self.options[min(bisect_right(ends, u * ends[-1]), last)]

    def to_unit(self, value: Any) -> float:
        """Return the middle of the option's share of the interval."""
        index = next(i for i, option in enumerate(self.options) if same(value, option))
        return (sum(self.weights[:index]) + self.weights[index] / 2) / sum(self.weights)

    def contains(self, value: Any) -> bool:
        """Return whether the value is one of the options that can be taken."""
        return any(same(value, option) for option in self.grid())

    def grid(self) -> Sequence[Any]:
        """Return the options that can be taken, in order."""
        return tuple(o for o, weight in zip(self.options, self.weights, strict=True) if weight > 0)


@dataclass(frozen=True, slots=True)
class Normal:
    """A real number around ``mu``, 68 % of them within ``sigma`` of it, or one whose logarithm is that.

    >>> Normal(10.0, 2.0).from_unit(0.5), Normal(0.0, 1.0, log=True).from_unit(0.5)
    (10.0, 1.0)
    """

    mu: float
    sigma: float
    log: bool = False

    def from_unit(self, u: float) -> float:
        """Return the value at quantile ``u``."""
        value = NormalDist(self.mu, self.sigma).inv_cdf(_inside(u))
        return math.exp(value) if self.log else value

    def to_unit(self, value: Any) -> float:
        """Return the quantile of a value."""
        return NormalDist(self.mu, self.sigma).cdf(math.log(value) if self.log else value)

    def contains(self, value: Any) -> bool:
        """Return whether the value is a number between the edges."""
        return _is_between(self, value)

    def grid(self) -> None:
        """Return None: real numbers are too many to count."""


@dataclass(frozen=True, slots=True)
class Beta:
    """A number in [0, 1] with the density ``x**(a - 1) * (1 - x)**(b - 1)``, scaled to one.

    >>> Beta(2.0, 2.0).from_unit(0.5)
    0.5
    """

    a: float
    b: float

    def from_unit(self, u: float) -> float:
        """Return the value at quantile ``u``."""
        from scipy.special import betaincinv  # noqa: PLC0415 - slow to import, and rarely needed

        return float(f"{float(betaincinv(self.a, self.b, _inside(u))):.12g}")

    def to_unit(self, value: Any) -> float:
        """Return the quantile of a value."""
        from scipy.special import betainc  # noqa: PLC0415 - as above

        return float(betainc(self.a, self.b, value))

    def contains(self, value: Any) -> bool:
        """Return whether the value is a number between the edges."""
        return _is_between(self, value)

    def grid(self) -> None:
        """Return None: real numbers are too many to count."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """A real dimension rounded to the nearest multiple of ``q``: whole numbers when ``q`` is one.

    As in W&B, rounding comes last: a bound that is no multiple of ``q`` may be passed by half a ``q``.

    >>> from sharpen.space import Float
    >>> Rounded(Float(16.0, 256.0, log=True), 16).from_unit(0.5)
    64
    """

    dimension: Dimension
    q: float

    def from_unit(self, u: float) -> float:
        """Return the value whose share of the interval holds ``u``."""
        return self._multiple(self._count(u))

    def to_unit(self, value: Any) -> float:
        """Return the middle of the value's share of the interval."""
        return (self._share_below(value - self.q / 2) + self._share_below(value + self.q / 2)) / 2

    def contains(self, value: Any) -> bool:
        """Return whether the value is one of the multiples that can be drawn."""
        if not is_number(value) or (isinstance(self.q, int) and not isinstance(value, int)):
            return False
        if not math.isfinite(value):
            return False
        count = round(value / self.q)
        is_multiple = abs(value - self._multiple(count)) <= 1e-9 * max(self.q, abs(value))
        return is_multiple and self._count(0.0) <= count <= self._count(1.0)

    def grid(self) -> Sequence[float] | None:
        """Return every multiple in order, or None when there are too many to list."""
        first, last = self._count(0.0), self._count(1.0)
        if isinstance(self.q, int):
            return range(first * self.q, last * self.q + 1, self.q)
        if last - first >= MOST_VALUES:
            return None
        return tuple(self._multiple(count) for count in range(first, last + 1))

    def _count(self, u: float) -> int:
        return round(self.dimension.from_unit(u) / self.q)

    def _multiple(self, count: int) -> float:
        value = count * self.q
        return value if isinstance(value, int) else float(f"{value:.12g}")

    def _share_below(self, bound: float) -> float:
        if bound <= self.dimension.from_unit(0.0):
            return 0.0
        return 1.0 if bound >= self.dimension.from_unit(1.0) else self.dimension.to_unit(bound)


def _inside(u: float) -> float:
    return min(max(u, EDGE), 1 - EDGE)


def _is_between(dimension: Dimension, value: Any) -> bool:
    return is_number(value) and dimension.from_unit(0.0) <= value <= dimension.from_unit(1.0)
