"""The populations of DEHB, one a budget, and the order in which Hyperband wants their trials.

Both follow from the trials of each budget in number order. Each budget is the first rung of one bracket; its
trials there are marked apart from those on higher rungs of other brackets. Which of these brackets asked for
a trial does not matter: a rung breeds from all that is known on the budget below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from sharpen.optimizers.brackets import Bracket
from sharpen.optimizers.successive_halving import ranked
from sharpen.trial import Trial

FIRST, ABOVE = "dehb", "dehb-above"  # the origins of trials on first rungs and on higher ones
ORIGINS = (FIRST, ABOVE)


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A place of the schedule that a trial may take.

    Attributes:
        fidelity: Of the rung.
        below: The fidelity of the rung below; None on a first rung.
        size: How many trials the rung has.
        turn: How many trials of later passes the fidelity has had: whose turn it is to be the target.
        is_first_pass: Whether it is in the first pass over the brackets.
    """

    fidelity: float
    below: float | None
    size: int
    turn: int
    is_first_pass: bool


def next_vacancy(past: Sequence[Trial], cycle: Sequence[Bracket], passes: int = 0) -> Vacancy | None:
    """Return the first free place whose rung is open; None while there is none.

    A first rung is always open, another one when all trials that the rungs below it asked for have ended.

    Args:
        past: The search's trials.
        cycle: The brackets of one pass.
        passes: After how many of them there are no more; 0 for never.
    """
    at: dict[tuple[float, bool], list[Trial]] = {}
    for trial in past:
        at.setdefault((trial.fidelity or 0.0, trial.origin == FIRST), []).append(trial)
    asked: Counter[tuple[float, bool]] = Counter()
    n_first_pass = first_pass_counts(cycle)
    for i, bracket, rung in _rungs(cycle, passes):
        fidelity, size = bracket.fidelities[rung], bracket.sizes[rung]
        below = bracket.fidelities[rung - 1] if rung else None
        here, there = (fidelity, rung == 0), (below or 0.0, rung == 1)
        is_open = below is None or _have_ended(at.get(there, ()), asked[there])
        asked[here] += size
        if is_open and len(at.get(here, ())) < asked[here]:
            n_there = len(at.get((fidelity, True), ())) + len(at.get((fidelity, False), ()))
            return Vacancy(fidelity, below, size, max(0, n_there - n_first_pass[fidelity]), i == 0)
    return None


def first_pass_counts(cycle: Sequence[Bracket]) -> Mapping[float, int]:
    """Return how many trials of each fidelity one pass has."""
    counts: Counter[float] = Counter()
    for bracket in cycle:
        counts.update(dict(zip(bracket.fidelities, bracket.sizes, strict=True)))
    return counts


def population(past: Sequence[Trial], fidelity: float, cycle: Sequence[Bracket]) -> list[Trial | None]:
    """Return the population of a fidelity, as large as its largest rung.

    It begins as the best of the first pass. Then trials take turns: each competes with one member and takes
    its place if it is at least as good. None stands for a member that is missing, since too few trials had a
    score.

    Args:
        past: The search's trials.
        fidelity: Which.
        cycle: The brackets of one pass.
    """
    trials = [t for t in past if t.fidelity == fidelity]
    n_first = first_pass_counts(cycle)[fidelity]
    size = max(s for b in cycle for f, s in zip(b.fidelities, b.sizes, strict=True) if f == fidelity)
    members: list[Trial | None] = [*ranked(trials[:n_first])[:size]]
    members += [None] * (size - len(members))
    for turn, trial in enumerate(trials[n_first:]):
        mine = members[turn % size]
        better = ranked([trial] if mine is None else [mine, trial])
        if better and (better[0] is trial or (mine is not None and _is_as_good(trial, mine))):
            members[turn % size] = trial
    return members


def best_of(members: Sequence[Trial | None], n: int) -> list[Trial]:
    """Return the best members of a population, at most so many."""
    return ranked([t for t in members if t is not None])[:n]


def _is_as_good(a: Trial, b: Trial) -> bool:
    return a.score is not None and (a.violation, a.score) == (b.violation, b.score)


def _have_ended(trials: Sequence[Trial], n: int) -> bool:
    return len(trials) >= n and all(t.state.is_final for t in trials[:n])


def _rungs(cycle: Sequence[Bracket], passes: int) -> Iterator[tuple[int, Bracket, int]]:
    for i in range(passes) if passes else count():
        for bracket in cycle:
            for rung in range(len(bracket.sizes)):
                yield i, bracket, rung
