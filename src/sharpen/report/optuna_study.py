# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false
"""A sweep as an Optuna study, which Optuna's dashboard and its own analyses open."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sharpen.space import Choice, Constant, Dimension, Rounded, Weighted
from sharpen.spec import Sweep
from sharpen.store.rows import RunRow
from sharpen.sweep.out_of_memory import with_smaller
from sharpen.trial import TrialState

STATES = {TrialState.FINISHED: "COMPLETE", TrialState.RUNNING: "RUNNING", TrialState.PENDING: "WAITING"}
PLAIN = (str, int, float, bool, type(None))


def write_study(sweep: Sweep, name: str, runs: Sequence[RunRow], file: Path) -> int:
    """Write a new SQLite file with one study; return how many trials it has.

    Runs that were stopped early are ``PRUNED``, those that failed or are infeasible ``FAIL``.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
    """
    optuna: Any = import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{file}", study_name=name, direction=sweep.metric.goal, load_if_exists=False
    )
    ended = [run for run in runs if TrialState(run.state).is_final]
    distributions = {
        key: _distribution(optuna, one, [run.config[key] for run in ended if key in run.config])
        for key, one in sweep.space.dimensions.items()
    }
    trials = [_trial(optuna, run, distributions) for run in ended]
    study.add_trials(trials)
    return len(trials)


def _distribution(optuna: Any, dimension: Dimension, run_values: Sequence[Any]) -> Any:
    """Return a parameter's distribution, with the values that runs had to do with where memory ran out."""
    kinds = optuna.distributions
    if isinstance(dimension, Constant):
        return kinds.CategoricalDistribution([_plain(dimension.value)])
    if isinstance(dimension, Choice | Weighted):
        return kinds.CategoricalDistribution(
            [_plain(option) for option in with_smaller(dimension.options, run_values)]
        )
    inner: Any = dimension.dimension if isinstance(dimension, Rounded) else dimension
    low, high = min(dimension.from_unit(0.0), *run_values, math.inf), dimension.from_unit(1.0)
    is_log = bool(getattr(inner, "log", False)) and low > 0
    is_whole = isinstance(dimension.from_unit(0.5), int)
    make = kinds.IntDistribution if is_whole else kinds.FloatDistribution
    return make(low, high, log=is_log)


def _trial(optuna: Any, run: RunRow, distributions: Mapping[str, Any]) -> Any:
    states = optuna.trial.TrialState
    is_scored = run.score is not None and run.score == run.score and run.violation == 0
    state = states.COMPLETE if run.state == TrialState.FINISHED and is_scored else states.FAIL
    if run.state == TrialState.STOPPED and is_scored:
        state = states.PRUNED
    params = {name: _plain(value) for name, value in run.config.items() if name in distributions}
    trial = optuna.trial.create_trial(
        state=state,
        value=run.score if state is states.COMPLETE else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs={"run": run.id, "state": str(run.state), "reason": run.reason, "fidelity": run.fidelity},
        intermediate_values={0: run.score} if state is states.PRUNED else None,
    )
    if run.started_at is not None:
        trial.datetime_start = datetime.fromtimestamp(run.started_at)  # Optuna's times are local
    if run.ended_at is not None:
        trial.datetime_complete = datetime.fromtimestamp(run.ended_at)
    return trial


def _plain(value: Any) -> Any:
    return value if isinstance(value, PLAIN) else json.dumps(value)
