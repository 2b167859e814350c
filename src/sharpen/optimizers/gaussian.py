"""A Gaussian process over the unit cube: its kernel, its fit, what it predicts.

Notation: ``N`` observations, ``M`` other points, ``D`` axes.

- ``x`` (N, D), ``u`` (M, D): coordinates; ``y`` (N,): outcomes; ``v`` (N,): known noise variances
- ``ℓ`` (D,): lengthscales; ``s``: signal variance; ``ν``: noise variance beyond the known
- ``r² = Σ_d δ_d² / ℓ_d²``, where ``δ_d`` is the distance along a number and 0 or 1 for a category (Hamming)
- ``k = s (1 + √5 r + 5/3 r²) exp(-√5 r) + c``: Matérn 5/2 and a constant, which is an unknown mean of
  variance ``c``
- ``θ = (log ℓ, log s, log ν)``, each with a normal prior, so ``ℓ``, ``s`` and ``ν`` have log-normal ones

Source: Rasmussen, Williams (2006), Gaussian Processes for Machine Learning, equations 2.25, 2.26, 4.17, 5.9;
Hvarfner et al. (2024), Vanilla Bayesian Optimization Performs Great in High Dimensions (lengthscales that
grow with √D).
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.errors import MissingExtra

try:
    from scipy.linalg import get_lapack_funcs
    from scipy.optimize import minimize
except ImportError as error:
    raise MissingExtra("scipy", "samplers") from error

ROOT5 = math.sqrt(5.0)
FACTOR, SOLVE, INVERT, SOLVE_HALF = get_lapack_funcs(("potrf", "potrs", "potri", "trtrs"), dtype=np.float64)
MEAN_VARIANCE = 1.0
JITTER = 1e-8
_LOWEST, _HIGHEST = -4.0, 5.0  # log ℓ
_NOT_POSITIVE = 1e10


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal priors on the logarithms: (mean, standard deviation).

    Attributes:
        lengthscale: For one axis; the mean grows by log √D with the axes, so that distances stay alike.
        signal: Of outcomes that were standardised.
        noise: The same.
    """

    lengthscale: tuple[float, float] = (-1.4, 0.7)
    signal: tuple[float, float] = (0.0, 0.75)
    noise: tuple[float, float] = (-7.0, 2.0)

    def moments(self, n_axes: int) -> tuple[Floats, Floats]:
        """Return the means and the standard deviations of ``θ``, each (D + 2,)."""
        middle = self.lengthscale[0] + 0.5 * math.log(max(n_axes, 1))
        mean = np.array([middle] * n_axes + [self.signal[0], self.noise[0]])
        deviation = np.array([self.lengthscale[1]] * n_axes + [self.signal[1], self.noise[1]])
        return mean, deviation


@dataclass(frozen=True, eq=False)
class Posterior:
    """A fitted process.

    Attributes:
        x: (N, D)
        is_category: (D,)
        theta: (D + 2,)
        cholesky: (N, N) lower factor of the covariance of ``y``.
        weights: (N,) the inverse covariance times ``y``.
    """

    x: Floats
    is_category: Bools
    theta: Floats
    cholesky: Floats
    weights: Floats

    @property
    def highest_variance(self) -> float:
        """The variance far away from every observation."""
        return math.exp(self.theta[-2]) + MEAN_VARIANCE

    def predict(self, u: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance of the noise-free outcome at points ``u``, each (M,)."""
        k, _ = self._cross(u)
        half, _ = SOLVE_HALF(self.cholesky, k.T, lower=1)
        variance = self.highest_variance - np.einsum("ij,ij->j", half, half)
        return k @ self.weights, np.maximum(variance, 1e-12)

    def gradient(self, u: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean and variance (M,) and their derivatives by the coordinates (M, D); 0 for categories."""
        k, slope = self._cross(u)
        solved, _ = SOLVE(self.cholesky, k.T, lower=1)  # (N, M)
        variance = np.maximum(self.highest_variance - np.einsum("mn,nm->m", k, solved), 1e-12)
        scale = np.where(self.is_category, 0.0, np.exp(-2 * self.theta[:-2]))
        by_mean, by_variance = slope * self.weights, -2 * slope * solved.T
        d_mean = (by_mean @ self.x - by_mean.sum(1, keepdims=True) * u) * scale
        d_variance = (by_variance @ self.x - by_variance.sum(1, keepdims=True) * u) * scale
        return k @ self.weights, variance, d_mean, d_variance

    def _cross(self, u: Floats) -> tuple[Floats, Floats]:
        """Return covariances and -2 dk/dr², both (M, N)."""
        return _matern(_apart(u, self.x, self.is_category, self.theta), math.exp(self.theta[-2]))


def _matern(squared: Floats, signal: float) -> tuple[Floats, Floats]:
    """Return ``k`` and ``-2 dk/dr²`` at squared distances."""
    r = ROOT5 * np.sqrt(squared)
    fall = signal * np.exp(-r)
    linear = (1.0 + r) * fall
    return linear + (5.0 / 3.0) * squared * fall + MEAN_VARIANCE, (5.0 / 3.0) * linear


def _apart(u: Floats, x: Floats, is_category: Bools, theta: Floats) -> Floats:
    """Return ``r²`` between points, (M, N)."""
    inverse, numbers = np.exp(-theta[:-2]), ~is_category
    a, b = u[:, numbers] * inverse[numbers], x[:, numbers] * inverse[numbers]
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    np.maximum(squared, 0.0, out=squared)
    for d in np.flatnonzero(is_category):
        squared += (u[:, d, None] != x[:, d]) * inverse[d] ** 2
    return squared


def distances(x: Floats, is_category: Bools) -> Floats:
    """Return the squared distance of each pair of observations along each axis, (D, N, N)."""
    apart = x.T[:, :, None] - x.T[:, None, :]
    return np.where(is_category[:, None, None], apart != 0, apart**2)


def fit(x: Floats, y: Floats, v: Floats, is_category: Bools, prior: Prior) -> Floats:
    """Return the ``θ`` of the highest posterior density that a search from a few starts finds.

    Args:
        x: (N, D)
        y: (N,) standardised.
        v: (N,) known noise variances, in the units of ``y`` squared.
        is_category: (D,)
        prior: Of ``θ``.
    """
    squared = distances(x, is_category)
    mean, deviation = prior.moments(x.shape[1])
    n_axes = x.shape[1]

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, slope = negative_log_likelihood(theta, squared, y, v)
        off = (theta - mean) / deviation
        return value + 0.5 * float(off @ off), slope + off / deviation

    starts = [mean + shift * np.r_[np.full(n_axes, deviation[0]), 0.0, 0.0] for shift in (0.0, -1.0, 1.0)]
    starts[1][-1] += 2.0
    starts.sort(key=lambda theta: loss(theta)[0])
    bounds = [(_LOWEST, _HIGHEST)] * n_axes + [(-5.0, 5.0), (-14.0, 1.0)]
    results = [
        minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": n_steps})
        for start, n_steps in ((starts[0], 30), (starts[1], 12))
    ]
    return results[int(np.argmin([result.fun for result in results]))].x


def negative_log_likelihood(theta: Floats, squared: Floats, y: Floats, v: Floats) -> tuple[float, Floats]:
    """Return minus the log marginal likelihood and its derivatives by ``θ``; a large number when undefined.

    Args:
        theta: (D + 2,)
        squared: (D, N, N) as :func:`distances` gives them.
        y: (N,)
        v: (N,)
    """
    n_axes, n, _ = squared.shape
    inverse = np.exp(-2 * theta[:-2])
    signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
    r2 = (inverse @ squared.reshape(n_axes, -1)).reshape(n, n)
    k, slope = _matern(r2, signal)
    covariance = k + np.diag(v + noise + JITTER)
    cholesky, failed = FACTOR(covariance, lower=1, clean=1)
    if failed:
        return _NOT_POSITIVE, np.zeros_like(theta)
    weights, _ = SOLVE(cholesky, y, lower=1)
    inverted, _ = INVERT(cholesky, lower=1)
    inverted = np.tril(inverted) + np.tril(inverted, -1).T
    value = 0.5 * y @ weights + np.log(np.diag(cholesky)).sum() + 0.5 * n * math.log(2 * math.pi)
    outer = 0.5 * (inverted - np.outer(weights, weights))  # d value / d covariance
    by_axis = (squared.reshape(n_axes, -1) @ (outer * slope).ravel()) * inverse
    by_signal = float((outer * (k - MEAN_VARIANCE)).sum())
    return float(value), np.r_[by_axis, by_signal, noise * np.trace(outer)]


def condition(x: Floats, y: Floats, v: Floats, is_category: Bools, theta: Floats) -> Posterior:
    """Return the process with the given ``θ`` after the observations."""
    k, _ = _matern(_apart(x, x, is_category, theta), math.exp(theta[-2]))
    covariance = k + np.diag(v + math.exp(theta[-1]) + JITTER)
    cholesky, failed = FACTOR(covariance, lower=1, clean=1)
    while failed:  # equal points and next to no noise
        covariance[np.diag_indices_from(covariance)] *= 1.001
        cholesky, failed = FACTOR(covariance, lower=1, clean=1)
    weights, _ = SOLVE(cholesky, y, lower=1)
    return Posterior(x, is_category, theta, cholesky, weights)
