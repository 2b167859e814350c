"""What a rule remembers of ended trials, so that a report does not read the whole history again."""

from __future__ import annotations

import operator
from bisect import insort
from collections.abc import Callable, Sequence

from sharpen.trial import Report, Trial


class Ended:
    """The ended trials that a history begins with, and the sorted values that they had at iterations.

    It is used only while the history begins with the very same trials, and so changes no decision.

    Args:
        value: The value of some reports at an iteration counted from 1, there being as many reports at least.
    """

    def __init__(self, value: Callable[[Sequence[Report], int], float]) -> None:
        self._value = value
        self._trials: list[Trial] = []
        self._at: dict[int, list[float]] = {}

    def split(self, history: Sequence[Trial]) -> Sequence[Trial]:
        """Return the trials after the ended ones that a history begins with, and take in the latter."""
        n = len(self._trials)
        if n > len(history) or not all(map(operator.is_, self._trials, history)):
            self._trials, self._at, n = [], {}, 0
        while n < len(history) and history[n].state.is_final:
            self._add(history[n])
            n += 1
        return history[n:]

    def at(self, iteration: int) -> list[float]:
        """Return the values at an iteration, rising."""
        if iteration not in self._at:
            reached = (t.reports for t in self._trials if len(t.reports) >= iteration)
            self._at[iteration] = sorted(self._value(reports, iteration) for reports in reached)
        return self._at[iteration]

    def values(
        self, history: Sequence[Trial], iteration: int, *, without: Trial | None = None
    ) -> list[float]:
        """Return the values that all trials of a history which came as far had at an iteration, rising."""
        rest = self.split(history)
        if without is not None:
            rest = [t for t in rest if t.number != without.number]
        late = [self._value(t.reports, iteration) for t in rest if len(t.reports) >= iteration]
        return sorted([*self.at(iteration), *late])

    def _add(self, trial: Trial) -> None:
        self._trials.append(trial)
        for iteration, values in self._at.items():
            if len(trial.reports) >= iteration:
                insort(values, self._value(trial.reports, iteration))
