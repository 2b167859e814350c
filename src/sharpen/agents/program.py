"""One run's program: a session of its own, its output, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sharpen.agents.output import Output

READ_BYTES = 1 << 16
MOST_READS = 32  # at a time: a program may print faster than it can be read
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
DEFAULT_ENVIRONMENT = {
    **dict.fromkeys(THREAD_COUNTS, "1"),
    "OMP_WAIT_POLICY": "passive",
    "PYTHONHASHSEED": "0",  # some libraries walk over sets: without this a seed does not repeat
    "PYTHONUNBUFFERED": "1",
}
PR_SET_PDEATHSIG = 1


class Process(Protocol):
    """A child of this process that leads a session of its own."""

    @property
    def session(self) -> int | None:
        """Its process id, which is its session's and its group's too; None before it has one."""
        ...

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        ...

    def kill(self, with_signal: int) -> None:
        """Send a signal to its process group, at once or as soon as there is one."""
        ...

    def wait(self) -> None:
        """Return when it has ended."""
        ...


@dataclass(frozen=True)
class ProgramSpec:
    """What it takes to start a program.

    Attributes:
        argv: The command line.
        workdir: The folder to run in.
        environment: What it needs beyond this process's own and the defaults, which do not replace what
            the user has set.
    """

    argv: Sequence[str]
    workdir: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def full_environment(self) -> dict[str, str]:
        """Return all of the program's environment."""
        return {**DEFAULT_ENVIRONMENT, **os.environ, **self.environment}


TOO_LONG = (
    "its words or its configuration are longer than the system passes on (131,071 bytes): "
    "let the values be shorter, such as names of files"
)


class ColdProcess:
    """A process that starts from nothing.

    Args:
        program_spec: What to start.
        stdout: The descriptor that it prints to.

    Raises:
        OSError: The command cannot be started.
        ValueError: A word of it cannot be passed on.
    """

    def __init__(self, program_spec: ProgramSpec, stdout: int) -> None:
        try:
            self._process = subprocess.Popen(
                program_spec.argv,
                cwd=program_spec.workdir,
                env=program_spec.full_environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it makes two system calls
            )
        except OSError as problem:
            if problem.errno == errno.E2BIG:
                raise OSError(problem.errno, TOO_LONG) from problem
            raise
        self.session: int | None = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def kill(self, with_signal: int) -> None:
        """Send a signal to its process group."""
        kill_group(self._process.pid, with_signal)

    def wait(self) -> None:
        """Return when it has ended."""
        self._process.wait()


class Program:
    """A started program.

    Args:
        process: The process.
        pipe: Where to read what it prints; :meth:`close` closes it.
    """

    def __init__(self, process: Process, pipe: int) -> None:
        self.output = Output()
        self.pipe = pipe
        self._process = process
        os.set_blocking(self.pipe, False)

    @property
    def session(self) -> int | None:
        """The id of its session; None before it has one."""
        return self._process.session

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def read(self) -> bool:
        """Take in what it has printed; return whether more may come."""
        try:
            for _ in range(MOST_READS):
                data = os.read(self.pipe, READ_BYTES)
                if not data:
                    return False
                self.output.feed(data)
        except BlockingIOError:
            pass
        return True

    def terminate(self, with_signal: int) -> None:
        """Send a signal to the program and everything of its process group."""
        self._process.kill(with_signal)

    def close(self) -> None:
        """Kill what is left of its process group, take in the last of its output, and close the pipe."""
        self.terminate(signal.SIGKILL)
        self._process.wait()
        self.read()
        self.output.close()
        os.close(self.pipe)


def start_cold(program_spec: ProgramSpec) -> Program:
    """Return a program in a process that starts from nothing.

    Raises:
        OSError: The command cannot be started.
        ValueError: A word of it cannot be passed on.
    """
    pipe, far_end = os.pipe()
    try:
        return Program(ColdProcess(program_spec, far_end), pipe)
    except BaseException:
        os.close(pipe)
        raise
    finally:
        os.close(far_end)


def threads_of(n_threads: int) -> dict[str, str]:
    """Return what lets a program's libraries use so many threads, where the user has not set it."""
    counts = dict.fromkeys(THREAD_COUNTS, str(n_threads))
    return {name: count for name, count in counts.items() if name not in os.environ}


def kill_group(leader: int, with_signal: int) -> None:
    """Send a signal to a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, with_signal)


def end_process(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a process to end, and kill it when it has not after some seconds; nothing where it has."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def die_with_parent(with_signal: int) -> Callable[[], None] | None:
    """Return what a child calls before its program starts, to get a signal when its parent dies.

    None where the kernel has no such thing; there, a killed agent leaves its program running until the
    coordinator refuses the program's next report.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, with_signal)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), with_signal)

    return ask
