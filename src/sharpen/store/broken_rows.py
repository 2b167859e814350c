"""Rows of a store that cannot be read, since they were changed behind its back: what is wrong, and where."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from sharpen.errors import StoreDamaged
from sharpen.sweep.status import SweepStatus
from sharpen.trial import TrialState

LATEST_S = 1e11  # Unix seconds, in the year 5138
DATES = ("created_at", "started_at", "ended_at", "deleted_at")
BROKEN = "broken"
SWEEP_NUMBERS = frozenset(
    {"seed", "run_cap", "n_forgiven", "max_failures", "time_cap_s", "elapsed_s", *DATES}
)
RUN_NUMBERS = ("score", "violation", "fidelity")
STATES = frozenset(state.value for state in TrialState)
STATUSES = frozenset(status.value for status in SweepStatus)
PLACES = {"runs": ("id",), "sweeps": ("id",), "artifacts": ("run_id", "name")}
JSON_COLUMNS: Mapping[str, Mapping[str, type]] = {
    "runs": {"config": dict, "program_config": dict, "summary": dict, "tags": list, "scores": list}
    | {"checkpoint": dict, "resumed": dict},
    "sweeps": {"tags": list},
    "artifacts": {"metadata": dict},
}


def problem_of(table: str, row: Mapping[str, Any]) -> str:
    """Return why a row of a table cannot be read, by its place; empty for one that can.

    >>> problem_of("artifacts", {"run_id": "k3-1", "name": "model", "metadata": "{bad"})[:43]
    'artifacts (k3-1, model): metadata is no JSO'
    """
    key = ", ".join(str(row[name]) for name in PLACES.get(table, ()))
    try:
        if table in {"runs", "sweeps"}:
            check_columns(row if table == "runs" else {name: row[name] for name in row if name != "state"})
        for column, kind in JSON_COLUMNS.get(table, {}).items():
            read_json(row, column, kind)
    except ValueError as problem:
        return f"{table} ({key}): {problem}"
    return ""


@contextmanager
def readable(row: Mapping[str, Any]) -> Generator[None]:
    """Say of which row it is that a column cannot be read."""
    try:
        check_columns(row)
        yield
    except (ValueError, TypeError, RecursionError) as problem:
        raise StoreDamaged(
            f"the store is damaged: what it has of sweep {row.get('id')} cannot be read ({problem}): "
            "put a backup in its place"
        ) from problem


def check_columns(row: Mapping[str, Any]) -> None:
    """Refuse dates and numbers that are none, and a state or a status that is none.

    Raises:
        ValueError: One is so.
    """
    for name in DATES:
        if row.get(name) is not None and not is_date(row[name]):
            raise ValueError(f"{name} {row[name]!r:.60} is no date")
    for name in RUN_NUMBERS:
        if row.get(name) is not None and not isinstance(row[name], int | float):
            raise ValueError(f"{name} {row[name]!r:.60} is no number")
    if "state" in row and row["state"] not in STATES:
        raise ValueError(f"state {row['state']!r:.60} is none")
    if "status" in row and row["status"] not in STATUSES:
        raise ValueError(f"status {row['status']!r:.60} is none")


def check_kinds(row: Mapping[str, Any]) -> None:
    """Refuse what is of another kind than its column of a sweep: SQLite keeps anything anywhere.

    Raises:
        ValueError: A number is none, or a text.
    """
    for name, value in row.items():
        is_number = name in SWEEP_NUMBERS
        if value is not None and not isinstance(value, (int, float) if is_number else str):
            raise ValueError(f"{name} {value!r:.60} is no {'number' if is_number else 'text'}")


def check_keys(table: str, **keys: Any) -> None:
    """Refuse a row that says neither which it is nor of what: nothing can stand for it.

    Args:
        table: Whose row.
        keys: The value of each column that says so: ``number`` is one, the others are texts.

    Raises:
        StoreDamaged: One is of another kind.
    """
    for name, value in keys.items():
        if not isinstance(value, int if name == "number" else str):
            row = f"a row of {table} has {value!r:.60} for its {name}"
            raise StoreDamaged(f"the store is damaged: {row}: put a backup in its place")


def is_date(value: Any) -> bool:
    """Return whether a value can be shown as a time."""
    return isinstance(value, int | float) and 0 <= value < LATEST_S


def read_json(row: Mapping[str, Any], column: str, kind: type) -> Any:
    """Return what a column holds; None where it may be empty and is.

    Raises:
        ValueError: It is no JSON, or of another kind.
    """
    text: Any = row[column]
    if text is None and column in {"checkpoint", "resumed"}:
        return None
    try:
        value = json.loads(text or "")
    except (ValueError, TypeError, RecursionError) as problem:
        raise ValueError(f"{column} is no JSON: {text!r:.60}") from problem
    if not isinstance(value, kind):
        raise ValueError(f"{column} is no {kind.__name__}: {text!r:.60}")  # noqa: TRY004 - of a row, not of us
    return value


def stand_in(row: Mapping[str, Any], problem: Exception) -> dict[str, Any]:
    """Return what stands for a run whose row cannot be read."""
    dates = {name: row[name] if is_date(row[name]) else None for name in DATES}
    dates["created_at"] = dates["created_at"] or 0.0
    reason = f"its row in the store is broken: {problem}: put a backup in the store's place"
    readable: dict[str, Any] = {
        "state": TrialState.CRASHED.value,
        "reason": reason,
        "config": {},
        "summary": {},
        "tags": (),
    }
    return readable | dates | {"is_broken": True}


def metadata_of(text: str) -> dict[str, Any]:
    """Return a kept file's metadata; none where they cannot be read."""
    try:
        return json.loads(text)
    except ValueError:
        return {}
