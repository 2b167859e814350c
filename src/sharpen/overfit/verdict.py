"""The verdict on a sweep's winner: luck, market exposure, or more than both as far as the data can tell.

Axes: ``T`` out-of-sample bars, ``N`` trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit.bootstrap import sharpe_interval
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.pbo import pbo
from sharpen.overfit.sharpe import (
    expected_max_sharpe,
    luck_sharpe,
    min_track_record_length,
    moments,
    probability_above,
)
from sharpen.overfit.words import (
    CONFIDENCE,
    MAX_PBO,
    MIN_BARS,
    MIN_PBO_BARS,
    PBO_BLOCKS,
    details,
    headline,
    say,
    say_probability,
)
from sharpen.seeds import rng_for


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a sweep has to show for its best trial, all out of sample and on the same bars.

    Attributes:
        best_returns: Returns of the best feasible trial; empty when there is none. (T,)
        baseline_returns: Equal-weight buy-and-hold. (T,)
        trial_sharpes: Per-bar Sharpe ratio of every trial that has out-of-sample returns, the best one and
            those stopped early included; NaN where undefined. (N,)
        finished_returns: Returns of the trials that finished, one a column. (T, finished trials)
        bars_per_year: Bars per year, for annual figures.
        seed: Root seed of the bootstrap.
    """

    best_returns: Floats
    baseline_returns: Floats
    trial_sharpes: Floats
    finished_returns: Floats
    bars_per_year: float
    seed: int = 0


def judge(evidence: Evidence) -> Judgement:
    """Return the verdict on a sweep's winner.

    It is ``luck`` unless there are 30 bars or more, the deflated Sharpe ratio is 0.95 or more and the
    interval of the Sharpe ratio lies above 0. Otherwise it is ``beta`` unless the deflated Sharpe ratio of
    the excess over buy-and-hold is 0.95 or more, too. ``real`` says that the winner passed these checks on
    these bars, and no more. A probability of backtest overfitting of 0.5 or more is a caution and does not
    decide: it judges the choosing, and of near-identical good trials each may be chosen by luck.

    Raises:
        UsageError: The series differ in length, or the returns hold a NaN.

    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 0.01, (500, 20))
    >>> sharpes = noise.mean(axis=0) / noise.std(axis=0, ddof=1)
    >>> best = noise[:, sharpes.argmax()]
    >>> judge(Evidence(best, rng.normal(0, 0.01, 500), sharpes, noise, 252)).kind
    'luck'
    """
    _check_shapes(evidence)
    n_bars = len(evidence.best_returns)
    if not math.isfinite(moments(evidence.best_returns).sharpe):
        return _nothing(evidence, n_bars)
    figures = _figures(evidence)
    checks = _checks(figures)
    kind: Literal["luck", "beta", "real"] = "real"
    if any(check.outcome == "failed" for check in checks):
        kind = "luck"
    elif not figures.dsr_excess >= CONFIDENCE:
        kind = "beta"
    excess = _needed(
        "deflated Sharpe of the excess over buy-and-hold",
        say_probability(figures.dsr_excess),
        f"needs {CONFIDENCE} or more",
        passed=figures.dsr_excess >= CONFIDENCE,
    )
    return replace(
        figures,
        kind=kind,
        headline=headline(kind, figures),
        details=details(figures),
        checks=(*checks, _choosing(figures), excess),
    )


def excess_returns(returns: Floats, baseline_returns: Floats) -> Floats:
    """Return what is left of returns after hedging out their exposure to the baseline.

    ``r - b * baseline`` with ``b`` the least-squares slope, not below 0: a strategy that is half invested is
    compared with half a baseline, and one that shorts the market gets no credit for the market's drift.
    All zeros where nothing but rounding is left. This is a decision and no published formula:
    docs/decisions/0011.

    Args:
        returns: (T,) or (T, N)
        baseline_returns: (T,)

    >>> market = np.array([0.01, -0.02, 0.03])
    >>> excess_returns(0.5 * market, market).tolist()
    [0.0, 0.0, 0.0]
    """
    centred = baseline_returns - baseline_returns.mean()
    power = float(centred @ centred)
    slope = np.maximum(centred @ returns / power, 0.0) if power > 0.0 else np.zeros(returns.shape[1:])
    excess = returns - np.multiply.outer(baseline_returns, slope)
    left = excess.std(axis=0) > 1e-9 * returns.std(axis=0)
    return np.where(left, excess, 0.0)


def _check_shapes(evidence: Evidence) -> None:
    n_bars = len(evidence.best_returns)
    lengths = {
        "baseline_returns": len(evidence.baseline_returns),
        "finished_returns": len(evidence.finished_returns),
    }
    if n_bars and any(length != n_bars for length in lengths.values()):
        raise UsageError(f"best_returns have {n_bars} bars, but {lengths}: give the same bars", **lengths)
    for name in ("best_returns", "baseline_returns", "finished_returns"):
        if not np.isfinite(getattr(evidence, name)).all():
            raise UsageError(f"{name} hold a NaN or an infinity: give the returns of every bar", where=name)


def _figures(evidence: Evidence) -> Judgement:
    best, baseline = evidence.best_returns, evidence.baseline_returns
    estimate = moments(best)
    year = math.sqrt(evidence.bars_per_year)
    n_trials = max(len(evidence.trial_sharpes), 1)
    by_luck = luck_sharpe(evidence.trial_sharpes)
    rng = rng_for(evidence.seed, "verdict", "interval")
    return Judgement(
        kind="none",
        headline="",
        sharpe=estimate.sharpe * year,
        baseline_sharpe=moments(baseline).sharpe * year,
        luck_sharpe=by_luck * year,
        dsr=probability_above(estimate, by_luck),
        dsr_excess=_deflated_excess(evidence, n_trials),
        pbo=_overfitting(evidence.finished_returns),
        interval=sharpe_interval(best, evidence.bars_per_year, rng),
        min_track_record_bars=min_track_record_length(best, by_luck, CONFIDENCE),
        n_trials=n_trials,
        n_bars=len(best),
    )


def _deflated_excess(evidence: Evidence, n_trials: int) -> float:
    # Only finished trials have an excess series; those stopped early spread wider, so the larger variance
    # counts.
    known = evidence.trial_sharpes[np.isfinite(evidence.trial_sharpes)]
    excesses = excess_returns(evidence.finished_returns, evidence.baseline_returns)
    ratios = np.array([moments(column).sharpe for column in excesses.T])
    spreads = [values[np.isfinite(values)] for values in (known, ratios)]
    variance = max((float(np.var(values, ddof=1)) for values in spreads if len(values) > 1), default=0.0)
    excess = excess_returns(evidence.best_returns, evidence.baseline_returns)
    return probability_above(moments(excess), expected_max_sharpe(n_trials, variance))


def _overfitting(finished_returns: Floats) -> float | None:
    n_bars, n_finished = finished_returns.shape
    if n_finished < 2 or n_bars < MIN_PBO_BARS:
        return None
    return pbo(finished_returns, PBO_BLOCKS).probability


def _needed(name: str, figure: str, threshold: str, *, passed: bool) -> Check:
    return Check(name, figure, threshold, "passed" if passed else "failed")


def _checks(figures: Judgement) -> tuple[Check, ...]:
    low = figures.interval.low
    return (
        _needed("bars", str(figures.n_bars), f"needs {MIN_BARS} or more", passed=figures.n_bars >= MIN_BARS),
        _needed(
            "deflated Sharpe",
            say_probability(figures.dsr),
            f"needs {CONFIDENCE} or more",
            passed=figures.dsr >= CONFIDENCE,
        ),
        _needed("lower end of the Sharpe's 95% interval", say(low), "needs more than 0", passed=low > 0),
    )


def _choosing(figures: Judgement) -> Check:
    if figures.pbo is None:
        return Check("PBO", "unknown", f"needs 2 finished trials and {MIN_PBO_BARS} bars", "not tested")
    outcome = "caution" if figures.pbo >= MAX_PBO else "passed"
    return Check("PBO", say_probability(figures.pbo), f"a caution from {MAX_PBO} on", outcome)


def _nothing(evidence: Evidence, n_bars: int) -> Judgement:
    headline = (
        f"The best trial's {n_bars} out-of-sample returns do not vary, so it has no Sharpe ratio."
        if n_bars > 1
        else "No feasible trial has out-of-sample returns on two bars or more."
    )
    return Judgement(kind="none", headline=headline, n_trials=len(evidence.trial_sharpes), n_bars=n_bars)
