"""What a sweep is at one moment, and the rules that do not change while it runs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter

from sharpen.optimizers import Optimizer
from sharpen.space import Space
from sharpen.stoppers import Stopper
from sharpen.trial import Trial

NUMBER = attrgetter("number")


class SweepStatus(StrEnum):
    """Where a sweep is in its life."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rules:
    """What does not change while a sweep runs.

    Attributes:
        space: What is searched.
        optimizer: What proposes.
        stopper: What ends trials early.
        metric: Its name, for messages.
        seed: The root of every random stream.
        run_cap: How many runs there are in all; None for no limit.
        lease_s: Seconds that an agent may be silent before its runs are given to another.
        max_attempts: Leases of one run that may be lost before it counts as crashed.
        max_same_failures: Failures in a row with the same last words that end the sweep.
    """

    space: Space
    optimizer: Optimizer
    stopper: Stopper
    metric: str
    seed: int
    run_cap: int | None = None
    lease_s: float = 30.0
    max_attempts: int = 10
    max_same_failures: int = 5


@dataclass(frozen=True, slots=True)
class Lease:
    """An agent's claim on a run.

    Attributes:
        agent: Who holds it.
        key: The request that it answers; the same request gets the same lease again.
        deadline: When it lapses, in the coordinator's monotonic seconds.
    """

    agent: str
    key: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Live:
    """A run that has not ended.

    Attributes:
        trial: What the optimizer sees of it.
        lease: Who works on it; None while it waits.
        token: How many leases of it there have been; the newest's fencing token.
        lost: How many of them were lost to a crash.
        last_step: The last step logged under this lease.
        stop: Why it has been told to end; empty when it has not.
    """

    trial: Trial
    lease: Lease | None = None
    token: int = 0
    lost: int = 0
    last_step: int = -1
    stop: str = ""


@dataclass(frozen=True, slots=True)
class SweepState:
    """Everything that decides what happens next.

    Attributes:
        rules: What does not change.
        status: Where the sweep is in its life.
        reason: Why it is there; empty when it speaks for itself.
        live: Runs that have not ended, by number.
        ended: Those that have, by number.
        last_failure: The last words of the newest failure.
        n_same_failures: How often they came in a row.
        n_forgiven: How many runs had ended when the sweep was last reopened; their failures no longer count.
        exhausted: Whether the optimizer has nothing left to propose.
    """

    rules: Rules
    status: SweepStatus = SweepStatus.RUNNING
    reason: str = ""
    live: Mapping[int, Live] = field(default_factory=dict[int, Live])
    ended: tuple[Trial, ...] = ()
    last_failure: str = ""
    n_same_failures: int = 0
    n_forgiven: int = 0
    exhausted: bool = False

    @property
    def n_created(self) -> int:
        """How many runs the sweep has had so far, which is what its cap counts."""
        return len(self.live) + len(self.ended)

    @property
    def history(self) -> list[Trial]:
        """Every trial by number, running ones included."""
        trials = list(self.ended)
        for live in self.live.values():
            insort(trials, live.trial, key=NUMBER)
        return trials
