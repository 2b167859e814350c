"""What a step wants done: words to write to the store, then the one answer to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sharpen.sweep.state import SweepStatus
from sharpen.trial import Trial


@dataclass(frozen=True, slots=True)
class CreateRun:
    """Write a new run."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class LeaseRun:
    """Write that an agent has a run."""

    number: int
    agent: str
    key: str
    token: int


@dataclass(frozen=True, slots=True)
class RequeueRun:
    """Write that a run waits for an agent again."""

    number: int
    lost: int
    reason: str


@dataclass(frozen=True, slots=True)
class StopRun:
    """Write that a run has been told to end."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class EndRun:
    """Write how a run ended."""

    trial: Trial
    exit_code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Write where the sweep is in its life, its cap, and how many ended runs are forgiven."""

    status: SweepStatus
    reason: str
    run_cap: int | None
    n_forgiven: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """The run is yours, under this token."""

    number: int
    token: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to lease now, but others still work: ask again."""


@dataclass(frozen=True, slots=True)
class Over:
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
    """Runs that must end (number -> why), and the (number, token) pairs that no longer hold one."""

    stop: Mapping[int, str]
    lost: tuple[tuple[int, int], ...]


Command = (
    CreateRun
    | LeaseRun
    | RequeueRun
    | StopRun
    | EndRun
    | SetStatus
    | Granted
    | Wait
    | Over
    | Accepted
    | Rejected
    | BeatAnswer
)
