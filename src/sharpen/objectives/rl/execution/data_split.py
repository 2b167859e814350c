"""Which part of recorded bars or books orders come from: to train on, held out, or kept for the last look."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sharpen.errors import UsageError

_FIRST, _DEVELOPMENT = 0.4, 0.8


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows.

    Attributes:
        start: Where it begins, as a share of all rows.
        stop: Where it ends.
        in_order: Whether orders come one after another, do not overlap, and are taken on every side and in
            every symbol; else they begin anywhere.
    """

    start: float
    stop: float
    in_order: bool


TRAINING = Part(0.0, _DEVELOPMENT, in_order=False)
LOCKBOX = Part(_DEVELOPMENT, 1.0, in_order=True)


def walk_forward(n_folds: int) -> list[tuple[Part, Part]]:
    """Return what to train on and what is held out, of each fold: the held-out rows follow the others.

    The first fold trains on 40 % of the rows, and the last held-out row is at 80 %: the rest is the lockbox.

    >>> [(round(a.stop, 3), round(b.start, 3), round(b.stop, 3)) for a, b in walk_forward(2)]
    [(0.4, 0.4, 0.6), (0.6, 0.6, 0.8)]
    """
    if n_folds < 1:
        raise UsageError(f"n_folds is {n_folds}, give 1 or more")
    ends = [_FIRST + (_DEVELOPMENT - _FIRST) * k / n_folds for k in range(n_folds + 1)]
    return [
        (Part(0.0, start, in_order=False), Part(start, stop, in_order=True))
        for start, stop in itertools.pairwise(ends)
    ]
