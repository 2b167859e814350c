"""What can happen to a sweep. Numbers are the runs'; times are the coordinator's monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseAsked:
    """An agent has a free slot."""

    agent: str
    key: str
    now: float


@dataclass(frozen=True, slots=True)
class Reported:
    """A program logged a step; ``value`` is the sweep's metric, larger is better, None when not among it."""

    number: int
    token: int
    step: int
    value: float | None
    now: float


@dataclass(frozen=True, slots=True)
class ProgramExited:
    """A program ended: its exit code (negative for a signal) and the last words that tell failures apart."""

    number: int
    token: int
    exit_code: int
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """An agent is alive and works on these (number, token) pairs."""

    agent: str
    held: tuple[tuple[int, int], ...]
    now: float


@dataclass(frozen=True, slots=True)
class Released:
    """An agent gives a run back unfinished, on purpose."""

    number: int
    token: int


@dataclass(frozen=True, slots=True)
class AgentLost:
    """An agent is known to be dead."""

    agent: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""

    now: float


@dataclass(frozen=True, slots=True)
class Reopened:
    """Somebody wants an ended sweep to go on, perhaps with another cap."""

    run_cap: int | None = None


Event = LeaseAsked | Reported | ProgramExited | Beat | Released | AgentLost | Ticked | Reopened
