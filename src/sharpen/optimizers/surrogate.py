"""What the Gaussian process method knows of a history, and where that says to look next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.optimizers import gaussian
from sharpen.optimizers.acquisition import Acquisition, Price, best_first
from sharpen.optimizers.gaussian import Posterior, Prior
from sharpen.optimizers.observations import Observations
from sharpen.optimizers.sobol import MOST_DIMENSIONS, Sobol
from sharpen.space.encoding import Cube, is_near
from sharpen.trial import ParameterValues, Trial

SMALLEST_VARIANCE = 1e-12
SMALLEST_SPREAD = 1e-3  # of the logarithms of costs: a thousandth is no difference
LARGEST_PLAIN = 1e100  # of outcomes: the squares of larger ones, and their sums, may be infinite
LEAST_COSTS = 5
NEAREST = 1e-3
MOST_FITTED = 100  # trials that the kernel's parameters are fitted to: its time is cubic in them
FEASIBILITY_PRIOR = Prior(noise=(-4.0, 0.5))


@dataclass(frozen=True, eq=False)
class Kernels:
    """Parameters of the processes' kernels, each (D + 2,), as some outcomes speak for them.

    Attributes:
        outcome: Of scores.
        feasibility: Of where configurations are feasible.
        cost: Of costs; None where too few say what they cost.
    """

    outcome: Floats
    feasibility: Floats
    cost: Floats | None

    @staticmethod
    def of(cube: Cube, known: Observations) -> Kernels:
        """Return the most probable parameters; where outcomes say nothing, those that the prior expects."""
        outcome, _ = Prior().moments(len(cube.axes))
        feasibility, _ = FEASIBILITY_PRIOR.moments(len(cube.axes))
        is_good = _is_good(known)
        if is_good.any():
            y, v = standardised(known.y, known.v, is_good)
            outcome = _fit(cube, known.scored, y, v, Prior())
        if (known.feasible <= 0).any():
            no_noise = np.zeros(len(known.judged))
            feasibility = _fit(cube, known.judged, known.feasible, no_noise, FEASIBILITY_PRIOR)
        trials, z, spread = _log_costs(known)
        says_enough = len(trials) >= LEAST_COSTS and spread >= SMALLEST_SPREAD
        cost = _fit(cube, trials, z, np.zeros(len(z)), Prior()) if says_enough else None
        return Kernels(outcome, feasibility, cost)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What is known, in the units of the processes.

    Attributes:
        cube: The coordinates.
        acquisition: What to maximise.
        centres: (C, D) the best trials, where it is worth looking closely.
        y: (N,) outcomes, standardised; believed ones at the end.
        v: (N,) their noise variances.
        taken: (M, D) where trials are, whatever came of them; believed ones at the end.
    """

    cube: Cube
    acquisition: Acquisition
    centres: Floats
    y: Floats
    v: Floats
    taken: Floats

    @staticmethod
    def of(cube: Cube, known: Observations, kernels: Kernels) -> Surrogate:
        """Return what outcomes teach, the running trials believed to come out as predicted.

        One of the trials must be feasible.
        """
        is_category = cube.is_category
        is_good = _is_good(known)
        x = cube.encode([t.config for t in known.scored])
        y, v = standardised(known.y, known.v, is_good)
        outcome = gaussian.condition(x, y, v, is_category, kernels.outcome)
        predicted, _ = outcome.predict(x)
        target = float(predicted[is_good].max())
        ranked = np.argsort(np.where(is_good, -predicted, np.inf), kind="stable")
        centres = x[ranked[:8]]
        feasibility = _feasibility(cube, known, kernels.feasibility)
        acquisition = Acquisition(outcome, target, feasibility, _price(cube, known, kernels.cost))
        taken = cube.encode([trial.config for trial in known.judged])
        model = Surrogate(cube, acquisition, centres, y, v, taken)
        return model.believing([t.config for t in known.waiting])

    def improving(
        self, seen: set[str], n_candidates: int, rng: np.random.Generator
    ) -> ParameterValues | None:
        """Return the new and allowed configuration of the highest acquisition; None when there is none."""
        cube, n_axes = self.cube, len(self.cube.axes)
        is_wide = n_axes > MOST_DIMENSIONS
        spread = rng.random((n_candidates, n_axes)) if is_wide else Sobol(n_axes, rng).points(0, n_candidates)
        for u in best_first(self.acquisition, cube, spread, self.centres, rng):
            if is_near(cube, u, self.taken, NEAREST):  # it would say nothing new
                continue
            config = cube.decode(u)
            if cube.space.key(config) not in seen and cube.space.allows(config):
                return config
        return None

    def believing(self, configs: Sequence[ParameterValues]) -> Surrogate:
        """Return the model after trials that come out exactly as it predicts."""
        if not configs:
            return self
        outcome, u = self.acquisition.outcome, self.cube.encode(configs)
        predicted, _ = outcome.predict(u)
        y, v = np.r_[self.y, predicted], np.r_[self.v, np.zeros(len(u))]
        x = np.concatenate([outcome.x, u])
        after = gaussian.condition(x, y, v, outcome.is_category, outcome.theta)
        taken = np.concatenate([self.taken, u])
        return replace(self, acquisition=replace(self.acquisition, outcome=after), y=y, v=v, taken=taken)


def _is_good(known: Observations) -> Bools:
    return np.array([not t.is_infeasible for t in known.scored], dtype=bool)


def _fit(cube: Cube, trials: Sequence[Trial], y: Floats, v: Floats, prior: Prior) -> Floats:
    """Return the kernel's parameters that outcomes of trials speak for; of many some are looked at."""
    some: list[int] = np.unique(np.linspace(0, len(y) - 1, MOST_FITTED).astype(int)).tolist()
    x = cube.encode([trials[i].config for i in some])
    return gaussian.fit(x, y[some], v[some], cube.is_category, prior)


def standardised(y: Floats, v: Floats, is_good: np.ndarray) -> tuple[Floats, Floats]:
    """Return outcomes with mean 0 and variance 1, bad outliers pulled in, and noise variances to match.

    Nothing good is moved. A bad outcome may be as far below the median as 3 times the way from the median
    to the best, or to the lower quartile where that is further.

    >>> y = np.array([1.0, 2.0, 3.0, 4.0, -1e9])
    >>> standardised(y, np.zeros(5), np.full(5, True))[0].round(2).tolist()
    [-0.07, 0.29, 0.65, 1.01, -1.87]
    """
    largest = float(np.abs(y).max())
    if largest > LARGEST_PLAIN:  # a power of two, so that no digit changes
        down = 2.0 ** -np.ceil(np.log2(largest))
        y, v = y * down, v * down * down
    low, middle, high = np.quantile(y[is_good], (0.25, 0.5, 1.0))
    pulled = np.maximum(y, middle - 3.0 * max(high - middle, middle - low))
    scale = max(float(pulled.std()), SMALLEST_VARIANCE)
    return (pulled - pulled.mean()) / scale, np.minimum(v / scale**2, 4.0)


def _price(cube: Cube, known: Observations, theta: Floats | None) -> Price | None:
    """Return what trials cost; None when few say so, or all cost the same."""
    trials, y, scale = _log_costs(known)
    if theta is None or scale < SMALLEST_SPREAD:
        return None
    x = cube.encode([trial.config for trial in trials])
    return Price(gaussian.condition(x, y, np.zeros(len(y)), cube.is_category, theta), scale)


def _log_costs(known: Observations) -> tuple[list[Trial], Floats, float]:
    """Return the trials that say what they cost, the logarithms, standardised, and their spread."""
    trials = [trial for trial in known.judged if trial.cost is not None]
    logs = np.log([trial.cost or 1.0 for trial in trials])
    scale = float(logs.std()) if trials else 0.0
    return trials, (logs - logs.mean()) / scale if scale > SMALLEST_SPREAD else logs, scale


def _feasibility(cube: Cube, known: Observations, theta: Floats) -> Posterior | None:
    """Return a process that is positive where configurations are feasible; None when all were."""
    if (known.feasible > 0).all():
        return None
    x = cube.encode([trial.config for trial in known.judged])
    return gaussian.condition(x, known.feasible, np.zeros(len(x)), cube.is_category, theta)
