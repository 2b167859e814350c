"""Runs as the client sees them."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen import spec
from sharpen.errors import NotFound, UsageError
from sharpen.jsonable import dumps
from sharpen.server.wandb import files
from sharpen.server.wandb.context import DEFAULT_PROJECT, ENTITY, Context, page, project_number, when
from sharpen.server.wandb.filters import fits, in_order
from sharpen.server.wandb.viewer import user
from sharpen.store.rows import ReportRow, RunRow, last_metrics
from sharpen.trial import TrialState

# W&B knows no state for a run that was ended early: it lets such runs finish
STATES = {
    TrialState.PENDING: "pending",
    TrialState.RUNNING: "running",
    TrialState.FINISHED: "finished",
    TrialState.STOPPED: "finished",
    TrialState.FAILED: "failed",
    TrialState.CRASHED: "crashed",
    TrialState.CANCELED: "killed",
}
MOST_SAMPLES = 100_000


def find(ctx: Context, run_id: str) -> dict[str, Any] | None:
    """Return a run as the client sees it; None when there is none."""
    try:
        row = ctx.engine.reader.run(run_id)
    except NotFound:
        return None
    if row.id != run_id or not row.sweep_id:
        return None
    return of_sweep(ctx, row.sweep_id, [row])[0]


def of_sweep(ctx: Context, sweep_id: str, rows: Sequence[RunRow] | None = None) -> list[dict[str, Any]]:
    """Return a sweep's runs, or some of them, as the client sees them."""
    reader = ctx.engine.reader
    sweep = reader.sweep(sweep_id)
    read = spec.parse(sweep.spec, where=sweep.source)
    chosen = reader.runs(sweep_id) if rows is None else rows
    reports: dict[str, list[ReportRow]] = defaultdict(list)
    found = (
        reader.reports(sweep_id=sweep_id) if rows is None else reader.reports(run_ids=[r.id for r in rows])
    )
    for report in found:
        reports[report.run_id].append(report)
    project = read.project or DEFAULT_PROJECT
    return [_run(ctx, row, read, project, reports[row.id]) for row in chosen]


def facts(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what filters and orders go by."""
    return run["facts"]


def listed(
    ctx: Context, project: str | None, filters: str | None = None, order: str | None = None
) -> list[dict[str, Any]]:
    """Return the runs of a project, or of all, that fit a filter, in an order.

    Raises:
        UsageError: The filter is none.
    """
    try:
        wanted: Any = json.loads(filters or "{}") or {}
    except ValueError as problem:
        raise UsageError(f"filters are JSON: {problem}") from problem
    found: list[dict[str, Any]] = []
    for sweep in ctx.engine.reader.sweeps():
        read = spec.parse(sweep.spec, where=sweep.source)
        if project in (None, "", read.project or DEFAULT_PROJECT):
            found += of_sweep(ctx, sweep.id)
    by_facts = [{**run["facts"], "run": run} for run in found if fits(run["facts"], wanted)]
    return [run["run"] for run in in_order(by_facts, order)]


def connection(runs: list[dict[str, Any]], first: int | None, after: str | None) -> dict[str, Any]:
    """Return a page of runs."""
    return page(runs, first, after)


def _run(
    ctx: Context, row: RunRow, read: spec.Sweep, project: str, reports: Sequence[ReportRow]
) -> dict[str, Any]:
    config = {**read.nested(row.config), **row.summary.get("_config", {})}
    summary = {**last_metrics(reports).get(row.id, {}), **row.summary}
    summary = {name: value for name, value in summary.items() if not name.startswith("_")}
    state = STATES[TrialState(row.state)]
    lines = [_line(report, row) for report in reports]
    heard = lines[-1]["_timestamp"] if lines else row.started_at or row.created_at
    return {
        "id": row.id,
        "name": row.id,
        "displayName": row.id,
        "description": "",
        "notes": row.note,
        "tags": list(row.tags),
        "project": {
            "id": project,
            "name": project,
            "entityName": ENTITY,
            "entity": {"id": "e", "name": ENTITY},
        },
        "projectId": project_number(project),
        "sweepName": row.sweep_id,
        "state": state,
        "config": dumps({name: {"value": value} for name, value in config.items()}),
        "wandbConfig": None,
        "summaryMetrics": dumps(summary),
        "systemMetrics": "{}",
        "historyKeys": _keys(lines),
        "historyLineCount": len(lines),
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyTail": dumps([dumps(line) for line in lines[-1:]]),
        "eventsTail": "[]",
        "history": lambda info, **which: _history(lines, **which),
        "events": lambda info, samples=500: [],  # pyright: ignore[reportUnknownLambdaType]
        "sampledHistory": lambda info, specs: [_sampled(lines, one) for one in specs],
        "parquetHistory": {"parquetUrls": [], "liveData": []},
        "files": lambda info, **which: files.connection(ctx, row.id, **which),
        "fileCount": lambda info: len(files.listed(ctx, row.id)),
        "logLines": lambda info, first=None, after=None: _console(ctx, row, first, after),
        "group": row.sweep_id,
        "jobType": "",
        "commit": "",
        "host": "",
        "readOnly": not ctx.key.allows("agent"),
        "createdAt": when(row.created_at),
        "heartbeatAt": when(row.ended_at or heard),
        "updatedAt": when(row.ended_at or heard),
        "exitcode": row.exit_code,
        "shouldStop": bool(row.stop),
        "failed": state in ("failed", "crashed"),
        "stopped": bool(row.stop),
        "running": state == "running",
        "user": user(),
        "facts": {
            "name": row.id,
            "display_name": row.id,
            "state": state,
            "sweep": row.sweep_id,
            "group": row.sweep_id,
            "tags": list(row.tags),
            "config": config,
            "summary_metrics": summary,
            "created_at": row.created_at,
            "heartbeat_at": heard,
            "job_type": "",
        },
    }


def _line(report: ReportRow, row: RunRow) -> dict[str, Any]:
    began = row.started_at or row.created_at
    return {**report.metrics, "_step": report.step, "_timestamp": report.at, "_runtime": report.at - began}


def _keys(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    keys: dict[str, dict[str, Any]] = {}
    for line in lines:
        for name, value in line.items():
            known = keys.setdefault(name, {"typeCounts": [{"type": _kind(value), "count": 0}]})
            known["typeCounts"][0]["count"] += 1
            known["previousValue"] = value
    return {"lastStep": lines[-1]["_step"] if lines else -1, "keys": keys, "sets": []}


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "map"


def _history(lines: Sequence[Mapping[str, Any]], **which: int | None) -> list[str]:
    first, end = which.get("minStep") or 0, which.get("maxStep")
    within = [line for line in lines if first <= line["_step"] and (end is None or line["_step"] < end)]
    return [dumps(line) for line in _thinned(within, which.get("samples", 500))]


def _sampled(lines: Sequence[Mapping[str, Any]], given: str) -> list[Mapping[str, Any]]:
    wanted: dict[str, Any] = json.loads(given)
    keys = cast("list[str]", wanted.get("keys") or [])
    first, last = wanted.get("minStep") or 0, wanted.get("maxStep")
    found = [line for line in lines if all(key in line for key in keys)]
    found = [line for line in found if first <= line["_step"] and (last is None or line["_step"] <= last)]
    chosen = [{key: line[key] for key in keys} if keys else line for line in found]
    return json.loads(dumps(_thinned(chosen, wanted.get("samples"))))


def _thinned(lines: Sequence[Mapping[str, Any]], samples: int | None) -> list[Mapping[str, Any]]:
    n = min(samples or MOST_SAMPLES, MOST_SAMPLES)
    if len(lines) <= n:
        return list(lines)
    return [lines[round(i * (len(lines) - 1) / max(n - 1, 1))] for i in range(n)]


def _console(ctx: Context, row: RunRow, first: int | None, after: str | None) -> dict[str, Any]:
    lines = ctx.engine.reader.console(row.id).splitlines()
    nodes = [
        {"number": i, "timestamp": when(row.started_at), "level": "info", "label": "", "line": line}
        for i, line in enumerate(lines)
    ]
    return page(nodes, first, after)


def upsert(ctx: Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """Take note of what the client says of a run; return the run.

    Raises:
        UsageError: It is no run of a sweep.
    """
    ctx.need("agent")
    run_id = given.get("name") or given.get("id") or ""
    run = find(ctx, run_id)
    if run is None:
        raise UsageError(f"no run {run_id!r}: only runs of sweeps are kept so far")
    if given.get("notes"):
        ctx.engine.call("note", target=run_id, text=given["notes"])
    if given.get("tags"):
        ctx.engine.call("tag", target=run_id, add=list(given["tags"]), remove=[])
    return {"bucket": find(ctx, run_id), "inserted": False}


def delete(ctx: Context, run_id: str) -> dict[str, Any]:
    """Delete a run."""
    ctx.need("admin")
    ctx.engine.call("delete", target=run_id)
    return {"success": True}


def stop(ctx: Context, run_id: str) -> dict[str, Any]:
    """Tell a run to end."""
    ctx.need("agent")
    ctx.engine.call("cancel_run", run_id=run_id, reason="stopped through the W&B client")
    return {"success": True}
