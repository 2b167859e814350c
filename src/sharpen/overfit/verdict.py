"""The verdict on a sweep's winner: luck, market exposure, or more than both as far as the data can tell.

Axes: ``T`` out-of-sample bars, ``N`` trials.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from sharpen.arrays import Floats
from sharpen.overfit.bootstrap import sharpe_interval
from sharpen.overfit.dependence import autocorrelation_factor
from sharpen.overfit.evidence import Evidence
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.luck_bar import LuckBar, luck_bar, noise_variance
from sharpen.overfit.pbo import pbo, pbo_range
from sharpen.overfit.reality_check import reality_check
from sharpen.overfit.search_null import SearchNull
from sharpen.overfit.sharpe import expected_max_sharpe, min_track_record_length, moments, probability_above
from sharpen.overfit.verdict_text import (
    CONFIDENCE,
    MAX_P_VALUE,
    MAX_PBO,
    MIN_BARS,
    MIN_PBO_BARS,
    PBO_BLOCKS,
    details,
    headline,
    say,
    say_p_value,
    say_pbo,
    say_probability,
)
from sharpen.seeds import rng_for


def judge(evidence: Evidence) -> Judgement:
    """Return the verdict on a sweep's winner.

    It is ``luck`` unless there are 30 bars or more, the deflated Sharpe ratio is 0.95 or more, the interval
    of the Sharpe ratio lies above 0, and the p-values of the reality check and of the whole search, where
    there are any, are 0.05 or less. Otherwise it is ``beta`` unless the deflated Sharpe ratio of the excess
    over buy-and-hold is 0.95 or more, and the p-value of its reality check 0.05 or less, too. ``real`` says
    that the winner passed these checks on these bars, and no more. A probability of backtest overfitting of
    0.5 or more is a caution and does not decide: it judges the choosing, and of near-identical good trials
    each may be chosen by luck.

    Raises:
        UsageError: The series differ in length, or the returns hold a NaN.

    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 0.01, (500, 20))
    >>> sharpes = noise.mean(axis=0) / noise.std(axis=0, ddof=1)
    >>> best = noise[:, sharpes.argmax()]
    >>> judge(Evidence(best, rng.normal(0, 0.01, 500), sharpes, noise, 252)).kind
    'luck'
    """
    evidence.check()
    n_bars = len(evidence.best_returns)
    if not math.isfinite(moments(evidence.best_returns).sharpe):
        return _nothing(evidence, n_bars)
    figures = _figures(evidence)
    checks = _checks(figures)
    kind: Literal["luck", "beta", "real"] = "real"
    if any(check.outcome == "failed" for check in checks):
        kind = "luck"
    excess = _excess_checks(figures)
    if kind == "real" and any(check.outcome == "failed" for check in excess):
        kind = "beta"
    return replace(
        figures,
        kind=kind,
        headline=headline(kind, figures),
        details=details(figures),
        checks=(*checks, _choosing(figures), *excess),
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


def _figures(evidence: Evidence) -> Judgement:
    best, baseline = evidence.best_returns, evidence.baseline_returns
    estimate = moments(best)
    year = math.sqrt(evidence.bars_per_year)
    inflation = autocorrelation_factor(best)
    floor = noise_variance(len(best), inflation)
    bar = luck_bar(evidence.comparable_sharpes, evidence.columns, evidence.n_trials, floor, evidence.n_fitted)
    overfitting = _overfitting(evidence.finished_returns)
    excesses = excess_returns(evidence.columns, evidence.baseline_returns)
    return Judgement(
        kind="none",
        headline="",
        sharpe=estimate.sharpe * year,
        baseline_sharpe=moments(baseline).sharpe * year,
        luck_sharpe=bar.sharpe * year,
        dsr=probability_above(estimate, bar.sharpe, inflation),
        dsr_excess=_deflated_excess(evidence, excesses, bar.variance),
        pbo=overfitting[0] if overfitting else None,
        pbo_range=overfitting[1] if overfitting else None,
        interval=sharpe_interval(best, evidence.bars_per_year, _rng(evidence, "interval")),
        reality_check=_reality_check(evidence.columns, _rng(evidence, "reality check")),
        reality_check_excess=_reality_check(excesses, _rng(evidence, "reality check of the excess")),
        min_track_record_bars=min_track_record_length(best, bar.sharpe, CONFIDENCE, inflation),
        n_trials=evidence.n_trials,
        n_bars=len(best),
        n_with_returns=len(evidence.trial_sharpes),
        n_effective=bar.n_effective,
        luck_basis=bar.basis,
        autocorrelation_factor=inflation,
        related=evidence.related,
        n_elsewhere=evidence.n_elsewhere,
        dsr_elsewhere=_dsr_elsewhere(evidence, bar, inflation) if evidence.n_elsewhere else None,
        search=evidence.search,
        dates=evidence.dates,
    )


def _dsr_elsewhere(evidence: Evidence, bar: LuckBar, inflation: float) -> float:
    # as if the winner were the best of all instruments that the program was tried on
    wider = expected_max_sharpe(bar.n_effective + evidence.n_elsewhere, bar.variance)
    return probability_above(moments(evidence.best_returns), max(wider, bar.sharpe), inflation)


def _rng(evidence: Evidence, use: str) -> np.random.Generator:
    return rng_for(evidence.seed, "verdict", use)


def _deflated_excess(evidence: Evidence, excesses: Floats, variance: float) -> float:
    # Only trials on the same bars have an excess series; where all trials spread wider, that variance counts.
    best = excess_returns(evidence.best_returns, evidence.baseline_returns)
    inflation = autocorrelation_factor(best)
    ratios = np.array([moments(column).sharpe for column in excesses.T])
    floor = max(noise_variance(len(best), inflation), variance)
    bar = luck_bar(ratios, excesses, evidence.n_trials, floor, evidence.n_fitted)
    return probability_above(moments(best), bar.sharpe, inflation)


def _reality_check(columns: Floats, rng: np.random.Generator) -> float | None:
    p_value = reality_check(columns, rng)
    return None if math.isnan(p_value) else p_value


def _overfitting(finished_returns: Floats) -> tuple[float, tuple[float, float]] | None:
    n_bars, n_finished = finished_returns.shape
    if n_finished < 2 or n_bars < MIN_PBO_BARS:
        return None
    probability = pbo(finished_returns, PBO_BLOCKS).probability
    low, high = pbo_range(finished_returns, min(PBO_BLOCKS, 12))
    return probability, (min(low, probability), max(high, probability))


def _needed(name: str, figure: str, threshold: str, *, passed: bool) -> Check:
    return Check(name, figure, threshold, "passed" if passed else "failed")


def _checks(figures: Judgement) -> tuple[Check, ...]:
    low = figures.interval.low
    checks = (
        _needed("bars", str(figures.n_bars), f"needs {MIN_BARS} or more", passed=figures.n_bars >= MIN_BARS),
        _needed(
            "deflated Sharpe",
            say_probability(figures.dsr),
            f"needs {CONFIDENCE} or more",
            passed=figures.dsr >= CONFIDENCE,
        ),
        _needed("lower end of the Sharpe's 95% interval", say(low), "needs more than 0", passed=low > 0),
    )
    checks += _of_everything("reality check over all returns", figures.reality_check)
    return checks if figures.search is None else (*checks, _of_search(figures.search))


def _excess_checks(figures: Judgement) -> tuple[Check, ...]:
    if not math.isfinite(figures.baseline_sharpe):
        return (Check("buy-and-hold", "does not move", "needs one to be compared with", "failed"),)
    name = "deflated Sharpe of the excess over buy-and-hold"
    passed = figures.dsr_excess >= CONFIDENCE
    deflated = _needed(
        name, say_probability(figures.dsr_excess), f"needs {CONFIDENCE} or more", passed=passed
    )
    return *_of_everything("reality check of the excess", figures.reality_check_excess), deflated


def _of_everything(name: str, p_value: float | None) -> tuple[Check, ...]:
    if p_value is None:
        return ()
    passed = p_value <= MAX_P_VALUE
    return (_needed(name, f"p {say_p_value(p_value)}", f"needs {MAX_P_VALUE} or less", passed=passed),)


def _of_search(search: SearchNull) -> Check:
    of = f"{search.n_as_good} of {search.n_histories} permuted histories had as good a winner"
    return _needed(
        "p-value of the whole search",
        say_p_value(search.p_value),
        f"needs {MAX_P_VALUE} or less; {of}",
        passed=search.p_value <= MAX_P_VALUE,
    )


def _choosing(figures: Judgement) -> Check:
    if figures.pbo is None:
        return Check("PBO", "unknown", f"needs 2 finished trials and {MIN_PBO_BARS} bars", "not tested")
    outcome = "caution" if figures.pbo >= MAX_PBO else "passed"
    return Check("PBO", say_pbo(figures), f"a caution from {MAX_PBO} on", outcome)


def _nothing(evidence: Evidence, n_bars: int) -> Judgement:
    headline = (
        f"The best trial's {n_bars} out-of-sample returns do not vary, so it has no Sharpe ratio."
        if n_bars > 1
        else "No feasible trial has out-of-sample returns on two bars or more."
    )
    return Judgement(
        kind="none",
        headline=headline,
        n_trials=evidence.n_trials,
        n_bars=n_bars,
        n_with_returns=len(evidence.trial_sharpes),
        related=evidence.related,
    )
