"""The median stopping rule: a trial ends when its average so far is below the median of the others' averages.

The rule:

1. A trial's *average* at iteration ``t`` is the mean of what it reported up to there. A program that reports
   running means, as a walk-forward program does, has averaged already (``values: running_mean``).
2. A trial is judged by each report from ``min_iter`` on, at every ``interval``-th one.
3. It ends when its average is strictly below the median of the averages at ``t`` of the other trials that
   came as far, whatever became of them, provided that these are ``min_runs`` or more.

Vizier compares the trial's *best* value so far with the median of *completed* trials. The best of several
noisy folds is luck, and grows with their number, so here an average meets averages. And those that were
stopped count: if only survivors did, the median would rise with every stop, and the rule would tighten.

A report that is not finite (an infeasible fold) counts as worse than every number.

Source: Golovin, Solnik, Moitra, Kochanski, Karro and Sculley (2017), Google Vizier: A Service for Black-Box
Optimization, KDD, section 3.2.2.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from sharpen.plugins import refuse_unless
from sharpen.spec import Metric
from sharpen.stoppers.ended_trials import Ended
from sharpen.stoppers.reports import UNNAMED, WORST, Values, mean_through, shown, side
from sharpen.trial import GO_ON, StopDecision, Trial, TrialState


@dataclass(frozen=True, slots=True)
class Median:
    """Vizier's rule, on averages.

    Attributes:
        min_iter: The first iteration at which a trial may end.
        min_runs: How many other trials must have come as far.
        interval: Judge at every so many iterations, from ``min_iter`` on.
        values: Whether report ``t`` is the mean of the folds 1 … t or the value of fold ``t`` alone.
        metric: For the reason's words.

    Raises:
        UsageError: A setting makes no sense.
    """

    min_iter: int = 1
    min_runs: int = 5
    interval: int = 1
    values: Values = "running_mean"
    metric: Metric = UNNAMED
    _memo: Ended = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_unless(
            "median",
            {
                "min_iter must be 1 or more": self.min_iter >= 1,
                "min_runs must be 1 or more": self.min_runs >= 1,
                "interval must be 1 or more": self.interval >= 1,
            },
        )
        object.__setattr__(self, "_memo", Ended(functools.partial(mean_through, values=self.values)))

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return whether the trial's average is below the median of those that came as far.

        >>> from sharpen.trial import Report
        >>> def trial(number, *values):
        ...     reports = [Report(i, value) for i, value in enumerate(values)]
        ...     return Trial(number, {}, TrialState.RUNNING, reports)
        >>> three = [trial(1, 0.3), trial(2, 0.1), trial(3, 0.2)]
        >>> [Median(min_runs=2).should_stop(t, three).stop for t in three]
        [False, True, False]
        >>> Median(min_runs=2).should_stop(three[1], three).reason
        'metric 0.1 through iteration 1 is below the median 0.25 of 2 other trials'
        """
        t = len(trial.reports)
        if trial.state is not TrialState.RUNNING or t < self.min_iter or (t - self.min_iter) % self.interval:
            return GO_ON
        others = self._memo.values(history, t, without=trial)
        if len(others) < self.min_runs:
            return GO_ON
        mark = _median(others)
        value = mean_through(trial.reports, t, self.values)
        if value >= mark:
            return GO_ON
        return StopDecision(
            True,
            f"{self.metric.name} {shown(value, self.metric)} through iteration {t} is {side(self.metric)} "
            f"the median {shown(mark, self.metric)} of {len(others)} other trials",
        )


def _median(rising: Sequence[float]) -> float:
    low, high = rising[(len(rising) - 1) // 2], rising[len(rising) // 2]
    return WORST if low == WORST else low + (high - low) / 2
