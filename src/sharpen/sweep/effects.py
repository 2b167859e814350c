"""What a step wants done: words to write to the store, then the one answer to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sharpen.sweep.causes import RunCause, SweepCause
from sharpen.sweep.status import SweepStatus
from sharpen.trial import ParameterValues, StoredCheckpoint, Trial


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Write a new run, and which request it answers."""

    trial: Trial
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LeaseRun:
    """Write that an agent has a run, and which checkpoint it begins from.

    ``is_inherited`` says that this is the parent's: nothing that the run itself has logged is in it.
    """

    number: int
    agent: str
    key: str
    token: int
    resumed: StoredCheckpoint | None = None
    is_inherited: bool = False


@dataclass(frozen=True, slots=True)
class RequeueRun:
    """Write that a run waits for an agent again."""

    number: int
    lost: int
    reason: str


@dataclass(frozen=True, slots=True)
class StopRun:
    """Write that a run has been told to end, and whether a person said so."""

    number: int
    reason: str
    is_canceled: bool = False


@dataclass(frozen=True, slots=True)
class EndRun:
    """Write how a run ended."""

    trial: Trial
    exit_code: int | None
    reason: str
    cause: RunCause = RunCause.UNSAID


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Write where the sweep is in its life, its cap, and how many ended runs are forgiven."""

    status: SweepStatus
    reason: str
    run_cap: int | None
    n_forgiven: int = 0
    cause: SweepCause = SweepCause.UNSAID


@dataclass(frozen=True, slots=True)
class SetLimits:
    """Write the sweep's limits."""

    run_cap: int | None
    max_failures: int | None
    time_cap_s: float | None


@dataclass(frozen=True, slots=True)
class SetElapsed:
    """Write how long the sweep has been at work."""

    elapsed_s: float


@dataclass(frozen=True, slots=True)
class KeepReport:
    """Write what a program logged at a step.

    Attributes:
        number: Of its run.
        token: The lease under which it was logged.
        step: At which.
        metrics: As logged.
        counts: Whether the sweep's metric is among them and the trial has it now.
        is_next: Whether it is the largest step so far, so that nothing is there of it yet.
    """

    number: int
    token: int
    step: int
    metrics: Mapping[str, Any]
    counts: bool
    is_next: bool


@dataclass(frozen=True, slots=True)
class KeepCheckpoint:
    """Write what a run can go on from."""

    number: int
    checkpoint: StoredCheckpoint


@dataclass(frozen=True, slots=True)
class SetConfig:
    """Write what a run is evaluated at, where that is less than what was proposed."""

    number: int
    config: ParameterValues
    proposed: ParameterValues


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """Write that a run is to be forgotten."""

    number: int


@dataclass(frozen=True, slots=True)
class DeleteSweep:
    """Write that the sweep is to be forgotten."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The run is yours, under this token."""

    number: int
    token: int


@dataclass(frozen=True, slots=True)
class NothingNow:
    """Nothing to lease now, but others still work or the sweep is paused: ask again."""


@dataclass(frozen=True, slots=True)
class SweepOver:
    """The sweep is over; do not ask again."""

    status: SweepStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Written. ``stop`` says why the run must end now; empty when it goes on."""

    stop: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not written, and why."""

    why: Literal["stale", "ended", "illegal"]
    message: str


@dataclass(frozen=True, slots=True)
class BeatAnswer:
    """Runs that must end, and the (number, token) pairs that no longer hold one.

    Attributes:
        stop: The runs that must end, each with the reason.
        lost: The pairs whose lease is gone.
        cancel: Those of ``stop`` that must end at once, because a person said so.
    """

    stop: Mapping[int, str]
    lost: tuple[tuple[int, int], ...]
    cancel: Mapping[int, str] = field(default_factory=dict[int, str])


Effect = (
    CreateRun
    | LeaseRun
    | RequeueRun
    | StopRun
    | EndRun
    | SetStatus
    | SetLimits
    | SetElapsed
    | KeepReport
    | KeepCheckpoint
    | SetConfig
    | DeleteRun
    | DeleteSweep
    | Granted
    | NothingNow
    | SweepOver
    | Accepted
    | Rejected
    | BeatAnswer
)
