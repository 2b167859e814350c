"""Whether the chosen of many policies beats each baseline, on paired differences, or is the luckiest of them.

Axes: ``W`` windows of prices: orders of one window share their prices and count as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit.reality_check import reality_check
from sharpen.seeds import rng_for

LEVEL = 0.05  # of a p-value
MIN_WINDOWS = 30  # below it a resampled mean says little
OPTIMUM = "optimum"  # what nobody can beat, where it is known: shown, and no check
RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The chosen of some policies beside one baseline.

    Attributes:
        baseline: Its name.
        saved: Mean of what the policy saves against it, in basis points.
        error: Standard error of that mean; NaN for one window.
        p_value: How often the best of as many policies without any edge would save as much, in standard
            errors, as the chosen one does; NaN where its savings do not vary. Another policy that saves more
            is no evidence for the chosen one.
        n_tried: Policies that were tried and kept what they saved.
        n_windows: W.
    """

    baseline: str
    saved: float
    error: float
    p_value: float
    n_tried: int
    n_windows: int

    @property
    def is_beaten(self) -> bool:
        """Whether luck is an unlikely reason for what was saved."""
        return self.saved > 0 and self.p_value <= LEVEL and self.n_windows >= MIN_WINDOWS

    @property
    def costs_more(self) -> bool:
        """Whether the policy is clearly worse."""
        return self.saved < -2.0 * self.error

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        tried = f"{self.n_tried} policies tried" if self.n_tried > 1 else "one policy tried"
        p = f"{self.p_value:.3f}" if math.isfinite(self.p_value) else "unknown"
        figures = f"saves {self.saved:.2f} ± {self.error:.2f} bps an order, p = {p}, {tried}"
        if self.is_beaten:
            return f"beats {self.baseline}: {figures}"
        if self.costs_more:
            return f"costs more than {self.baseline}: {figures}"
        few = f", {self.n_windows} windows of prices are too few" if self.n_windows < MIN_WINDOWS else ""
        return f"cannot be told from {self.baseline}: {figures}{few}"


def compare(
    tried: Sequence[Mapping[str, Floats]], chosen: int, seed: int = 0, block: float | None = None
) -> list[Comparison]:
    """Return the chosen policy beside each baseline, corrected for how many policies were tried.

    Args:
        tried: For each policy what it saves against each baseline, on the same windows in order of time.
            (W,) each.
        chosen: The place of the policy that was chosen.
        seed: Of the resampling.
        block: Mean number of windows that depend on each other; by default that of the best policy.

    Raises:
        UsageError: The policies were not judged on the same windows.

    Source: Hansen (2005), A Test for Superior Predictive Ability, on paired differences.

    >>> rng = np.random.default_rng(0)
    >>> noise = [{"twap": rng.normal(0.0, 1.0, 200)} for _ in range(20)]
    >>> compare(noise, 3)[0].is_beaten
    False
    """
    if any(not are_comparable(one, tried[chosen]) for one in tried):
        raise UsageError("the policies were judged on different orders: compare those of one sweep")
    comparisons: list[Comparison] = []
    for name, own in tried[chosen].items():
        columns = np.column_stack([one[name] for one in tried])
        p_value = math.nan
        if np.isfinite(columns).all():
            stream = rng_for(seed, "reality check", name)
            p_value = reality_check(columns, stream, block_bars=block, chosen=chosen)
        n = len(own)
        error = float(own.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        comparisons.append(Comparison(name, float(own.mean()), error, p_value, len(tried), n))
    return comparisons


def are_comparable(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> bool:
    """Return whether two policies were judged beside the same baselines on as many windows."""
    return list(one) == list(other) and all(len(one[name]) == len(other[name]) for name in one)
