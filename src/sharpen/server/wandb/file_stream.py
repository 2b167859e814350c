"""What a run sends while it is at work: logged lines, its summary, what it prints, and its end."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen.errors import Refused, UsageError
from sharpen.jsonable import number
from sharpen.names import fitted
from sharpen.server.wandb.context import Context
from sharpen.server.wandb.run_changes import revive
from sharpen.store.rows import TrackedRun
from sharpen.store.schema import LARGEST
from sharpen.trial import TrialState

HISTORY, SUMMARY, CONSOLE = "wandb-history.jsonl", "wandb-summary.json", "output.log"
EVENTS = "wandb-events.jsonl"
TIMES = ("_timestamp", "_runtime")
LONGEST_LINE = 10 << 20  # letters
LARGEST_CODE = 2**31 - 1  # of a process that ended
STAMP = re.compile(r"^(?:ERROR )?\d{4}-\d\d-\d\dT[\d:.]+Z? ")
STOP = {"stopped": True}
Request = tuple[str, dict[str, Any]]


def take(ctx: Context, run_id: str, body: Any) -> dict[str, Any]:
    """Keep what a run sent; return what it is to be told.

    What has been sent before may be sent again: a line says its place.

    Raises:
        UsageError: It is none of what the client sends.
    """
    ctx.need("agent")
    if not isinstance(body, dict):
        raise UsageError("a file stream sends a JSON object")
    row = ctx.engine.reader.tracked.run(run_id)
    if row is None:
        raise UsageError(f"no run {run_id!r}")
    sent = cast("dict[str, Any]", body)
    if row.state == TrialState.CRASHED and row.sweep_id is None:
        revive(ctx, row)
        row = ctx.engine.reader.tracked.run(run_id) or row
    if row.state != TrialState.RUNNING:
        return STOP if row.state == TrialState.CANCELED else {}
    try:
        _keep(ctx, row, sent.get("files") or {})
        if sent.get("complete"):
            _end(ctx, row, sent.get("exitcode"))
        elif not sent.get("files") and row.sweep_id is None:
            ctx.engine.call("beat_run", **_grant(row))
    except Refused as refusal:
        return STOP if refusal.facts.get("why") == "stale" else {}
    return STOP if row.stop and (row.sweep_id is None or _is_canceled(ctx, row)) else {}


def _grant(row: TrackedRun) -> dict[str, Any]:
    return {"run_id": row.id, "token": row.token}


def _is_canceled(ctx: Context, row: TrackedRun) -> bool:
    return ctx.engine.reader.run(row.id).is_canceled


def _keep(ctx: Context, row: TrackedRun, sent: Any) -> None:
    if not isinstance(sent, dict):
        raise UsageError("the files of a file stream are an object")
    calls = {HISTORY: _history, SUMMARY: _summary, CONSOLE: _console, EVENTS: _system}
    requests: list[Request] = []
    for name, call in calls.items():
        part: Any = cast("dict[str, Any]", sent).get(name)
        if part is None:
            continue
        offset, content = _chunk(part)
        if content:
            requests += [(op, {**_grant(row), **args}) for op, args in call(row, offset, content)]
    if requests:
        ctx.engine.call_all(requests)


def _chunk(part: Any) -> tuple[int, Sequence[str]]:
    match part:
        case {"offset": int(offset), "content": [*content]} if all(isinstance(line, str) for line in content):
            lines = cast("list[str]", content)
        case _:
            raise UsageError("a part of a file stream has an offset and content, a list of lines")
    if offset > LARGEST:
        raise UsageError(f"an offset is at most {LARGEST}")
    if any(len(line) > LONGEST_LINE for line in lines):
        raise UsageError(f"a line has at most {LONGEST_LINE:,} letters")
    return max(offset, 0), lines


def _history(row: TrackedRun, offset: int, content: Sequence[str]) -> list[Request]:
    lines = [_object(line) for line in content]
    steps = [line.get("_step", offset + index) for index, line in enumerate(lines)]
    if not all(isinstance(step, int) for step in steps):
        raise UsageError("_step of a logged line is a whole number")
    if row.sweep_id is not None:
        logged = [(step, _metrics(line)) for step, line in zip(steps, lines, strict=True)]
        rows = [(step, metrics) for step, metrics in logged if metrics]
        return [("report", {"rows": rows})] if rows else []
    rows = [(step, _metrics(line, TIMES)) for step, line in zip(steps, lines, strict=True)]
    return [("append_history", {"first_line": offset, "rows": rows})]


def _metrics(line: Mapping[str, Any], kept: Sequence[str] = ()) -> dict[str, Any]:
    """Return what counts of a line, under names that the store takes."""
    names = [name for name in line if not name.startswith("_") or name in kept]
    return {fitted(name): _value(line[name]) for name in names}


def _summary(row: TrackedRun, offset: int, content: Sequence[str]) -> list[Request]:
    values = _metrics(_object(content[-1]), (*TIMES, "_step"))
    return [("summarize", {"values": values})] if values else []


def _system(row: TrackedRun, offset: int, content: Sequence[str]) -> list[Request]:
    """Keep the figures of the machine, and the newest with the summary, where lists of runs show them."""
    lines = [_object(line) for line in content]
    rows = [(_at(line), _metrics(line)) for line in lines]
    newest = {"values": {"_system_metrics": rows[-1][1]}}
    return [("machine_metrics", {"first_line": offset, "rows": rows}), ("summarize", newest)]


def _at(line: Mapping[str, Any]) -> float:
    at = number(line.get("_timestamp"))
    return at if at is not None and math.isfinite(at) else time.time()


def _console(row: TrackedRun, offset: int, content: Sequence[str]) -> list[Request]:
    text = "".join(STAMP.sub("", line).rstrip("\n").replace("\n", " ") + "\n" for line in content)
    return [("console", {"first_line": offset, "text": text})]


def _end(ctx: Context, row: TrackedRun, exit_code: Any) -> None:
    code = max(-LARGEST_CODE, min(exit_code, LARGEST_CODE)) if isinstance(exit_code, int) else 0
    last_line = ""
    if code:
        lines = [line for line in ctx.engine.reader.console(row.id).splitlines() if line.strip()]
        last_line = lines[-1] if lines else ""
    if row.sweep_id is None:
        ctx.engine.call("finish_run", **_grant(row), exit_code=code, reason=last_line)
    else:
        ctx.engine.call("exit", **_grant(row), exit_code=code, last_words=last_line)


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"a logged line is no JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise UsageError("a logged line is a JSON object")
    return cast("dict[str, Any]", value)


def _value(value: Any) -> Any:
    """Return a logged value; the client writes what JSON has no number for as text."""
    as_number = number(value) if isinstance(value, str) else None
    return value if as_number is None else as_number
