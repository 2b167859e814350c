"""Transforms that make outcomes look normal and functions look stationary, as HEBO wants them.

Notation: ``y`` (N,) outcomes; ``x`` (N, D) coordinates of the unit cube; ``λ`` the power of an outcome;
``a`` and ``b`` of the warp ``1 - (1 - x^a)^b`` of an axis, which is the Kumaraswamy distribution's.

Source: Yeo, Johnson (2000), A New Family of Power Transformations, Biometrika 87; Snoek et al. (2014), Input
Warping for Bayesian Optimization of Non-Stationary Functions, ICML.
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.optimizers.gaussian import distances, negative_log_likelihood

POWERS = np.linspace(-2.0, 4.0, 61)
EXPONENTS = (0.35, 0.6, 1.0, 1.7, 2.9)
PRIOR_SD = 0.75  # of log a and of log b
MOST_POINTS = 60  # that warps are chosen by
N_PASSES = 2


def yeo_johnson(y: Floats, power: float) -> Floats:
    """Return the power transform of outcomes of any sign.

    >>> yeo_johnson(np.array([-1.0, 0.0, 3.0]), 1.0).tolist()
    [-1.0, 0.0, 3.0]
    >>> yeo_johnson(np.array([3.0]), 0.0).round(4).tolist()
    [1.3863]
    """
    up, down = np.log1p(np.maximum(y, 0.0)), np.log1p(np.maximum(-y, 0.0))
    other = 2.0 - power
    above = np.expm1(power * up) / power if abs(power) > 1e-9 else up
    below = np.expm1(other * down) / other if abs(other) > 1e-9 else down
    return np.where(y >= 0, above, -below)


def likeliest_power(y: Floats) -> float:
    """Return the ``λ`` under which standardised outcomes look most like draws from a normal distribution."""
    signed_log = float((np.sign(y) * np.log1p(np.abs(y))).sum())

    def likelihood(power: float) -> float:
        variance = float(yeo_johnson(y, power).var())
        return -0.5 * len(y) * math.log(max(variance, 1e-300)) + (power - 1.0) * signed_log

    return float(max(POWERS, key=likelihood))


def warp(x: Floats, exponents: Floats) -> Floats:
    """Return coordinates warped axis by axis.

    Args:
        x: (N, D)
        exponents: (2, D): ``a`` and ``b`` of each axis; 1 and 1 leave it as it is.

    >>> warp(np.array([[0.5, 0.5]]), np.array([[1.0, 2.0], [1.0, 1.0]])).tolist()
    [[0.5, 0.25]]
    """
    return 1.0 - (1.0 - np.clip(x, 0.0, 1.0) ** exponents[0]) ** exponents[1]


def likeliest_warps(x: Floats, y: Floats, v: Floats, is_category: Bools, theta: Floats) -> Floats:
    """Return the most probable warp of each axis, of a few, (2, D); categories stay as they are.

    Axes are tried one after another, under kernel parameters that stay.

    Args:
        x: (N, D)
        y: (N,) standardised.
        v: (N,) known noise variances.
        is_category: (D,)
        theta: (D + 2,) the kernel's parameters.
    """
    some = np.unique(np.linspace(0, len(y) - 1, MOST_POINTS).astype(int))
    x, y, v = x[some], y[some], v[some]
    exponents = np.ones((2, x.shape[1]))
    squared = distances(x, is_category)

    def loss() -> float:
        prior = 0.5 * float((np.log(exponents) ** 2).sum()) / PRIOR_SD**2
        return negative_log_likelihood(theta, squared, y, v)[0] + prior

    least = loss()
    for d, side in [(d, k) for d in np.flatnonzero(~is_category) for k in (0, 1)] * N_PASSES:
        before, best = squared[d].copy(), float(exponents[side, d])
        best_squared = before
        for exponent in EXPONENTS:
            exponents[side, d] = exponent
            column = warp(x[:, [d]], exponents[:, [d]])
            squared[d] = (column - column.T) ** 2
            value = loss()
            if value < least - 1e-9:
                least, best, best_squared = value, exponent, squared[d].copy()
        exponents[side, d], squared[d] = best, best_squared
    return exponents
