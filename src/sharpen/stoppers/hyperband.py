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

import math
import operator
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from sharpen.spec import EarlyTerminate, Metric
from sharpen.trial import GO_ON, Report, Trial, TrialState, Verdict

MOST_BANDS = 100
WORST = -math.inf
UNNAMED = Metric("metric", "maximize")


def bands(rule: EarlyTerminate) -> tuple[int, ...]:
    """Return the iterations at which trials are compared, rising.

    >>> bands(EarlyTerminate(min_iter=3))[:4], bands(EarlyTerminate(max_iter=18, s=2))
    ((3, 9, 27, 81), (2, 6))
    """
    found: list[int] = []
    if rule.max_iter is not None:
        band = rule.max_iter / rule.eta
        while band >= 1 and len(found) < (rule.s or 0):
            found.insert(0, int(band))
            band /= rule.eta
    elif rule.min_iter is not None:
        band = float(rule.min_iter)
        while len(found) < MOST_BANDS and band < 2**53:
            found.append(int(band))
            band *= rule.eta
    return tuple(found)


def value_at(reports: Sequence[Report], iteration: int) -> float:
    """Return the value of an iteration counted from 1, minus infinity for one that is not finite.

    >>> value_at([Report(0, 0.5), Report(1, math.nan)], 1), value_at([Report(0, math.nan)], 1)
    (0.5, -inf)
    """
    value = reports[iteration - 1].value
    return value if math.isfinite(value) else WORST


class _Ended:
    """The ended trials that a history begins with, and their values at bands in rising order."""

    def __init__(self) -> None:
        self._trials: list[Trial] = []
        self._at: dict[int, list[float]] = {}

    def split(self, history: Sequence[Trial]) -> tuple[_Ended, Sequence[Trial]]:
        """Return what is known of the ended trials at the start of a history, and the trials after them."""
        n = len(self._trials)
        if n > len(history) or not all(map(operator.is_, self._trials, history)):
            self._trials, self._at, n = [], {}, 0
        while n < len(history) and history[n].state.is_final:
            self._add(history[n])
            n += 1
        return self, history[n:]

    def at(self, band: int) -> list[float]:
        """Return the values at a band."""
        if band not in self._at:
            reached = (t.reports for t in self._trials if len(t.reports) >= band)
            self._at[band] = sorted(value_at(reports, band) for reports in reached)
        return self._at[band]

    def _add(self, trial: Trial) -> None:
        self._trials.append(trial)
        for band, values in self._at.items():
            if len(trial.reports) >= band:
                insort(values, value_at(trial.reports, band))


@dataclass(frozen=True, slots=True)
class Hyperband:
    """W&B's early termination.

    A report before the first band costs nothing. Values of trials that have ended are kept sorted, so that
    a later report does not read the whole history again; the memo is used only while the history begins
    with the very same trials, and changes no verdict.

    Attributes:
        rule: The settings.
        metric: Only for the reason's words: the metric's name, and its sign as the program logged it.
    """

    rule: EarlyTerminate
    metric: Metric = UNNAMED
    _bands: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _memo: _Ended = field(default_factory=_Ended, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bands", bands(self.rule))

    def judge(self, trial: Trial, history: Sequence[Trial]) -> Verdict:
        """Return whether the trial is outside the best ``1 / eta`` at the last band it reached.

        >>> def trial(number, *values):
        ...     reports = [Report(i, value) for i, value in enumerate(values)]
        ...     return Trial(number, {}, TrialState.RUNNING, reports)
        >>> good, bad = trial(1, 0.2, 0.34), trial(2, 0.1, 0.12)
        >>> Hyperband(EarlyTerminate(min_iter=2)).judge(bad, [good, bad]).reason
        "metric 0.12 at iteration 2 is below the top third's 0.34 (of 2 trials)"
        """
        place = bisect_right(self._bands, len(trial.reports)) - 1
        if place < 0 or trial.state is not TrialState.RUNNING:
            return GO_ON
        band = self._bands[place]
        ended, rest = self._memo.split(history)
        values = [*ended.at(band), *(value_at(t.reports, band) for t in rest if len(t.reports) >= band)]
        if not values:
            return GO_ON
        values.sort(reverse=True)
        mark = values[int((1.0 / self.rule.eta) * len(values))]
        value = value_at(trial.reports, band)
        if not self.rule.strict:
            value = max(value_at(trial.reports, i) for i in range(1, len(trial.reports) + 1))
        return Verdict(True, self._reason(value, mark, band, len(values))) if value < mark else GO_ON

    def _reason(self, value: float, mark: float, band: int, n_trials: int) -> str:
        shown = "not a number" if value == WORST else f"{self.metric.larger_is_better(value):.4g}"
        subject = self.metric.name if self.rule.strict else f"best {self.metric.name}"
        side = "below" if self.metric.goal == "maximize" else "above"
        share = {2.0: "half", 3.0: "third", 4.0: "quarter"}.get(self.rule.eta, f"1/{self.rule.eta:g}")
        return (
            f"{subject} {shown} {'at' if self.rule.strict else 'judged at'} iteration {band} is {side} "
            f"the top {share}'s {self.metric.larger_is_better(mark):.4g} (of {n_trials} trials)"
        )
