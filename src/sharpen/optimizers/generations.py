"""A population that trains together, interval by interval, as a history shows it.

Generation ``g`` has the trials whose budget is ``(g + 1)`` intervals; its ``j``-th trial by number is member
``j``. A member's trial goes on from its own one of the generation before, or from that of a better member. So
who is who follows from the history, and a search that was killed in the middle of a generation goes on with
the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sharpen.optimizers.successive_halving import ranked
from sharpen.trial import Trial


@dataclass(frozen=True, slots=True)
class Plan:
    """How the generations of a search follow one another.

    Attributes:
        population: How many members there are.
        interval: What a generation spends on each, in units of the budget.
        max_fidelity: What is spent on a member in all, at most; None for no end.
        quantile: The share of members that give way, and of those that they give way to.
    """

    population: int
    interval: float
    max_fidelity: float | None
    quantile: float

    def fidelity(self, generation: int) -> float:
        """Return what has been spent on a member when a generation ends.

        >>> [Plan(4, 0.1, None, 0.25).fidelity(g) for g in (0, 2)], Plan(4, 50, None, 0.25).fidelity(2)
        ([0.1, 0.3], 150)
        """
        total = Fraction(repr(self.interval)) * (generation + 1)
        return int(total) if total.denominator == 1 else float(total)

    @property
    def n_exploit(self) -> int:
        """How many members give way in a generation.

        >>> Plan(20, 1, None, 0.25).n_exploit, Plan(3, 1, None, 0.5).n_exploit
        (5, 1)
        """
        return min(math.ceil(self.quantile * self.population), self.population // 2)

    def is_over(self, generation: int) -> bool:
        """Return whether a generation would spend more than there is."""
        return self.max_fidelity is not None and self.fidelity(generation) > self.max_fidelity

    def generations(self, past: Sequence[Trial]) -> list[list[Trial]]:
        """Return the members of each generation, the last one perhaps not complete; there is at least one."""
        by_generation: list[list[Trial]] = []
        by_fidelity: dict[float | None, list[Trial]] = {}
        for trial in past:
            by_fidelity.setdefault(trial.fidelity, []).append(trial)
        while members := by_fidelity.get(self.fidelity(len(by_generation))):
            by_generation.append(members[: self.population])
        return by_generation or [[]]

    def donors(self, members: Sequence[Trial]) -> dict[int, list[Trial]]:
        """Return whom each member that gives way may copy, by its number.

        Only members with a strictly better score are donors, so that among equals nobody gives way. One
        without a score gives way even when it is not among the worst.

        >>> from sharpen.trial import TrialState
        >>> four = [Trial(n, {}, TrialState.FINISHED, score=s) for n, s in enumerate((1.0, 1.0, 1.0, 5.0), 1)]
        >>> {n: [t.number for t in donors] for n, donors in Plan(4, 1, None, 0.25).donors(four).items()}
        {3: [4]}
        """
        order = ranked(members)
        top = order[: self.n_exploit]
        known = {t.number for t in order}
        without = [t for t in members if t.number not in known]
        last = order[max(len(order) - max(self.n_exploit - len(without), 0), len(top)) :]
        by_loser = {t.number: top for t in without}
        for loser in last:
            better = [t for t in top if (-t.violation, t.objectives) > (-loser.violation, loser.objectives)]
            if better:
                by_loser[loser.number] = better
        return by_loser
