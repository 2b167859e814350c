"""Racing: a trial ends when, fold by fold, it lags so far behind the incumbent that it will not catch up.

All trials are scored on the same folds, so they are compared in pairs: a bad year is bad for everyone, and in
the difference it cancels. The *incumbent* is the best of the finished trials that have the trial's folds.

**Notation.** ``K`` folds in a whole run, ``n`` of them so far; ``d_k`` the incumbent's value of fold ``k``
less the trial's; ``D`` their mean over the ``n`` folds; ``s²`` the variance of such differences.

**The question** is not whether the trial is worse on folds without end, but whether it will have the higher
mean *when all K are done*: whether ``d_1 + … + d_K < 0``.

**The test.** Let the sum be exactly 0, the least by which the trial does not lose. If early differences are
like late ones (exchangeable), the first ``n`` are a sample without replacement from ``K`` that add up to 0:
``D`` has mean 0 and variance ``s² (1/n - 1/K)``, whatever the configurations are truly worth. A trial that
is to win has a smaller ``D`` still. So it ends when ::

    D > t(level_n, dof) s sqrt(1/n - 1/K)

**The variance** is that of the trial's own differences, and, since two or three folds say little, that of
all ended trials from the incumbent (each about its own mean), which counts like ``prior_folds`` more folds::

    s² = (prior_folds s0² + sum_k (d_k - D)²) / dof        dof = prior_folds + n - 1

The own part stays, as trials differ: one that swings more than others gets more rope.

**Looking often.** There is a look after each fold from ``min_iter`` to ``K - 1``, and the looks share the
level: ``level_n = level (K - n) / sum_m (K - m)``, most for the first, which saves the most folds. By the
union bound the chance of a wrong stop at any look is at most the sum, ``level``, also when the incumbent
changes between looks.

**What is promised**: of the trials that would have finished above the incumbent, at most the share ``level``
is stopped; so with ``level: 0.05`` the best of a sweep survives in 95 of 100. It rests on normal differences
and exchangeable folds. Where configurations share a trend, good early and bad late, it does not hold; nor
quite where the swings of the trials differ much more than ``prior_folds`` allows for.

A trial whose running mean is not a number (infeasible so far) goes on: there is nothing to compare. Trading
too little in the first folds says nothing about the last.

Source: Birattari, Stützle, Paquete and Varrentrapp (2002), A Racing Algorithm for Configuring
Metaheuristics, GECCO, and López-Ibáñez et al. (2016), The irace package, Operations Research Perspectives 3,
for racing by paired tests; Cochran (1977), Sampling Techniques, sections 2.5 and 2.6, for ``1/n - 1/K``;
Smyth (2004), Linear Models and Empirical Bayes Methods, Stat. Appl. Genet. Mol. Biol. 3(1), section 3, for
the pooled variance and its degrees of freedom (the prior's are estimated there, and given here).
"""
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

import heapq
import math
import operator
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import MissingExtra
from sharpen.plugins import refuse_unless
from sharpen.replay import Replay
from sharpen.spec import Metric
from sharpen.stoppers.ended_trials import has_ended
from sharpen.stoppers.reports import (
    UNNAMED,
    WORST,
    Values,
    mean_through,
    shown,
    side,
)
from sharpen.trial import GO_ON, Report, StopDecision, Trial, TrialState

try:
    from scipy.special import stdtrit
except ImportError as error:
    raise MissingExtra("scipy", "samplers") from error

MOST_SHOWN = 1000  # standard errors
RANK = operator.itemgetter(0, 1)


@dataclass(frozen=True, slots=True)
class Racing:
    """Stop what will not beat the incumbent, at a stated rate of errors.

    Attributes:
        level: The share of the trials that would beat the incumbent that may be stopped by mistake.
        min_iter: The first fold after which a trial may end.
        min_runs: How many ended trials there must be, beside the incumbent, to pool the variance of.
        prior_folds: How many folds the pooled variance counts for; 0 for the trial's own alone.
        values: Whether report ``k`` is the mean of the folds 1 … k or the value of fold ``k`` alone.
        metric: For the reason's words.

    Raises:
        UsageError: A setting makes no sense.
    """

    level: float = 0.05
    min_iter: int = 2
    min_runs: int = 5
    prior_folds: float = 8.0
    values: Values = "running_mean"
    metric: Metric = UNNAMED
    _replay: Replay[_Standing, Trial] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_unless(
            "racing",
            {
                "level must be above 0 and at most 0.5": 0 < self.level <= 0.5,
                "min_iter must be 1 or more": self.min_iter >= 1,
                "min_runs must be 1 or more": self.min_runs >= 1,
                "prior_folds must be a number that is not negative": 0 <= self.prior_folds < math.inf,
            },
        )
        object.__setattr__(self, "_replay", Replay(partial(_Standing, self.values), _Standing.take))

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return whether the trial is further behind the incumbent than one that catches up would be.

        >>> def trial(number, state, *values):
        ...     return Trial(number, {}, state, [Report(k, value) for k, value in enumerate(values, 1)])
        >>> means = [0.3, 0.36, 0.3, 0.33, 0.3, 0.32, 0.3, 0.3]
        >>> done = [trial(n, TrialState.FINISHED, *(n * m for m in means)) for n in range(1, 8)]
        >>> late = trial(8, TrialState.RUNNING, 0.1, 0.2, 0.1)
        >>> Racing().should_stop(late, [*done, late]).reason
        "metric 0.1 over 3 folds is 2 below trial 7's on them: 9.1 standard errors; 2.7 end a trial"
        """
        n = len(trial.reports)
        if trial.state is not TrialState.RUNNING or n < self.min_iter:
            return GO_ON
        standing, rest = self._replay.split(history, has_ended)
        incumbent = standing.incumbent(trial, rest)
        if incumbent is None:
            return GO_ON
        pool = standing.pool(incumbent, rest)
        if pool.n_trials < self.min_runs:
            return GO_ON
        return self._compare(trial, incumbent, pool)

    def _compare(self, trial: Trial, incumbent: Trial, pool: Pool) -> StopDecision:
        n, n_folds = len(trial.reports), len(incumbent.reports)
        value = mean_through(trial.reports, n, self.values)
        behind = mean_through(incumbent.reports, n, self.values) - value
        own = Pool.of(incumbent, trial, self.values)
        dof = self.prior_folds + own.dof
        if dof <= 0 or not 0 < behind < math.inf:
            return GO_ON
        variance = (self.prior_folds * pool.variance + own.sum_of_squares) / dof
        error = math.sqrt(variance * (1 / n - 1 / n_folds))
        mark = float(stdtrit(dof, 1 - level_at(n, n_folds, self.level, self.min_iter)))
        if not behind > mark * error:
            return GO_ON
        n_errors = behind / error if error > 0 else math.inf
        return StopDecision(
            True,
            f"{self.metric.name} {shown(value, self.metric)} over {n} folds is {behind:.4g} "
            f"{side(self.metric)} trial {incumbent.number}'s on them: {_errors(n_errors)} standard errors; "
            f"{mark:.1f} end a trial",
        )


def _errors(n: float) -> str:
    return f"{n:.1f}" if n < MOST_SHOWN else f"more than {MOST_SHOWN}"


def level_at(n: int, n_folds: int, level: float, min_iter: int) -> float:
    """Return the share of the level that is spent at the look after fold ``n``, below ``n_folds``.

    >>> [round(level_at(n, 6, 0.1, 2), 3) for n in (2, 3, 4, 5)]
    [0.04, 0.03, 0.02, 0.01]
    """
    n_left = n_folds - min_iter
    return level * (n_folds - n) / (n_left * (n_left + 1) / 2)


def sums(reports: Sequence[Report], values: Values) -> Floats:
    """Return the sum of the first ``k`` folds' values for ``k = 0, 1, …``; NaN where it is not known.

    The value of fold ``k`` is ``k m_k - (k - 1) m_(k-1)`` where the reports are running means ``m``. After
    one that is not a number only the sum of two folds is known, from the running means around them.

    >>> sums([Report(1, 1.0), Report(2, math.nan), Report(3, 2.0)], "running_mean").tolist()
    [0.0, 1.0, nan, 6.0]
    """
    given = np.array([0.0, *(r.value for r in reports)])
    with np.errstate(all="ignore"):
        cumulative = given * np.arange(float(len(given))) if values == "running_mean" else np.cumsum(given)
    return np.where(np.isfinite(cumulative), cumulative, np.nan)


@dataclass(slots=True)
class Pool:
    """The spread of paired differences about their means.

    Attributes:
        sum_of_squares: Of the deviations.
        dof: How many of them are free.
        n_trials: How many pairs it is made of.
    """

    sum_of_squares: float = 0.0
    dof: float = 0.0
    n_trials: int = 0

    @property
    def variance(self) -> float:
        """The pooled variance of a fold's difference; 0 of nothing."""
        return self.sum_of_squares / self.dof if self.dof else 0.0

    @classmethod
    def of(cls, one: Trial, other: Trial, values: Values) -> Pool:
        """Return the spread of the differences of two trials on the folds that both have.

        Folds whose values are known only in sum count as one, whose variance is that of a sum.

        >>> one, other = (Trial(1, {}, reports=[Report(1, a), Report(2, b)]) for a, b in ((3, 2), (1, 2)))
        >>> Pool.of(one, other, "each")
        Pool(sum_of_squares=2.0, dof=1.0, n_trials=1)
        """
        n = n_shared(one.reports, other.reports)
        with np.errstate(all="ignore"):
            lead = sums(one.reports[:n], values) - sums(other.reports[:n], values)
            known = np.flatnonzero(np.isfinite(lead))
            n_folds, steps = np.diff(known), np.diff(lead[known])
            off = steps - n_folds * (lead[known[-1]] / max(known[-1], 1))
            squares = float((off**2 / n_folds).sum())
        if len(steps) < 2 or not math.isfinite(squares):
            return cls()
        return cls(squares, len(steps) - 1.0, 1)

    def add(self, other: Pool) -> None:
        """Take in another pool."""
        self.sum_of_squares += other.sum_of_squares
        self.dof += other.dof
        self.n_trials += other.n_trials


def n_shared(one: Sequence[Report], other: Sequence[Report]) -> int:
    """Return how many of the first reports are of the same steps.

    >>> n_shared([Report(1, 0.0), Report(2, 0.0)], [Report(1, 0.0), Report(3, 0.0)])
    1
    """
    n = min(len(one), len(other))
    return next((k for k in range(n) if one[k].step != other[k].step), n)


class _Standing:
    """Ended trials: who leads them, and how they spread around whom."""

    def __init__(self, values: Values) -> None:
        self._values: Values = values
        self._trials: list[Trial] = []
        self._finished: list[tuple[float, int, Trial]] = []
        self._pools: dict[int, tuple[Trial, Pool, int]] = {}

    def take(self, trial: Trial) -> None:
        """Take in one more."""
        self._trials.append(trial)
        for row in self._rows([trial]):
            insort(self._finished, row, key=RANK)

    def incumbent(self, trial: Trial, rest: Sequence[Trial]) -> Trial | None:
        """Return the best finished trial that has more folds than a trial, and a value on the same ones."""
        n = len(trial.reports)
        late = sorted(self._rows(rest), key=RANK, reverse=True)
        for _, _, other in heapq.merge(reversed(self._finished), late, key=RANK, reverse=True):
            shares_folds = len(other.reports) > n == n_shared(other.reports, trial.reports)
            if shares_folds and mean_through(other.reports, n, self._values) != WORST:
                return other
        return None

    def pool(self, incumbent: Trial, others: Sequence[Trial]) -> Pool:
        """Return the spread around the incumbent of all other ended trials."""
        of, cached, n_seen = self._pools.get(incumbent.number, (incumbent, Pool(), 0))
        if of is not incumbent:
            cached, n_seen = Pool(), 0
        self._add(cached, incumbent, self._trials[n_seen:])
        self._pools[incumbent.number] = incumbent, cached, len(self._trials)
        extended = Pool()
        extended.add(cached)
        self._add(extended, incumbent, (t for t in others if t.state.is_final))
        return extended

    def _add(self, pool: Pool, incumbent: Trial, trials: Iterable[Trial]) -> None:
        for t in trials:
            if t is not incumbent:
                pool.add(Pool.of(incumbent, t, self._values))

    def _rows(self, trials: Sequence[Trial]) -> Iterator[tuple[float, int, Trial]]:
        for t in trials:
            if t.state is TrialState.FINISHED and t.reports:
                mean = mean_through(t.reports, len(t.reports), self._values)
                if mean != WORST:
                    yield mean, -t.number, t
