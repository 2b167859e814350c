"""Configurations that get several runs, each with a seed of its own, and what those runs come to.

An optimizer sees one trial a configuration. Its *number* is the configuration's place, 1, 2, 3, …, not that
of a run: a Sobol sequence that is read at every second place covers only half of the space.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from sharpen.frozen import with_changes
from sharpen.sweep.trials import Trials
from sharpen.trial import UNDECIDED, Report, Trial, TrialState

RERUN = "rerun"  # the origin of a run by itself: with repeats it belongs to no configuration
BROKEN = (*UNDECIDED, TrialState.STOPPED)


@dataclass(frozen=True, slots=True)
class Configurations:
    """Which runs are of one configuration, and the trial that they come to, by the configuration's place.

    A configuration of which a run was stopped, failed, crashed, was canceled or deleted gets no more repeats.

    Attributes:
        members: The numbers of each one's runs.
        folded: What each one comes to.
        lacking: The places, from 0, of those that still lack repeats.
    """

    members: tuple[tuple[int, ...], ...] = ()
    folded: Trials = field(default_factory=Trials)
    lacking: tuple[int, ...] = ()

    @classmethod
    def of(cls, trials: Sequence[Trial], repeats: int) -> Configurations:
        """Return the configurations of all trials of a sweep, which come by number, from 1."""
        groups: dict[int, list[int]] = {}
        for trial in trials:
            if trial.origin != RERUN:
                groups.setdefault(trial.repeat_of or trial.number, []).append(trial.number)
        rows = [[trials[number - 1] for number in numbers] for numbers in groups.values()]
        return cls(
            members=tuple(tuple(numbers) for numbers in groups.values()),
            folded=Trials.of(
                _by_place(fold(number, row, repeats), list(groups)) for number, row in enumerate(rows, 1)
            ),
            lacking=tuple(index for index, row in enumerate(rows) if lacks(row, repeats)),
        )

    def changed(self, trials: Trials, number: int, repeats: int) -> Configurations:
        """Return the same after a change to one run, or with a new one."""
        trial = trials[number - 1]
        if trial.origin == RERUN:
            return self
        index = self._place(trial)
        members = self.members
        if index == len(members):
            members = (*members, (number,))
        elif number > members[index][-1]:
            members = (*members[:index], (*members[index], number), *members[index + 1 :])
        row = [trials[member - 1] for member in members[index]]
        others = [other for other in self.lacking if other != index]
        return Configurations(
            members=members,
            folded=self.folded.put(_by_place(fold(index + 1, row, repeats), members)),
            lacking=tuple(sorted([*others, index] if lacks(row, repeats) else others)),
        )

    def longer(self, trials: Iterable[Trial], repeats: int) -> Configurations:
        """Return the same with new configurations, each with its first run, in order."""
        first = len(self.members)
        new = list(trials)
        return Configurations(
            members=(*self.members, *((trial.number,) for trial in new)),
            folded=self.folded.longer(
                _by_place(fold(n, [trial], repeats), self.members) for n, trial in enumerate(new, first + 1)
            ),
            lacking=(*self.lacking, *range(first, first + len(new))),
        )

    def __len__(self) -> int:
        return len(self.members)

    def of_run(self, trial: Trial) -> Trial | None:
        """Return what the configuration of a run comes to; None for a rerun, which has none."""
        return None if trial.origin == RERUN else self.folded[self._place(trial)]

    def first_run(self, number: int) -> int:
        """Return the number of the first run of the configuration of a number."""
        return self.members[number - 1][0]

    def next_repeat(self) -> tuple[int, int]:
        """Return the first run of the first configuration that lacks one, and which repeat comes next."""
        numbers = self.members[self.lacking[0]]
        return numbers[0], len(numbers)

    def n_lacking(self, repeats: int) -> int:
        """Return how many repeats are still to begin."""
        return sum(repeats - len(self.members[index]) for index in self.lacking)

    def parent_of_repeat(self, first: Trial, repeat: int) -> int | None:
        """Return the run that a repeat goes on from: the same repeat of the configuration before.

        Args:
            first: The first run of the configuration.
            repeat: Which one is to begin, from 0.
        """
        if first.parent is None:
            return None
        runs = self.members[self._index(first.parent)]
        return runs[min(repeat, len(runs) - 1)]

    def _place(self, trial: Trial) -> int:
        return self._index(trial.repeat_of or trial.number)

    def _index(self, first_run: int) -> int:
        return bisect_left(self.members, first_run, key=operator.itemgetter(0))


def _by_place(folded: Trial, members: Sequence[tuple[int, ...]] | Sequence[int]) -> Trial:
    """Return a folded trial whose parent is a configuration's place, where it was that one's first run."""
    if folded.parent is None:
        return folded
    firsts = [row if isinstance(row, int) else row[0] for row in members]
    return with_changes(folded, parent=bisect_left(firsts, folded.parent) + 1)


def lacks(runs: Sequence[Trial], repeats: int) -> bool:
    """Return whether a configuration is to get another run: it has too few, and none of them broke off."""
    return len(runs) < repeats and not any(run.state in BROKEN for run in runs)


def fold(number: int, runs: Sequence[Trial], repeats: int) -> Trial:
    """Return the one trial that the runs of a configuration come to.

    It is running until all of its runs have ended, those that have not begun included, and finished when all
    of them have finished. It has the mean of the scores of its runs, and no score when one of them has none.

    Args:
        number: What it is to be called.
        runs: Its runs so far, the first one first.
        repeats: How many it is to have.

    >>> runs = [Trial(n, {"x": 1}, TrialState.FINISHED, score=score) for n, score in ((4, 0.25), (5, 0.75))]
    >>> fold(2, runs, 2).score, fold(2, runs, 3).state.value
    (0.5, 'running')
    """
    state = _state(runs, repeats)
    begun = [run.reports for run in runs if run.state is not TrialState.PENDING]
    first = runs[0]
    trial = Trial(
        number,
        first.config,
        state,
        begun[0] if len(begun) == 1 else MeanReports(begun) if begun else (),
        origin=first.origin,
        parent=first.parent,
        fidelity=first.fidelity,
    )
    if state not in (TrialState.FINISHED, TrialState.STOPPED):
        return trial
    known_scores = [run.score for run in runs if run.score is not None]
    score = _mean(known_scores) if len(known_scores) == len(runs) else None
    scores_of_runs = [run.scores for run in runs if run.scores]
    scores = (
        ()
        if score is None or len(scores_of_runs) < len(runs)
        else tuple(map(_mean, zip(*scores_of_runs, strict=True)))
    )
    costs = [run.cost for run in runs if run.cost is not None]
    trial = with_changes(trial, violation=_mean([run.violation for run in runs]))
    return with_changes(trial, score=score, scores=scores, cost=_mean(costs) if costs else None)


def _state(runs: Sequence[Trial], repeats: int) -> TrialState:
    states = [run.state for run in runs]
    if all(state is TrialState.PENDING for state in states):
        return TrialState.PENDING
    if any(not state.is_final for state in states):
        return TrialState.RUNNING
    broken = next((state for state in BROKEN if state in states), None)
    if broken is not None:
        return broken
    return TrialState.RUNNING if len(runs) < repeats else TrialState.FINISHED


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class MeanReports(Sequence[Report]):
    """The mean of several runs' reports at the steps that all of them have logged, worked out when wanted.

    Runs that have logged nothing yet do not count.

    >>> MeanReports([[Report(1, 0.5), Report(2, 1.0)], [Report(1, 0.0)], []])[0]
    Report(step=1, value=0.25)
    """

    __slots__ = ("_found", "_runs")

    def __init__(self, runs: Sequence[Sequence[Report]]) -> None:
        self._runs = runs
        self._found: tuple[Report, ...] | None = None

    def _all(self) -> tuple[Report, ...]:
        if self._found is None:
            rows = [{report.step: report.value for report in run} for run in self._runs if len(run)]
            steps = [step for step in rows[0] if all(step in row for row in rows)] if rows else []
            self._found = tuple(Report(step, _mean([row[step] for row in rows])) for step in steps)
        return self._found

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Report]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Report, ...]: ...
    def __getitem__(self, index: int | slice) -> Report | tuple[Report, ...]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    __hash__ = None  # type: ignore[assignment]
