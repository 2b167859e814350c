"""What runs have logged, as the client asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.jsonable import dumps
from sharpen.store.tracked import spread
from sharpen.views.run_history import History, Line

MOST_SAMPLES = 100_000


def keys_of(history: History) -> dict[str, Any]:
    """Return the names that were logged, with their kinds, by some of the lines."""
    keys: dict[str, dict[str, Any]] = {}
    lines = history.between(0, None, 500)
    for line in lines:
        for name, value in line.items():
            known = keys.setdefault(name, {"typeCounts": [{"type": _kind(value), "count": 0}]})
            known["typeCounts"][0]["count"] += 1
            known["previousValue"] = value
    return {"lastStep": lines[-1]["_step"] if lines else -1, "keys": keys, "sets": []}


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "map"


def page_of(history: History, **which: int | None) -> list[str]:
    """Return ``history`` of the client: a page by steps when it says an end, else so many, evenly spread."""
    first, end = which.get("minStep") or 0, which.get("maxStep")
    n = max(0, min(which.get("samples") or 500, MOST_SAMPLES))
    return [dumps(line) for line in history.between(first, end, n, is_page=end is not None)] if n else []


def sampled(history: History, given: str) -> list[Line]:
    """Return ``sampledHistory`` of the client: the lines that have some keys, evenly spread.

    Raises:
        UsageError: What is asked for is none.
    """
    try:
        wanted: Any = json.loads(given)
        keys = cast("list[str]", wanted.get("keys") or [])
        first, last = int(wanted.get("minStep") or 0), wanted.get("maxStep")
        n = max(1, min(int(wanted.get("samples") or MOST_SAMPLES), MOST_SAMPLES))
        end = None if last is None else int(last) + 1
    except (ValueError, AttributeError, TypeError, OverflowError) as problem:
        raise UsageError(
            f"a spec of a history is a JSON object with keys, minStep, samples: {problem}"
        ) from problem
    chosen = _with_keys(history.between(first, end, MOST_SAMPLES), keys)
    return json.loads(dumps([chosen[place] for place in spread(0, len(chosen), n)] if chosen else []))


def _with_keys(lines: Sequence[Line], keys: Sequence[str]) -> list[Line]:
    if not keys:
        return list(lines)
    return [{key: line[key] for key in keys} for line in lines if all(key in line for key in keys)]
