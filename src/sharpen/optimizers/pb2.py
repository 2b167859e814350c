"""PB2: population based training whose changes come from a bandit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.arrays import Floats
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.generations import Plan
from sharpen.optimizers.pbt import demands, perturbed, propose
from sharpen.optimizers.port import Answer
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.time_varying import TimeVarying, beta, option_probabilities
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.trial import ParameterValues, Trial

LEAST_ROWS = 4
RESAMPLE = 0.25  # until there are as many


@dataclass(frozen=True, slots=True)
class Pb2:
    """Trains a population as ``pbt`` does, and changes copies to what a model says raises the score most.

    The model is a Gaussian process of how much an interval raised the score, by the hyperparameters of that
    interval and by time: what helps early may not help late. A copy gets the hyperparameters of the highest
    upper confidence bound; points that other copies have taken in the same generation count as known. Numbers
    are coordinates of the space, in logarithms where the parameter is. Options are chosen by a bandit of
    their own, and the process is over both (PB2-Mix).

    Source: Parker-Holder, Nguyen, Roberts (2020), Provably Efficient Online Hyperparameter Optimization with
    Population-Based Bandits, NeurIPS; Parker-Holder et al. (2021), Tuning Mixed Input Hyperparameters on the
    Fly for Efficient Population Based AutoRL, NeurIPS.

    Attributes:
        population: How many members there are.
        interval: What a member spends between two comparisons, in units of ``budget_variable``.
        max_fidelity: What is spent on a member in all; None to go on until the run cap.
        budget_variable: The parameter that holds a run's budget, counted from the beginning.
        quantile: The share of members that give way, and of those that they give way to.
        n_candidates: How many points compete for a copy.
        n_most_rows: The model is of no more intervals than this, the newest.
        seed: The sweep's seed.
    """

    population: int = 20
    interval: float = 1.0
    max_fidelity: float | None = None
    budget_variable: str = ""
    quantile: float = 0.25
    n_candidates: int = 1000
    n_most_rows: int = 200
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "pb2",
            {
                **demands(self.population, self.interval, self.max_fidelity, self.quantile),
                "n_candidates must be 1 or more": self.n_candidates >= 1,
                "n_most_rows must be 4 or more": self.n_most_rows >= LEAST_ROWS,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return runs of the generation at hand; wait while the one before is at work."""
        plan = Plan(self.population, self.interval, self.max_fidelity, self.quantile)
        bandit = _Bandit(self, cube_of(space), list(history), rng)
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        return propose(plan, history, n, batch, bandit.explore, "pb2")


@dataclass(frozen=True, eq=False)
class _Bandit:
    settings: Pb2
    cube: Cube
    history: Sequence[Trial]
    rng: np.random.Generator
    picked: list[ParameterValues] = field(default_factory=list[ParameterValues])

    def explore(self, donors: Sequence[Trial]) -> tuple[Trial, ParameterValues]:
        """Return one of some donors, and the hyperparameters for one that copies it."""
        donor = donors[int(self.rng.integers(len(donors)))]
        config = self._best(donor)
        if config is None:
            config = perturbed(self.cube.space, donor.config, RESAMPLE, self.rng)
        self.picked.append(config)
        return donor, config

    def _best(self, donor: Trial) -> ParameterValues | None:
        rows = gains(self.cube.space, self.history)[-self.settings.n_most_rows :]
        if not self.cube.axes or len(rows) < LEAST_ROWS:
            return None
        x = self._points([t.config for t, _ in rows], [t.fidelity or 0.0 for t, _ in rows])
        process = TimeVarying.of(x, np.array([gain for _, gain in rows]), self.cube.is_category)
        now = (donor.fidelity or 0.0) + self.settings.interval
        others = [t for t in self.history if t.origin == "pb2-exploit" and t.fidelity and t.fidelity >= now]
        in_flight = [*(t.config for t in others), *self.picked]
        u = self._candidates(donor, rows)
        at = np.column_stack([u, np.full(len(u), now / self.settings.interval)])
        mean, sigma = process.predict(at, self._points(in_flight, [now] * len(in_flight)))
        for i in np.argsort(-(mean + np.sqrt(beta(len(rows))) * sigma), kind="stable"):
            config = self.cube.decode(u[i])
            if self.cube.space.allows(config):
                return config
        return None

    def _points(self, configs: Sequence[ParameterValues], fidelities: Sequence[float]) -> Floats:
        """Return coordinates and time, in intervals, of configurations at work at some budgets."""
        u = self.cube.encode(configs)
        return np.column_stack([u, np.array(fidelities, dtype=float) / self.settings.interval])

    def _candidates(self, donor: Trial, rows: Sequence[tuple[Trial, float]]) -> Floats:
        """Return points all over the space and around the donor, all of the same options."""
        n, own = self.settings.n_candidates, self.cube.encode([donor.config])
        u = self.rng.random((n, len(self.cube.axes)))
        n_near = n // 4
        u[:n_near] = np.clip(own + self.rng.normal(0, 0.1, (n_near, u.shape[1])), 0, 1)
        for d in np.flatnonzero(self.cube.is_category):
            u[:, d] = self._option(int(d), rows)
        return self.cube.snap(u)

    def _option(self, d: int, rows: Sequence[tuple[Trial, float]]) -> float:
        units = self.cube.axes[d].units
        coordinates = self.cube.encode([t.config for t, _ in rows])[:, d]
        reward = np.argsort(np.argsort([gain for _, gain in rows])) / max(len(rows) - 1, 1)
        picks = [
            (int(np.flatnonzero(units == c)[0]), float(r))
            for c, r in zip(coordinates, reward, strict=True)
            if c in units
        ]
        return float(self.rng.choice(units, p=option_probabilities(len(units), picks)))


def gains(space: Space, history: Sequence[Trial]) -> list[tuple[Trial, float]]:
    """Return the trials that went on from another, with how much they raised its score, the oldest first."""
    by_number = {t.number: t for t in history}
    raised: list[tuple[Trial, float]] = []
    for trial in history:
        parent = by_number.get(trial.parent or 0)
        if parent is None or not trial.origin.startswith("pb2") or not space.contains(trial.config):
            continue
        if trial.score is not None and parent.score is not None:
            raised.append((trial, trial.score - parent.score))
    return raised
