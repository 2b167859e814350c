"""What policies saved against baselines, as programs kept it, and how the best of them compares."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sharpen.arrays import Floats
from sharpen.errors import DataError, StoreError
from sharpen.facts import SAVED
from sharpen.overfit import Comparison, are_comparable, compare
from sharpen.spec import Sweep
from sharpen.store.blobs import check_file
from sharpen.store.configurations import Configuration, configurations, undeleted
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, RunRow, SweepRow
from sharpen.views.family import Family

Savings = Mapping[str, Floats]
"""Basis points that a policy saved against each baseline, by window of prices. (W,) each."""


def read_savings(
    artifacts: Sequence[ArtifactRow], numbers: Mapping[str, int]
) -> tuple[dict[int, Savings], dict[int, str]]:
    """Return what each run that kept it has saved, and why that of the others cannot be used.

    Args:
        artifacts: The sweep's files.
        numbers: Each run's number, by its id.
    """
    savings: dict[int, Savings] = {}
    unusable: dict[int, str] = {}
    for artifact in artifacts:
        if artifact.type != SAVED or artifact.run_id not in numbers:
            continue
        try:
            check_file(artifact.path, artifact.digest)
            savings[numbers[artifact.run_id]] = read_file(artifact.path)
        except (DataError, StoreError) as problem:
            unusable[numbers[artifact.run_id]] = problem.message
    return savings, unusable


def read_file(path: Path) -> Savings:
    """Return what a Parquet file holds, a column a baseline and a row a window.

    Raises:
        DataError: It cannot be used: no such file, no column, a value that is not a number.
    """
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(use_threads=False)
        columns = {name: np.asarray(table[name].to_pylist(), dtype=np.float64) for name in table.column_names}
    except (OSError, ValueError, TypeError, pa.ArrowException) as problem:
        text = str(problem).strip().splitlines()
        raise DataError(text[0] if text else type(problem).__name__, path=str(path)) from problem
    if not columns or not all(len(values) and np.isfinite(values).all() for values in columns.values()):
        raise DataError("savings need a column a baseline and finite numbers", path=str(path))
    return columns


def of_configurations(by_run: Mapping[int, Savings], groups: Sequence[Configuration]) -> dict[int, Savings]:
    """Return the savings of each configuration by its first run's number: the mean over its seeds.

    One of which not every run kept its savings on the same windows has none.
    """
    means: dict[int, Savings] = {}
    for group in groups:
        seeds = [by_run[run.number] for run in group.runs if run.number in by_run]
        if len(seeds) == len(group.runs) and all(are_comparable(one, seeds[0]) for one in seeds):
            means[group.row.number] = {
                name: np.mean([one[name] for one in seeds], axis=0) for name in seeds[0]
            }
    return means


def comparisons_of(
    reader: Reader, number: int, ever: Sequence[RunRow], parsed: Sweep, tried: Family
) -> list[Comparison]:
    """Return a run beside each baseline, corrected for all that was tried; empty where it kept nothing.

    Args:
        reader: The store.
        number: The run's, in its sweep.
        ever: Every run of the sweep, deleted ones among them.
        parsed: The sweep's file.
        tried: What the sweep and the others on its bars have tried.
    """
    sweep = tried.own.sweep
    by_run = _savings(reader, sweep, ever)
    if not by_run:
        return []
    by_configuration = of_configurations(by_run, configurations(undeleted(ever), parsed.repeats))
    if number not in by_configuration:
        return []
    elsewhere = [one for other in tried.others for one in _savings(reader, other.sweep, other.runs).values()]
    own = by_configuration[number]
    others = [one for other, one in sorted(by_configuration.items()) if other != number]
    tried_here = [own, *(one for one in (*others, *elsewhere) if are_comparable(one, own))]
    return compare(tried_here, 0, sweep.seed)


def _savings(reader: Reader, sweep: SweepRow, runs: Sequence[RunRow]) -> dict[int, Savings]:
    numbers = {run.id: run.number for run in runs}
    return read_savings(reader.artifacts(sweep_id=sweep.id, deleted=True), numbers)[0]
