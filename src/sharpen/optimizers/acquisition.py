"""Where to look next: log expected improvement, weighted by feasibility and cost, and its maximiser.

Notation: ``M`` points, ``D`` axes; ``τ`` the outcome to improve on; ``z = (mean - τ) / σ``;
``h(z) = φ(z) + z Φ(z)``, so that the expected improvement is ``σ h(z)``.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import MissingExtra
from sharpen.optimizers.gaussian import Posterior
from sharpen.optimizers.user_prior import Belief
from sharpen.space.encoding import Cube

try:
    from scipy.optimize import minimize
    from scipy.special import erfcx, log1p, log_ndtr, ndtr
except ImportError as error:
    raise MissingExtra("scipy", "samplers") from error

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_HALF_LOG_HALF_PI = 0.5 * math.log(math.pi / 2)
_LEFT_OPEN = 0.01
"""Variance of what feasible (+1) and infeasible (-1) trials leave open, even where one of them is: without it
the probability there is 0 or 1, and a single trial would shut off all that is next to it."""
N_CLIMBS, N_STEPS = 3, 10  # five of 25 steps find half a percent more, in twice the time
_FAR = -1e5  # below it z² in the series is all that a float can see


@dataclass(frozen=True, eq=False)
class Price:
    """What trials cost.

    Attributes:
        process: Of the logarithm, in units of ``scale``.
        scale: What makes it a natural logarithm again, but for a constant.
    """

    process: Posterior
    scale: float


@dataclass(frozen=True, eq=False)
class Acquisition:
    """Log expected improvement plus the log of the probability of being feasible less that of the cost.

    Attributes:
        outcome: What scores look like.
        target: The outcome to improve on.
        feasibility: A process whose sign says whether a configuration is feasible; None when all are.
        price: What configurations cost; None when nothing says so.
        belief: Where good configurations are thought to be; None for nowhere in particular.
    """

    outcome: Posterior
    target: float
    feasibility: Posterior | None = None
    price: Price | None = None
    belief: Belief | None = None

    def value(self, u: Floats) -> Floats:
        """Return the acquisition at points (M, D), (M,)."""
        mean, variance = self.outcome.predict(u)
        sigma = np.sqrt(variance)
        total = np.log(sigma) + log_h((mean - self.target) / sigma)
        if self.feasibility is not None:
            mean, variance = self.feasibility.predict(u)
            total += log_ndtr(mean / np.sqrt(variance + _LEFT_OPEN))
        if self.price is not None:
            total -= self.price.scale * self.price.process.predict(u)[0]
        if self.belief is not None:
            total += self.belief.log_power(u)
        return total

    def gradient(self, u: Floats) -> tuple[Floats, Floats]:
        """Return the acquisition at points (M,) and its derivatives by their coordinates (M, D)."""
        mean, variance, d_mean, d_variance = self.outcome.gradient(u)
        sigma = np.sqrt(variance)
        z = (mean - self.target) / sigma
        log = log_h(z)
        total = np.log(sigma) + log
        by_mean = np.exp(log_ndtr(z) - log) / sigma
        by_sigma = np.exp(-0.5 * z * z - _HALF_LOG_2PI - log) / sigma
        slope = by_mean[:, None] * d_mean + (by_sigma / (2 * sigma))[:, None] * d_variance
        if self.feasibility is not None:
            mean, variance, d_mean, d_variance = self.feasibility.gradient(u)
            sigma = np.sqrt(variance + _LEFT_OPEN)
            z = mean / sigma
            log = log_ndtr(z)
            total += log
            by_z = np.exp(-0.5 * z * z - _HALF_LOG_2PI - log)[:, None]
            slope += by_z * (d_mean / sigma[:, None] - (z / (2 * sigma**2))[:, None] * d_variance)
        if self.price is not None:
            mean, _, d_mean, _ = self.price.process.gradient(u)
            total -= self.price.scale * mean
            slope -= self.price.scale * d_mean
        if self.belief is not None:
            total += self.belief.log_power(u)
            slope += self.belief.slope(u)
        return total, slope


def log_h(z: Floats) -> Floats:
    """Return ``log(φ(z) + z Φ(z))`` without underflow, however negative ``z`` is.

    Source: Ament et al. (2023), Unexpected Improvements to Expected Improvement, NeurIPS, equation 9.

    >>> log_h(np.array([0.0, -10.0, -1e6])).round(3).tolist()
    [-0.919, -55.553, -500000000028.55]
    """
    near = np.maximum(z, -1.0)
    plain = np.log(np.exp(-0.5 * near * near - _HALF_LOG_2PI) + near * ndtr(near))
    mid = np.clip(z, _FAR, -1.0)
    # log(1 - |z| √(π/2) erfcx(|z| / √2)); for large |z| the difference cancels and tends to 1 / z²
    ratio = np.exp(np.log(erfcx(-mid / math.sqrt(2)) * -mid) + _HALF_LOG_HALF_PI)
    rest = np.where(mid < -1e3, -2 * np.log(-mid), log1p(-np.minimum(ratio, 1 - 1e-16)))
    tail = -0.5 * mid * mid - _HALF_LOG_2PI + rest
    far = -0.5 * z * z - _HALF_LOG_2PI - 2 * np.log(np.maximum(-z, 1.0))
    return np.where(z > -1.0, plain, np.where(z > _FAR, tail, far))


def best_first(
    acquisition: Acquisition, cube: Cube, spread: Floats, centres: Floats, rng: np.random.Generator
) -> Floats:
    """Return candidates, the highest acquisition first, (M, D).

    The candidates are the spread, neighbours of the centres at three distances, and what gradient ascent
    over the real coordinates makes of the best few of them.

    Args:
        acquisition: What to maximise.
        cube: The coordinates.
        spread: (S, D) points all over the cube.
        centres: (C, D) points whose neighbourhood is worth a look: the best trials.
        rng: The random stream.
    """
    tried = cube.snap(np.concatenate([spread, _neighbours(cube, centres, rng)]))
    values = acquisition.value(tried)
    order = np.argsort(-values, kind="stable")
    starts = tried[_apart(tried, order, n=N_CLIMBS)]
    climbed = cube.snap(_climb(acquisition, cube, starts))
    candidates, values = (
        np.concatenate([climbed, tried]),
        np.concatenate([acquisition.value(climbed), values]),
    )
    return candidates[np.argsort(-values, kind="stable")]


def _neighbours(cube: Cube, centres: Floats, rng: np.random.Generator, n_each: int = 30) -> Floats:
    """Return points near each centre: a few coordinates moved, by steps of several sizes."""
    n_axes = len(cube.axes)
    around = np.repeat(centres, n_each, axis=0)
    steps = np.resize(np.array([0.2, 0.07, 0.02]), len(around))[:, None]
    moved = around + steps * rng.standard_normal(around.shape)
    # an ordered parameter must be able to leave its value, a category to become any other
    resampled = rng.random(around.shape)
    jump = ~cube.is_real & (rng.random(around.shape) < 0.5)
    moved = np.where(jump, resampled, moved)
    chosen = rng.random(around.shape) < max(0.25, min(1.0, 2.0 / max(n_axes, 1)))
    chosen[np.arange(len(around)), rng.integers(n_axes, size=len(around))] = True
    return np.where(chosen, moved, around)


def _apart(points: Floats, order: np.ndarray, n: int) -> list[int]:
    """Return the best points that are not next to a better one."""
    chosen: list[int] = []
    for i in order[:60]:
        if all(np.abs(points[i] - points[j]).max() > 0.05 for j in chosen):
            chosen.append(int(i))
        if len(chosen) == n:
            break
    return chosen


def _climb(acquisition: Acquisition, cube: Cube, starts: Floats) -> Floats:
    """Return where gradient ascent over the real coordinates leads, all starts in one search."""
    real = np.flatnonzero(cube.is_real)
    if not real.size:
        return starts

    def loss(flat: Floats) -> tuple[float, Floats]:
        points = starts.copy()
        points[:, real] = flat.reshape(len(starts), -1)
        value, slope = acquisition.gradient(points)
        return -float(value.sum()), -slope[:, real].ravel()

    start = starts[:, real].ravel()
    result = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * start.size,
        options={"maxiter": N_STEPS},
    )
    ended = starts.copy()
    ended[:, real] = result.x.reshape(len(starts), -1)
    return ended
