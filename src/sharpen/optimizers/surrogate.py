"""What the Gaussian process method knows of a history, and where that says to look next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from sharpen.arrays import Floats
from sharpen.optimizers import gaussian
from sharpen.optimizers.acquisition import Acquisition, Price, best_first
from sharpen.optimizers.cube import Cube
from sharpen.optimizers.gaussian import Posterior, Prior
from sharpen.optimizers.outcomes import Outcomes
from sharpen.optimizers.sobol import MOST_DIMENSIONS, Sobol
from sharpen.trial import Config, Trial

SMALLEST_VARIANCE = 1e-12
SMALLEST_SPREAD = 1e-3  # of the logarithms of costs: a thousandth is no difference
LEAST_COSTS = 5
NEAREST = 1e-3
MOST_FITTED = 100  # trials that the kernel's parameters are fitted to: its time is cubic in them
FEASIBILITY_PRIOR = Prior(noise=(-4.0, 0.5))


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What is known, in the units of the processes.

    Attributes:
        cube: The coordinates.
        acquisition: What to maximise.
        centres: (C, D) the best trials, where it is worth looking closely.
        y: (N,) outcomes, standardised; believed ones at the end.
        v: (N,) their noise variances.
    """

    cube: Cube
    acquisition: Acquisition
    centres: Floats
    y: Floats
    v: Floats

    @staticmethod
    def of(cube: Cube, known: Outcomes, earlier: Outcomes) -> Surrogate:
        """Return what outcomes teach, the running trials believed to come out as predicted.

        Args:
            cube: The coordinates.
            known: The outcomes.
            earlier: Those that the kernel's parameters are to be fitted to.
        """
        is_category = cube.is_category
        outcome, target, centres = None, 0.0, np.empty((0, len(cube.axes)))
        y, v = np.empty(0), np.empty(0)
        is_good = np.array([not t.is_infeasible for t in known.scored], dtype=bool)
        if is_good.any():
            x = cube.encode([t.config for t in known.scored])
            y, v = standardised(known.y, known.v, is_good)
            outcome = gaussian.condition(x, y, v, is_category, _kernel(cube, earlier))
            predicted, _ = outcome.predict(x)
            target = float(predicted[is_good].max())
            ranked = np.argsort(np.where(is_good, -predicted, np.inf), kind="stable")
            centres = x[ranked[:8]]
        acquisition = Acquisition(outcome, target, _feasibility(cube, known), _price(cube, known, earlier))
        model = Surrogate(cube, acquisition, centres, y, v)
        return model.believing([t.config for t in known.waiting])

    def improving(self, seen: set[str], n_candidates: int, rng: np.random.Generator) -> Config | None:
        """Return the new and allowed configuration of the highest acquisition; None when there is none."""
        cube, n_axes = self.cube, len(self.cube.axes)
        is_wide = n_axes > MOST_DIMENSIONS
        spread = rng.random((n_candidates, n_axes)) if is_wide else Sobol(n_axes, rng).points(0, n_candidates)
        for u in best_first(self.acquisition, cube, spread, self.centres, rng):
            if _is_next_to_one(self, u):
                continue
            config = cube.decode(u)
            if cube.space.key(config) not in seen and cube.space.allows(config):
                return config
        return None

    def believing(self, configs: Sequence[Config]) -> Surrogate:
        """Return the model after trials that come out exactly as it predicts."""
        outcome = self.acquisition.outcome
        if outcome is None or not configs:
            return self
        u = self.cube.encode(configs)
        predicted, _ = outcome.predict(u)
        y, v = np.r_[self.y, predicted], np.r_[self.v, np.zeros(len(u))]
        x = np.concatenate([outcome.x, u])
        after = gaussian.condition(x, y, v, outcome.is_category, outcome.theta)
        return replace(self, acquisition=replace(self.acquisition, outcome=after), y=y, v=v)


def _kernel(cube: Cube, known: Outcomes) -> Floats:
    """Return the kernel's parameters that outcomes speak for."""
    is_good = np.array([not t.is_infeasible for t in known.scored], dtype=bool)
    if not is_good.any():
        mean, _ = Prior().moments(len(cube.axes))
        return mean
    return _fit(cube, known.scored, *standardised(known.y, known.v, is_good))


def _fit(cube: Cube, trials: Sequence[Trial], y: Floats, v: Floats) -> Floats:
    """Return the kernel's parameters that outcomes of trials speak for; of many some are looked at."""
    some: list[int] = np.unique(np.linspace(0, len(y) - 1, MOST_FITTED).astype(int)).tolist()
    x = cube.encode([trials[i].config for i in some])
    return _fitted(len(some), x.tobytes(), y[some].tobytes(), v[some].tobytes(), cube.is_category.tobytes())


@lru_cache(maxsize=8)
def _fitted(n: int, x: bytes, y: bytes, v: bytes, is_category: bytes) -> Floats:
    """Return the fit to arrays given as their bytes, so that the same are fitted once."""
    points, outcomes, noise = (np.frombuffer(data, dtype=np.float64) for data in (x, y, v))
    kinds = np.frombuffer(is_category, dtype=bool)
    return gaussian.fit(points.reshape(n, -1), outcomes, noise, kinds, Prior())


def standardised(y: Floats, v: Floats, is_good: np.ndarray) -> tuple[Floats, Floats]:
    """Return outcomes with mean 0 and variance 1, bad outliers pulled in, and noise variances to match.

    Nothing good is moved. A bad outcome may be as far below the median as 3 times the way from the median
    to the best, or to the lower quartile where that is further.

    >>> y = np.array([1.0, 2.0, 3.0, 4.0, -1e9])
    >>> standardised(y, np.zeros(5), np.full(5, True))[0].round(2).tolist()
    [-0.07, 0.29, 0.65, 1.01, -1.87]
    """
    low, middle, high = np.quantile(y[is_good], (0.25, 0.5, 1.0))
    pulled = np.maximum(y, middle - 3.0 * max(high - middle, middle - low))
    scale = max(float(pulled.std()), SMALLEST_VARIANCE)
    return (pulled - pulled.mean()) / scale, np.minimum(v / scale**2, 4.0)


def _price(cube: Cube, known: Outcomes, earlier: Outcomes) -> Price | None:
    """Return what trials cost; None when few say so, or all cost the same."""
    trials, y, scale = _log_costs(known)
    before, z, spread = _log_costs(earlier)
    if len(before) < LEAST_COSTS or min(scale, spread) < SMALLEST_SPREAD:
        return None
    theta = _fit(cube, before, z, np.zeros(len(z)))
    x = cube.encode([trial.config for trial in trials])
    return Price(gaussian.condition(x, y, np.zeros(len(y)), cube.is_category, theta), scale)


def _log_costs(known: Outcomes) -> tuple[list[Trial], Floats, float]:
    """Return the trials that say what they cost, the logarithms, standardised, and their spread."""
    trials = [trial for trial in known.judged if trial.cost is not None]
    logs = np.log([trial.cost or 1.0 for trial in trials])
    scale = float(logs.std()) if trials else 0.0
    return trials, (logs - logs.mean()) / scale if scale > SMALLEST_SPREAD else logs, scale


def _feasibility(cube: Cube, known: Outcomes) -> Posterior | None:
    """Return a process that is positive where configurations are feasible; None when all were."""
    if (known.feasible > 0).all():
        return None
    x = cube.encode([trial.config for trial in known.judged])
    v = np.zeros(len(x))
    theta = gaussian.fit(x, known.feasible, v, cube.is_category, FEASIBILITY_PRIOR)
    return gaussian.condition(x, known.feasible, v, cube.is_category, theta)


def _is_next_to_one(model: Surrogate, u: Floats) -> bool:
    """Return whether a trial is so near that another would say nothing new."""
    outcome = model.acquisition.outcome
    return outcome is not None and bool((np.abs(outcome.x - u).max(1) < NEAREST).any())
