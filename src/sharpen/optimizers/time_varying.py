"""A Gaussian process whose function changes with time, and a bandit for options: the models of PB2.

Notation: ``N`` observations, ``M`` other points, ``D`` coordinates of numbers, ``C`` those of options.

- ``k_x = exp(-‖Δx‖² / l)`` over numbers, ``k_z`` the share of options that are equal
- with options ``k = ½ k_x k_z + ½ (k_x + k_z)``, else ``k = k_x``
- in time ``(1 - ε)**(|Δt| / 2)``

Source: Parker-Holder, Nguyen, Roberts (2020), Provably Efficient Online Hyperparameter Optimization with
Population-Based Bandits, NeurIPS, equations 5 and 6; Parker-Holder et al. (2021), Tuning Mixed Input
Hyperparameters on the Fly for Efficient Population Based AutoRL, NeurIPS, sections 4.1 and 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from sharpen.arrays import Bools, Floats

LENGTHS = (0.05, 0.2, 0.5, 1.0, 3.0)
FORGETTING = (0.0, 0.05, 0.1, 0.3)
NOISES = (0.01, 0.1, 0.5, 1.0)
CLIP = 2.0  # standard deviations: one interval in which training fell apart says no more than that


def kernel(a: Floats, b: Floats, is_category: Bools, length: float, forgetting: float) -> Floats:
    """Return covariances between points whose last coordinate is time, (N, M).

    >>> a, b = np.array([[0.0, 0.0]]), np.array([[0.5, 1.0]])
    >>> round(float(kernel(a, b, np.array([False]), 1.0, 0.1)[0, 0]), 6)
    0.738835
    """
    numbers = ~is_category
    x, y = a[:, :-1][:, numbers], b[:, :-1][:, numbers]
    covariance = np.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / length)
    if is_category.any():
        x, y = a[:, :-1][:, is_category], b[:, :-1][:, is_category]
        equal = (x[:, None] == y[None]).mean(-1)
        covariance = 0.5 * covariance * equal + 0.5 * (covariance + equal) if numbers.any() else equal
    return covariance * (1 - forgetting) ** (np.abs(a[:, None, -1] - b[None, :, -1]) / 2)


@dataclass(frozen=True, eq=False)
class TimeVarying:
    """A fitted process.

    Attributes:
        x: (N, D + C + 1) observed points, time last.
        y: (N,) rewards, standardised.
        is_category: (D + C,)
        length: l
        forgetting: ε
        noise: Its variance, in units of the signal's.
        signal: The variance of the function.
    """

    x: Floats
    y: Floats
    is_category: Bools
    length: float
    forgetting: float
    noise: float
    signal: float

    @classmethod
    def of(cls, x: Floats, rewards: Floats, is_category: Bools) -> TimeVarying:
        """Return the likeliest process of a grid of settings."""
        y = (rewards - rewards.mean()) / max(float(rewards.std()), 1e-12)
        y = np.clip(y, -CLIP, CLIP)
        best: tuple[float, TimeVarying] | None = None
        for length, forgetting in product(LENGTHS, FORGETTING):
            k = kernel(x, x, is_category, length, forgetting)
            for noise in NOISES:
                lower = np.linalg.cholesky(k + (noise + 1e-9) * np.eye(len(x)))
                half: Floats = np.asarray(np.linalg.solve(lower, y), dtype=float)
                signal = max(float(half @ half) / len(y), 1e-6)  # the likeliest, given the others
                loss = 0.5 * len(y) * math.log(signal) + float(np.log(np.diag(lower)).sum())
                if best is None or loss < best[0]:
                    best = loss, cls(x, y, is_category, length, forgetting, noise, signal)
        if best is None:
            raise AssertionError("a grid has points")
        return best[1]

    def predict(self, u: Floats, picked: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation at points (M, D + C + 1).

        Args:
            u: Where.
            picked: Points that are at work: what they come to is unknown, that they were picked is not.
        """
        mean = self._cross(u, self.x) @ np.linalg.solve(self._own(self.x), self.y)
        known = np.concatenate([self.x, picked])
        cross = self._cross(u, known)
        left = 1.0 + 0.5 * self._is_mixed - (cross * np.linalg.solve(self._own(known), cross.T).T).sum(1)
        return mean, np.sqrt(self.signal * np.maximum(left, 0.0))

    @property
    def _is_mixed(self) -> bool:
        return bool(self.is_category.any() and (~self.is_category).any())

    def _cross(self, u: Floats, x: Floats) -> Floats:
        return kernel(u, x, self.is_category, self.length, self.forgetting)

    def _own(self, x: Floats) -> Floats:
        return self._cross(x, x) + (self.noise + 1e-9) * np.eye(len(x))


def beta(n: int) -> float:
    """Return how much uncertainty counts after ``n`` observations: ``0.2 ln(0.4 n)``, never below 0.

    >>> round(beta(10), 3), beta(2)
    (0.277, 0.0)
    """
    return max(0.0, 0.2 * math.log(0.4 * max(n, 1)))


def option_probabilities(n_options: int, picks: list[tuple[int, float]]) -> Floats:
    """Return how probable each option is to be tried next, (n_options,), by what earlier ones came to.

    What is long past counts less, for the best option may change as training goes on.

    Args:
        n_options: How many there are.
        picks: Which option was tried and its reward from 0 to 1, the oldest first.

    Source: TV.EXP3.M of the paper of 2021, section 4.1, for one pick at a time.
    """
    n = max(len(picks), 1)
    explore = min(1.0, math.sqrt(n_options * math.log(n_options) / ((math.e - 1) * n)))
    weights = np.ones(n_options) / n_options

    def chances() -> Floats:
        return (1 - explore) * weights + explore / n_options

    for option, reward in picks:
        gained = np.zeros(n_options)
        gained[option] = reward / chances()[option]
        weights = weights * np.exp(explore * gained / n_options) + math.e / (n * n_options)
        weights /= weights.sum()
    return chances()
