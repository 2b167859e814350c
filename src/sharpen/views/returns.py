"""Out-of-sample returns as programs kept them, and what the verdict needs of those of other sweeps."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sharpen.arrays import Floats, Ints, Times
from sharpen.errors import DataError, StoreError
from sharpen.facts import RETURNS, RETURNS_COLUMNS
from sharpen.store.blobs import check_file
from sharpen.store.rows import ArtifactRow

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
    """

    time: Times
    fold: Ints
    returns: Floats
    baseline: Floats


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


def returns_files(artifacts: Sequence[ArtifactRow]) -> dict[str, ArtifactRow]:
    """Return the file of each run that holds its returns, by the run's id; one of that name before others."""
    chosen: dict[str, ArtifactRow] = {}
    for artifact in artifacts:
        if artifact.type == RETURNS and (artifact.run_id not in chosen or artifact.name == RETURNS):
            chosen[artifact.run_id] = artifact
    return chosen
