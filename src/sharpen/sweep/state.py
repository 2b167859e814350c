"""What a sweep is at one moment, and the rules that do not change while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sharpen.optimizers import Optimizer
from sharpen.report_log import ReportLog
from sharpen.space import Space
from sharpen.stoppers import Stopper
from sharpen.sweep.causes import RunCause, SweepCause
from sharpen.sweep.imputation import Impute
from sharpen.sweep.repeats import Configurations
from sharpen.sweep.status import SweepStatus
from sharpen.sweep.trials import Trials
from sharpen.trial import ParameterValues, Proposal, StoredCheckpoint, Trial


class Assessment(NamedTuple):
    """What the last values of the watched metrics amount to.

    Attributes:
        scores: Every metric of a sweep that has several.
        violation: Of the constraints.
        cost: By the cost metric; None where it is not a number above 0.
    """

    scores: tuple[float, ...] = ()
    violation: float = 0.0
    cost: float | None = None


def nothing_to_assess(watched: Mapping[str, float]) -> Assessment:
    """Return nothing: there is one metric, no constraint, no cost."""
    return Assessment()


@dataclass(frozen=True, slots=True)
class SweepRules:
    """What does not change while a sweep runs, but for the limits, which an edit may set anew.

    Attributes:
        space: What is searched.
        optimizer: What proposes.
        stopper: What ends trials early.
        metric: Its name, for messages.
        seed: The root of every random stream.
        run_cap: How many runs there are in all; None for no limit.
        max_failures: How many failed or crashed runs end the sweep; None to go by ``max_same_failures``.
        time_cap_s: After how many seconds of work no run begins any more; None for no limit.
        target: A score at which no run begins any more; None for none.
        lease_s: Seconds that an agent may be silent before its runs are given to another.
        max_attempts: Leases that a run may lose before it counts as crashed, when its program is killed.
        max_lost: The same when its agent dies, which is hardly the run's own fault.
        max_same_failures: Failures in a row with the same last words that end the sweep.
        prior: Configurations to try before the optimizer is asked, in order.
        resume: Whether a run that was cut off goes on from its newest checkpoint.
        impute: What the optimizer is told of trials that have no score.
        repeats: How many runs, each with a seed of its own, a configuration gets.
        watched: Names of the metrics that ``assess`` wants.
        assess: Turns their last values into every metric's score, the constraints' violation and the cost.
        is_slow_search: Whether the optimizer may think for long, so that it is asked in another thread.
    """

    space: Space
    optimizer: Optimizer
    stopper: Stopper
    metric: str
    seed: int
    run_cap: int | None = None
    max_failures: int | None = None
    time_cap_s: float | None = None
    target: float | None = None
    lease_s: float = 30.0
    max_attempts: int = 2
    max_lost: int = 10
    max_same_failures: int = 5
    prior: tuple[ParameterValues, ...] = ()
    resume: bool = False
    impute: Impute = field(default_factory=Impute)
    repeats: int = 1
    watched: tuple[str, ...] = ()
    assess: Callable[[Mapping[str, float]], Assessment] = nothing_to_assess
    is_slow_search: bool = False

    @property
    def whole_fidelity(self) -> float | None:
        """What a run may spend that the search method has not proposed; None where there is no such limit."""
        return getattr(self.optimizer, "max_fidelity", None) or None


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
class LiveRun:
    """A run that has not ended.

    Attributes:
        trial: What the optimizer sees of it.
        lease: Who works on it; None while it waits.
        token: How many leases of it there have been; the newest's fencing token.
        lost: How many of them were lost to a crash.
        last_step: The last step logged under this lease, or taken over from the one before.
        stop: Why it has been told to end; empty when it has not.
        is_canceled: Whether it was a person who told it.
        resumed: The one that the newest lease began from; None when it began at the start.
        watched: What was logged of the watched metrics, by name.
    """

    trial: Trial
    lease: Lease | None = None
    token: int = 0
    lost: int = 0
    last_step: int = -1
    stop: str = ""
    is_canceled: bool = False
    resumed: StoredCheckpoint | None = None
    watched: Mapping[str, ReportLog] = field(default_factory=dict[str, ReportLog])


@dataclass(frozen=True, slots=True)
class SweepState:
    """Everything that decides what happens next.

    Attributes:
        rules: What does not change.
        status: Where the sweep is in its life.
        reason: Why it is there, for people; empty when it speaks for itself.
        cause: The same for decisions.
        trials: Every trial by number, which is what stoppers see; a blank one stands for a deleted run.
        live: Runs that have not ended, by number.
        deleted: The numbers of deleted runs.
        is_deleted: Whether the sweep itself is.
        last_failure: The last words of the newest failure.
        last_cause: Its cause.
        n_same_failures: How many failures like it came in a row.
        n_failures: How many runs have failed or crashed, forgiven ones not counted.
        n_forgiven: How many runs had ended when the sweep was last reopened; their failures no longer count.
        n_prior: How many of the prior configurations have been proposed.
        exhausted: Whether the optimizer has nothing left to propose.
        elapsed_s: Seconds in which at least one of its runs was at work, as far as they have been counted.
        counted_at: Until when they have been counted, in monotonic seconds; None while nothing is at work.
        configurations: What the runs say of each configuration; empty, and not wanted, without repeats.
        askers: The keys of questions for a run that wait for a slow optimizer.
        proposed: What it has answered, and no run has been made of yet.
        waits_since: How many runs had ended when it last said that it waits; None when it has not.
    """

    rules: SweepRules
    status: SweepStatus = SweepStatus.RUNNING
    reason: str = ""
    cause: SweepCause = SweepCause.UNSAID
    trials: Trials = field(default_factory=Trials)
    live: Mapping[int, LiveRun] = field(default_factory=dict[int, LiveRun])
    deleted: frozenset[int] = frozenset()
    is_deleted: bool = False
    last_failure: str = ""
    last_cause: RunCause = RunCause.UNSAID
    n_same_failures: int = 0
    n_failures: int = 0
    n_forgiven: int = 0
    n_prior: int = 0
    exhausted: bool = False
    elapsed_s: float = 0.0
    counted_at: float | None = None
    configurations: Configurations = field(default_factory=Configurations)
    askers: frozenset[str] = frozenset()
    proposed: tuple[Proposal, ...] = ()
    waits_since: int | None = None

    @property
    def n_created(self) -> int:
        """How many runs the sweep has had so far, which is what its cap counts."""
        return len(self.trials)

    @property
    def n_ended(self) -> int:
        """How many of them have ended."""
        return len(self.trials) - len(self.live)

    @property
    def n_left(self) -> int | None:
        """How many more runs the cap has room for; None without a cap."""
        return None if self.rules.run_cap is None else max(self.rules.run_cap - self.n_created, 0)

    @property
    def is_full(self) -> bool:
        """Whether the cap leaves no room for another run."""
        return self.n_left == 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is at work or waits, and nothing more will begin."""
        is_over = self.is_full or (self.exhausted and not self.configurations.lacking)
        return is_over and not self.live

    @property
    def searched(self) -> Sequence[Trial]:
        """What optimizers see: every trial without repeats, and with them one a configuration."""
        return self.trials if self.rules.repeats == 1 else self.configurations.folded
