"""ASHA, asynchronous successive halving, as a rule that stops trials.

The rule:

1. *Rungs* are the iterations ``min_iter * eta**(s + k)``, k = 0, 1, …, rounded down; an iteration is one
   report, counted from 1. Those from ``max_iter`` on are left out: the trial is at its end anyway.
2. A trial is judged once at each rung: by the report that reaches it.
3. With ``n`` trials at the rung by then, itself included and whatever became of the others, it goes on when
   it is among the best ``max(1, int(n / eta))`` there; equal values share a place.

So the first at a rung goes on, and of the next ones, up to ``2 * eta``, whoever beats all before it. In the
paper a trial waits at its rung until it is promoted; here nothing is paused, so one that would wait is
stopped. It differs from W&B's Hyperband in the third sentence, and in that a mark which rises later ends no
trial between two rungs.

A report that is not finite (an infeasible fold) counts as worse than every number.

Source: Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht and Talwalkar (2020), A System for
Massively Parallel Hyperparameter Tuning, MLSys, algorithm 2, whose r, R and eta are ``min_iter``,
``max_iter`` and ``eta``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from sharpen.plugins import refuse_unless
from sharpen.spec import Metric
from sharpen.stoppers.ended_trials import Ended
from sharpen.stoppers.reports import UNNAMED, share_of, shown, side, value_at
from sharpen.trial import GO_ON, StopDecision, Trial, TrialState

MOST_RUNGS = 100


def rungs(min_iter: int, eta: float, max_iter: int | None = None, s: int = 0) -> tuple[int, ...]:
    """Return the iterations at which trials are compared, rising.

    >>> rungs(1, 3.0, max_iter=27), rungs(2, 1.5, max_iter=10), rungs(1, 3.0, max_iter=27, s=1)
    ((1, 3, 9), (2, 3, 4, 6), (3, 9))
    """
    iterations: dict[int, None] = {}
    rung = float(min_iter)
    for k in range(s + MOST_RUNGS):
        if rung >= (2**53 if max_iter is None else max_iter):
            break
        if k >= s:
            iterations[int(rung)] = None
        rung *= eta
    return tuple(iterations)


@dataclass(frozen=True, slots=True)
class Asha:
    """Asynchronous successive halving.

    Attributes:
        min_iter: The first rung.
        eta: Of the trials at a rung the best ``1 / eta`` go on, and the next rung is ``eta`` times later.
        max_iter: The longest that a trial runs; None when it is not known.
        s: How many of the first rungs are left out.
        metric: For the reason's words.

    Raises:
        UsageError: A setting makes no sense.
    """

    min_iter: int = 1
    eta: float = 3.0
    max_iter: int | None = None
    s: int = 0
    metric: Metric = UNNAMED
    _rungs: frozenset[int] = field(init=False, repr=False, compare=False)
    _memo: Ended = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_unless(
            "asha",
            {
                "min_iter must be 1 or more": self.min_iter >= 1,
                "eta must be above 1": self.eta > 1,
                "s must not be negative": self.s >= 0,
                "max_iter must be 1 or more": self.max_iter is None or self.max_iter >= 1,
            },
        )
        rising = rungs(self.min_iter, self.eta, self.max_iter, self.s)
        object.__setattr__(self, "_rungs", frozenset(rising))
        object.__setattr__(self, "_memo", Ended(value_at))

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return whether the trial has reached a rung, and is not among the best ``1 / eta`` there.

        >>> from sharpen.trial import Report
        >>> def trial(number, *values):
        ...     reports = [Report(i, value) for i, value in enumerate(values)]
        ...     return Trial(number, {}, TrialState.RUNNING, reports)
        >>> good, bad = trial(1, 0.34), trial(2, 0.12)
        >>> Asha().should_stop(good, [good, bad]).stop, Asha().should_stop(bad, [good, bad]).reason
        (False, "metric 0.12 at rung 1 is below the top third's 0.34 (of 2 trials)")
        """
        rung = len(trial.reports)
        if trial.state is not TrialState.RUNNING or rung not in self._rungs:
            return GO_ON
        values = self._memo.values(history, rung)
        value = value_at(trial.reports, rung)
        n_better = len(values) - bisect_right(values, value)
        n_places = max(1, int(len(values) / self.eta))
        if n_better < n_places:
            return GO_ON
        mark = values[-n_places]
        return StopDecision(
            True,
            f"{self.metric.name} {shown(value, self.metric)} at rung {rung} is {side(self.metric)} "
            f"the top {share_of(self.eta)}'s {shown(mark, self.metric)} (of {len(values)} trials)",
        )
