"""Runs as the client sees them: found, listed, described."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.jsonable import dumps
from sharpen.server.lineage import used_by
from sharpen.server.wandb import files
from sharpen.server.wandb.context import DEFAULT_PROJECT, ENTITY, Context, page, project_number, when
from sharpen.server.wandb.run_history import events_of, events_tail, keys_of, page_of, sampled
from sharpen.server.wandb.viewer import user
from sharpen.store.rows import TrackedRun
from sharpen.views.run_facts import STATES, RunFieldReader
from sharpen.views.run_history import history_of

CLIENTS_OWN = "_wandb"


def find(ctx: Context, run_id: str) -> dict[str, Any] | None:
    """Return a run as the client sees it; None when there is none of exactly this id."""
    row = ctx.engine.reader.tracked.run(run_id)
    return None if row is None else _Views(ctx).run(row)


def listed(
    ctx: Context,
    project: str | None = None,
    sweep_id: str | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Return a page of the runs of a project, of a sweep, or of all, that fit a filter, in an order.

    A filter for one sweep finds its runs whatever the project: a sweep is found by its id in any, too.

    Args:
        ctx: The request.
        project: Whose runs.
        sweep_id: Whose runs.
        arguments: ``filters``, as JSON; ``order``; ``first``, how many at most; ``after``, a cursor.

    Raises:
        UsageError: The filter is none.
    """
    try:
        filters: Any = json.loads(arguments.get("filters") or "{}") or {}
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"filters are JSON: {problem}") from problem
    if not isinstance(filters, dict):
        raise UsageError("a filter is an object, as in {'state': 'finished'}")
    sweep_id = sweep_id or _sweep_of(cast("dict[str, Any]", filters))
    scope = (None if sweep_id else "" if project == DEFAULT_PROJECT else project, sweep_id)
    after = arguments.get("after") or ""
    first = int(after) if after.isdecimal() else 0
    listing_key = repr((scope, filters, arguments.get("order")))
    is_again = listing_key in ctx.listed
    ctx.listed.add(listing_key)
    page = ctx.engine.listing.page(
        scope,
        cast("dict[str, Any]", filters),
        arguments.get("order"),
        first,
        arguments.get("first"),
        is_again=is_again,
    )
    nodes = described(ctx, page.runs)
    edges = [{"node": node, "cursor": str(first + i + 1)} for i, node in enumerate(nodes)]
    end = first + len(nodes)
    info = {"endCursor": str(end), "hasNextPage": end < page.total}
    return {"edges": edges, "pageInfo": info, "totalCount": page.total}


def _sweep_of(filters: Mapping[str, Any]) -> str | None:
    """Return the sweep that a filter names; None when it names none, or several.

    >>> _sweep_of({"$and": [{"sweep": "k3"}]}), _sweep_of({"sweep": "k3", "state": "x"}), _sweep_of({})
    ('k3', 'k3', None)
    """
    parts = filters.get("$and")
    below = cast("list[Any]", parts) if isinstance(parts, list) else []
    named = [part["sweep"] for part in (filters, *below) if isinstance(part, dict) and "sweep" in part]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else None


def described(ctx: Context, rows: Sequence[TrackedRun]) -> list[dict[str, Any]]:
    """Return some runs as the client sees them."""
    views = _Views(ctx)
    views.read_last(rows)
    return [views.run(row) for row in rows]


class _Views:
    """Makes runs of one request what the client sees."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._facts = RunFieldReader(ctx.engine.reader)

    def read_last(self, rows: Sequence[TrackedRun]) -> None:
        """Read together what these runs have logged last."""
        self._facts.read_last(rows)

    def run(self, row: TrackedRun) -> dict[str, Any]:
        """Return all of it; what is costly is read when it is asked for."""
        ctx, state = self._ctx, STATES[row.state]
        project = row.project or DEFAULT_PROJECT
        heard = when(row.ended_at or row.heartbeat_at or row.started_at or row.created_at)
        return {
            "id": row.id,
            "name": row.id,
            "displayName": row.display_name or row.id,
            "description": "",
            "notes": row.note,
            "tags": list(row.tags),
            "project": project_of(project),
            "projectId": project_number(project),
            "sweepName": row.sweep_id,
            "state": state,
            "config": lambda info: dumps(_with_value(self._facts.config(row), (CLIENTS_OWN,))),
            "wandbConfig": lambda info, keys=None: _clients_own(row, keys),
            "summaryMetrics": lambda info: dumps(self._facts.summary(row)),
            "systemMetrics": lambda info: dumps(row.summary.get(SYSTEM, {})),
            "group": row.group_name or row.sweep_id,
            "jobType": row.job_type,
            "commit": "",
            "host": "",
            "readOnly": not ctx.key.allows("agent"),
            "createdAt": when(row.created_at),
            "heartbeatAt": heard,
            "updatedAt": heard,
            "exitcode": row.exit_code,
            "shouldStop": bool(row.stop),
            "failed": state in ("failed", "crashed"),
            "stopped": bool(row.stop),
            "running": state == "running",
            "user": user(),
            **_lines(ctx, row),
            **_files(ctx, row),
            **_artifacts(ctx, row),
        }


SYSTEM = "_system_metrics"


def _lines(ctx: Context, row: TrackedRun) -> dict[str, Any]:
    history = history_of(ctx.engine.reader, row)
    return {
        "historyKeys": lambda info: keys_of(history),
        "historyLineCount": lambda info: history.n_lines,
        "logLineCount": lambda info: len(_console(ctx, row)),
        "eventsLineCount": lambda info: ctx.engine.reader.machine.n_lines(row.id),
        "historyTail": lambda info: dumps([dumps(line) for line in [history.last()] if line is not None]),
        "eventsTail": lambda info: events_tail(ctx.engine.reader, row),
        "history": lambda info, **arguments: page_of(history, **arguments),
        "events": lambda info, samples=None: events_of(ctx.engine.reader, row, samples),
        "sampledHistory": lambda info, specs: [sampled(history, one) for one in specs],
        "parquetHistory": {"parquetUrls": [], "liveData": []},
        "logLines": lambda info, **arguments: _log_page(ctx, row, **arguments),
    }


def _files(ctx: Context, row: TrackedRun) -> dict[str, Any]:
    return {
        "files": lambda info, **arguments: files.connection(ctx, row.id, **arguments),
        "fileCount": lambda info: len(files.listed(ctx, row.id)),
    }


def _artifacts(ctx: Context, row: TrackedRun) -> dict[str, Any]:
    # it describes runs, too
    from sharpen.server.wandb import artifact_views  # noqa: PLC0415

    def made(info: Any, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return page(artifact_views.of_run(ctx, row.id), first, after)

    def used(info: Any, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return page(artifact_views.used_by_run(ctx, used_by(row)), first, after)

    return {"outputArtifacts": made, "inputArtifacts": used}


def project_of(name: str) -> dict[str, Any]:
    """Return what a run or a sweep says of its project."""
    return {
        "id": name,
        "name": name,
        "entityName": ENTITY,
        "entity": {"id": "e", "name": ENTITY},
        "internalId": project_number(name),
    }


def _with_value(config: Mapping[str, Any], but: Sequence[str] = ()) -> dict[str, Any]:
    return {name: {"value": value} for name, value in config.items() if name not in but}


def _clients_own(row: TrackedRun, keys: Sequence[str] | None) -> str:
    """Return what the client keeps in a configuration for itself; by ``t`` it knows a run that has begun."""
    stored = row.config.get(CLIENTS_OWN)
    own_keys: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    return dumps({key: value for key, value in own_keys.items() if keys is None or key in keys})


def _console(ctx: Context, row: TrackedRun) -> list[str]:
    text = ctx.engine.reader.console(row.id)
    return text.removesuffix("\n").split("\n") if text else []


def _log_page(ctx: Context, row: TrackedRun, **arguments: Any) -> dict[str, Any]:
    lines = _console(ctx, row)
    nodes = [
        {"number": i, "timestamp": when(row.started_at), "level": "info", "label": "", "line": line}
        for i, line in enumerate(lines)
    ]
    last: int | None = arguments.get("last")
    return page(
        nodes if last is None else nodes[-max(last, 0) :], arguments.get("first"), arguments.get("after")
    )
