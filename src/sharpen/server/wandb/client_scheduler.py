"""Sweeps whose runs another program chooses: a local controller of the client, or its sweep scheduler.

Such a sweep is searched by our method ``queued``. What the client's program has scheduled is told by the
requests that made the runs, so that nothing is kept beside them and a restart changes nothing.
"""

# a file of the client comes without types
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import Any, cast

import yaml

from sharpen import spec
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.jsonable import dumps
from sharpen.run_ids import split_last_dash
from sharpen.server.wandb.context import Context, json_object, unwrapped
from sharpen.store.rows import RunRow
from sharpen.trial import TrialState

METHOD = "queued"
LAUNCH = (
    "W&B Launch (queues, jobs, containers) is not part of this server; make the sweep with 'wandb sweep' "
    "and start 'wandb agent' on each machine, or 'sharpen agent SWEEP --server URL'"
)
OURS = (
    "the server itself chooses what this sweep runs; one that another program steers is made by "
    "'wandb sweep --controller', or says 'controller: {type: local}' or 'scheduler: {engine: optuna}'"
)
BY_CONTROLLER = "schedule:"  # the keys of its requests begin so
STOPPED = "stopped by the program that steers the sweep"
MAX_ID = 100  # characters of the name that a controller gives what it schedules
MAX_AT_ONCE = 100
LOG_OF_SCHEDULER = "-scheduler"  # a run of no sweep holds what the client's scheduler says


def taken_over(read: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep file as it is stored: one that another program steers waits for what that queues.

    Its rule for early ends is that program's, too, and stands under ``controller`` or ``scheduler``
    meanwhile.

    Raises:
        UsageError: It belongs to W&B Launch.

    >>> taken_over({"controller": {"type": "local"}, "early_terminate": {"type": "custom"}})
    {'controller': {'type': 'local', 'early_terminate': {'type': 'custom'}}, 'optimizer': {'type': 'queued'}}
    """
    steered = _steered_by(read)
    if steered is None:
        return dict(read)
    about = dict(read[steered])
    if "job" in about:
        raise UsageError(f"$.scheduler: {LAUNCH}")
    kept_keys = {name: value for name, value in read.items() if name != "early_terminate"}
    if "early_terminate" in read:
        about["early_terminate"] = read["early_terminate"]
    return kept_keys | {steered: about, "optimizer": {"type": METHOD}}


def as_written(text: str) -> str:
    """Return a stored sweep file as whoever steers it wrote it.

    >>> print(as_written("controller: {type: local, early_terminate: {type: custom}}").strip())
    controller:
      type: local
    early_terminate:
      type: custom
    """
    if "early_terminate" not in text:
        return text
    read: Any = yaml.safe_load(text)
    steered = _steered_by(read) if isinstance(read, dict) else None
    if steered is None or "early_terminate" not in read[steered]:
        return text
    about = dict(read[steered])
    rule = about.pop("early_terminate")
    return yaml.safe_dump({**read, steered: about, "early_terminate": rule}, sort_keys=False)


def _steered_by(read: Mapping[str, Any]) -> str | None:
    """Return the key that says who steers a sweep; None when the server does."""
    controller, scheduler = read.get("controller"), read.get("scheduler")
    if isinstance(scheduler, dict) and scheduler:
        return "scheduler"
    is_local = isinstance(controller, dict) and cast("dict[str, Any]", controller).get("type") == "local"
    return "controller" if is_local else None


def is_steered(ctx: Context, sweep_id: str) -> bool:
    """Return whether another program chooses the runs of a sweep."""
    row = ctx.engine.reader.sweep(sweep_id, deleted=True)
    return spec.parse(row.spec, where=row.source).method == METHOD


def controller(ctx: Context, sweep_id: str) -> str:
    """Return what a local controller has scheduled and no agent has taken yet, as it said it.

    While there is any it schedules nothing more.
    """
    waiting = [run for run in _scheduled(ctx, sweep_id) if run.state == TrialState.PENDING]
    entries = [{"id": _id(run), "data": {"args": _wrapped(run.config)}} for run in waiting]
    return dumps({"schedule": entries} if entries else {})


def scheduler(ctx: Context, sweep_id: str) -> str | None:
    """Return which run came of what a local controller has scheduled; None when nothing did."""
    pairs = [{"id": _id(run), "runid": run.id} for run in _scheduled(ctx, sweep_id)]
    return dumps({"scheduled": pairs}) if pairs else None


def _scheduled(ctx: Context, sweep_id: str) -> list[RunRow]:
    return [run for run in ctx.engine.reader.runs(sweep_id) if (run.key or "").startswith(BY_CONTROLLER)]


def _id(run: RunRow) -> str:
    return (run.key or "").removeprefix(BY_CONTROLLER).rpartition("/")[0]


def _wrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in config.items()}


def obey(ctx: Context, sweep_id: str, text: str) -> None:
    """Do what a local controller says: schedule configurations, end the sweep, stop runs.

    What it says again is done once.

    Raises:
        UsageError: It is none of that, or the sweep is not steered by a controller.
    """
    ctx.need("agent")
    orders = json_object(text, "controller")
    if not orders:
        return
    if not is_steered(ctx, sweep_id):
        raise UsageError(OURS)
    for entry in _entries(orders, "schedule"):
        match entry:
            case {"id": str(name), "data": {"args": dict() | None as args}} if 0 < len(name) <= MAX_ID:
                config = None if args is None else unwrapped(cast("dict[str, Any]", args))
                ctx.engine.call("schedule", sweep_id=sweep_id, key=f"{BY_CONTROLLER}{name}", config=config)
            case _:
                raise UsageError("a controller schedules {id: …, data: {args: {NAME: {value: …}}}}")
    for name in _entries(orders, "earlystop"):
        if isinstance(name, str) and split_last_dash(name)[0] == sweep_id:
            stop(ctx, name)


def _entries(orders: Mapping[str, Any], name: str) -> list[Any]:
    entries = orders.get(name) or []
    if not isinstance(entries, list) or len(entries) > MAX_AT_ONCE:
        raise UsageError(f"a controller's {name} is a list of at most {MAX_AT_ONCE}")
    return cast("list[Any]", entries)


def stop(ctx: Context, run_id: str) -> None:
    """Tell a run to end, as a stop rule does: what it has reported counts."""
    with contextlib.suppress(Refused, NotFound):  # it has ended meanwhile, or has been deleted
        ctx.engine.call("stop_run", run_id=run_id, reason=STOPPED)


def enqueue(ctx: Context, sweep_id: str, config: str) -> dict[str, Any]:
    """Let a configuration of the client's sweep scheduler wait for an agent, and return its run.

    Raises:
        UsageError: It is none of this sweep's, or the sweep is not steered, or has no room.
    """
    ctx.need("agent")
    if not is_steered(ctx, sweep_id):
        raise UsageError(OURS)
    values = unwrapped(json_object(config, "config"))
    made = ctx.engine.call("schedule", sweep_id=sweep_id, key=secrets.token_hex(8), config=values)
    if not made["runs"]:
        raise UsageError(f"sweep {sweep_id} takes no more runs: it has reached its run_cap, or has ended")
    return {"id": made["runs"][0], "runQueueItemId": made["runs"][0]}
