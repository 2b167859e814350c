"""Agents as jobs of a Slurm cluster, by submitit: each waits in the queue until there is room for it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.remote.process import (
    KILLED,
    LEAVING_S,
    Ending,
    carry_out,
    wait_for_some,
)
from sharpen.agents.remote.request import Request
from sharpen.errors import UsageError
from sharpen.extras import require
from sharpen.store.permissions import own_folder

FOLDER = Path(".cache") / "sharpen" / "slurm"  # in the user's home, which a cluster's machines share
CLUSTER = "cluster"
LISTED = "Valid arguments: "  # submitit has them in no order
PASSING = ("Unable to contact", "timed out", "temporarily", "Connection refused")
LONGEST_MINUTES = 24 * 60
LOOK_S = 60.0
TRY_AGAIN_S = 30.0
PREEMPTED = "PREEMPTED"
OF_NO_JOB = ("SLURM_CONF", "SLURM_CLUSTERS")  # others say of which job a process is
NO_REQUEUE = {"no-requeue": True}  # another job is started here: Slurm is not to start this one again


@dataclass(slots=True, eq=False)
class AgentJob:
    """An agent and the job that is to run it.

    Attributes:
        job: Of submitit, or that Slurm has not taken one.
        tried_at: When it was put into the queue.
    """

    job: Any
    tried_at: float

    @property
    def is_taken(self) -> bool:
        """Whether Slurm has taken the job."""
        return not isinstance(self.job, NotTaken)

    def is_over(self) -> bool:
        """Return whether the job has ended; submitit waits for a preempted one, which is not requeued."""
        return self.job.done() or self.job.state == PREEMPTED


class SlurmJobs:
    """Starts agents as jobs.

    While Slurm has some of their jobs and takes no more, as where a user may have so many, the others wait.

    Args:
        executor: Of submitit.
        request: Which agents.
        now: Seconds that only grow.
    """

    def __init__(self, executor: Any, request: Request, now: Callable[[], float] = time.monotonic) -> None:
        self._executor = executor
        self._request = request
        self._now = now
        self._looked_at = now()
        self._has_said = False

    def start(self, n: int) -> AgentJob:
        """Put an agent into the queue; one that Slurm does not take has ended, or waits."""
        return AgentJob(self._submit(), self._now())

    def _submit(self) -> Any:
        argv, environment = self._request.agent_argv, self._request.agent_environment
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # where submitit says what it raises, too
                return self._executor.submit(carry_out_in_job, argv, environment)
        except (RuntimeError, OSError) as problem:  # what submitit raises is the one, sbatch gone the other
            return NotTaken(f"{problem}")

    def ended(self, agents: Sequence[AgentJob], wait_s: float) -> Sequence[tuple[AgentJob, Ending]]:
        """Return those that have ended."""
        taken = [one for one in agents if one.is_taken]
        if not taken:
            return [(one, one.job.ending) for one in agents]
        self._try_again([one for one in agents if not one.is_taken], len(taken))
        if self._now() - self._looked_at > LOOK_S:  # submitit asks ever less often how jobs are
            self._looked_at = self._now()
            taken[0].job.done(force_check=True)  # one question for all
        over = wait_for_some(lambda: [one for one in taken if one.is_over()], wait_s)
        return [(one, _how(one.job)) for one in over]

    def _try_again(self, waiting: Sequence[AgentJob], n_taken: int) -> None:
        if waiting and not self._has_said:
            self._has_said = True
            reason = waiting[0].job.ending.words
            how = f"{n_taken} of {n_taken + len(waiting)} jobs; others are tried every {TRY_AGAIN_S:g} s"
            print(f"Slurm has taken {how} ({reason})", file=sys.stderr, flush=True)
        for one in waiting:
            if self._now() - one.tried_at > TRY_AGAIN_S:
                one.job, one.tried_at = self._submit(), self._now()
                if not one.is_taken:  # nor would it take the next
                    for other in waiting:
                        other.tried_at = one.tried_at
                    return

    def end(self, agents: Sequence[AgentJob]) -> None:
        """Cancel jobs, those that wait in the queue among them."""
        jobs = [one.job for one in agents if one.is_taken]
        for job in jobs:
            job.cancel(check=False)  # it may have ended by now
        wait_for_some(lambda: agents if all(job.done(force_check=True) for job in jobs) else (), LEAVING_S)


@dataclass(frozen=True, slots=True, eq=False)
class NotTaken:
    """A job that Slurm has not taken.

    Attributes:
        reason: Why.
    """

    reason: str

    @property
    def ending(self) -> Ending:
        """How its agent has ended; what does not answer now may answer later.

        >>> NotTaken("sbatch: error: invalid partition specified: gpus").ending
        Ending(code=2, words='sbatch: error: invalid partition specified: gpus; see --slurm', lived_s=0.0)
        """
        message = " ".join(self.reason.split())
        if any(sign in self.reason for sign in PASSING):
            return Ending(KILLED, message, 0.0)
        return Ending(REFUSED, f"{message}; see --slurm", 0.0)


def _how(job: Any) -> Ending:
    """Return how a job has ended, which is how its agent has."""
    if not job.done():
        return Ending(KILLED, f"job {job.job_id}: Slurm has preempted it")
    problem = job.exception()
    if problem is None:
        ending: Ending = job.result()
        return replace(ending, words=f"job {job.job_id}: {ending.words}")
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return Ending(KILLED, f"job {job.job_id}: {lines[-1]}")


def carry_out_in_job(argv: Sequence[str], environment: Mapping[str, str]) -> Ending:
    """Run an agent in a job; when the job is ended, the agent gives its runs back, which is said at once."""

    def end(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        return carry_out(argv, environment)
    except SystemExit:
        return Ending(KILLED, "Slurm has ended the job")


def open_placement(request: Request) -> SlurmJobs:
    """Return what puts jobs into the queue.

    Raises:
        MissingExtra: submitit is not installed.
        UsageError: There is no Slurm here, or it has no such setting.
    """
    leave_the_job(os.environ)
    folder = Path(os.path.expanduser("~")) / FOLDER / request.sweep_id  # noqa: PTH111 - HOME may be unset
    own_folder(folder)  # what a job is told has a key in it
    executor = executor_in(folder, request.settings)
    executor.update_parameters(
        name=f"sharpen-{request.sweep_id}",
        cpus_per_task=max(1, round(request.n_cpus)),
        gpus_per_node=round(request.n_gpus),
    )
    return SlurmJobs(executor, request)


def leave_the_job(environment: MutableMapping[str, str]) -> None:
    """Forget the job that this process is in: Slurm would bind new jobs to its processors and memory.

    >>> variables = {"SLURM_JOB_ID": "7", "SLURM_CPU_BIND": "mask_cpu:0x3", "SLURM_CONF": "/etc/slurm.conf"}
    >>> leave_the_job(variables)
    >>> variables
    {'SLURM_CONF': '/etc/slurm.conf'}
    """
    for name in [
        name for name in environment if name.startswith(("SLURM_", "SRUN_")) and name not in OF_NO_JOB
    ]:
        del environment[name]


def executor_in(folder: Path, settings: Mapping[str, str]) -> Any:
    """Return submitit's executor with settings of ``--slurm``.

    Args:
        folder: For the files of its jobs.
        settings: By name.

    Raises:
        MissingExtra: submitit is not installed.
        UsageError: There is no Slurm here, or it has no such setting.
    """
    require("submitit", "slurm")
    submitit: Any = import_module("submitit")
    parameters = dict(settings)
    cluster = parameters.pop(CLUSTER, "slurm")
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        prefixed = {f"slurm_{name}": value for name, value in parameters.items()}
        executor.update_parameters(
            timeout_min=LONGEST_MINUTES, slurm_additional_parameters=NO_REQUEUE, **prefixed
        )
    except RuntimeError as problem:
        raise UsageError(f"no Slurm here: {problem}; '--slurm cluster=local' tries it without") from problem
    except (ValueError, TypeError, NameError) as problem:
        message, listed, names = str(problem).splitlines()[0].partition(LISTED)
        raise UsageError(f"--slurm: {message}{listed}{', '.join(sorted(names.split(', ')))}") from problem
    return executor
