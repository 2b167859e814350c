"""One run's program: a process group of its own, its output, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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


class Program:
    """A started program.

    Args:
        words: The command.
        workdir: The folder to run in.
        environment: What it needs beyond this process's own and the defaults, which do not replace what
            the user has set.

    Raises:
        OSError: The command cannot be started.
        ValueError: A word of it cannot be passed on.
    """

    def __init__(self, words: Sequence[str], workdir: Path, environment: Mapping[str, str]) -> None:
        self.output = Output()
        self._process = subprocess.Popen(
            words,
            cwd=workdir,
            env={**DEFAULT_ENVIRONMENT, **os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it makes two system calls
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self.pipe = self._process.stdout.fileno()
        os.set_blocking(self.pipe, False)

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
        """Send a signal to the program and everything that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, with_signal)

    def close(self) -> None:
        """Kill what is left of its process group, take in the last of its output, and close the pipe."""
        self.terminate(signal.SIGKILL)
        self._process.wait()
        self.read()
        self.output.close()
        if self._process.stdout is not None:
            self._process.stdout.close()


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
