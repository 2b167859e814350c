"""The trial: what an optimizer and a stopper see of a run, and what they answer.

A score is always "larger is better": ``spec`` turns a metric to be minimised around once, when the
sweep is read, and it is turned back only where it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Config = Mapping[str, Any]


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
class Proposal:
    """What an optimizer wants evaluated next.

    Attributes:
        config: Every parameter's value, by its dotted name.
        fidelity: The budget that the trial is meant to run for; None for all of it.
        parent: The number of the trial that this one continues or mutates; None for none.
        origin: Which rule made it, in a word: ``random``, ``tpe``, ``grid``, ``warm-start``.
    """

    config: Config
    fidelity: float | None = None
    parent: int | None = None
    origin: str = ""


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
    """

    number: int
    config: Config
    state: TrialState = TrialState.PENDING
    reports: Sequence[Report] = field(default=())
    score: float | None = None
    origin: str = ""

    @property
    def is_infeasible(self) -> bool:
        """Whether it ran to an end, early or not, without a usable score.

        >>> Trial(1, {}, TrialState.FINISHED).is_infeasible, Trial(1, {}, TrialState.FAILED).is_infeasible
        (True, False)
        """
        return self.score is None and self.state in (TrialState.FINISHED, TrialState.STOPPED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stopper says of a running trial.

    Attributes:
        stop: Whether to end the trial now.
        reason: Why, for people, with the numbers; empty when it goes on.
    """

    stop: bool
    reason: str = ""


GO_ON = Verdict(stop=False)


def best(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial of the highest score, the earliest among equals; None without one.

    Trials that were stopped early do not count: their score is a mean over fewer folds.

    >>> a, b = (Trial(n, {}, TrialState.FINISHED, score=s) for n, s in ((1, 0.1), (2, 0.3)))
    >>> best([a, b]).number
    2
    """
    done = [t for t in trials if t.state is TrialState.FINISHED and t.score is not None]
    return max(done, key=lambda t: (t.score if t.score is not None else -math.inf, -t.number), default=None)
