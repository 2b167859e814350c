"""Agents as jobs of a Slurm cluster, by submitit: each waits in the queue until there is room for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
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


class SlurmJobs:
    """Starts agents as jobs.

    Args:
        executor: Of submitit.
        request: Which agents.
    """

    def __init__(self, executor: Any, request: Request) -> None:
        self._executor = executor
        self._request = request

    def start(self, n: int) -> Any:
        """Put an agent into the queue; one that Slurm does not take has ended."""
        argv, environment = self._request.agent_argv, self._request.agent_environment
        try:
            return self._executor.submit(carry_out_in_job, argv, environment)
        except (RuntimeError, OSError) as problem:  # what submitit raises is the one, sbatch gone the other
            return NotTaken(f"{problem}")

    def ended(self, agents: Sequence[Any], wait_s: float) -> Sequence[tuple[Any, Ending]]:
        """Return those that have ended."""
        jobs = wait_for_some(lambda: [job for job in agents if job.done()], wait_s)
        return [(job, _how(job)) for job in jobs]

    def end(self, agents: Sequence[Any]) -> None:
        """Cancel jobs, those that wait in the queue among them."""
        for job in agents:
            job.cancel()
        wait_for_some(lambda: agents if all(job.done(force_check=True) for job in agents) else (), LEAVING_S)


@dataclass(frozen=True, slots=True, eq=False)
class NotTaken:
    """A job that Slurm has not taken.

    Attributes:
        reason: Why.
    """

    reason: str

    def done(self, force_check: bool = False) -> bool:
        """Return whether it has ended."""
        return True

    def cancel(self) -> None:
        """Do nothing."""

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
    if isinstance(job, NotTaken):
        return job.ending
    problem = job.exception()
    if problem is None:
        ending: Ending = job.result()
        return replace(ending, words=f"job {job.job_id}: {ending.words}")
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return Ending(KILLED, f"job {job.job_id}: {lines[-1]}")


def carry_out_in_job(argv: Sequence[str], environment: Mapping[str, str]) -> Ending:
    """Run an agent in a job; when the job is canceled, the agent gives its runs back and ends."""

    def end(number: int, frame: Any) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return carry_out(argv, environment)


def open_placement(request: Request) -> SlurmJobs:
    """Return what puts jobs into the queue.

    Raises:
        MissingExtra: submitit is not installed.
        UsageError: There is no Slurm here, or it has no such setting.
    """
    folder = Path(os.path.expanduser("~")) / FOLDER / request.sweep_id  # noqa: PTH111 - HOME may be unset
    own_folder(folder)  # what a job is told has a key in it
    executor = executor_in(folder, request.settings)
    executor.update_parameters(
        name=f"sharpen-{request.sweep_id}",
        cpus_per_task=max(1, round(request.n_cpus)),
        gpus_per_node=round(request.n_gpus),
    )
    return SlurmJobs(executor, request)


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
        executor = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster)
        prefixed = {f"slurm_{name}": value for name, value in parameters.items()}
        executor.update_parameters(timeout_min=LONGEST_MINUTES, **prefixed)
    except RuntimeError as problem:
        raise UsageError(f"no Slurm here: {problem}; '--slurm cluster=local' tries it without") from problem
    except (ValueError, TypeError, NameError) as problem:
        message, listed, names = str(problem).splitlines()[0].partition(LISTED)
        raise UsageError(f"--slurm: {message}{listed}{', '.join(sorted(names.split(', ')))}") from problem
    return executor
