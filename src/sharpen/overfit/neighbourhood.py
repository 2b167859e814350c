"""Plateau or spike: how well the configurations around the winner do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What the configurations nearest to the winner scored.

    Attributes:
        median: Of their scores; NaN without neighbours.
        share: ``median`` over the winner's score; NaN unless that is above 0.
        n_neighbours: How many were taken.
        radius: How far away the furthest of them is.
    """

    median: float
    share: float
    n_neighbours: int
    radius: float


def neighbourhood(winner: float, distances: Floats, scores: Floats, k: int = 5) -> Neighbourhood:
    """Return how well the ``k`` configurations nearest to the winner do; a share near 1 is a plateau.

    A neighbour without a usable score (NaN) counts as worse than every other. Where an edge is real, nearby
    settings have most of it; a winner alone on a spike is more likely luck, or a fault in the program.

    Args:
        winner: Its score, larger is better.
        distances: Of the other configurations from it, such as in the unit cube of the space. (N,)
        scores: Theirs. (N,)
        k: How many neighbours; ties at the end of the row go by place.

    >>> neighbourhood(2.0, np.array([0.1, 0.2, 0.9]), np.array([1.75, 1.25, -1.0]), k=2)
    Neighbourhood(median=1.5, share=0.75, n_neighbours=2, radius=0.2)
    """
    nearest = np.argsort(distances, kind="stable")[:k]
    if not len(nearest):
        return Neighbourhood(math.nan, math.nan, 0, math.nan)
    near_scores = np.where(np.isfinite(scores[nearest]), scores[nearest], -np.inf)
    middle = np.sort(near_scores)[(len(near_scores) - 1) // 2 : len(near_scores) // 2 + 1]
    median = float(middle.mean()) if np.isfinite(middle).all() else float(middle.min())
    share = median / winner if winner > 0.0 else math.nan
    return Neighbourhood(median, share, len(nearest), float(distances[nearest[-1]]))
