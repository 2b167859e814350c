"""Hyperband: many configurations on a small budget, the best of them on a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sharpen.optimizers import successive_halving
from sharpen.optimizers.brackets import Bracket, brackets, demands
from sharpen.optimizers.by_fidelity import SAMPLERS, Sampling, load_sampler
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.port import Answer, Done, Wait
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.trial import ParameterValues, Proposal, Trial


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Tries many configurations on a small budget, and the best ones again on budgets ``eta`` times larger.

    A bracket is one such round. The first has the most configurations on the smallest budget, the next fewer
    on a larger one, up to a few on the whole: so a search does not depend on what small budgets say. A run
    that goes on is a new run with the same configuration; it gets the checkpoint of the one before.

    A rung waits for all of its trials. Agents do not: meanwhile they begin the next bracket. After the last
    bracket comes the first again, with new configurations.

    Source: Li et al. (2018), Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR
    18.

    Attributes:
        max_fidelity: The most that a run may spend, in units of ``budget_variable``.
        min_fidelity: The least; the smallest budget is ``max_fidelity`` divided by ``eta`` until it would
            fall below.
        eta: Of the runs on a rung the best ``1 / eta`` go on, with ``eta`` times the budget.
        budget_variable: The parameter of the configuration that holds the budget; without one the program
            reads it from ``run.fidelity``.
        sampler: What proposes new configurations: ``random``, ``tpe`` or ``gp``.
        passes: After how many passes over all brackets the search ends; 0 for never.
        seed: The sweep's seed.
    """

    max_fidelity: float | None = None
    min_fidelity: float = 1.0
    eta: float = 3.0
    budget_variable: str = ""
    sampler: str = "random"
    passes: int = 0
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "hyperband",
            {
                **demands(self.min_fidelity, self.max_fidelity, self.eta),
                f"sampler must be one of {', '.join(SAMPLERS)}": self.sampler in SAMPLERS,
                "passes must be 0 or more": self.passes >= 0,
            },
        )
        load_sampler(self.sampler)

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return promotions as far as there are any, then new configurations.

        >>> from sharpen.space import Float
        >>> search = Hyperband(max_fidelity=9, seed=1)
        >>> [p.fidelity for p in search.ask(Space({"x": Float(0, 1)}), [], 11, np.random.default_rng(1))]
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3]
        """
        sampling = Sampling(self.sampler, space, history, rng, self.seed, self._keys)
        cycle = brackets(self.min_fidelity, self.max_fidelity or 0.0, self.eta)
        return propose(history, n, cycle, sampling, name="hyperband", passes=self.passes)


class Draws(Protocol):
    """What proposes new configurations."""

    def draw(self, n: int, n_before: int) -> Sequence[ParameterValues]:
        """Return ``n`` of them, when there have been ``n_before``."""
        ...


def propose(
    history: Sequence[Trial],
    n: int,
    cycle: Sequence[Bracket],
    sampling: Draws,
    *,
    name: str,
    passes: int,
) -> Answer:
    """Return what brackets want next: what may go on, then new configurations.

    Args:
        history: Every trial so far.
        n: How many are wanted.
        cycle: The brackets of one pass.
        sampling: What proposes new configurations.
        name: How this search marks its trials.
        passes: After how many passes it ends; 0 for never.
    """
    seen = successive_halving.read(history, cycle, name)
    proposals = list(seen.promotions[:n])
    n_new = n - len(proposals)
    if passes:
        n_new = min(n_new, passes * sum(b.sizes[0] for b in cycle) - seen.n_first)
    for i, config in enumerate(sampling.draw(n_new, seen.n_first) if n_new > 0 else ()):
        fidelity = successive_halving.first_bracket(seen.n_first + i, cycle).fidelities[0]
        proposals.append(Proposal(config, origin=name, fidelity=fidelity))
    if proposals:
        return proposals
    return Wait() if seen.is_at_work else Done()
