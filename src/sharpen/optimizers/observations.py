"""What a history says, in the numbers that a regression needs.

A trial that ran to its end says its score. One that was stopped says what it had when it was stopped plus
what trials that went on gained from there on, on average; how much those gains differ is how little it
says. Where scores are means over reports (folds), the reports also say how exact a score is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.arrays import Floats
from sharpen.space import Space
from sharpen.trial import Trial, TrialState

_MEAN_OF_FEW = 3  # gains of fewer trials than this say nothing


@dataclass(frozen=True, eq=False)
class Observations:
    """What to learn from.

    Attributes:
        scored: Trials with an observed score.
        y: (N,) their observed scores, larger is better, in the metric's units.
        v: (N,) how exact they are: the variance of each, in the metric's units squared.
        judged: Trials that ran to an end, feasible or not.
        feasible: (J,) of each of these +1, or from -1 up to below 0 when it broke a constraint.
        waiting: Trials that are pending or running.
    """

    scored: tuple[Trial, ...]
    y: Floats
    v: Floats
    judged: tuple[Trial, ...]
    feasible: Floats
    waiting: tuple[Trial, ...]


def read(space: Space, history: Sequence[Trial], most: int, use_reports: bool = True) -> Observations:
    """Return what a history says of a space.

    Args:
        space: Trials with a configuration from outside it are passed over.
        history: Every trial of the sweep.
        most: How many trials to look at: half of them the best, the others the newest.
        use_reports: Whether the spread of reports says how exact a score is.
    """
    ended = [t for t in history if t.state in (TrialState.FINISHED, TrialState.STOPPED)]
    scored = best_and_newest(space, [t for t in ended if _has_score(t)], most // 2, most - most // 2)
    finished = [t for t in scored if t.state is TrialState.FINISHED]
    y = np.array([t.score for t in scored], dtype=float)
    v = np.zeros(len(scored))
    is_mean = _are_means(finished)
    if is_mean and use_reports:
        _add_fold_noise(scored, v)
    gains = _Gains(finished, is_mean)
    for i, trial in enumerate(scored):
        if trial.state is TrialState.STOPPED:
            y[i], v[i] = gains.at_the_end(trial)
    unscored = _newest(space, [t for t in ended if not _has_score(t)], most // 2)
    judged = sorted([*scored, *unscored], key=lambda t: t.number)
    return Observations(
        tuple(scored),
        y,
        v,
        tuple(judged),
        np.array([_feasibility(t) for t in judged]),
        tuple(t for t in history if not t.state.is_final and space.contains(t.config)),
    )


def _has_score(trial: Trial) -> bool:
    return trial.score is not None and math.isfinite(trial.score)


def _feasibility(trial: Trial) -> float:
    if not _has_score(trial):
        return -1.0
    return 1.0 if trial.violation <= 0 else -min(max(trial.violation, 0.1), 1.0)


def best_and_newest(space: Space, trials: Sequence[Trial], n_best: int, n_newest: int) -> list[Trial]:
    """Return the best finished and feasible trials of the space and the newest of the others, in order.

    Args:
        space: Trials with a configuration from outside it are passed over.
        trials: That have ended.
        n_best: How many of the one.
        n_newest: How many of the other.
    """
    if len(trials) <= n_best + n_newest:
        return [t for t in trials if space.contains(t.config)]
    comparable = [t for t in trials if t.state is TrialState.FINISHED and _has_score(t) and t.violation <= 0]
    ranked = sorted(comparable, key=lambda t: t.objectives[0], reverse=True)
    best = _first(space, ranked, n_best)
    taken = {t.number for t in best}
    newest = _newest(space, [t for t in trials if t.number not in taken], n_best + n_newest - len(best))
    return sorted([*best, *newest], key=lambda t: t.number)


def _newest(space: Space, trials: Sequence[Trial], most: int) -> list[Trial]:
    return _first(space, reversed(trials), most)


def _first(space: Space, trials: Iterable[Trial], most: int) -> list[Trial]:
    valid: list[Trial] = []
    for trial in trials:
        if len(valid) >= most:
            break
        if space.contains(trial.config):
            valid.append(trial)
    return valid


def _are_means(finished: Sequence[Trial]) -> bool:
    """Return whether scores are means over reports, as those of folds are, and not the last of them."""
    several = [t for t in finished if len(t.reports) > 1]
    if not several:
        return False
    close = [math.isclose(_mean(t, len(t.reports)), t.score or 0.0, abs_tol=1e-9) for t in several]
    return sum(close) > 0.9 * len(several)


@dataclass(frozen=True, eq=False)
class _Gains:
    """What trials that ran to their end gained from each report on."""

    finished: Sequence[Trial]
    is_mean: bool
    known: dict[int, tuple[float, float] | None] = field(
        default_factory=dict[int, tuple[float, float] | None]
    )

    def at_the_end(self, trial: Trial) -> tuple[float, float]:
        """Return what a stopped trial would have come to, and the variance of that."""
        n, score = len(trial.reports), trial.score or 0.0
        if n not in self.known:
            self.known[n] = self._since(n) if n else None
        gained, now = self.known[n], self._reached(trial, n) if n else score
        if gained is None or not math.isfinite(now):
            return score, self._spread
        return now + gained[0], gained[1]

    def _since(self, n: int) -> tuple[float, float] | None:
        """Return the mean gain from a report on, and its variance; None when too few went on."""
        further = [t for t in self.finished if len(t.reports) >= n]
        gains = np.array([(t.score or 0.0) - self._reached(t, n) for t in further])
        gains = gains[np.isfinite(gains)]
        if len(gains) < _MEAN_OF_FEW:
            return None
        # few gains: their variance is drawn towards that of the scores
        variance = (gains.var() * len(gains) + self._spread * _MEAN_OF_FEW) / (len(gains) + _MEAN_OF_FEW)
        return float(gains.mean()), float(variance)

    def _reached(self, of: Trial, n: int) -> float:
        return _mean(of, n) if self.is_mean else of.reports[n - 1].value

    @property
    def _spread(self) -> float:
        scores = np.array([t.score for t in self.finished], dtype=float)
        return float(scores.var()) if len(scores) > 1 else 1.0


def _mean(trial: Trial, n: int) -> float:
    return sum(report.value for report in trial.reports[:n]) / n  # so few: an array would take longer


def _add_fold_noise(scored: Sequence[Trial], v: Floats) -> None:
    """Add to ``v`` how exactly the folds of each finished trial say its score.

    What a fold does to every configuration alike, an easy year or a hard one, cancels when configurations
    are compared on the same folds, so it is taken out first; what is left varies from fold to fold by
    chance. A trial's own few folds are drawn towards what all trials show.

    Source: two-way layout without interaction, Scheffé (1959), The Analysis of Variance, section 4.2.
    """
    steps = [tuple(r.step for r in t.reports) for t in scored if t.state is TrialState.FINISHED]
    usual = max(set(steps), key=lambda s: (steps.count(s), s))
    rows = [
        i
        for i, t in enumerate(scored)
        if t.state is TrialState.FINISHED
        and tuple(r.step for r in t.reports) == usual
        and all(math.isfinite(r.value) for r in t.reports)
    ]
    n_folds = len(usual)
    if len(rows) < _MEAN_OF_FEW or n_folds < _MEAN_OF_FEW:
        return
    table = np.array([[r.value for r in scored[i].reports] for i in rows])
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    own = (left**2).sum(1) / (n_folds - 1) * len(rows) / (len(rows) - 1)
    v[rows] = (own * (n_folds - 1) + own.mean() * _MEAN_OF_FEW) / (n_folds - 1 + _MEAN_OF_FEW) / n_folds
