"""What a rule remembers of ended trials, so that a report does not read the whole history again."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from functools import partial

from sharpen.replay import Replay
from sharpen.trial import Report, Trial


class Ended:
    """The sorted values that the ended trials which a history begins with had at iterations.

    Args:
        value: The value at an iteration, counted from 1, of at least so many reports.
    """

    def __init__(self, value: Callable[[Sequence[Report], int], float]) -> None:
        self._value = value
        self._replay = Replay[_Ended, Trial](partial(_Ended, value), _Ended.take)

    def values(
        self, history: Sequence[Trial], iteration: int, *, without: Trial | None = None
    ) -> list[float]:
        """Return the values at an iteration of all trials of a history that came as far, rising."""
        ended, rest = self._replay.split(history, has_ended)
        if without is not None:
            rest = [t for t in rest if t.number != without.number]
        late = [self._value(t.reports, iteration) for t in rest if len(t.reports) >= iteration]
        return sorted([*ended.at(iteration), *late])


def has_ended(trial: Trial) -> bool:
    """Return whether nothing more can happen to a trial."""
    return trial.state.is_final


class _Ended:
    def __init__(self, value: Callable[[Sequence[Report], int], float]) -> None:
        self._value = value
        self._trials: list[Trial] = []
        self._at: dict[int, list[float]] = {}

    def take(self, trial: Trial) -> None:
        self._trials.append(trial)
        for iteration, values in self._at.items():
            if len(trial.reports) >= iteration:
                insort(values, self._value(trial.reports, iteration))

    def at(self, iteration: int) -> list[float]:
        if iteration not in self._at:
            reached = (t.reports for t in self._trials if len(t.reports) >= iteration)
            self._at[iteration] = sorted(self._value(reports, iteration) for reports in reached)
        return self._at[iteration]
