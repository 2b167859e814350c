"""What runs have logged, as the client asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.jsonable import dumps
from sharpen.store.machine_metrics import MachineRow
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun
from sharpen.store.tracked_runs import spread
from sharpen.views.run_history import History, Line

MOST_SAMPLES = 100_000


def keys_of(history: History) -> dict[str, Any]:
    """Return the names that were logged, with their kinds, by some of the lines."""
    keys: dict[str, dict[str, Any]] = {}
    lines = history.between(0, None, 500)
    for line in lines:
        for name, value in line.items():
            entry = keys.setdefault(name, {"typeCounts": [{"type": _kind(value), "count": 0}]})
            entry["typeCounts"][0]["count"] += 1
            entry["previousValue"] = value
    return {"lastStep": lines[-1]["_step"] if lines else -1, "keys": keys, "sets": []}


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "map"


def page_of(history: History, **arguments: int | None) -> list[str]:
    """Return ``history`` of the client: a page by steps when it says an end, else so many, evenly spread."""
    first, end = arguments.get("minStep") or 0, arguments.get("maxStep")
    n = max(0, min(arguments.get("samples") or 500, MOST_SAMPLES))
    return [dumps(line) for line in history.between(first, end, n, is_page=end is not None)] if n else []


def sampled(history: History, text: str) -> list[Line]:
    """Return ``sampledHistory`` of the client: the lines that have some keys, evenly spread.

    Raises:
        UsageError: What is asked for is none.
    """
    try:
        sampling: Any = json.loads(text)
        keys = cast("list[str]", sampling.get("keys") or [])
        first, last = int(sampling.get("minStep") or 0), sampling.get("maxStep")
        n = max(1, min(int(sampling.get("samples") or MOST_SAMPLES), MOST_SAMPLES))
        end = None if last is None else int(last) + 1
    except (ValueError, AttributeError, TypeError, OverflowError) as problem:
        raise UsageError(
            f"a spec of a history is a JSON object with keys, minStep, samples: {problem}"
        ) from problem
    chosen = _with_keys(history.between(first, end, MOST_SAMPLES), keys)
    return json.loads(dumps([chosen[index] for index in spread(0, len(chosen), n)] if chosen else []))


def events_of(reader: Reader, run: TrackedRun, samples: int | None) -> list[str]:
    """Return ``events`` of the client: what the run's machine did, so many lines, evenly spread."""
    n = max(0, min(500 if samples is None else samples, MOST_SAMPLES))
    return [_event(row, run) for row in reader.machine.thinned(run.id, n)] if n else []


def events_tail(reader: Reader, run: TrackedRun) -> str:
    """Return the newest of these lines, as a list: by it the client that resumes a run knows its time."""
    row = reader.machine.last(run.id)
    return dumps([] if row is None else [_event(row, run)])


def _event(row: MachineRow, run: TrackedRun) -> str:
    began = run.started_at or run.created_at
    return dumps({"_timestamp": row.at, "_runtime": row.at - began, **row.figures})


def _with_keys(lines: Sequence[Line], keys: Sequence[str]) -> list[Line]:
    if not keys:
        return list(lines)
    return [{key: line[key] for key in keys} for line in lines if all(key in line for key in keys)]
