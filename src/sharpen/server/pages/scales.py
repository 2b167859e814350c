"""From values to places on a chart, and which of too many points to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LARGEST = 1e300  # beyond it, differences are infinite
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale: ``low`` lies at ``start``, ``high`` at ``end``; what is beyond is put at the edge."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float, robust: bool = False) -> Scale:
        """Return the scale that holds all finite values.

        Args:
            values: What has to be placed.
            start: Where the lowest goes.
            end: Where the highest goes.
            robust: Let a few far outliers lie at the edge, so that the others can be told apart.
        """
        finite = sorted(min(max(v, -LARGEST), LARGEST) for v in values if math.isfinite(v)) or [0.0]
        low, high = finite[0], finite[-1]
        if robust and len(finite) >= 20:
            first, third = finite[len(finite) // 4], finite[3 * len(finite) // 4]
            reach = 6.0 * (third - first)
            if reach > 0.0:
                low, high = max(low, first - reach), min(high, third + reach)
        pad = 0.05 * (high - low) or 0.05 * abs(low) or 0.5
        if start < end:  # along: no room is left beside the ends
            pad = 0.0 if high > low else pad
        return cls(low - pad, high + pad, start, end)

    def place(self, value: float) -> float:
        """Return where a value lies, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + (self.end - self.start) * min(max(share, 0.0), 1.0), 1)

    def ticks(self, n: int = 5, whole: bool = False) -> tuple[tuple[float, str], ...]:
        """Return (place, words) at round values, about n of them.

        >>> [words for _, words in Scale(0.0, 1.0, 0.0, 100.0).ticks()]
        ['0', '0.25', '0.5', '0.75', '1']
        """
        rough = (self.high - self.low) / max(n - 1, 1)
        if not 0.0 < rough < math.inf:
            return ()
        power = 10.0 ** math.floor(math.log10(rough))
        step = next((s * power for s in STEPS if s * power >= rough * 0.999), 10.0 * power)
        step = max(1.0, math.ceil(step)) if whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [step * k for k in range(first, min(last, first + 20) + 1)]
        digits = max(0, -math.floor(math.log10(step))) + 1
        return tuple((self.place(value), _tick_label(value, digits)) for value in values)


def _tick_label(value: float, digits: int) -> str:
    short = f"{value:g}"
    if abs(value) >= 1e6 or (value and abs(value) < 1e-4):
        return f"{value:.3g}".replace("-", "−")
    fixed = f"{value:.{min(digits, 8)}f}"
    return (fixed.rstrip("0").rstrip(".") if "." in fixed else short).replace("-", "−") or "0"


def thinned(points: Sequence[T], most: int) -> list[T]:
    """Return at most so many points, evenly spread, the first and the last among them.

    >>> thinned([0, 1, 2, 3, 4], 3)
    [0, 2, 4]
    """
    if len(points) <= most:
        return list(points)
    last = len(points) - 1
    return [points[last * k // (most - 1)] for k in range(most)]
