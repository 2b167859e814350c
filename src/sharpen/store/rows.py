"""What is stored, as values: sweeps, runs, reports, artifacts, looks at the lockbox."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from sharpen.errors import StoreDamaged
from sharpen.facts import LOCKBOX_HASH, PROPOSED
from sharpen.run_ids import split_last_dash
from sharpen.store.broken_rows import (
    BROKEN,
    STATES,
    check_columns,
    check_keys,
    check_kinds,
    read_json,
    readable,
    stand_in,
)
from sharpen.trial import TrialState


class EndedRow(NamedTuple):
    """What a restart wants of a run that has ended; ``scores`` and ``checkpoint`` are JSON."""

    number: int
    state: str
    config: dict[str, Any]
    origin: str
    score: float | None
    scores: str
    violation: float
    reason: str
    cause: str
    ended_at: float | None
    is_deleted: bool
    repeat: int
    repeat_of: int | None
    cost: float | None
    parent: int | None
    fidelity: float | None
    checkpoint: str | None
    proposed: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class SweepFile:
    """What an agent has to know of a sweep: its text, where that came from, the folder of its programs."""

    id: str
    spec: str
    source: str
    workdir: str


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A sweep as stored, with how many of its runs are in each state, and how many are deleted."""

    id: str
    name: str
    status: str
    reason: str
    spec: str
    source: str
    workdir: str
    seed: int
    run_cap: int | None
    created_at: float
    ended_at: float | None
    n_runs: dict[str, int]
    n_forgiven: int = 0
    max_failures: int | None = None
    time_cap_s: float | None = None
    elapsed_s: float = 0.0
    note: str = ""
    tags: tuple[str, ...] = ()
    deleted_at: float | None = None
    n_deleted: int = 0
    project: str = ""
    cause: str = ""

    @property
    def n_created(self) -> int:
        """How many runs the sweep has had so far, deleted ones among them, which is what its cap counts."""
        return sum(self.n_runs.values()) + self.n_deleted


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as stored; ``score`` is the metric as the program logged it last, ``scores`` are all of them.

    ``config`` is what the score is of. Where ``is_broken``, the store's row cannot be read: the run counts as
    crashed, without a configuration or figures, and its reason says what is wrong.
    """

    id: str
    sweep_id: str
    number: int
    state: str
    reason: str
    config: dict[str, Any]
    origin: str
    score: float | None
    exit_code: int | None
    token: int
    lost: int
    agent_id: str | None
    lease_key: str | None
    stop: str
    summary: dict[str, Any]
    created_at: float
    started_at: float | None
    ended_at: float | None
    parent: int | None = None
    key: str | None = None
    scores: tuple[float, ...] = ()
    violation: float = 0.0
    is_canceled: bool = False
    checkpoint: dict[str, Any] | None = None
    resumed: dict[str, Any] | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    deleted_at: float | None = None
    repeat: int = 0
    repeat_of: int | None = None
    cost: float | None = None
    fidelity: float | None = None
    is_broken: bool = False

    @property
    def proposed(self) -> dict[str, Any] | None:
        """What the search had proposed, where the memory did not hold it; None where that is ``config``."""
        return self.summary.get(PROPOSED)


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run as its program tells of it, in a sweep or in none.

    Attributes:
        sweep_id: The sweep that it belongs to; None for a run of no sweep.
        number: Its place in the sweep, from 1.
        config: What the sweep chose, and what the program said beside it.
        token: How many grants and leases to write it there were.
        n_lines: How many rows its history has; 0 for a run of a sweep, which has reports.
        n_reports: How many reports its newest lease has.
        heartbeat_at: When a writer without a lease last sent something, in Unix seconds.
        stop: Why it was told to end; empty while it was not.
        pid: Of the process that writes it without a lease; None when nobody said.
        born: What tells that process from a later one of the same pid.
        is_broken: As of a :class:`RunRow`.
    """

    id: str
    project: str
    sweep_id: str | None
    number: int | None
    group_name: str
    job_type: str
    display_name: str
    state: str
    reason: str
    config: dict[str, Any]
    summary: dict[str, Any]
    exit_code: int | None
    token: int
    n_lines: int
    n_reports: int
    note: str
    tags: tuple[str, ...]
    created_at: float
    started_at: float | None
    ended_at: float | None
    heartbeat_at: float | None
    stop: str
    lease_key: str | None = None
    pid: int | None = None
    born: str | None = None
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row that a run has logged: its line, from 0, its step, and its metrics."""

    line: int
    step: int
    metrics: dict[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project: how many runs it has, and when the newest was made."""

    name: str
    n_runs: int
    newest_at: float


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The metrics of one step of a run's newest lease.

    ``value`` is the sweep's metric as it counts for the trial, NaN included, when ``has_metric``. What is
    logged after the run was told to end, or at a step before the last, is kept in ``metrics`` only.
    """

    run_id: str
    step: int
    metrics: dict[str, Any]
    has_metric: bool
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A file kept with a run."""

    run_id: str
    name: str
    type: str
    digest: str
    n_bytes: int
    metadata: dict[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """One opening of the lockbox.

    Attributes:
        result: What it found of each configuration; None when it never came that far.
        lockbox: Hash of the bars; empty when the program does not say it.
    """

    id: str
    sweep_id: str
    run_id: str
    who: str
    at: float
    result: dict[str, Any] | None
    lockbox: str = ""

    @property
    def run_number(self) -> str:
        """Which run of its sweep it was."""
        return split_last_dash(self.run_id)[1]

    @property
    def has_shown(self) -> bool:
        """Whether figures of the lockbox were stored; a program that failed has shown nothing."""
        return any(isinstance(side, dict) and "metrics" in side for side in (self.result or {}).values())


def shown_state(run: RunRow | TrackedRun) -> str:
    """Return a run's state; ``broken`` where its row cannot be read."""
    return BROKEN if run.is_broken else run.state


RUN_COLUMNS = tuple(field.name for field in fields(RunRow) if field.name != "is_broken")
TRACKED_COLUMNS = tuple(field.name for field in fields(TrackedRun) if field.name != "is_broken")


def sweep_row(row: dict[str, Any], n_runs: dict[str, int], n_deleted: int) -> SweepRow:
    """Return a sweep from its columns."""
    values: dict[str, Any] = {k: v for k, v in row.items() if k != "key"}
    with readable(row):
        check_kinds(row)
        values["tags"] = tuple(read_json(row, "tags", list))
    n_by_state: dict[str, int] = {}
    for state, n in n_runs.items():
        state = state if state in STATES else TrialState.CRASHED.value  # noqa: PLW2901 - as a broken run counts
        n_by_state[state] = n_by_state.get(state, 0) + n
    return SweepRow(**values, n_runs=n_by_state, n_deleted=n_deleted)


def run_row(row: dict[str, Any]) -> RunRow:
    """Return a run of a sweep from its columns; a broken one where they cannot be read."""
    values = {name: row[name] for name in RUN_COLUMNS}
    check_keys("runs", id=row["id"], number=row["number"])
    try:
        check_columns(row)
        values["config"] = read_json(row, "config", dict)
        values["summary"] = {} if row["summary"] == "{}" else read_json(row, "summary", dict)
        values["tags"] = () if row["tags"] == "[]" else tuple(read_json(row, "tags", list))
        values["scores"] = () if row["scores"] == "[]" else tuple(map(float, read_json(row, "scores", list)))
        for name in ("checkpoint", "resumed"):
            values[name] = read_json(row, name, dict)
    except (ValueError, TypeError) as problem:
        empty: dict[str, Any] = {
            "score": None,
            "scores": (),
            "checkpoint": None,
            "resumed": None,
            "violation": 0.0,
            "fidelity": None,
        }
        return RunRow(**values | empty | stand_in(row, problem))
    return RunRow(**values)


def tracked_run(row: dict[str, Any]) -> TrackedRun:
    """Return a run from its columns; a broken one where they cannot be read."""
    read: dict[str, Any] = {name: row[name] for name in TRACKED_COLUMNS}
    check_keys("runs", id=row["id"])
    try:
        check_columns(row)
        # what the sweep chose wins
        read["config"] = read_json(row, "program_config", dict) | read_json(row, "config", dict)
        read["summary"] = read_json(row, "summary", dict)
        read["tags"] = tuple(read_json(row, "tags", list))
    except (ValueError, TypeError) as problem:
        readable = {name: value for name, value in stand_in(row, problem).items() if name != "deleted_at"}
        return TrackedRun(**read | readable)
    return TrackedRun(**read)


def report_row(row: Any) -> ReportRow:
    """Return the metrics of a step from its columns."""
    value: float = math.nan if row.value is None else row.value
    try:
        metrics = json.loads(row.metrics)
    except ValueError:
        raise StoreDamaged(
            f"the store is damaged: what run {row.run_id} logged at step {row.step} is no JSON: "
            "put a backup in its place"
        ) from None
    return ReportRow(row.run_id, row.step, metrics, row.has_metric, value, row.at)


def opening_row(row: dict[str, Any]) -> OpeningRow:
    """Return a look from its columns and the summary of its run."""
    summary: dict[str, Any] = json.loads(row.pop("summary"))
    result: dict[str, Any] = json.loads(row.pop("result") or "null")
    lockbox_hash = (result or {}).get(LOCKBOX_HASH) or summary.get(LOCKBOX_HASH) or ""
    return OpeningRow(**row, result=result, lockbox=str(lockbox_hash))


def last_metrics(reports: Iterable[ReportRow]) -> dict[str, dict[str, Any]]:
    """Return what each run logged last under each name, by its id; the reports come in the order of steps."""
    last: dict[str, dict[str, Any]] = {}
    for report in reports:
        last.setdefault(report.run_id, {}).update(report.metrics)
    return last
