"""Sweeps as the client sees them, and the agents that work on them."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, cast

import yaml

from sharpen import spec
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.server.wandb import client_scheduler, runs
from sharpen.server.wandb.context import DEFAULT_PROJECT, Context, Gone, page, when
from sharpen.spec import document
from sharpen.store.configurations import configurations, winner
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.sweep.queued_configs import complete_all
from sharpen.trial import TrialState

STATES = {
    SweepStatus.RUNNING: "RUNNING",
    SweepStatus.PAUSED: "PAUSED",
    SweepStatus.FINISHED: "FINISHED",
    SweepStatus.STOPPED: "FINISHED",
    SweepStatus.FAILED: "FAILED",
    SweepStatus.CANCELED: "CANCELED",
}
ANYWHERE = ""  # the folder of a sweep that the client made: it does not say which; agents work where they are
VERBS = {"PAUSED": "pause", "RUNNING": "reopen", "FINISHED": "stop"}
VANISHED = "the program ended without a word to the server"
TERMINATED = -15
RUN_AGAIN = "the configurations of these runs are run again first, so that the sweep judges them as its own"


def find(ctx: Context, sweep_id: str) -> dict[str, Any] | None:
    """Return a sweep as the client sees it; None when there is none of exactly this id."""
    row = _row(ctx, sweep_id)
    return None if row is None else _sweep(ctx, row)


def listed(ctx: Context, project: str | None) -> list[dict[str, Any]]:
    """Return the sweeps of a project, the newest first."""
    sweeps = [_sweep(ctx, row) for row in reversed(ctx.engine.reader.sweeps())]
    return [sweep for sweep in sweeps if project in (None, "", sweep["project"]["name"])]


def _row(ctx: Context, sweep_id: str) -> SweepRow | None:
    try:
        row = ctx.engine.reader.sweep(sweep_id)
    except NotFound:
        return None
    return row if row.id == sweep_id else None


def _sweep(ctx: Context, row: SweepRow) -> dict[str, Any]:
    read = spec.parse(row.spec, where=row.source)
    project = read.project or DEFAULT_PROJECT

    def of_runs(info: Any, filters: str | None = None, after: str | None = None, **more: Any) -> Any:
        about = {"filters": filters, "order": more.get("order") or "+number"}
        return runs.listed(ctx, None, row.id, after=after, first=more.get("first"), **about)

    return {
        "id": row.id,
        "name": row.id,
        "displayName": row.name,
        "project": runs.project_of(project),
        "method": read.method,
        "state": STATES[SweepStatus(row.status)],
        "description": read.description,
        "config": client_scheduler.as_written(row.spec),
        "createdAt": when(row.created_at),
        "updatedAt": when(row.ended_at or row.created_at),
        "heartbeatAt": when(row.ended_at or row.created_at),
        "earlyStopJobRunning": read.stop is not None,
        "bestLoss": lambda info: _best_loss(ctx, row, read),
        "controller": lambda info: client_scheduler.controller(ctx, row.id),
        "controllerRunName": f"{row.id}{client_scheduler.LOG_OF_SCHEDULER}",
        "scheduler": lambda info: client_scheduler.scheduler(ctx, row.id),
        "priorRuns": page([]),
        "runCount": sum(row.n_runs.values()),
        "runCountExpected": row.run_cap,
        "runs": of_runs,
        "agents": lambda info, first=None, after=None: page(_agents(ctx, row.id), first, after),
        "agent": lambda info, agentName: next(  # noqa: N803
            (one for one in _agents(ctx, row.id) if one["id"] == agentName), None
        ),
    }


def _best_loss(ctx: Context, row: SweepRow, read: spec.Sweep) -> float | None:
    best = winner(configurations(ctx.engine.reader.runs(row.id, deleted=True), read.repeats), read.metric)
    return None if best is None else best.row.score


def upsert(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make a sweep, or change the state of one.

    Raises:
        UsageError: Its file has faults, or there is no such sweep or state, or it is W&B Launch's.
    """
    if arguments.get("launchScheduler") not in (None, "", "null"):
        raise UsageError(client_scheduler.LAUNCH)
    if arguments.get("id"):
        return {"sweep": _steered(ctx, arguments["id"], arguments), "configValidationWarnings": []}
    ctx.need("agent")
    text = _with_project(arguments.get("config") or "", arguments.get("projectName"))
    read = spec.parse(text, where="sweep.yaml")
    names = set(read.space.dimensions)
    prior = [
        {name: value for name, value in config.items() if name in names}
        for config in _prior_configs(ctx, arguments.get("priorRunsFilters"))
    ]
    complete_all(read.space, prior)  # refuses what is outside of the space, before there is a sweep
    origin = {"source": "sweep.yaml", "workdir": ANYWHERE}
    made = ctx.engine.call("create_sweep", key=secrets.token_hex(8), text=text, place=origin)
    notes = [f"{path}: {sentence}" for path, sentence in read.notes]
    if prior:
        ctx.engine.call("add", sweep_id=made["sweep_id"], key=secrets.token_hex(8), points=prior)
        notes.append(f"-R: {RUN_AGAIN}")
    return {"sweep": find(ctx, made["sweep_id"]), "configValidationWarnings": notes}


def _prior_configs(ctx: Context, filters: str | None) -> list[dict[str, Any]]:
    """Return the configurations of the runs that a new sweep is to begin with.

    Raises:
        UsageError: There is no such run.
    """
    try:
        filter_tree: Any = json.loads(filters or "{}") or {}
        names = [str(term["name"]) for term in filter_tree.get("$or", [])]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as problem:
        raise UsageError(f"prior runs are named by $or of names: {problem}") from problem
    configs: list[dict[str, Any]] = []
    for name in names:
        row = ctx.engine.reader.tracked.run(name)
        if row is None:
            raise UsageError(f"no run {name[:80]!r}")
        configs.append({**row.config, **row.summary.get("_config", {})})
    return configs


def _with_project(text: str, project: str | None) -> str:
    """Return a sweep file that names its project, and says where its agents call a function or who steers it.

    The client sends the file's own project when neither ``--project`` nor its settings name another.
    """
    read = document.read(text, "the sweep file").value
    if not isinstance(read, dict):
        return text
    sweep_file = client_scheduler.taken_over(cast("dict[str, Any]", read))
    more: dict[str, Any] = {} if project in (None, "", sweep_file.get("project")) else {"project": project}
    if "program" not in sweep_file and "command" not in sweep_file:
        more["program"] = spec.FUNCTION
    return yaml.safe_dump({**sweep_file, **more}, sort_keys=False) if more or sweep_file != read else text


def _steered(ctx: Context, sweep_id: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    state = arguments.get("state")
    ctx.need("admin" if state or arguments.get("displayName") else "agent")
    if _row(ctx, sweep_id) is None:
        raise UsageError(f"no sweep {sweep_id!r}")
    if arguments.get("controller"):
        client_scheduler.obey(ctx, sweep_id, arguments["controller"])
    if state in ("CANCELED", "CANCELLED"):
        ctx.engine.call("cancel", sweep_id=sweep_id, reason="canceled through the W&B client")
    elif state in VERBS:
        ctx.engine.call(VERBS[state], sweep_id=sweep_id)
    elif state:
        raise UsageError(f"a sweep cannot be made {state!r}; it can be: {', '.join([*VERBS, 'CANCELED'])}")
    if arguments.get("displayName"):
        ctx.engine.call("edit", sweep_id=sweep_id, changes={"name": arguments["displayName"]})
    sweep = find(ctx, sweep_id)
    assert sweep is not None  # noqa: S101 - it was there a moment ago
    return sweep


def join(ctx: Context, sweep_id: str, host: str | None) -> dict[str, Any]:
    """Let an agent of the stock client work on a sweep.

    Raises:
        UsageError: There is no such sweep.
    """
    ctx.need("agent")
    if _row(ctx, sweep_id) is None:
        raise UsageError(f"no sweep {sweep_id!r}")
    agent_id = f"{sweep_id}.{secrets.token_hex(6)}"
    # its process may be on another machine: its silence is what tells of its death
    ctx.engine.call("join", sweep_id=sweep_id, agent_id=agent_id, host=host or "", pid=0, born="")
    return {"agent": {"id": agent_id, "name": agent_id, "host": host}}


def heartbeat(ctx: Context, agent_id: str, run_state: str | None) -> dict[str, Any]:
    """Hear from an agent, settle what has become of its runs, and tell it what to do next.

    Raises:
        Gone: There is no such sweep any more.
    """
    ctx.need("agent")
    sweep_id = agent_id.partition(".")[0]
    sweep = _row(ctx, sweep_id)
    if sweep is None:
        raise Gone(f"no sweep {sweep_id!r}")
    try:
        at_work = {name for name, lives in json.loads(run_state or "{}").items() if lives}
    except (ValueError, AttributeError) as problem:
        raise UsageError(f"runState is a JSON object: {problem}") from problem
    held = [run for run in ctx.engine.reader.live_runs(sweep_id) if run.agent_id == agent_id]
    for run in held:
        if run.id not in at_work:
            _end_vanished(ctx, run)
    held = [run for run in held if run.id in at_work]
    pairs = [(run.id, run.token) for run in held]
    reply = ctx.engine.call("beat", sweep_id=sweep_id, agent_id=agent_id, held=pairs)
    elsewhere = {run_id for run_id in at_work - {run.id for run in held} if not _has_ended(ctx, run_id)}
    stop = {*reply["stop"], *reply["cancel"], *(run_id for run_id, _ in reply["lost"]), *elsewhere}
    commands = [{"type": "stop", "run_id": run_id} for run_id in sorted(stop & at_work)]
    if not commands:
        commands = _next(ctx, sweep, agent_id, len(at_work))
    return {"agent": {"id": agent_id}, "commands": json.dumps(commands)}


def _has_ended(ctx: Context, run_id: str) -> bool:
    """Return whether a run ended by itself: its program may have more to do, and ends when it likes."""
    run = ctx.engine.reader.tracked.run(run_id)
    return run is not None and run.state in (TrialState.FINISHED, TrialState.FAILED)


def _end_vanished(ctx: Context, run: RunRow) -> None:
    """End a run whose program is no more and has not said how it ended."""
    exit_code, last_words = (TERMINATED, "") if run.stop else (1, VANISHED)
    try:
        ctx.engine.call("exit", run_id=run.id, token=run.token, exit_code=exit_code, last_words=last_words)
    except Refused:
        return  # it has said so meanwhile


def _next(ctx: Context, sweep: SweepRow, agent_id: str, n_at_work: int) -> list[dict[str, Any]]:
    """Return what an agent is to begin: as many runs as it has free slots, or its end."""
    if n_at_work >= ctx.n_slots:
        return []
    read = spec.parse(sweep.spec, where=sweep.source)
    # an agent that calls a function hears only the first command
    n_free = (1 if read.program == spec.FUNCTION else ctx.n_slots) - n_at_work
    commands: list[dict[str, Any]] = []
    while len(commands) < n_free:
        answer = ctx.engine.call("lease", sweep_id=sweep.id, agent_id=agent_id, key=secrets.token_hex(8))
        if "over" in answer and not commands and not n_at_work:  # it would kill what is at work
            return [{"type": "exit"}]
        if "run" not in answer:
            break
        args = {name: {"value": value} for name, value in read.nested(answer["run"]["config"]).items()}
        run_id = answer["run"]["run_id"]
        commands.append({"type": "run", "run_id": run_id, "program": read.program, "args": args})
    return commands


def _agents(ctx: Context, sweep_id: str) -> list[dict[str, Any]]:
    by_agent: dict[str, list[RunRow]] = {}
    for run in ctx.engine.reader.runs(sweep_id):
        by_agent.setdefault(run.agent_id or "", []).append(run)
    agents: list[dict[str, Any]] = []
    for name, host, *_ in ctx.engine.reader.agents(sweep_id):
        own = by_agent.get(name, [])
        is_busy = any(run.state == TrialState.RUNNING for run in own)
        state = "RUNNING" if is_busy else "FINISHED"
        began = min((run.started_at or run.created_at for run in own), default=0.0)
        agent = {"id": name, "name": name, "host": host, "state": state, "totalRuns": len(own)}
        agent |= {"createdAt": when(began), "heartbeatAt": when(began)}
        agents.append(agent | {"runs": lambda info, first=None, after=None, own=own: page(own, first, after)})
    return agents
