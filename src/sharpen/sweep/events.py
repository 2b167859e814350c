"""What can happen to a sweep. Numbers are the runs'; times are the coordinator's monotonic seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sharpen.optimizers import Answer
from sharpen.trial import ParameterValues


@dataclass(frozen=True, slots=True)
class LeaseAsked:
    """An agent has a free slot."""

    agent: str
    key: str
    now: float


@dataclass(frozen=True, slots=True)
class Proposed:
    """A slow search method has answered; ``broken`` says what it raised in place of an answer."""

    answer: Answer
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """A program logged a step.

    ``value`` is the sweep's metric, larger is better, None when not among what was logged; ``watched`` has
    those of the watched metrics that were, as logged; ``metrics`` is all of it, for the store alone.
    """

    number: int
    token: int
    step: int
    value: float | None
    now: float
    watched: Mapping[str, float] = field(default_factory=dict[str, float])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A program stored what it can go on from: a file that holds everything up to a step."""

    number: int
    token: int
    digest: str
    step: int


@dataclass(frozen=True, slots=True)
class MadeSmaller:
    """A run goes on with smaller values, for the memory does not hold what was proposed."""

    number: int
    token: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProgramExited:
    """A program ended: its exit code (negative for a signal) and the last words that tell failures apart.

    ``logged`` has the names of all that it logged, when the sweep's metric was not among them.
    """

    number: int
    token: int
    exit_code: int
    last_words: str = ""
    logged: tuple[str, ...] = ()


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
class Paused:
    """A user pauses the sweep: no run begins until it is reopened, and agents wait."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """Somebody wants a paused or ended sweep to go on, perhaps with another cap."""

    run_cap: int | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A user stops the sweep: no new run begins, and the runs at work go on to their end."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """Somebody wants the sweep to end now, and its runs with it."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunCanceled:
    """Somebody wants a run to end now."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunStopped:
    """Somebody who judges runs in place of a stop rule wants one to end now; what it reported counts."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Whoever queues what is run has nothing more: the sweep ends with the last of its runs."""


@dataclass(frozen=True, slots=True)
class RunAdded:
    """Somebody wants a configuration to be tried; ``number`` is what the run is to be called.

    With repeats it gets as many runs as any other, unless it is a rerun, which has the seed of ``repeat``.
    ``key`` says which request it answers.
    """

    number: int
    config: ParameterValues
    origin: str
    parent: int | None = None
    repeat: int = 0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RunsAdded:
    """Somebody wants several configurations to be tried, all or none; their numbers follow one another."""

    runs: tuple[RunAdded, ...]


@dataclass(frozen=True, slots=True)
class LimitsSet:
    """Somebody sets the limits anew, all of them; None for no limit."""

    run_cap: int | None
    max_failures: int | None
    time_cap_s: float | None


@dataclass(frozen=True, slots=True)
class RunDeleted:
    """Somebody wants a run to be forgotten."""

    number: int


@dataclass(frozen=True, slots=True)
class SweepDeleted:
    """Somebody wants the whole sweep to be forgotten."""


Event = (
    LeaseAsked
    | Proposed
    | Reported
    | CheckpointSaved
    | MadeSmaller
    | ProgramExited
    | Beat
    | Released
    | AgentLost
    | Ticked
    | Paused
    | Reopened
    | Stopped
    | Canceled
    | RunCanceled
    | RunStopped
    | Closed
    | RunAdded
    | RunsAdded
    | LimitsSet
    | RunDeleted
    | SweepDeleted
)
