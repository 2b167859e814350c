"""ASHA: successive halving that waits for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from sharpen.optimizers.brackets import demands, rungs
from sharpen.optimizers.by_fidelity import SAMPLERS, Sampling, load_sampler
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.successive_halving import children_of, ranked
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.trial import Proposal, Trial


@dataclass(frozen=True, slots=True)
class Asha:
    """Lets a run go on as soon as it is among the best ``1 / eta`` of those that have ended on its rung.

    Where no run may go on, a new configuration begins on the first rung. So agents never wait, and a slow run
    holds up no other. A run goes on as a new run with the same configuration and the checkpoint of the one
    before. (The stop rule of the same name ends runs early instead, and begins none anew.)

    Source: Li et al. (2020), A System for Massively Parallel Hyperparameter Tuning, MLSys, algorithm 2.

    Attributes:
        max_fidelity: The most that a run may spend, in units of ``budget_variable``.
        min_fidelity: The least.
        eta: Of the runs on a rung the best ``1 / eta`` go on, with ``eta`` times the budget.
        budget_variable: The parameter that holds a run's budget.
        sampler: What proposes new configurations: ``random``, ``tpe`` or ``gp``.
        seed: The sweep's seed.
    """

    max_fidelity: float | None = None
    min_fidelity: float = 1.0
    eta: float = 3.0
    budget_variable: str = ""
    sampler: str = "random"
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "asha",
            {
                **demands(self.min_fidelity, self.max_fidelity, self.eta),
                f"sampler must be one of {', '.join(SAMPLERS)}": self.sampler in SAMPLERS,
            },
        )
        load_sampler(self.sampler)

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return promotions as far as there are any, those of high rungs first, then new configurations."""
        fidelities = rungs(self.min_fidelity, self.max_fidelity or 0.0, self.eta)
        promoted = promotions(history, fidelities, self.eta)[:n]
        n_before = sum(t.origin == "asha" and t.parent is None for t in history)
        sampling = Sampling(self.sampler, space, history, rng, self.seed, self._keys)
        new = sampling.draw(n - len(promoted), n_before) if len(promoted) < n else []
        return promoted + [Proposal(config, origin="asha", fidelity=fidelities[0]) for config in new]


def promotions(history: Sequence[Trial], fidelities: Sequence[float], eta: float) -> list[Proposal]:
    """Return what may go on now, those of high rungs first and of equal ones the best.

    Args:
        history: Every trial so far.
        fidelities: Of the rungs, rising.
        eta: One in so many of those that have ended goes on.
    """
    ours = [t for t in history if t.origin == "asha" and t.state.is_final]
    children = children_of(history, "asha")
    proposals: list[Proposal] = []
    for low, high in reversed(list(pairwise(fidelities))):
        ended = [t for t in ours if t.fidelity == low]
        best = ranked(ended)[: int(len(ended) / eta)]
        proposals += [Proposal(t.config, t.number, "asha", high) for t in best if t.number not in children]
    return proposals
