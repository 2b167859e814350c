"""Grid search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharpen.errors import UsageError
from sharpen.space import Space
from sharpen.trial import Proposal, Trial


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Every combination once, in the order of the space, the last parameter changing fastest.

    The next point follows from the number of grid points already proposed, so nothing is held in memory
    and a restart goes on where it left off; trials of another origin do not count.
    """

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return the next ``n`` combinations, fewer at the end of the grid; the random stream is not used.

        Raises:
            UsageError: A parameter takes any real number of a range.

        >>> from sharpen.space import Choice, Int
        >>> space = Space({"a": Int(1, 2), "b": Choice((True, False))})
        >>> [dict(p.config) for p in GridSearch().ask(space, [], 3, np.random.default_rng(0))]
        [{'a': 1, 'b': True}, {'a': 1, 'b': False}, {'a': 2, 'b': True}]
        """
        axes = _axes(space)
        size = math.prod(len(values) for values in axes.values())
        start = sum(trial.origin == "grid" for trial in history)
        return [Proposal(_point(axes, i), origin="grid") for i in range(start, min(start + n, size))]


def _axes(space: Space) -> dict[str, Sequence[Any]]:
    axes = {name: dimension.grid() for name, dimension in space.dimensions.items()}
    endless = [name for name, values in axes.items() if values is None]
    if endless:
        raise UsageError(
            f"grid search cannot count the real numbers of {', '.join(endless)}: "
            "give values: [a, b, …], or take method random or bayes",
            parameters=endless,
        )
    return {name: values for name, values in axes.items() if values is not None}


def _point(axes: Mapping[str, Sequence[Any]], index: int) -> dict[str, Any]:
    # the index in a mixed radix, one digit a parameter
    digits: dict[str, int] = {}
    for name in reversed(list(axes)):
        index, digits[name] = divmod(index, len(axes[name]))
    return {name: values[digits[name]] for name, values in axes.items()}
