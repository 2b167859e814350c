"""What the answers hold. Times are Unix seconds; ``null`` stands for what is not known or no number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused, and what to do about it."""

    message: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    name: str
    n_sweeps: int
    n_runs: int
    newest_at: float


@dataclass(frozen=True, slots=True)
class Projects:
    """Every project, the newest first."""

    projects: list[Project]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep; ``n_runs`` says how many of its runs are in each state."""

    id: str
    name: str
    project: str
    status: str
    reason: str
    method: str | None
    metric: str | None
    goal: str | None
    seed: int
    run_cap: int | None
    n_runs: dict[str, int]
    n_deleted: int
    created_at: float
    ended_at: float | None
    note: str
    tags: list[str]


@dataclass(frozen=True, slots=True)
class Sweeps:
    """A part of the sweeps, the newest first, and how many fit in all."""

    total: int
    sweeps: list[Sweep]


@dataclass(frozen=True, slots=True)
class SweepDetails:
    """A sweep, its file, and its best run."""

    sweep: Sweep
    file: str
    best: Run | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a sweep; ``score`` is the sweep's metric as it was logged last."""

    id: str
    number: int
    state: str
    reason: str
    config: dict[str, Any]
    score: float | None
    fidelity: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Runs:
    """A part of a sweep's runs, and how many fit in all."""

    total: int
    runs: list[Run]


@dataclass(frozen=True, slots=True)
class ProjectRun:
    """A run of a project, of a sweep or of none."""

    id: str
    name: str
    state: str
    sweep_id: str | None
    score: float | None
    created_at: float


@dataclass(frozen=True, slots=True)
class ProjectRuns:
    """A page of a project's runs, the newest first, and how many fit in all."""

    total: int
    runs: list[ProjectRun]


@dataclass(frozen=True, slots=True)
class RunDetails:
    """Everything that is kept of a run but its history, log and files."""

    id: str
    project: str
    sweep_id: str | None
    number: int | None
    name: str
    group: str
    job_type: str
    state: str
    reason: str
    config: dict[str, Any]
    summary: dict[str, Any]
    exit_code: int | None
    n_rows: int
    note: str
    tags: list[str]
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """What was logged at a step."""

    line: int
    step: int
    metrics: dict[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class History:
    """A part of what a run logged, by line; ``next`` is the line to go on at, null at the end."""

    n_rows: int
    rows: list[HistoryLine]
    next: int | None


@dataclass(frozen=True, slots=True)
class Log:
    """What a run printed, from a line on."""

    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file kept with a run; its content is under ``files/NAME``."""

    name: str
    type: str
    sha256: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Files:
    """The files kept with a run."""

    files: list[File]


@dataclass(frozen=True, slots=True)
class Check:
    """A check behind the verdict: ``passed``, ``failed``, ``caution`` or ``not tested``."""

    name: str
    figure: str
    threshold: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the best run of a sweep is real; ``kind`` is luck, beta, real or none."""

    kind: str
    label: str
    headline: str
    details: str
    n_trials: int
    deflated_sharpe: float | None
    deflated_sharpe_of_excess: float | None
    probability_of_overfitting: float | None
    checks: list[Check]
    doubts: list[str]
    best: str | None


@dataclass(frozen=True, slots=True)
class Steered:
    """What became of a sweep."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class CanceledRun:
    """What became of a run: canceled, or told to end and still running."""

    id: str
    state: str


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model."""

    name: str
    version: int
    digest: str
    aliases: list[str]
    run_id: str | None
    author: str
    created_at: float
    figures: dict[str, Any]
    files: list[File]


@dataclass(frozen=True, slots=True)
class Model:
    """A collection: its versions and where its aliases point."""

    name: str
    type: str
    n_versions: int
    aliases: dict[str, int]


@dataclass(frozen=True, slots=True)
class Models:
    """Every collection."""

    models: list[Model]


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """A collection with its versions, the newest first."""

    model: Model
    versions: list[Version]
