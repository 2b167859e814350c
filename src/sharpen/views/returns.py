"""Out-of-sample returns as programs kept them, and what the verdict needs of those of other sweeps."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sharpen.arrays import Floats, Ints, Times
from sharpen.errors import DataError, StoreError
from sharpen.facts import RETURNS, RETURNS_COLUMNS, STRESS_COLUMNS
from sharpen.store.blobs import check_file
from sharpen.store.configurations import Configuration
from sharpen.store.rows import ArtifactRow
from sharpen.trial import TrialState

COLUMNS: dict[str, pa.DataType] = dict(
    zip(RETURNS_COLUMNS, (pa.timestamp("us"), pa.int64(), pa.float64(), pa.float64()), strict=True)
)


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """A run's out-of-sample returns, bar by bar in time order, beside buy-and-hold on the same bars.

    Attributes:
        time: The bars. (T,)
        fold: Which fold validated each. (T,)
        returns: The run's, after costs. (T,)
        baseline: Equal-weight buy-and-hold's. (T,)
        stress: What else the file has of ``gross``, ``turnover`` and ``delayed`` returns, by name. (T,) each
    """

    time: Times
    fold: Ints
    returns: Floats
    baseline: Floats
    stress: Mapping[str, Floats] = field(default_factory=dict[str, Floats])


def read_series(
    artifacts: Sequence[ArtifactRow], numbers: Mapping[str, int]
) -> tuple[dict[int, Series], dict[int, str]]:
    """Return the returns of each run that kept some, and why those of the others cannot be used.

    Args:
        artifacts: The sweep's files.
        numbers: Each run's number, by its id.
    """
    chosen = {numbers[run_id]: file for run_id, file in returns_files(artifacts).items() if run_id in numbers}
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
        more = [name for name in STRESS_COLUMNS if name in file.schema_arrow.names]
        table = file.read([*COLUMNS, *more], use_threads=False)
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
    stress = {name: _column(table, name)[order] for name in more}
    return Series(time, fold, returns, baseline, stress)


def _column(table: pa.Table, name: str) -> Any:
    column, kind = table[name], COLUMNS.get(name, pa.float64())
    column = (column if column.type == kind else column.cast(kind, safe=name != "time")).combine_chunks()
    if column.null_count:
        raise DataError(f"a row without a value in the column {name}")
    if name == "time":
        return np.from_dlpack(column.view(pa.int64())).view("datetime64[us]")
    return np.from_dlpack(column)  # to_numpy would import pandas first


def returns_files(artifacts: Sequence[ArtifactRow]) -> dict[str, ArtifactRow]:
    """Return the file of each run that holds its returns, by the run's id; one of that name before others."""
    chosen: dict[str, ArtifactRow] = {}
    for artifact in artifacts:
        if artifact.type == RETURNS and (artifact.run_id not in chosen or artifact.name == RETURNS):
            chosen[artifact.run_id] = artifact
    return chosen


def ensembles(
    by_run: Mapping[int, Series], groups: Sequence[Configuration]
) -> tuple[dict[int, Series], tuple[int, ...]]:
    """Return the returns of each configuration, by its first run's number, and which are of one seed alone.

    They are the mean over its runs, which is what trading all of its seeds at equal weight makes. Where runs
    were validated on different bars there is no such mean, and the first run's stand for all. A configuration
    of :func:`partly_kept` has none.

    Args:
        by_run: Returns, by run number.
        groups: The sweep's configurations.
    """
    by_number: dict[int, Series] = {}
    differing: list[int] = []
    partly = set(partly_kept(by_run, groups))
    for group in groups:
        if group.row.number in partly:
            continue
        seeds = [by_run[run.number] for run in group.runs if run.number in by_run]
        if not seeds:
            continue
        number, first = group.row.number, seeds[0]
        if all(np.array_equal(one.time, first.time) for one in seeds):
            by_number[number] = _mean(seeds)
        else:
            by_number[number] = first
            differing.append(number)
    return by_number, tuple(differing)


def partly_kept(by_run: Mapping[int, Series], groups: Sequence[Configuration]) -> tuple[int, ...]:
    """Return the configurations of which some finished runs kept returns and others did not, by number.

    The mean over those that did would be a choice among seeds: a program that keeps what went well makes
    noise look good.

    Args:
        by_run: Returns, by run number.
        groups: The sweep's configurations.
    """
    numbers: list[int] = []
    for group in groups:
        has = [run.number in by_run for run in group.runs if run.state == TrialState.FINISHED]
        if any(has) and not all(has):
            numbers.append(group.row.number)
    return tuple(numbers)


def _mean(seeds: Sequence[Series]) -> Series:
    first = seeds[0]
    if len(seeds) == 1:
        return first
    shared = [name for name in first.stress if all(name in one.stress for one in seeds)]
    stress = {name: np.mean([one.stress[name] for one in seeds], axis=0) for name in shared}
    return replace(first, returns=np.mean([one.returns for one in seeds], axis=0), stress=stress)
