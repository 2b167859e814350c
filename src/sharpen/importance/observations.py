"""Trials as points of the unit cube and their scores."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.trial import Trial, TrialState

MOST_TRIALS = 5_000
MIN_TRIALS = 10


@dataclass(frozen=True, eq=False)
class Observations:
    """What was tried and what came of it.

    Attributes:
        cube: The varying parameters as coordinates.
        points: One row for each trial. (N, D)
        scores: Larger is better. (N,)
        numbers: The trials' numbers.
    """

    cube: Cube
    points: Floats
    scores: Floats
    numbers: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The varying parameters, in the order of the coordinates."""
        return tuple(axis.name for axis in self.cube.axes)

    @property
    def incumbent(self) -> int:
        """The row of the best trial, the earliest among equals."""
        return int(np.argmax(self.scores))


def observe(space: Space, trials: Sequence[Trial], fidelity: float | None = None) -> Observations:
    """Return the finished trials that have a score, all of one fidelity.

    Trials that were stopped early, failed or were infeasible are left out: their scores mean something else.
    Of more than :data:`MOST_TRIALS` the best and random others are taken: the time of fANOVA grows with the
    square of their number, and its shares change little.

    Args:
        space: What was searched.
        trials: The sweep's.
        fidelity: Which trials to take; None for the largest fidelity that any of them has.

    Raises:
        UsageError: Fewer than :data:`MIN_TRIALS` are left, or no parameter varies.
    """
    finished = [t for t in trials if t.state is TrialState.FINISHED and not t.is_infeasible]
    scored = [t for t in finished if t.score is not None and math.isfinite(t.score)]
    if fidelity is None:
        fidelity = max((t.fidelity for t in scored if t.fidelity is not None), default=None)
    kept = [t for t in scored if t.fidelity == fidelity]
    if len(kept) < MIN_TRIALS:
        known = sorted({t.fidelity for t in scored if t.fidelity is not None})
        where = (
            f" at fidelity {fidelity:g} (there are: {', '.join(f'{f:g}' for f in known)})" if known else ""
        )
        raise UsageError(
            f"{len(kept)} trials finished with a score{where}; importance needs {MIN_TRIALS} or more:"
            " let the sweep run on"
        )
    if len(kept) > MOST_TRIALS:
        best = max(range(len(kept)), key=lambda i: kept[i].score or 0.0)
        others = [i for i in range(len(kept)) if i != best]
        kept = [kept[i] for i in sorted([best, *random.Random(0).sample(others, MOST_TRIALS - 1)])]  # noqa: S311
    cube = cube_of(space)
    if not cube.axes:
        raise UsageError("no parameter of the sweep varies, so there is nothing to compare")
    points = cube.encode([t.config for t in kept])
    scores = np.array([t.score for t in kept], dtype=np.float64)
    return Observations(cube, points, scores, tuple(t.number for t in kept))
