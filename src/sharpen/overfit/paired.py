"""Whether one configuration is better than another on the same folds, and that for several at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit.bootstrap import UNKNOWN, Interval


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What paired differences say.

    Attributes:
        n: How many pairs.
        mean: Of the differences.
        interval: Of that mean, by Student's t; unknown for fewer than two pairs.
        p: Two-sided, that the mean is zero. NaN where the differences do not vary: then nothing tells chance.
    """

    n: int
    mean: float
    interval: Interval
    p: float


def paired_test(ours: Floats, theirs: Floats, level: float = 0.95) -> PairedTest:
    """Return the paired t-test of two configurations on the same folds.

    Args:
        ours: One value a fold, larger is better. (F,)
        theirs: The other's on the same folds. (F,)
        level: Of the interval.

    Raises:
        UsageError: The two have different lengths, or none.

    Source: Student (1908), The Probable Error of a Mean, Biometrika 6(1).

    >>> test = paired_test(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 1.0]))
    >>> test.mean, round(test.p, 4)
    (1.5, 0.0351)
    """
    if len(ours) != len(theirs) or not len(ours):
        raise UsageError(f"{len(ours)} and {len(theirs)} values are no pairs: give one of each a fold")
    difference = ours - theirs
    n, mean = len(difference), float(difference.mean())
    deviation = float(difference.std(ddof=1)) if n > 1 else 0.0
    if deviation <= 1e-12 * float(np.abs(ours).max() + np.abs(theirs).max()):
        return PairedTest(n, mean, UNKNOWN, 1.0 if mean == 0.0 and n > 1 else math.nan)
    error = deviation / math.sqrt(n)
    from scipy import special  # noqa: PLC0415 - an extra's, and BLAS threads are limited before it is loaded

    p = 2.0 * float(special.stdtr(n - 1, -abs(mean) / error))
    reach = float(special.stdtrit(n - 1, 0.5 + level / 2.0)) * error
    return PairedTest(n, mean, Interval(mean - reach, mean + reach, level), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that allow for how many there are: at 0.05 one set in twenty has a false one, at most.

    A NaN stays one and does not count.

    Source: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
        Statistics 6(2).

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    least = 0.0
    for rank, (p, index) in enumerate(known):
        least = max(least, min((len(known) - rank) * p, 1.0))
        adjusted[index] = least
    return adjusted
