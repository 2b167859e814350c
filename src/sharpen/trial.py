"""The trial: what an optimizer and a stopper see of a run, and what they answer.

A score is always "larger is better": ``spec`` turns a metric to be minimised around once, when the
sweep is read, and it is turned back only where it is shown.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from sharpen.arrays import Bools, Floats

ParameterValues = Mapping[str, Any]
BLOCK = 128  # points that are compared with a front at once: as many rows of it are in memory


class TrialState(StrEnum):
    """Where a trial is in its life; the last five are final."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to such a trial.

        >>> TrialState.RUNNING.is_final, TrialState.STOPPED.is_final
        (False, True)
        """
        return self not in (TrialState.PENDING, TrialState.RUNNING)


FAILURES = (TrialState.FAILED, TrialState.CRASHED)
UNDECIDED = (*FAILURES, TrialState.CANCELED)
"""How trials end that say nothing of their configuration."""


def finite(value: Any) -> float:
    """Return a logged metric as a float; whatever is not a finite number counts as not a number.

    >>> finite(True), finite("Infinity"), finite(10**400)
    (1.0, nan, nan)
    """
    is_finite = isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return float(value) if is_finite else math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """The metric at a step.

    Attributes:
        step: What the program counted: a fold, an epoch. Strictly increasing within a trial.
        value: The metric, larger is better; NaN when the program logged it as not a number (infeasible).
    """

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """What a run can go on from.

    Attributes:
        digest: SHA-256 of the file in the store's blobs.
        step: The last step that it holds.
    """

    digest: str
    step: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an optimizer wants evaluated next.

    Attributes:
        config: Every parameter's value, by its dotted name.
        parent: The number of the trial that this one continues or mutates; None for none. Its program gets
            the parent's newest checkpoint to go on from.
        origin: Which rule made it, in a word: ``random``, ``tpe``, ``grid``, ``warm-start``.
        fidelity: How much to spend on it, in the sweep's units of budget; None for the whole.
    """

    config: ParameterValues
    parent: int | None = None
    origin: str = ""
    fidelity: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluation of one configuration.

    Attributes:
        number: Its place in the sweep, from 1, without gaps.
        config: Every parameter's value, by its dotted name.
        state: Where it is in its life.
        reports: The metric at each step, in step order.
        score: The metric at the end, larger is better; None while it runs, when it failed, and when it
            ended *infeasible* (a metric that is not a number, such as a Sharpe ratio of too few trades).
        origin: Which rule proposed it.
        scores: Every metric of a sweep that has several, in the sweep's order, each larger is better; the
            first is ``score``. Empty for a sweep of one metric.
        violation: How far it missed the constraints on metrics, summed, each in units of its bound's size;
            0 when it kept them all.
        cost: What a step of it cost, by the sweep's cost metric; above 0, None where nothing says so.
        repeat: Which repeat of its configuration it is, from 0; each has a seed of its own.
        repeat_of: The number of the configuration's first trial; None for that one.
        parent: The number of the trial that it continues or mutates; None for none.
        fidelity: How much is spent on it, in the sweep's units of budget; None for the whole.
        checkpoint: The newest that it has stored; None for none.
        proposed: What the search had proposed, where the run had to do with less; None for ``config``.
    """

    number: int
    config: ParameterValues
    state: TrialState = TrialState.PENDING
    reports: Sequence[Report] = field(default=())
    score: float | None = None
    origin: str = ""
    scores: tuple[float, ...] = ()
    violation: float = 0.0
    cost: float | None = None
    repeat: int = 0
    repeat_of: int | None = None
    parent: int | None = None
    fidelity: float | None = None
    checkpoint: StoredCheckpoint | None = None
    proposed: ParameterValues | None = None

    @property
    def asked(self) -> ParameterValues:
        """What the search had proposed; ``config`` is what was evaluated.

        >>> Trial(1, {"x": 4}, proposed={"x": 8}).asked, Trial(1, {"x": 4}).asked
        ({'x': 8}, {'x': 4})
        """
        return self.config if self.proposed is None else self.proposed

    @property
    def is_infeasible(self) -> bool:
        """Whether it ran to an end, early or not, without a usable score or in breach of a constraint.

        >>> Trial(1, {}, TrialState.FINISHED).is_infeasible, Trial(1, {}, TrialState.FAILED).is_infeasible
        (True, False)
        >>> Trial(1, {}, TrialState.FINISHED, score=2.0, violation=0.1).is_infeasible
        True
        """
        has_run = self.state in (TrialState.FINISHED, TrialState.STOPPED)
        return has_run and (self.score is None or self.violation > 0)

    @property
    def objectives(self) -> tuple[float, ...]:
        """Every metric at the end, larger is better; empty without a score.

        >>> Trial(1, {}, score=2.0).objectives, Trial(1, {}, score=2.0, scores=(2.0, -0.1)).objectives
        ((2.0,), (2.0, -0.1))
        """
        return () if self.score is None else self.scores or (self.score,)


@dataclass(frozen=True, slots=True)
class StopDecision:
    """What a stopper says of a running trial.

    Attributes:
        stop: Whether to end the trial now.
        reason: Why, for people, with the numbers; empty when it goes on.
    """

    stop: bool
    reason: str = ""


GO_ON = StopDecision(stop=False)


class Result(Protocol):
    """What decides which of several evaluations is the best: a trial has it, and so has a run as stored."""

    @property
    def number(self) -> int:
        """Its place in the sweep, from 1."""
        ...

    @property
    def state(self) -> str:
        """A value of ``TrialState``."""
        ...

    @property
    def score(self) -> float | None:
        """The metric at the end; None without one."""
        ...

    @property
    def violation(self) -> float:
        """How far it missed the constraints; 0 when it kept them all."""
        ...

    @property
    def fidelity(self) -> float | None:
        """How much was spent on it; None for the whole."""
        ...


R = TypeVar("R", bound=Result)


def comparable(results: Iterable[R]) -> list[R]:
    """Return those that may be the best, in their order.

    These have finished with a score, broke no constraint, and none of them spent more than another.
    Those that were stopped early do not count: their score is a mean over fewer folds.
    """
    done = [r for r in results if r.state == TrialState.FINISHED and r.violation == 0 and _has_score(r)]
    most = max((spent(r.fidelity) for r in done), default=math.inf)
    return [r for r in done if spent(r.fidelity) == most]


def ranked(results: Iterable[R], turn: Callable[[float], float] = float) -> list[R]:
    """Return those that may be the best, the best first, the earliest first among equals.

    Args:
        results: Trials, or runs of one sweep as stored.
        turn: Gives a score as one where larger is better, such as ``Metric.larger_is_better``.
    """
    return sorted(comparable(results), key=lambda r: (-turn(r.score or 0.0), r.number))


def best(results: Iterable[R], turn: Callable[[float], float] = float) -> R | None:
    """Return the first of :func:`ranked`; None without one. Whoever names a best run asks this.

    >>> a, b = (Trial(n, {}, TrialState.FINISHED, score=s) for n, s in ((1, 0.1), (2, 0.3)))
    >>> best([a, b]).number, best([a, b], lambda loss: -loss).number
    (2, 1)
    """
    return next(iter(ranked(results, turn)), None)


def leaders(results: Sequence[R], turn: Callable[[float], float] = float) -> list[R | None]:
    """Return the best of the first 1, 2, … results, counting only what may be the best of them all.

    >>> trials = [Trial(n, {}, TrialState.FINISHED, score=s) for n, s in ((1, 0.1), (2, 0.3), (3, 0.2))]
    >>> [trial.number for trial in leaders(trials)]
    [1, 2, 2]
    """
    ranks = {id(r): rank for rank, r in enumerate(ranked(results, turn))}
    bests: list[R | None] = []
    leader: R | None = None
    for result in results:
        if id(result) in ranks and (leader is None or ranks[id(result)] < ranks[id(leader)]):
            leader = result
        bests.append(leader)
    return bests


def _has_score(result: Result) -> bool:
    return result.score is not None and not math.isnan(result.score)


def pareto(trials: Sequence[Trial]) -> list[Trial]:
    """Return the finished trials that no other beats in every metric, in number order.

    One beats another when it is at least as good in each metric and better in one; trials that are equal
    in all of them stay together. Only :func:`comparable` ones count, without
    those with a metric that is not a number.

    >>> points = ((1.0, 0.0), (0.5, 0.5), (0.4, 0.4), (0.0, 1.0))
    >>> trials = [Trial(n, {}, TrialState.FINISHED, score=p[0], scores=p) for n, p in enumerate(points, 1)]
    >>> [trial.number for trial in pareto(trials)]
    [1, 2, 4]
    """
    done = [t for t in comparable(trials) if not any(math.isnan(value) for value in t.objectives)]
    # best first: whatever beats a point comes before it
    points = sorted({t.objectives for t in done}, reverse=True)
    unbeaten = set(_unbeaten_of_two(points) if points and len(points[0]) == 2 else _unbeaten(points))
    return sorted((t for t in done if t.objectives in unbeaten), key=lambda t: t.number)


def _unbeaten_of_two(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the pairs that are above every earlier one in the second coordinate."""
    front: list[tuple[float, ...]] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def _unbeaten(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the points that no earlier one equals or exceeds in every coordinate, a block at a time."""
    import numpy as np  # noqa: PLC0415 - who only lists runs does not need it

    front = np.empty((0, len(points[0]) if points else 0))
    for start in range(0, len(points), BLOCK):
        block = np.array(points[start : start + BLOCK])
        block = block[~_exceeds(front, block).any(axis=0)]
        earlier = np.triu(_exceeds(block, block), k=1)
        front = np.concatenate([front, block[~earlier.any(axis=0)]])
    return [tuple(map(float, row)) for row in front]


def _exceeds(these: Floats, those: Floats) -> Bools:
    """Return whether each of these (A, M) is as large as each of those (B, M) in every coordinate: (A, B)."""
    import numpy as np  # noqa: PLC0415 - as above

    exceeds = np.ones((len(these), len(those)), dtype=np.bool_)
    for column in range(these.shape[1]):
        exceeds &= these[:, column, None] >= those[None, :, column]
    return exceeds


def spent(fidelity: float | None) -> float:
    """Return a fidelity as a number to compare by: None is the whole.

    >>> max(9.0, None, 27.0, key=spent)
    """
    return math.inf if fidelity is None else fidelity
