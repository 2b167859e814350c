"""From what a sweep's step wants written to rows in the store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sharpen.errors import NotFound
from sharpen.spec import Sweep
from sharpen.store import schema
from sharpen.sweep.commands import (
    Command,
    CreateRun,
    EndRun,
    LeaseRun,
    RequeueRun,
    SetStatus,
    StopRun,
)
from sharpen.sweep.state import SweepStatus
from sharpen.trial import TrialState
from sharpen.wire import dumps

# built once: on the hot path, building a statement costs as much as executing it
INSERT_RUN = schema.runs.insert()
UPDATE_RUN = schema.runs.update().where(schema.runs.c.id == sa.bindparam("which"))
UPDATE_SWEEP = schema.sweeps.update().where(schema.sweeps.c.id == sa.bindparam("which"))


def run_id(sweep_id: str, number: int) -> str:
    """Return the id of a sweep's run.

    >>> run_id("k3v9x2aq", 7)
    'k3v9x2aq-7'
    """
    return f"{sweep_id}-{number}"


def split_run_id(run_id: str) -> tuple[str, int]:
    """Return the sweep's id and the run's number.

    Raises:
        NotFound: It is no run's id.

    >>> split_run_id("k3v9x2aq-7")
    ('k3v9x2aq', 7)
    """
    sweep_id, _, number = run_id.rpartition("-")
    if not number.isdecimal():
        raise NotFound(f"no run {run_id!r}: a run is called SWEEP-NUMBER")
    return sweep_id, int(number)


def write(connection: sa.Connection, sweep_id: str, spec: Sweep, command: Command, at: float) -> None:
    """Write what a command says; one that only answers writes nothing."""
    match command:
        case CreateRun(trial):
            values = {"id": run_id(sweep_id, trial.number), "sweep_id": sweep_id, "number": trial.number}
            values |= {"state": TrialState.PENDING, "config": dumps(trial.config), "origin": trial.origin}
            connection.execute(INSERT_RUN, values | {"created_at": at})
        case SetStatus(status, reason, run_cap, n_forgiven):
            ended_at = None if status is SweepStatus.RUNNING else at
            values = {"status": status, "reason": reason, "run_cap": run_cap, "ended_at": ended_at}
            connection.execute(UPDATE_SWEEP, values | {"n_forgiven": n_forgiven, "which": sweep_id})
        case _:
            _write_run(connection, sweep_id, spec, command, at)


def _write_run(connection: sa.Connection, sweep_id: str, spec: Sweep, command: Command, at: float) -> None:
    values: dict[str, Any]
    match command:
        case LeaseRun(number, agent, key, token):
            values = {"state": TrialState.RUNNING, "agent_id": agent, "lease_key": key, "token": token}
            values |= {"started_at": at, "stop": "", "reason": ""}
        case RequeueRun(number, lost, reason):
            values = {"state": TrialState.PENDING, "lost": lost, "reason": reason}
            values |= {"agent_id": None, "lease_key": None}
        case StopRun(number, reason):
            values = {"stop": reason}
        case EndRun(trial, exit_code, reason):
            number = trial.number
            score = None if trial.score is None else spec.metric.larger_is_better(trial.score)
            values = {"state": trial.state, "score": score, "exit_code": exit_code}
            values |= {"reason": reason, "ended_at": at}
        case _:
            return
    connection.execute(UPDATE_RUN, values | {"which": run_id(sweep_id, number)})
