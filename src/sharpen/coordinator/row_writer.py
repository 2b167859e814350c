"""Writes the effects of a sweep's step as rows of the store."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sharpen.facts import PROPOSED
from sharpen.jsonable import dumps
from sharpen.run_ids import run_id
from sharpen.spec import Metric, Sweep
from sharpen.store.port import Row, Writer
from sharpen.sweep.effects import (
    Accepted,
    BeatAnswer,
    CreateRun,
    DeleteRun,
    DeleteSweep,
    Effect,
    EndRun,
    Granted,
    KeepCheckpoint,
    KeepReport,
    LeaseRun,
    NothingNow,
    Rejected,
    RequeueRun,
    SetConfig,
    SetElapsed,
    SetLimits,
    SetStatus,
    StopRun,
    SweepOver,
)
from sharpen.trial import StoredCheckpoint, TrialState, finite


def create(writer: Writer, sweep_id: str, new: Sequence[tuple[CreateRun, float]]) -> None:
    """Write new runs, each with the time of its creation."""
    same = {"sweep_id": sweep_id, "state": "pending", "reason": "", "token": 0, "lost": 0, "stop": ""}
    rows: list[dict[str, Any]] = []
    for effect, at in new:
        trial = effect.trial
        values = {"id": run_id(sweep_id, trial.number), "number": trial.number, "summary": "{}"}
        values |= {
            "config": dumps(trial.config),
            "origin": trial.origin,
            "parent": trial.parent,
            "fidelity": trial.fidelity,
        }
        values |= {"repeat": trial.repeat, "repeat_of": trial.repeat_of, "key": effect.key}
        rows.append(same | values | {"created_at": at})
    writer.create_runs(rows)


def keep_reports(
    writer: Writer, sweep_id: str, metric: Metric, reports: Sequence[tuple[KeepReport, float]]
) -> None:
    """Write what a run's program logged, each step with its time, and count what is new."""
    run = run_id(sweep_id, reports[0][0].number)
    last_values: list[tuple[int, Mapping[str, Any]]] = []
    n_new = n_scored = 0
    for report, at in reports:
        old = None if report.is_next else writer.report(run, report.token, report.step)
        row: dict[str, Any] = {"run_id": run, "token": report.token, "step": report.step, "at": at}
        value = finite(report.metrics[metric.name]) if report.counts else None
        row |= {"metrics": report.metrics, "has_metric": report.counts, "value": value}
        last_values.append((report.step, _put_report(writer, row, metric.name, old)))
        n_new, n_scored = n_new + (old is None), n_scored + report.counts
    writer.keep_last(run, last_values)
    writer.count_reports(run, n_new, n_scored)


def _put_report(writer: Writer, row: dict[str, Any], metric: str, old: Row | None) -> Mapping[str, Any]:
    """Insert a step's metrics, or lay them over what was logged at it before; a metric that counts stays.

    Returns the metrics as they are kept.
    """
    if old is not None:
        logged = json.loads(old["metrics"])
        row["metrics"] = logged | row["metrics"]
        if old["has_metric"]:
            row["metrics"][metric] = logged[metric]
            row |= {"has_metric": True, "value": old["value"]}
    value, metrics = row["value"], row["metrics"]
    row |= {"metrics": dumps(metrics), "value": None if value is None or math.isnan(value) else value}
    writer.put_report(row)
    return metrics


def write(writer: Writer, sweep_id: str, spec: Sweep, effect: Effect, at: float) -> None:
    """Write what an effect says of what is there already; one that only answers writes nothing."""
    match effect:
        case SetStatus() | SetLimits() | SetElapsed() | DeleteSweep():
            writer.set_sweep(sweep_id, _of_sweep(effect, at))
        case LeaseRun():
            _lease(writer, run_id(sweep_id, effect.number), effect, at)
        case EndRun(trial, exit_code, reason, cause):
            values = {"state": trial.state.value, "exit_code": exit_code, "reason": reason, "ended_at": at}
            values |= {"cause": cause.value} | _scores(spec, effect)
            writer.end_run(run_id(sweep_id, trial.number), values)
        case SetConfig(number, config, proposed):
            writer.set_run(run_id(sweep_id, number), {"config": dumps(config)})
            writer.merge_summary(run_id(sweep_id, number), {PROPOSED: dict(proposed)})
        case RequeueRun(number) | StopRun(number) | KeepCheckpoint(number) | DeleteRun(number):
            writer.set_run(run_id(sweep_id, number), _of_run(effect, at))
        case CreateRun() | KeepReport():
            pass  # with the others of their kind, by the functions above
        case Granted() | NothingNow() | SweepOver() | Accepted() | Rejected() | BeatAnswer():
            pass


def _of_sweep(effect: SetStatus | SetLimits | SetElapsed | DeleteSweep, at: float) -> dict[str, Any]:
    match effect:
        case SetStatus(status, reason, run_cap, n_forgiven, cause):
            values: dict[str, Any] = {"status": status, "reason": reason, "run_cap": run_cap}
            ended_at = None if status.is_open else at
            return values | {"ended_at": ended_at, "n_forgiven": n_forgiven, "cause": cause}
        case DeleteSweep():
            return {"deleted_at": at}
        case _:
            return asdict(effect)


def _of_run(effect: RequeueRun | StopRun | KeepCheckpoint | DeleteRun, at: float) -> dict[str, Any]:
    match effect:
        case RequeueRun(_, lost, reason):
            values: dict[str, Any] = {"state": TrialState.PENDING, "lost": lost, "reason": reason}
            return values | {"agent_id": None, "lease_key": None}
        case StopRun(_, reason, is_canceled):
            return {"stop": reason, "is_canceled": is_canceled}
        case KeepCheckpoint(_, checkpoint):
            return {"checkpoint": _checkpoint(checkpoint)}
        case DeleteRun():
            return {"deleted_at": at}


def _lease(writer: Writer, run_id: str, effect: LeaseRun, at: float) -> None:
    values: dict[str, Any] = {"state": "running", "agent_id": effect.agent, "lease_key": effect.key}
    values |= {"token": effect.token, "started_at": at, "stop": "", "is_canceled": False, "reason": ""}
    values |= {"resumed": _checkpoint(effect.resumed)}
    # the rows up to its own checkpoint count for the lease that goes on from it
    is_own = effect.resumed is not None and not effect.is_inherited
    writer.lease_run(run_id, values, effect.resumed.step if effect.resumed and is_own else None)


def _checkpoint(checkpoint: StoredCheckpoint | None) -> str | None:
    return None if checkpoint is None else dumps(asdict(checkpoint))


def _scores(spec: Sweep, effect: EndRun) -> dict[str, Any]:
    """Return a trial's scores as the program logged them."""
    trial = effect.trial
    score = None if trial.score is None else spec.metric.larger_is_better(trial.score)
    logged = [m.larger_is_better(value) for m, value in zip(spec.metrics, trial.scores, strict=False)]
    return {"score": score, "scores": dumps(logged), "violation": trial.violation, "cost": trial.cost}
