"""BOHB: Hyperband whose new configurations come from a model of what was good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.optimizers.brackets import brackets, demands
from sharpen.optimizers.by_fidelity import comparable
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.hyperband import propose
from sharpen.optimizers.kde import Density
from sharpen.optimizers.port import Answer
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.trial import ParameterValues, Trial


@dataclass(frozen=True, slots=True)
class Bohb:
    """Hyperband, with new configurations drawn where good ones are dense and bad ones rare.

    The model is of the largest fidelity that has enough runs. A third of the new configurations stay random,
    so that a model that is wrong cannot lead the search astray for ever.

    Source: Falkner, Klein, Hutter (2018), BOHB: Robust and Efficient Hyperparameter Optimization at Scale,
    ICML.

    Attributes:
        max_fidelity: The most that a run may spend, in units of ``budget_variable``.
        min_fidelity: The least.
        eta: Of the runs on a rung the best ``1 / eta`` go on, with ``eta`` times the budget.
        budget_variable: The parameter that holds a run's budget.
        passes: After how many passes over all brackets the search ends; 0 for never.
        top_share: The share of the runs that counts as good.
        n_candidates: How many draws from the good ones compete for a proposal.
        random_share: The share of new configurations that is random.
        bandwidth_factor: How much wider the kernels are that candidates are drawn from.
        seed: The sweep's seed.
    """

    max_fidelity: float | None = None
    min_fidelity: float = 1.0
    eta: float = 3.0
    budget_variable: str = ""
    passes: int = 0
    top_share: float = 0.15
    n_candidates: int = 64
    random_share: float = 1 / 3
    bandwidth_factor: float = 3.0
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "bohb",
            {
                **demands(self.min_fidelity, self.max_fidelity, self.eta),
                "passes must be 0 or more": self.passes >= 0,
                "top_share must be above 0 and below 1": 0 < self.top_share < 1,
                "n_candidates must be 1 or more": self.n_candidates >= 1,
                "random_share must be from 0 to 1": 0 <= self.random_share <= 1,
                "bandwidth_factor must be above 0": self.bandwidth_factor > 0,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return promotions as far as there are any, then new configurations."""
        cycle = brackets(self.min_fidelity, self.max_fidelity or 0.0, self.eta)
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        sampling = _FromModel(self, space, history, rng, batch)
        return propose(history, n, cycle, sampling, name="bohb", passes=self.passes)


@dataclass(frozen=True, eq=False)
class _FromModel:
    settings: Bohb
    space: Space
    history: Sequence[Trial]
    rng: np.random.Generator
    batch: ProposalBatch

    def draw(self, n: int, n_before: int) -> list[ParameterValues]:
        """Return new configurations."""
        self.batch.number = n_before
        cube = cube_of(self.space)
        model = densities(cube, self.history, self.settings.top_share)
        for _ in range(n):
            is_random = model is None or self.rng.random() < self.settings.random_share
            self.batch.add(None if is_random or model is None else self._best(*model), "bohb")
        return [p.config for p in self.batch.proposals]

    def _best(self, good: Density, bad: Density) -> ParameterValues | None:
        """Return the new and allowed draw from the good ones likeliest to be one; None without."""
        u = good.draw(self.settings.n_candidates, self.settings.bandwidth_factor, self.rng)
        for i in np.argsort(-good.at(u) / bad.at(u), kind="stable"):
            config = good.cube.decode(u[i])
            if self.space.key(config) not in self.batch.seen and self.space.allows(config):
                return config
        return None


def densities(cube: Cube, history: Sequence[Trial], top_share: float) -> tuple[Density, Density] | None:
    """Return the densities of good and of bad trials; None while there are too few of them.

    Both have more points than there are axes.
    """
    least = len(cube.axes) + 1
    past = comparable(history, 2 * least)
    done = [t for t in past if t.state.is_final and cube.space.contains(t.config)]
    if not cube.axes or len(done) < 2 * least:
        return None
    done.sort(key=lambda t: (t.violation, -t.objectives[0], t.number))
    n_good = max(least, int(top_share * len(done)))
    u = cube.encode([t.config for t in done])
    return Density.of(cube, u[:n_good]), Density.of(cube, u[n_good:])
