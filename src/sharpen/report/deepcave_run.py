"""A sweep as DeepCAVE's tables: ``trials.csv`` and ``configspace.csv`` in a folder.

Source: the reader of ``DataFrameRun`` in DeepCAVE 1.4. It has no conditions and refuses an empty cell: a
parameter that a run did not have is told with its default. Its header of a metric takes letters, digits and
underscores as a name and plain decimals as bounds, with a blank after the semicolon; categories that look
like numbers or truth values break it, so that they get the prefix ``c_``. A parameter of one value is a
division by zero to it, and is left out.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpen.space import Choice, Dimension, Rounded, Weighted
from sharpen.spec import Sweep
from sharpen.store.rows import RunRow
from sharpen.sweep.out_of_memory import is_out_of_memory, with_smaller
from sharpen.trial import TrialState

TRIALS, SPACE = "trials.csv", "configspace.csv"
STATUS = {TrialState.FINISHED: "SUCCESS", TrialState.STOPPED: "SUCCESS", TrialState.FAILED: "CRASHED"}
COLUMNS = ("name", "type", "log", "lower", "upper", "default", "distribution", "ordered")
_WORD = re.compile(r"[A-Za-z][\w./ -]*")


def write_tables(sweep: Sweep, runs: Sequence[RunRow], folder: Path) -> int:
    """Write both tables; return how many trials there are."""
    folder.mkdir(parents=True, exist_ok=True)
    ended = [run for run in runs if TrialState(run.state).is_final]
    varying = {name: one for name, one in sweep.space.dimensions.items() if len(one.grid() or (0, 1)) > 1}
    names = list(varying)
    metric = _metric(sweep, [run.score for run in ended if run.score is not None])
    prior: Mapping[str, Any] = sweep.prior[0] if sweep.prior else {}
    run_values = {name: [run.config[name] for run in ended if name in run.config] for name in varying}
    rows = [{"name": name, **_row(one, prior.get(name), run_values[name])} for name, one in varying.items()]
    defaults = {row["name"]: row["default"] for row in rows}
    first = [{"config_id": run.number, **defaults, **_trial(run, metric, varying)} for run in ended]
    columns = ["config_id", "start_time", "end_time", "status", *names, metric, "budget"]
    _write(folder / TRIALS, columns, first)
    n_items = max((sum(key.startswith("item_") for key in row) for row in rows), default=0)
    _write(folder / SPACE, [*COLUMNS, *(f"item_{k}" for k in range(n_items))], rows)
    return len(ended)


def _metric(sweep: Sweep, scores: Sequence[float]) -> str:
    """Return the header of the metric: its name, bounds and direction."""
    finite = [score for score in scores if math.isfinite(score)] or [0.0, 1.0]
    name = re.sub(r"\W", "_", sweep.metric.name)
    return f"metric:{name} [{min(finite):.12f}; {max(finite):.12f}] ({sweep.metric.goal})"


def _trial(run: RunRow, metric: str, dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    is_scored = run.score is not None and math.isfinite(run.score) and run.violation == 0
    status = STATUS.get(TrialState(run.state), "ABORTED")
    lacking = "MEMORYOUT" if is_out_of_memory(run.reason) else "CRASHED"
    values = {
        name: _cell(value, dimensions[name]) for name, value in run.config.items() if name in dimensions
    }
    return {
        "start_time": run.started_at,
        "end_time": run.ended_at,
        "status": status if is_scored or status != "SUCCESS" else lacking,
        metric: run.score if is_scored else None,
        "budget": 1.0 if run.fidelity is None else run.fidelity,
        **values,
    }


def _cell(value: Any, dimension: Dimension) -> Any:
    return _category(value) if isinstance(dimension, Choice | Weighted) else value


def _category(value: Any) -> str:
    """Return a category's text, which looks like no number and no truth value.

    >>> _category(True), _category(32), _category("relu")
    ('c_True', 'c_32', 'relu')
    """
    is_word = (
        isinstance(value, str) and _WORD.fullmatch(value) and value.lower() not in ("true", "false", "nan")
    )
    return str(value) if is_word else f"c_{value}"


def _row(dimension: Dimension, default: Any, run_values: Sequence[Any]) -> dict[str, Any]:
    """Return a parameter's row; its default is that of the sweep, or else a value in the middle.

    Its values are those of the space, and those that runs had to do with where memory ran out.
    """
    if isinstance(dimension, Choice | Weighted):
        options = with_smaller(dimension.options, run_values)
        items = {f"item_{k}": _category(option) for k, option in enumerate(options)}
        chosen = _category(options[0] if default is None else default)
        return {"type": "categorical", "default": chosen, "ordered": False, **items}
    inner: Any = dimension.dimension if isinstance(dimension, Rounded) else dimension
    is_whole = isinstance(dimension.from_unit(0.5), int)
    return {
        "type": "integer" if is_whole else "float",
        "log": bool(getattr(inner, "log", False)),
        "lower": min(dimension.from_unit(0.0), *run_values, math.inf),
        "upper": dimension.from_unit(1.0),
        "default": dimension.from_unit(0.5) if default is None else default,
        "distribution": "uniform",
    }


def _write(path: Path, columns: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
