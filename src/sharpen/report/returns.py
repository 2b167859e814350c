"""Out-of-sample returns: read from the store, estimated, and put before the judge."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sharpen import metrics
from sharpen.arrays import Floats, Ints, Times
from sharpen.bars import bars_per_year
from sharpen.errors import DataError, StoreError
from sharpen.facts import RETURNS, RETURNS_COLUMNS
from sharpen.overfit import Evidence, Interval, Judgement, judge, moments, sharpe_interval
from sharpen.report.model import Entry, Estimate, Performance, Series
from sharpen.seeds import rng_for
from sharpen.store.blobs import check_file
from sharpen.store.configurations import Configuration
from sharpen.store.rows import ArtifactRow
from sharpen.trial import TrialState

COLUMNS: dict[str, pa.DataType] = dict(
    zip(RETURNS_COLUMNS, (pa.timestamp("us"), pa.int64(), pa.float64(), pa.float64()), strict=True)
)
N_ESTIMATED = 40  # rows from the top that get an interval: each costs thousands of resampled bars
N_RESAMPLES = 500
N_COLUMNS = 500  # finished runs that the overfitting test takes: its time grows with their number


@dataclass(frozen=True, eq=False, slots=True)
class Finding:
    """The verdict, and what had to be left out of it."""

    judgement: Judgement
    left_out: tuple[int, ...] = ()


def read_series(
    artifacts: Sequence[ArtifactRow], numbers: Mapping[str, int]
) -> tuple[dict[int, Series], dict[int, str]]:
    """Return the returns of each run that kept some, and why those of the others cannot be used.

    Args:
        artifacts: The sweep's files.
        numbers: Each run's number, by its id.
    """
    chosen: dict[int, ArtifactRow] = {}
    for artifact in artifacts:
        number = numbers.get(artifact.run_id)
        if artifact.type != RETURNS or number is None:
            continue
        if number not in chosen or artifact.name == RETURNS:
            chosen[number] = artifact
    series: dict[int, Series] = {}
    unusable: dict[int, str] = {}
    for number, artifact in sorted(chosen.items()):
        try:
            check_file(artifact.path, artifact.digest)
            series[number] = read_file(artifact.path)
        except (DataError, StoreError) as problem:
            unusable[number] = problem.message
    return series, unusable


def read_file(path: Path) -> Series:
    """Return the returns in a Parquet file of the columns time, fold, ret and baseline.

    Raises:
        DataError: They cannot be used: no such file, a column less, a gap, a time that comes twice.
    """
    try:
        return _read(path)
    except (OSError, KeyError, ValueError, pa.ArrowException) as problem:
        text = str(problem).strip().splitlines()
        raise DataError(text[0] if text else type(problem).__name__, path=str(path)) from problem


def _read(path: Path) -> Series:
    with parquet.ParquetFile(path) as file:  # ten times quicker than what reads whole data sets
        if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
            raise DataError(f"no column {', '.join(missing)}: returns need {', '.join(COLUMNS)}")
        table = file.read(list(COLUMNS), use_threads=False)
    time: Times = _column(table, "time")
    fold: Ints = _column(table, "fold")
    returns: Floats = _column(table, "ret")
    baseline: Floats = _column(table, "baseline")
    order = np.argsort(time, kind="stable")
    time, fold, returns, baseline = time[order], fold[order], returns[order], baseline[order]
    if not (np.isfinite(returns).all() and np.isfinite(baseline).all()):
        raise DataError("a return that is not a number")
    if len(time) > 1 and not (np.diff(time) > np.timedelta64(0, "us")).all():
        raise DataError("two returns of one time: validation folds must not overlap")
    return Series(time, fold, returns, baseline)


def _column(table: pa.Table, name: str) -> Any:
    column, kind = table[name], COLUMNS[name]
    column = (column if column.type == kind else column.cast(kind, safe=name != "time")).combine_chunks()
    if column.null_count:
        raise DataError(f"a row without a value in the column {name}")
    if name == "time":
        return np.from_dlpack(column.view(pa.int64())).view("datetime64[us]")
    return np.from_dlpack(column)  # to_numpy would import pandas first


def ensembles(
    kept: Mapping[int, Series], groups: Sequence[Configuration]
) -> tuple[dict[int, Series], tuple[int, ...]]:
    """Return the returns of each configuration, by its first run's number, and which are of one seed alone.

    They are the mean over its runs, which is what trading all of its seeds at equal weight makes. Where runs
    were validated on different bars there is no such mean, and the first run's stand for all.

    Args:
        kept: Returns, by run number.
        groups: The sweep's configurations.
    """
    found: dict[int, Series] = {}
    differing: list[int] = []
    for group in groups:
        each = [kept[run.number] for run in group.runs if run.number in kept]
        if not each:
            continue
        number, first = group.row.number, each[0]
        if all(np.array_equal(one.time, first.time) for one in each):
            mean: Floats = np.mean([one.returns for one in each], axis=0) if len(each) > 1 else first.returns
            found[number] = replace(first, returns=mean)
        else:
            found[number] = first
            differing.append(number)
    return found, tuple(differing)


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
    for place, entry in enumerate(entries):
        found = series.get(entry.number)
        if found is None or len(found.time) < 2:
            done.append(entry)
            continue
        n_resamples = N_RESAMPLES if place < N_ESTIMATED else 0
        window = found.time.tobytes(), found.baseline.tobytes()
        if window not in holding:
            stream = rng_for(seed, "report", "baseline", len(found.time))
            holding[window] = _estimate(found.baseline, yearly(found), stream, 4 * n_resamples)
        stream = rng_for(seed, "report", "run", entry.number)
        own = _estimate(found.returns, yearly(found), stream, n_resamples)
        done.append(replace(entry, sharpe=own, baseline=holding[window]))
    return tuple(done)


def _estimate(returns: Floats, per_year: float, rng: np.random.Generator, n_resamples: int) -> Estimate:
    interval = Interval(math.nan, math.nan)
    if n_resamples:
        interval = sharpe_interval(returns, per_year, rng, n_resamples=n_resamples)
    return Estimate(metrics.sharpe(returns, per_year), interval)


def find(best: Entry | None, ranked: Sequence[Entry], series: Mapping[int, Series], seed: int) -> Finding:
    """Return the verdict on the best run, or one of kind ``none`` that says why there is no other.

    Every run with returns counts as a trial, whatever became of it, deleted ones too. The overfitting test
    takes the finished feasible runs that were validated on all of the best run's bars, the first
    :data:`N_COLUMNS` of them.

    Args:
        best: The best finished run.
        ranked: Finished feasible runs, then stopped ones, each from the best down; deleted ones among them.
        series: Returns, by run number; those of deleted runs among them.
        seed: The sweep's.
    """
    if best is None:
        return _no_verdict("No run has finished with a usable score.", len(series))
    if not series:
        return _no_verdict(
            "No run kept its out-of-sample returns (an artifact of type 'returns'),"
            " so the score cannot be tested against luck."
        )
    if best.number not in series:
        return _no_verdict(f"The best run, {best.number}, kept no usable out-of-sample returns.", len(series))
    ours = series[best.number]
    columns: list[Floats] = []
    left_out: list[int] = []
    for entry in ranked:
        if entry.state is not TrialState.FINISHED:
            continue
        column = _aligned(series.get(entry.number), ours.time)
        if column is None:
            left_out.append(entry.number)
        elif len(columns) < N_COLUMNS:
            columns.append(column)
    judgement = judge(
        Evidence(
            best_returns=ours.returns,
            baseline_returns=ours.baseline,
            trial_sharpes=np.array([moments(s.returns).sharpe for _, s in sorted(series.items())]),
            finished_returns=np.column_stack(columns),
            bars_per_year=yearly(ours),
            seed=seed,
        )
    )
    return Finding(judgement, tuple(left_out))


def _no_verdict(why: str, n_trials: int = 0) -> Finding:
    return Finding(Judgement(kind="none", headline=why, n_trials=n_trials, n_bars=0))


def _aligned(series: Series | None, time: Times) -> Floats | None:
    """Return the returns at these times; None when the series lacks one of them."""
    if series is None or len(series.time) < len(time):
        return None
    at = np.searchsorted(series.time, time)
    if (at >= len(series.time)).any() or not np.array_equal(series.time[at], time):
        return None
    return series.returns[at]
