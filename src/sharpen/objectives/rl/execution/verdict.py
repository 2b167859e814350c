# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Whether a policy beats a baseline, or is the luckiest of those that were tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.evaluation import Outcomes, mean_error, saved_bps
from sharpen.overfit.reality_check import reality_check
from sharpen.seeds import rng_for

_LEVEL = 0.05


def write_saved(outcomes: Mapping[str, Outcomes], path: Path) -> None:
    """Write by how much the policy ``ppo`` costs less than each baseline in basis points, a row a window.

    A window is the orders that share their prices; where prices are drawn it is one order.
    """
    parquet.write_table(pa.table(saved_bps(outcomes)), path, compression="zstd", use_dictionary=False)


def read_saved(path: Path) -> dict[str, Floats]:
    """Return what :func:`write_saved` wrote: by baseline, (M,) each."""
    found = parquet.read_table(path)
    return {name: found[name].to_numpy() for name in found.column_names}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best of some policies beside one baseline.

    Attributes:
        baseline: Its name.
        saved: Mean of what the policy saves against it, in basis points.
        error: Standard error of that mean.
        p_value: How often the best of as many policies without any edge would save as much.
        n_tried: Policies that were tried.
    """

    baseline: str
    saved: float
    error: float
    p_value: float
    n_tried: int

    @property
    def is_beaten(self) -> bool:
        """Whether luck is an unlikely reason for what was saved."""
        return self.saved > 0 and self.p_value < _LEVEL

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        tried = f"{self.n_tried} policies tried" if self.n_tried > 1 else "one policy tried"
        figures = f"saves {self.saved:.2f} ± {self.error:.2f} bps an order, p = {self.p_value:.3f}, {tried}"
        if self.is_beaten:
            return f"beats {self.baseline}: {figures}"
        if self.saved < -2.0 * self.error:
            return f"costs more than {self.baseline}: {figures}"
        return f"cannot be told from {self.baseline}: {figures}"


def compare(
    tried: Sequence[Mapping[str, Floats]], chosen: int, seed: int = 0, block: float = 1.0
) -> list[Comparison]:
    """Return the chosen policy beside each baseline, corrected for how many policies were tried.

    Args:
        tried: For each policy what it saves against each baseline, on the same orders in the same sequence.
        chosen: The place of the policy that was chosen.
        seed: Of the resampling.
        block: Mean number of orders that depend on each other; 1 for orders that are drawn by themselves.

    Raises:
        UsageError: The policies were not judged on the same orders.

    Source: Hansen (2005), A Test for Superior Predictive Ability, on paired differences.

    >>> rng = np.random.default_rng(0)
    >>> noise = [{"twap": rng.normal(0.0, 1.0, 200)} for _ in range(20)]
    >>> compare(noise, 3)[0].is_beaten
    False
    """
    names = list(tried[chosen])
    if any(list(one) != names or len(one[names[0]]) != len(tried[chosen][names[0]]) for one in tried):
        raise UsageError("the policies were judged on different orders: compare those of one sweep")
    found: list[Comparison] = []
    for name in names:
        saved, error = mean_error(tried[chosen][name])
        columns = np.column_stack([one[name] for one in tried])
        if not np.isfinite(columns).all() or error == 0.0:
            p_value = 1.0
        else:
            p_value = reality_check(columns, rng_for(seed, "reality check", name), block_bars=block)
        found.append(Comparison(name, saved, error, p_value, len(tried)))
    return found
