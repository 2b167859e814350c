"""What a job gave: its value, more figures, words for the run's summary, and the returns in its folder."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.core.utils import JobReturn

from hydra_plugins.sharpen_sweeper._translation import METRIC
from sharpen.errors import UsageError
from sharpen.facts import RETURNS_COLUMNS
from sharpen.jsonable import number

RETURNS_FILE = "returns.parquet"


@dataclass(frozen=True)
class JobResult:
    """What a job gave.

    Attributes:
        value: The number to minimise, or maximise; NaN for infeasible.
        figures: What else it measured, by name.
        summary: What it says of the run as a whole.
        returns: Its out-of-sample returns; None when it wrote none.
    """

    value: float
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])
    returns: Path | None = None


def job_result(result: JobReturn) -> JobResult:
    """Return what a job that has completed gave.

    Raises:
        UsageError: Its function returned no number.
    """
    value: Any = result.return_value
    folder = Path(str(result.hydra_cfg.hydra.runtime.output_dir)) if result.hydra_cfg else Path()
    file = folder / RETURNS_FILE
    returns = file if file.is_file() else None
    if not isinstance(value, Mapping):
        return JobResult(value_of(value), returns=returns)
    returned = cast("Mapping[str, Any]", value)
    figures = {str(name): figure for name, one in returned.items() if (figure := number(one)) is not None}
    figures.pop(METRIC, None)
    return JobResult(value_of(returned), figures, dict(returned.get("summary") or {}), returns)


def value_of(value: Any) -> float:
    """Return what a job's function returned as a number.

    Raises:
        UsageError: It is none.

    >>> value_of({"performance": 0.5}), value_of(2)
    (0.5, 2.0)
    """
    if isinstance(value, Mapping):
        value = cast("Mapping[str, Any]", value).get(METRIC)
    try:
        return float(value)
    except (TypeError, ValueError):
        sentence = f"the function gave {value!r}: return the number to minimise, or a mapping with {METRIC!r}"
        raise UsageError(sentence) from None


def means(results: Sequence[JobResult]) -> dict[str, float]:
    """Return the mean of each figure that all results have.

    >>> means([JobResult(1.0, {"a": 1.0, "b": 2.0}), JobResult(2.0, {"a": 3.0})])
    {'a': 2.0}
    """
    shared = [name for name in results[0].figures if all(name in one.figures for one in results)]
    return {name: math.fsum(one.figures[name] for one in results) / len(results) for name in shared}


def join_returns(results: Sequence[JobResult], path: Path) -> bool:
    """Write the returns of all jobs as one file, several seeds as their mean; return whether there are any.

    Where only some jobs wrote returns there is no file: those that did may be the lucky ones.
    """
    files = [one.returns for one in results if one.returns is not None]
    if not files or len(files) < len(results):
        return False
    import polars as pl  # noqa: PLC0415 - it takes a moment to import

    frames = [pl.read_parquet(file) for file in files]
    shared = [name for name in frames[0].columns if all(name in frame.columns for frame in frames)]
    keys = [name for name in RETURNS_COLUMNS[:2] if name in shared]
    joined = pl.concat([frame.select(shared) for frame in frames])
    if joined.select(pl.struct(keys).is_duplicated().any()).item():
        joined = joined.group_by(keys, maintain_order=True).mean()
    joined.sort("time").write_parquet(path)
    return True
