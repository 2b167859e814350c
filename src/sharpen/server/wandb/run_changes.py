"""What the client says of runs: that they begin, what they are called, that they are to end."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.server.wandb import client_scheduler, runs
from sharpen.server.wandb.context import DEFAULT_PROJECT, Context, json_object, unwrapped
from sharpen.store.rows import TrackedRun
from sharpen.store.schema import LARGEST
from sharpen.trial import TrialState

LOG = logging.getLogger(__name__)
ABOUT_PROGRAM = ("host", "program", "jobProgram", "commit")  # what only a client that starts says
LABELS = {"groupName": "group_name", "jobType": "job_type", "displayName": "display_name", "notes": "note"}
ENDED = (TrialState.FINISHED, TrialState.FAILED, TrialState.CRASHED, TrialState.CANCELED)


def upsert(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Take note of what the client says of a run, which may be new; return the run.

    Raises:
        UsageError: There is no such run, or what is said is not as it should be.
    """
    ctx.need("agent")
    name, run_id = arguments.get("name"), arguments.get("name") or arguments.get("id") or ""
    row = ctx.engine.reader.tracked.run(run_id)
    if row is None and not name:
        raise UsageError(f"no run {run_id!r}")
    changes = _changes(arguments)
    is_new = row is None
    if row is None:
        _begin(ctx, run_id, arguments.get("modelName") or DEFAULT_PROJECT, changes)
    else:
        if row.sweep_id is None and row.state in ENDED and any(arguments.get(word) for word in ABOUT_PROGRAM):
            _take_up(ctx, row)
            if not arguments.get("id"):  # one that goes on with a run names it so, too
                ctx.engine.call("overwrite", run_id=run_id, token=row.token + 1)
        if changes:
            ctx.engine.call("edit_run", run_id=run_id, changes=changes)
    run = runs.find(ctx, run_id)
    if run is None:
        raise UsageError(f"run {run_id!r} has been deleted")
    return {"bucket": run, "inserted": is_new, "serverSettings": {"serverMessages": []}}


def _begin(ctx: Context, run_id: str, project: str, changes: Mapping[str, Any]) -> None:
    labels = {name: changes[name] for name in LABELS.values() if name in changes}
    labels.setdefault("display_name", run_id)
    about: dict[str, Any] = {"config": changes.get("config"), "tags": changes.get("tags"), **labels}
    own = about["config"].get(runs.CLIENTS_OWN) if about["config"] else None
    if isinstance(own, dict) and (branch := cast("dict[str, Any]", own).get("branch_point")):
        about["fork"] = {"run_id": str(branch["run_id"]), "step": _step(branch["step"])}
    key = secrets.token_hex(8)
    # two requests of one client may cross: the second goes on with what the first has made
    ctx.engine.call("create_run", run_id=run_id, key=key, project=project, resume="allow", **about)


def _take_up(ctx: Context, row: TrackedRun) -> None:
    key = secrets.token_hex(8)
    ctx.engine.call("create_run", run_id=row.id, key=key, project=row.project, resume="allow")


def rewind(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Let a run go on from a step that it has passed; what it logged behind that is forgotten.

    Raises:
        UsageError: There is no such run, or it is rewound by something else than its steps.
    """
    ctx.need("agent")
    row = ctx.engine.reader.tracked.run(arguments["runName"])
    if row is None:
        raise UsageError(f"no run {arguments['runName'][:80]!r} to rewind")
    if arguments["metricName"] != "_step":
        raise UsageError(f"a run is rewound to a '_step', not to a value of {arguments['metricName'][:80]!r}")
    if row.sweep_id is not None:
        raise UsageError(f"run {row.id} belongs to a sweep: only a run of no sweep can be rewound")
    _take_up(ctx, row)
    ctx.engine.call("rewind", run_id=row.id, token=row.token + 1, step=_step(arguments["metricValue"]))
    return {"rewoundRun": runs.find(ctx, row.id)}


def _step(value: Any) -> int:
    if isinstance(value, int | float) and float(value).is_integer() and 0 <= value <= LARGEST:
        return int(value)
    raise UsageError(f"a step is a whole number from 0 to {LARGEST}, not {value!r:.60}")


def revive(ctx: Context, row: TrackedRun) -> None:
    """Let a run go on that was taken for dead and is heard again."""
    _take_up(ctx, row)


def _changes(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``edit_run`` is asked for."""
    changes: dict[str, Any] = {
        LABELS[name]: arguments[name] for name in LABELS if arguments.get(name) is not None
    }
    if arguments.get("tags") is not None:
        changes["tags"] = [tag for tag in arguments["tags"] if isinstance(tag, str) and tag.strip()]
    if arguments.get("config"):
        changes["config"] = unwrapped(json_object(arguments["config"], "config"))
    if arguments.get("summaryMetrics"):
        changes["summary"] = json_object(arguments["summaryMetrics"], "summaryMetrics")
    return changes


def delete(ctx: Context, run_id: str) -> dict[str, Any]:
    """Delete a run; one of no sweep that is at work ends, and its program is told so by its next request."""
    ctx.need("admin")
    row = ctx.engine.reader.tracked.run(run_id)
    if row is not None and row.sweep_id is None and row.state == TrialState.RUNNING:
        why = "deleted through the W&B client"
        ctx.engine.call("finish_run", run_id=run_id, token=row.token, exit_code=1, reason=why)
    ctx.engine.call("delete", target=run_id)
    return {"success": True}


def stop(ctx: Context, run_id: str) -> dict[str, Any]:
    """Tell a run to end; what one of a steered sweep has reported counts, for its scheduler judges it."""
    ctx.need("agent")
    row = ctx.engine.reader.tracked.run(run_id)
    if row is not None and row.sweep_id is not None and client_scheduler.is_steered(ctx, row.sweep_id):
        client_scheduler.stop(ctx, run_id)
        return {"success": True}
    ctx.engine.call("cancel_run", run_id=run_id, reason="stopped through the W&B client")
    return {"success": True}


def alert(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a run warns of with the run, and say it in the server's log."""
    ctx.need("agent")
    run_id = arguments.get("runName") or ""
    row = ctx.engine.reader.tracked.run(run_id)
    if row is None:
        raise UsageError(f"no run {run_id!r}")
    alert_text = {name: str(arguments.get(name) or "")[:2000] for name in ("title", "text", "severity")}
    LOG.warning("run %s: %s: %s", run_id, alert_text["title"], alert_text["text"])
    alerts = [*row.summary.get("_alerts", []), alert_text][-100:]
    ctx.engine.call("edit_run", run_id=run_id, changes={"summary": {"_alerts": alerts}})
    return {"success": True}
