"""PED-ANOVA: how far the good trials' values of a parameter differ from all trials' values.

Source: Watanabe, Bansal, Hutter (2023), PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
Arbitrary Subspaces, equation 12 (the Pearson divergence of two one-dimensional densities).
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.importance.observations import Observations
from sharpen.importance.share import Share, shares
from sharpen.seeds import rng_for
from sharpen.space.encoding import Axis

TOP_SHARE = 0.1
N_BINS = 50
N_RESAMPLES = 100
PRIOR_WEIGHT = 1.0  # a uniform kernel as heavy as one trial, so that no density is 0


def ped_anova(seen: Observations, seed: int, top_share: float = TOP_SHARE) -> list[Share]:
    """Return each parameter's share of the divergence between good trials and all, the largest first.

    Good are the best ``top_share`` of the trials, two at least. Shares sum to 1 over the parameters.
    Intervals are over bootstrap samples of the trials.

    Args:
        seen: The trials.
        seed: Of the bootstrap.
        top_share: Which part of the trials is good.
    """
    rng = rng_for(seed, "importance", "ped-anova")
    n = len(seen.scores)
    rows: list[Ints] = [np.arange(n), *(rng.integers(0, n, n) for _ in range(N_RESAMPLES))]
    sampled = np.array([_shares(seen, chosen, top_share) for chosen in rows])
    names: list[tuple[str, ...]] = [(name,) for name in seen.names]
    resampled = {share.names: share for share in shares(names, sampled[1:])}
    own = [
        Share(
            name,
            float(sampled[0, d]),
            min(resampled[name].low, sampled[0, d]),
            max(resampled[name].high, sampled[0, d]),
        )
        for d, name in enumerate(names)
    ]
    return sorted(own, key=lambda share: (-share.value, share.names))


def _shares(seen: Observations, rows: Ints, top_share: float) -> Floats:
    order = rows[np.argsort(-seen.scores[rows], kind="stable")]
    good = order[: max(2, math.ceil(top_share * len(order)))]
    divergences = np.array(
        [
            _divergence(axis, seen.points[good, d], seen.points[rows, d])
            for d, axis in enumerate(seen.cube.axes)
        ]
    )
    whole = divergences.sum()
    return divergences / whole if whole > 0.0 else divergences


def _divergence(axis: Axis, good: Floats, every: Floats) -> float:
    """Return the integral of ``(p_good / p - 1)^2 p`` over a parameter's values."""
    top, whole = _density(axis, good), _density(axis, every)
    return float(np.sum((top / whole - 1.0) ** 2 * whole))


def _density(axis: Axis, values: Floats) -> Floats:
    """Return the share of values in each bin, smoothed; every bin has some."""
    if axis.kind == "category":
        units = np.unique(np.concatenate([axis.units, values]))
        counts = np.array([float(np.count_nonzero(values == unit)) for unit in units])
        return (counts + PRIOR_WEIGHT / len(units)) / (len(values) + PRIOR_WEIGHT)
    centres = axis.units if axis.units.size else (np.arange(N_BINS) + 0.5) / N_BINS
    # Scott's rule, at least one bin wide
    width = max(float(values.std()) * len(values) ** -0.2, 1.0 / len(centres))
    kernels = np.exp(-0.5 * ((centres[None, :] - values[:, None]) / width) ** 2)
    kernels /= kernels.sum(axis=1, keepdims=True)
    whole = kernels.sum(axis=0) + PRIOR_WEIGHT / len(centres)
    return whole / whole.sum()
