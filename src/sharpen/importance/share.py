"""One number of an importance analysis, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """The importance of a parameter, or of a pair of them.

    Attributes:
        names: The parameter, or the two of a pair.
        value: Between 0 and 1.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
    """

    names: tuple[str, ...]
    value: float
    low: float
    high: float


def shares(names: list[tuple[str, ...]], samples: Floats) -> list[Share]:
    """Return the mean of each column with its interval, the largest first.

    Args:
        names: One for each column.
        samples: One row for each resampled fit. (B, K)

    >>> [share.names for share in shares([("a",), ("b",)], np.array([[0.2, 0.7], [0.4, 0.5]]))]
    [('b',), ('a',)]
    """
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    mean = samples.mean(axis=0)
    by_column = [Share(name, float(mean[k]), float(low[k]), float(high[k])) for k, name in enumerate(names)]
    return sorted(by_column, key=lambda share: (-share.value, share.names))
