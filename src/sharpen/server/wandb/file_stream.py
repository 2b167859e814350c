"""What a run sends while it is at work: logged lines, its summary, what it prints, and its end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen.errors import NotFound, Refused, UsageError
from sharpen.jsonable import number
from sharpen.server.wandb.context import Context
from sharpen.trial import TrialState

HISTORY, SUMMARY, CONSOLE = "wandb-history.jsonl", "wandb-summary.json", "output.log"
LONGEST_LINE = 10 << 20  # letters
STAMP = re.compile(r"^(?:ERROR )?\d{4}-\d\d-\d\dT[\d:.]+Z? ")
STOP = {"stopped": True}


def take(ctx: Context, run_id: str, body: Any) -> dict[str, Any]:
    """Keep what a run sent; return what it is to be told.

    What has been sent before may be sent again: a line says its place.

    Raises:
        UsageError: It is none of what the client sends.
    """
    ctx.need("agent")
    if not isinstance(body, dict):
        raise UsageError("a file stream sends a JSON object")
    try:
        row = ctx.engine.reader.run(run_id)
    except NotFound as problem:
        raise UsageError(problem.message) from problem
    if row.state != TrialState.RUNNING:
        return STOP if row.state == TrialState.CANCELED else {}
    lease = {"run_id": run_id, "token": row.token}
    sent = cast("dict[str, Any]", body)
    try:
        _keep(ctx, lease, sent.get("files") or {})
        if sent.get("complete"):
            _end(ctx, lease, sent.get("exitcode"))
    except Refused as refusal:
        return STOP if refusal.facts.get("why") == "stale" else {}
    return STOP if row.is_canceled else {}


def _keep(ctx: Context, lease: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    for name, call in (("history", _history), ("summary", _summary), ("console", _console)):
        file = {"history": HISTORY, "summary": SUMMARY, "console": CONSOLE}[name]
        part: Any = sent.get(file)
        if part is None:
            continue
        offset, content = _chunk(part)
        if content:
            call(ctx, lease, offset, content)


def _chunk(part: Any) -> tuple[int, Sequence[str]]:
    match part:
        case {"offset": int(offset), "content": [*content]} if all(isinstance(line, str) for line in content):
            lines = cast("list[str]", content)
        case _:
            raise UsageError("a part of a file stream has an offset and content, a list of lines")
    if any(len(line) > LONGEST_LINE for line in lines):
        raise UsageError(f"a line has at most {LONGEST_LINE:,} letters")
    return max(offset, 0), lines


def _history(ctx: Context, lease: Mapping[str, Any], offset: int, content: Sequence[str]) -> None:
    rows: list[tuple[int, dict[str, Any]]] = []
    for place, line in enumerate(content):
        logged = _object(line)
        step = logged.get("_step", offset + place)
        metrics = {name: _value(value) for name, value in logged.items() if not name.startswith("_")}
        if metrics and isinstance(step, int):
            rows.append((step, metrics))
    if rows:
        ctx.engine.call("report", **lease, rows=rows)


def _summary(ctx: Context, lease: Mapping[str, Any], offset: int, content: Sequence[str]) -> None:
    values = {name: _value(value) for name, value in _object(content[-1]).items() if not name.startswith("_")}
    if values:
        ctx.engine.call("summarize", **lease, values=values)


def _console(ctx: Context, lease: Mapping[str, Any], offset: int, content: Sequence[str]) -> None:
    text = "".join(STAMP.sub("", line).rstrip("\n") + "\n" for line in content)
    ctx.engine.call("console", **lease, first_line=offset, text=text)


def _end(ctx: Context, lease: Mapping[str, Any], exit_code: Any) -> None:
    code = exit_code if isinstance(exit_code, int) else 0
    words = ""
    if code:
        lines = [line for line in ctx.engine.reader.console(lease["run_id"]).splitlines() if line.strip()]
        words = lines[-1] if lines else ""
    ctx.engine.call("exit", **lease, exit_code=code, last_words=words)


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"a logged line is no JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise UsageError("a logged line is a JSON object")
    return cast("dict[str, Any]", found)


def _value(value: Any) -> Any:
    """Return a logged value; the client writes what JSON has no number for as text."""
    as_number = number(value) if isinstance(value, str) else None
    return value if as_number is None else as_number
