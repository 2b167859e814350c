"""Bayesian search with a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import qmc

from sharpen.arrays import Floats
from sharpen.optimizers import gaussian, outcomes
from sharpen.optimizers.acquisition import Acquisition, best_first
from sharpen.optimizers.cube import Cube, cube_of
from sharpen.optimizers.gaussian import Posterior, Prior
from sharpen.optimizers.outcomes import Outcomes
from sharpen.optimizers.random import Keys, draw, sobol
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.trial import Config, Proposal, Trial

SMALLEST_VARIANCE = 1e-12
NEAREST = 1e-3
MOST_FITTED = 100  # trials that the kernel's parameters are fitted to: its time is cubic in them
FEASIBILITY_PRIOR = Prior(noise=(-4.0, 0.5))


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Looks where a Gaussian process expects the largest improvement on the best trial.

    The kernel is Matérn 5/2 with a lengthscale for each parameter; whole numbers and options that are
    numbers are coordinates rounded to what there is, other options are equal or not (Hamming). Its
    parameters are the most probable ones under log-normal priors. The acquisition is the log of the
    expected improvement on the best *predicted* outcome, because the best observed one of a noisy
    objective is a lucky one. Everything is computed from the history at each question.

    - **Bad outliers** are pulled in: what matters is where it is good, not how bad it gets elsewhere.
    - **Noise.** Where scores are means over folds, how much the folds differ beyond what each fold does to
      every configuration is each trial's own noise variance; a noise variance common to all is fitted.
    - **Stopped trials** count as what they had plus what others gained from there on, with a larger noise.
    - **Infeasible trials** (no score, or a constraint broken) teach a second process where the feasible
      region is, and the acquisition is weighted by its probability.
    - **Running trials** are taken to come out as predicted (the kriging believer), so that agents which ask
      together are sent to different places.
    - **Several metrics:** the first one is searched.

    Source: Snoek, Larochelle, Adams (2012), Practical Bayesian Optimization of Machine Learning Algorithms;
    Ament et al. (2023), Unexpected Improvements to Expected Improvement; Ginsbourger et al. (2010), Kriging
    Is Well-Suited to Parallelize Optimization; Gardner et al. (2014), Bayesian Optimization with
    Inequality Constraints; Garrido-Merchán, Hernández-Lobato (2020), on rounding inside the kernel.

    Attributes:
        n_startup_trials: How many outcomes it wants before it trusts a model; evenly spread until then.
        n_candidates: How many points all over the space compete for a proposal.
        n_most_trials: It looks at no more trials than this: the best half, and the newest.
        fold_noise: Whether reports of folds say how exact a score is.
        seed: The sweep's seed, for the first trials.
    """

    n_startup_trials: int = 8
    n_candidates: int = 512
    n_most_trials: int = 150
    fold_noise: bool = True
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "gp",
            {
                "n_startup_trials must be 0 or more": self.n_startup_trials >= 0,
                "n_candidates must be 1 or more": self.n_candidates >= 1,
                "n_most_trials must be 2 or more": self.n_most_trials >= 2,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always."""
        cube = cube_of(space)
        seen = self._keys.of(space, history)
        busy = self._keys.of_live(space, history)
        known = outcomes.read(space, history, self.n_most_trials, self.fold_noise)
        model = _Model.of(cube, known) if cube.axes and len(known.judged) >= self.n_startup_trials else None
        number = history[-1].number if history else 0
        proposals: list[Proposal] = []
        for i in range(number, number + n):
            config = _improving(model, seen, self.n_candidates, rng) if model else None
            if config is None:
                config = draw(space, rng, (seen, busy), sobol(self.seed, len(space.dimensions), i))
                origin = "random"
            else:
                origin = "gp"
            seen.add(space.key(config))
            busy.add(space.key(config))
            model = model.believing([config]) if model else None
            proposals.append(Proposal(config, origin=origin))
        return proposals


@dataclass(frozen=True, eq=False)
class _Model:
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
    def of(cube: Cube, known: Outcomes) -> _Model:
        """Return what outcomes teach, the running trials believed to come out as predicted."""
        is_category = cube.is_category
        outcome, target, centres = None, 0.0, np.empty((0, len(cube.axes)))
        y, v = np.empty(0), np.empty(0)
        is_good = np.array([not t.is_infeasible for t in known.scored], dtype=bool)
        if is_good.any():
            x = cube.encode([t.config for t in known.scored])
            y, v = standardised(known.y, known.v, is_good)
            some = np.unique(np.linspace(0, len(y) - 1, MOST_FITTED).astype(int))
            theta = gaussian.fit(x[some], y[some], v[some], is_category, Prior())
            outcome = gaussian.condition(x, y, v, is_category, theta)
            predicted, _ = outcome.predict(x)
            target = float(predicted[is_good].max())
            ranked = np.argsort(np.where(is_good, -predicted, np.inf), kind="stable")
            centres = x[ranked[:8]]
        model = _Model(cube, Acquisition(outcome, target, _feasibility(cube, known)), centres, y, v)
        return model.believing([t.config for t in known.waiting])

    def believing(self, configs: Sequence[Config]) -> _Model:
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


def _feasibility(cube: Cube, known: Outcomes) -> Posterior | None:
    """Return a process that is positive where configurations are feasible; None when all were."""
    if (known.feasible > 0).all():
        return None
    x = cube.encode([trial.config for trial in known.judged])
    v = np.zeros(len(x))
    theta = gaussian.fit(x, known.feasible, v, cube.is_category, FEASIBILITY_PRIOR)
    return gaussian.condition(x, known.feasible, v, cube.is_category, theta)


def _improving(model: _Model, seen: set[str], n_candidates: int, rng: np.random.Generator) -> Config | None:
    """Return the new and allowed configuration of the highest acquisition; None when there is none."""
    cube = model.cube
    spread = qmc.Sobol(len(cube.axes), scramble=True, rng=rng).random(n_candidates)
    for u in best_first(model.acquisition, cube, spread, model.centres, rng):
        if _is_next_to_one(model, u):
            continue
        config = cube.decode(u)
        if cube.space.key(config) not in seen and cube.space.allows(config):
            return config
    return None


def _is_next_to_one(model: _Model, u: Floats) -> bool:
    """Return whether a trial is so near that another would say nothing new."""
    outcome = model.acquisition.outcome
    return outcome is not None and bool((np.abs(outcome.x - u).max(1) < NEAREST).any())
