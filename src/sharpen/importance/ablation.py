"""Ablation: which changes, one after another, lead from a default to the incumbent.

Source: Biedenkapp, Lindauer, Eggensperger, Hutter, Fawcett, Hoos (2017), Efficient Parameter Importance
Analysis via Ablation with Surrogates, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.importance.forest import Forest
from sharpen.importance.share import CONFIDENCE
from sharpen.space.encoding import Cube


@dataclass(frozen=True, slots=True)
class AblationStep:
    """One parameter set to the incumbent's value.

    Attributes:
        name: The parameter.
        gain: By how much the foretold score grew; below 0 when it fell.
        low: Lower end of the 95 % interval of the gain.
        high: Upper end of it.
        score: The foretold score after the step.
    """

    name: str
    gain: float
    low: float
    high: float
    score: float


def ablation(forest: Forest, cube: Cube, default: Floats, incumbent: Floats) -> list[AblationStep]:
    """Return the steps from a default to the incumbent, the one that gains most first.

    Scores are the surrogate's: nothing is run again. Parameters that are the same in both have no step.
    Intervals are over the trees.

    Args:
        forest: The surrogate.
        cube: The coordinates.
        default: Where to begin. (D,)
        incumbent: Where to end. (D,)
    """
    here = default.copy()
    left = [d for d in range(len(cube.axes)) if default[d] != incumbent[d]]
    steps: list[AblationStep] = []
    before = forest.predict(here[None, :])[:, 0]
    while left:
        candidates = np.repeat(here[None, :], len(left), axis=0)
        candidates[np.arange(len(left)), left] = incumbent[left]
        after = forest.predict(candidates)  # (B, len(left))
        chosen = int(after.mean(axis=0).argmax())
        gains = after[:, chosen] - before
        low, high = np.quantile(gains, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        axis = left.pop(chosen)
        here[axis], before = incumbent[axis], after[:, chosen]
        name = cube.axes[axis].name
        steps.append(AblationStep(name, float(gains.mean()), float(low), float(high), float(before.mean())))
    return steps
