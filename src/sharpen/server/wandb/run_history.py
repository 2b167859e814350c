"""What runs have logged, as the client reads it: by steps, in pages, or thinned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sharpen.errors import UsageError
from sharpen.jsonable import dumps
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun
from sharpen.store.tracked import spread

MOST_SAMPLES = 100_000
Line = Mapping[str, Any]


class History(Protocol):
    """The lines that a run has logged."""

    @property
    def n_lines(self) -> int:
        """How many there are."""
        ...

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        ...

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end.

        Args:
            first: The first step.
            end: The step after the last; None for no end.
            most: How many lines at most.
            is_page: Whether these are the first so many; else they are evenly spread.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoggedLines:
    """The history of a run of no sweep: only what is asked for is read."""

    reader: Reader
    run: TrackedRun

    @property
    def n_lines(self) -> int:
        """How many there are."""
        return self.run.n_lines

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        found = self.reader.tracked.history(self.run.id, max(0, self.n_lines - 1), 1)
        return _with_step(found[-1].metrics, found[-1].step, found[-1].at, self.run) if found else None

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end."""
        tracked = self.reader.tracked
        start = tracked.line_of_step(self.run.id, first) if first > 0 else 0
        stop = self.n_lines if end is None else tracked.line_of_step(self.run.id, end)
        if stop <= start:
            return []
        n_lines = min(stop - start, most) if is_page else stop - start
        rows = tracked.history(self.run.id, start, n_lines, most)
        return [_with_step(row.metrics, row.step, row.at, self.run) for row in rows]


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of a run of a sweep, which are few."""

    reader: Reader
    run: TrackedRun

    @property
    def n_lines(self) -> int:
        """How many there are."""
        return len(self._all())

    def last(self) -> Line | None:
        """Return the newest; None for none."""
        found = self._all()
        return found[-1] if found else None

    def between(self, first: int, end: int | None, most: int, is_page: bool = False) -> list[Line]:
        """Return the lines of the steps from first on and before end."""
        found = [
            line for line in self._all() if first <= line["_step"] and (end is None or line["_step"] < end)
        ]
        if len(found) <= most:
            return found
        return found[:most] if is_page else [found[place] for place in spread(0, len(found), most)]

    def _all(self) -> list[Line]:
        rows = self.reader.reports(run_ids=[self.run.id])
        return [_with_step(row.metrics, row.step, row.at, self.run) for row in rows]


def history_of(reader: Reader, run: TrackedRun) -> History:
    """Return the history of a run."""
    return LoggedLines(reader, run) if run.sweep_id is None else Reports(reader, run)


def _with_step(metrics: Mapping[str, Any], step: int, at: float, run: TrackedRun) -> Line:
    began = run.started_at or run.created_at
    return {"_timestamp": at, "_runtime": at - began, **metrics, "_step": step}


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
