"""Successive halving as a history shows it: which trials are on which rung, and who may go on.

A trial of the first rung has no parent. One that goes on is a new trial of the same configuration on the next
rung; its parent is the one that it goes on from. So the place of every trial follows from the history alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sharpen.optimizers.brackets import Bracket
from sharpen.trial import Proposal, Trial, TrialState


@dataclass(frozen=True, slots=True)
class Halving:
    """The brackets of a search.

    Attributes:
        n_first: How many trials there have been on first rungs.
        promotions: What may go on now, the oldest bracket first.
        is_at_work: Whether a trial of a bracket has not ended.
    """

    n_first: int
    promotions: tuple[Proposal, ...]
    is_at_work: bool


def read(history: Sequence[Trial], cycle: Sequence[Bracket], origin: str) -> Halving:
    """Return what a history says of its brackets.

    Args:
        history: Every trial so far.
        cycle: The brackets, which come again and again in this order.
        origin: How the trials of brackets are marked.
    """
    first = [t for t in history if t.parent is None and t.origin == origin]
    children = children_of(history, origin)
    promotions: list[Proposal] = []
    is_at_work = False
    for bracket, members in _in_brackets(first, cycle):
        rung, is_full = members, len(members) == bracket.sizes[0]
        for size, fidelity in zip(bracket.sizes[1:], bracket.fidelities[1:], strict=True):
            is_at_work |= any(not t.state.is_final for t in rung)
            if not is_full or any(not t.state.is_final for t in rung):
                rung = []
                break
            best = ranked(rung)
            above = [children[t.number] for t in rung if t.number in children]
            left = [t for t in best if t.number not in children][: max(0, size - len(above))]
            promotions += [Proposal(t.config, t.number, origin, fidelity) for t in left]
            rung, is_full = above, not left
        is_at_work |= any(not t.state.is_final for t in rung)
    return Halving(len(first), tuple(promotions), is_at_work)


def children_of(history: Sequence[Trial], origin: str) -> Mapping[int, Trial]:
    """Return the newest trial of an origin that goes on from each, by the number of that one."""
    return {t.parent: t for t in history if t.parent is not None and t.origin == origin}


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that finished with a score, the best first, the earlier of equals first.

    Those that broke a constraint come last, by how far they missed it.
    """
    done = [t for t in trials if t.state is TrialState.FINISHED and t.score is not None]
    return sorted(done, key=lambda t: (t.violation, -t.objectives[0], t.number))


def first_bracket(n_first: int, cycle: Sequence[Bracket]) -> Bracket:
    """Return the bracket that a new trial of a first rung is in, when there have been so many.

    >>> from sharpen.optimizers.brackets import brackets
    >>> [first_bracket(n, brackets(1, 9, 3)).fidelities[0] for n in (0, 8, 9, 14, 17)]
    [1, 1, 3, 9, 1]
    """
    n = n_first % sum(bracket.sizes[0] for bracket in cycle)
    for bracket in cycle:
        n -= bracket.sizes[0]
        if n < 0:
            return bracket
    raise AssertionError("the rest of a division is below the divisor")


def _in_brackets(
    first: Sequence[Trial], cycle: Sequence[Bracket]
) -> Iterator[tuple[Bracket, Sequence[Trial]]]:
    start = 0
    while start < len(first):
        for bracket in cycle:
            end = start + bracket.sizes[0]
            if start < len(first):
                yield bracket, first[start:end]
            start = end
