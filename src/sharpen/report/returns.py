"""Out-of-sample returns: read from the store, estimated, and put before the judge."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sharpen import metrics
from sharpen.arrays import Floats, Times
from sharpen.bars import bars_per_year
from sharpen.overfit import Evidence, Interval, Judgement, judge, moments, sharpe_interval
from sharpen.report.model import Entry, Estimate, Performance
from sharpen.seeds import rng_for
from sharpen.trial import TrialState
from sharpen.views.family import Family
from sharpen.views.permuted_search import PermutedSearch
from sharpen.views.returns import Series
from sharpen.views.trials import content_of

N_ESTIMATED = 40  # rows from the top that get an interval: each costs thousands of resampled bars
N_RESAMPLES = 500
MAX_COMPARED = 3000  # returns that are compared with one another; those beyond count in full
N_COLUMNS = 500  # finished runs that the overfitting test takes: its time grows with their number


@dataclass(frozen=True, eq=False, slots=True)
class ReturnsVerdict:
    """The verdict, and what had to be left out of it."""

    judgement: Judgement
    left_out: tuple[int, ...] = ()


def yearly(series: Series | None) -> float:
    """Return the bars that make a year of a series; NaN without two bars."""
    return bars_per_year(series.time) if series is not None and len(series.time) > 1 else math.nan


def performance(returns: Floats, per_year: float) -> Performance:
    """Return what a series of returns amounts to."""
    return Performance(
        annual_return=metrics.annual_return(returns, per_year),
        annual_volatility=metrics.annual_volatility(returns, per_year),
        sharpe=metrics.sharpe(returns, per_year),
        sortino=metrics.sortino(returns, per_year),
        max_drawdown=metrics.max_drawdown(returns),
    )


def estimated(entries: Sequence[Entry], series: Mapping[int, Series], seed: int) -> tuple[Entry, ...]:
    """Return the entries with Sharpe ratios over all out-of-sample bars, beside buy-and-hold's.

    The first :data:`N_ESTIMATED` get bootstrap intervals; further down they are NaN.
    """
    holding: dict[tuple[bytes, bytes], Estimate] = {}
    done: list[Entry] = []
    for rank, entry in enumerate(entries):
        returns = series.get(entry.number)
        if returns is None or len(returns.time) < 2:
            done.append(entry)
            continue
        n_resamples = N_RESAMPLES if rank < N_ESTIMATED else 0
        window = returns.time.tobytes(), returns.baseline.tobytes()
        if window not in holding:
            stream = rng_for(seed, "report", "baseline", len(returns.time))
            holding[window] = _estimate(returns.baseline, yearly(returns), stream, 4 * n_resamples)
        stream = rng_for(seed, "report", "run", entry.number)
        own = _estimate(returns.returns, yearly(returns), stream, n_resamples)
        done.append(replace(entry, sharpe=own, baseline=holding[window]))
    return tuple(done)


def _estimate(returns: Floats, per_year: float, rng: np.random.Generator, n_resamples: int) -> Estimate:
    interval = Interval(math.nan, math.nan)
    if n_resamples:
        interval = sharpe_interval(returns, per_year, rng, n_resamples=n_resamples)
    return Estimate(metrics.sharpe(returns, per_year), interval)


def find(
    best: Entry | None,
    ranked: Sequence[Entry],
    series: Mapping[int, Series],
    tried: Family,
    search: PermutedSearch | None = None,
) -> ReturnsVerdict:
    """Return the verdict on the best run, or one of kind ``none`` that says why there is no other.

    All that was tried on these bars counts as a trial, whatever became of it and whatever it kept, deleted
    runs and other sweeps of the store among it. The overfitting test takes the finished feasible runs that
    were validated on all of the best run's bars, the first :data:`N_COLUMNS` of them.

    Args:
        best: The best finished run.
        ranked: Finished feasible runs, then stopped ones, each from the best down; deleted ones among them.
        series: Returns, by run number; those of deleted runs among them.
        tried: What this sweep and the others on its bars have tried.
        search: The whole search on permuted histories, if somebody ran it, and whether it decides.
    """
    n_tried = max(tried.n_tried(), len(series))
    if best is None:
        return _no_verdict("No run has finished with a usable score.", n_tried)
    if not series:
        return _no_verdict(
            "No run kept its out-of-sample returns (an artifact of type 'returns'),"
            " so the score cannot be tested against luck.",
            n_tried,
        )
    if best.number not in series:
        return _no_verdict(f"The best run, {best.number}, kept no usable out-of-sample returns.", n_tried)
    columns, left_out = _finished(ranked, series, series[best.number].time)
    evidence = evidence_of(best, columns, series, tried)
    if search is not None and search.decides:
        evidence = replace(evidence, search=search.null)
    return ReturnsVerdict(judge(evidence), left_out)


def _finished(
    ranked: Sequence[Entry], series: Mapping[int, Series], time: Times
) -> tuple[list[Floats], tuple[int, ...]]:
    """Return the returns of finished runs at these times, and the runs that lack one of them."""
    finished = [entry.number for entry in ranked if entry.state is TrialState.FINISHED]
    aligned = {number: _aligned(series.get(number), time) for number in finished}
    columns = [column for column in aligned.values() if column is not None]
    return columns[:N_COLUMNS], tuple(number for number, column in aligned.items() if column is None)


def evidence_of(
    best: Entry, finished: Sequence[Floats], series: Mapping[int, Series], tried: Family
) -> Evidence:
    """Return what is put before the judge.

    Args:
        best: The best finished run; it has returns.
        finished: Those of the finished runs, on its bars.
        series: All returns of the sweep, by run number.
        tried: What this sweep and the others on its bars have tried.
    """
    ours = series[best.number]
    all_series = [one for _, one in sorted(series.items())]
    sharpes, n_bars = tried.sharpes()
    return Evidence(
        best_returns=ours.returns,
        baseline_returns=ours.baseline,
        trial_sharpes=np.concatenate([[moments(one.returns).sharpe for one in all_series], sharpes]),
        finished_returns=np.column_stack(finished),
        bars_per_year=yearly(ours),
        seed=tried.own.sweep.seed,
        trial_bars=np.concatenate([np.array([len(one.time) for one in all_series], dtype=np.int64), n_bars]),
        n_tried=tried.n_tried(),
        kept_returns=np.column_stack(_comparable(_each_once(series, tried), ours.time, tried)),
        n_fitted=tried.n_fitted(),
        related=tried.related(best.run),
        n_elsewhere=tried.n_elsewhere(),
        dates=(_day(ours.time[0]), _day(ours.time[-1])) if len(ours.time) else ("", ""),
    )


def _each_once(series: Mapping[int, Series], tried: Family) -> list[Series]:
    """Return all returns but copies that scored otherwise than the first: their own were others.

    So a program that keeps the best returns so far with every run does not make many trials into one.
    """
    scores = {run.number: run.score for run in tried.own.runs}
    first: dict[str, float | None] = {}
    distinct: list[Series] = []
    for number, one in sorted(series.items()):
        score = scores.get(number)
        if first.setdefault(content_of(one), score) == score:
            distinct.append(one)
    return distinct


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))


def _comparable(all_series: Sequence[Series], time: Times, tried: Family) -> list[Floats]:
    """Return the returns of every run that has these bars, in this sweep and in the others on them."""
    columns: list[Floats] = []
    for one in all_series:
        column = _aligned(one, time)
        if column is not None:
            columns.append(column)
    n_more = max(MAX_COMPARED - len(columns), 0)
    elsewhere = (_aligned(one, time) for one in tried.series_elsewhere(time, n_more))
    return [*columns[:MAX_COMPARED], *(column for column in elsewhere if column is not None)]


def _no_verdict(why: str, n_trials: int) -> ReturnsVerdict:
    return ReturnsVerdict(Judgement(kind="none", headline=why, n_trials=n_trials, n_bars=0))


def _aligned(series: Series | None, time: Times) -> Floats | None:
    """Return the returns at these times; None when the series lacks one of them."""
    if series is None or len(series.time) < len(time):
        return None
    at = np.searchsorted(series.time, time)
    if (at >= len(series.time)).any() or not np.array_equal(series.time[at], time):
        return None
    return series.returns[at]
