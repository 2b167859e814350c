"""Hyperband as W&B runs it: asynchronous, one bracket, judged whenever a trial reports.

The rule:

1. An *iteration* is one report, counted from 1; the step it carries does not matter. Iterations at which
   trials are compared are *bands*: ``min_iter * eta**k``, or ``max_iter / eta**k`` (k = 1 … s), rounded down.
2. A running trial is judged at the last band it has reached, at each of its reports: also between two
   bands, when others may have reached the band and raised the mark.
3. The mark is among the values that all trials that reached the band had there, whatever became of them,
   the trial itself included. Best first, it is the one at place ``int(n * (1 / eta))`` counted from 0. So
   one trial alone is its own mark, and of fewer than ``eta`` the best is the mark.
4. The trial ends when its value is worse than the mark; at the mark it goes on. Its value is the one at the
   band when ``strict``, and its best so far otherwise.

A report that is not finite (an infeasible fold) counts as an iteration with a value below all others. W&B
leaves it out of the count, which would compare a trial's fourth fold with another's third.

Source: Li et al. (2018), Hyperband, JMLR 18, for the idea; W&B's sweep documentation and the behaviour of
its open engine (github.com/wandb/sweeps, 2024 and later, where ``strict`` is the default) for the rule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from sharpen.plugins import refuse_unless
from sharpen.spec import Metric
from sharpen.stoppers.ended_trials import Ended
from sharpen.stoppers.reports import UNNAMED, best_value, share_of, shown, side, value_at
from sharpen.trial import GO_ON, StopDecision, Trial, TrialState

MOST_BANDS = 100


def bands(
    min_iter: int | None = None, max_iter: int | None = None, s: int | None = None, eta: float = 3.0
) -> tuple[int, ...]:
    """Return the iterations at which trials are compared, rising.

    >>> bands(min_iter=3)[:4], bands(max_iter=18, s=2)
    ((3, 9, 27, 81), (2, 6))
    """
    iterations: list[int] = []
    if max_iter is not None:
        band = max_iter / eta
        while band >= 1 and len(iterations) < (s or 0):
            iterations.insert(0, int(band))
            band /= eta
    elif min_iter is not None:
        band = float(min_iter)
        while len(iterations) < MOST_BANDS and band < 2**53:
            iterations.append(int(band))
            band *= eta
    return tuple(iterations)


@dataclass(frozen=True, slots=True)
class Hyperband:
    """W&B's early termination.

    Attributes:
        min_iter: The first band; the next ones are ``eta`` times later.
        max_iter: The other way to say it: bands are ``max_iter / eta``, ``max_iter / eta**2``, …
        s: How many such bands ``max_iter`` gets; without effect on those of ``min_iter``.
        eta: Of the trials that reach a band, the best ``1 / eta`` go on.
        strict: Compare the value at the band; otherwise the best value so far.
        metric: Only for the reason's words: the metric's name, and its sign as the program logged it.

    Raises:
        UsageError: A setting makes no sense.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True
    metric: Metric = UNNAMED
    _bands: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _memo: Ended = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_unless(
            "hyperband",
            {
                "eta must be above 1": self.eta > 1,
                "min_iter must be 1 or more": self.min_iter is None or self.min_iter >= 1,
            },
        )
        object.__setattr__(self, "_bands", bands(self.min_iter, self.max_iter, self.s, self.eta))
        object.__setattr__(self, "_memo", Ended(value_at))

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return whether the trial is outside the best ``1 / eta`` at the last band it reached.

        >>> from sharpen.trial import Report
        >>> def trial(number, *values):
        ...     reports = [Report(i, value) for i, value in enumerate(values)]
        ...     return Trial(number, {}, TrialState.RUNNING, reports)
        >>> good, bad = trial(1, 0.2, 0.34), trial(2, 0.1, 0.12)
        >>> Hyperband(min_iter=2).should_stop(bad, [good, bad]).reason
        "metric 0.12 at iteration 2 is below the top third's 0.34 (of 2 trials)"
        """
        band_index = bisect_right(self._bands, len(trial.reports)) - 1
        if band_index < 0 or trial.state is not TrialState.RUNNING:
            return GO_ON
        band = self._bands[band_index]
        values = self._memo.values(history, band)
        if not values:
            return GO_ON
        mark = values[-1 - int((1.0 / self.eta) * len(values))]
        value = value_at(trial.reports, band)
        if not self.strict:
            value = best_value(trial.reports)
        return StopDecision(True, self._reason(value, mark, band, len(values))) if value < mark else GO_ON

    def _reason(self, value: float, mark: float, band: int, n_trials: int) -> str:
        subject = self.metric.name if self.strict else f"best {self.metric.name}"
        return (
            f"{subject} {shown(value, self.metric)} {'at' if self.strict else 'judged at'} iteration {band} "
            f"is {side(self.metric)} the top {share_of(self.eta)}'s {shown(mark, self.metric)} "
            f"(of {n_trials} trials)"
        )
