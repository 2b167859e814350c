"""Which points of a chart are drawn where there are more than anybody can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

MAX_DOTS = 5000  # of a chart: a browser draws no more in a moment
N_BEST = 500
Point = TypeVar("Point")


def thinned(points: Sequence[Point], n_first: int = 0) -> Sequence[Point]:
    """Return points as they are, or :data:`MAX_DOTS` of more than so many, in their order.

    Args:
        points: What a chart could show.
        n_first: So many stay in any case; of the others, those at even distances, and the last.

    >>> few = thinned(range(1_000_000), n_first=3)
    >>> len(few), few[:5], few[-1]
    (5000, [0, 1, 2, 3, 203], 999999)
    """
    if len(points) <= MAX_DOTS:
        return points
    left = np.linspace(n_first, len(points) - 1, MAX_DOTS - n_first).astype(int)
    return [points[index] for index in (*range(n_first), *left.tolist())]
