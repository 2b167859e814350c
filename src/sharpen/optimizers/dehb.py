"""DEHB: differential evolution on every rung of Hyperband."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.arrays import Floats
from sharpen.optimizers.brackets import Bracket, brackets, demands
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.port import Answer, Done, Wait
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.subpopulations import (
    ABOVE,
    FIRST,
    ORIGINS,
    Vacancy,
    best_of,
    next_vacancy,
    population,
)
from sharpen.optimizers.successive_halving import ranked
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.trial import ParameterValues, Proposal, Trial

MOST_TRIES = 8
PARENTS = 3


@dataclass(frozen=True, slots=True)
class Dehb:
    """Evolves a population on each budget of Hyperband; what is good on a small one breeds on the next.

    The first pass over the brackets is Hyperband: random configurations on first rungs, and the best of a
    rung go on. From then on each run is a child: three trials are combined, and the result crossed with one
    trial of the run's own budget, whose place it takes if it is at least as good. On first rungs the three
    come from the same budget, on higher ones from the best on the budget below. Agents never wait: while a
    rung is at work, they begin the next bracket.

    Source: Awad, Mallik, Hutter (2021), DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient
    Hyperparameter Optimization, IJCAI. The sizes of brackets are those of the Hyperband paper (12-4-1 where
    the authors' program has 9-3-1), and all that a population holds has been evaluated.

    Attributes:
        max_fidelity: The most that a run may spend, in units of ``budget_variable``.
        min_fidelity: The least.
        eta: Of the runs on a rung the best ``1 / eta`` go on, with ``eta`` times the budget.
        budget_variable: The parameter that holds a run's budget.
        mutation: F, how much of the difference of two trials is added to the third.
        crossover: The probability that a parameter comes from the mutant.
        passes: After how many passes over all brackets the search ends; 0 for never.
        seed: The sweep's seed.
    """

    max_fidelity: float | None = None
    min_fidelity: float = 1.0
    eta: float = 3.0
    budget_variable: str = ""
    mutation: float = 0.5
    crossover: float = 0.5
    passes: int = 0
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "dehb",
            {
                **demands(self.min_fidelity, self.max_fidelity, self.eta),
                "mutation must be above 0": self.mutation > 0,
                "crossover must be from 0 to 1": 0 <= self.crossover <= 1,
                "passes must be 0 or more": self.passes >= 0,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return the runs that the brackets want next, in their order."""
        cycle = brackets(self.min_fidelity, self.max_fidelity or 0.0, self.eta)
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        past = [t for t in history if t.origin in ORIGINS]
        search = _Search(self, space, cycle, past, batch, rng)
        proposals: list[Proposal] = []
        while len(proposals) < n and (vacancy := next_vacancy(past, cycle, self.passes)) is not None:
            proposals.append(search.fill(vacancy))
            past.append(_begun(proposals[-1]))
        if proposals:
            return proposals
        return Wait() if any(not t.state.is_final for t in past) else Done()


def _begun(proposal: Proposal) -> Trial:
    return Trial(
        0, proposal.config, origin=proposal.origin, parent=proposal.parent, fidelity=proposal.fidelity
    )


@dataclass(frozen=True, eq=False)
class _Search:
    settings: Dehb
    space: Space
    cycle: Sequence[Bracket]
    past: Sequence[Trial]
    batch: ProposalBatch
    rng: np.random.Generator

    def fill(self, vacancy: Vacancy) -> Proposal:
        """Return what is to be evaluated at a place of the schedule."""
        if vacancy.is_first_pass and vacancy.below is not None:
            tried = {self.space.key(t.asked) for t in self.past if t.fidelity == vacancy.fidelity}
            below = ranked([t for t in self.past if t.fidelity == vacancy.below])
            for trial in (t for t in below if self.space.key(t.config) not in tried):
                return Proposal(trial.config, trial.number, ABOVE, vacancy.fidelity)
        self.batch.number = sum(t.parent is None for t in self.past)
        config = self.batch.add(None if vacancy.is_first_pass else self._child(vacancy), "dehb")
        origin = FIRST if vacancy.below is None else ABOVE
        return Proposal(config, origin=origin, fidelity=vacancy.fidelity)

    def _child(self, vacancy: Vacancy) -> ParameterValues | None:
        """Return a new and allowed child; None where there are too few parents, or a few tries find none."""
        own = population(self.past, vacancy.fidelity, self.cycle)
        pool = [t for t in own if t is not None]
        if vacancy.below is not None:
            pool = best_of(population(self.past, vacancy.below, self.cycle), vacancy.size)
        if len(pool) < PARENTS:
            pool = ranked([t for t in self.past if t.fidelity in (vacancy.fidelity, vacancy.below)])
        if len(pool) < PARENTS or not own:
            return None
        target = own[vacancy.turn % len(own)] or pool[0]
        for _ in range(MOST_TRIES):
            three = [pool[int(i)] for i in self.rng.permutation(len(pool))[:PARENTS]]
            u = self._crossed(target, three)
            config = self.space.complete(self.space.from_unit(u.tolist()))
            if self.space.key(config) not in self.batch.seen and self.space.allows(config):
                return config
        return None

    def _crossed(self, target: Trial, three: Sequence[Trial]) -> Floats:
        """Return the coordinates of a child by rand/1/bin: each axis from mutant or target."""
        a, b, c, own = (np.array(self.space.to_unit(t.config)) for t in (*three, target))
        mutant = a + self.settings.mutation * (b - c)
        mutant = np.where((mutant < 0) | (mutant > 1), self.rng.random(a.size), mutant)
        taken = self.rng.random(a.size) < self.settings.crossover
        taken[self.rng.integers(a.size)] = True
        return np.where(taken, mutant, own)
