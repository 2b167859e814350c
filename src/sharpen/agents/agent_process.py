"""An agent in a process of its own, replaced when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sharpen.agents.program import die_with_parent, end_process
from sharpen.errors import SharpenError, StoreError, UsageError
from sharpen.store.permissions import own_folder

MAX_RESTARTS = 20  # for each slot
END_GRACE_S = 15.0
REFUSED = 2
"""The exit code of an agent that cannot do what it was told to."""


class AgentProcess:
    """The agent that works on a sweep here, with a slot for each run at a time; its words go to a file.

    One, because a process that can be forked into runs takes a second of CPU to get ready.

    Args:
        home: The store's folder.
        sweep_id: Whose runs it takes.
        n_slots: How many of them at a time.
        more: Further words of its command line.

    Raises:
        StoreError: Its words cannot be kept.
    """

    def __init__(self, home: Path, sweep_id: str, n_slots: int, more: Sequence[str] = ()) -> None:
        self._more = more
        self._home, self._sweep_id, self._n_slots = home, sweep_id, n_slots
        self._log = home / "logs" / f"{sweep_id}-agent.log"
        self._n_read = self._log.stat().st_size if self._log.exists() else 0
        self._process = self._start()
        self._n_deaths = 0

    def supervise(self, is_needed: Callable[[], bool]) -> bool:
        """Start another agent in the place of one that has died; return whether one is at work.

        Args:
            is_needed: Whether one that has died is to be replaced.

        Raises:
            UsageError: It cannot do what it was told to.
            SharpenError: It dies again and again.
        """
        if self._process.poll() == REFUSED:
            message = _tail(self._log).removeprefix("sharpen: ")
            raise UsageError(f"the agent cannot work on it: {message}")
        if self._process.poll() and is_needed():
            if self._n_deaths >= MAX_RESTARTS * self._n_slots:
                message = f"the agent died {self._n_deaths + 1} times; its last words: {_tail(self._log)}"
                raise SharpenError(message)
            self._n_deaths += 1
            self._process = self._start()
        return self._process.poll() is None

    def news(self) -> Sequence[str]:
        """Return the lines that agents have said since they were asked last."""
        with self._log.open("rb") as file:
            file.seek(self._n_read)
            lines, _, _ = file.read().rpartition(b"\n")
        self._n_read += len(lines) + bool(lines)
        return lines.decode(errors="replace").splitlines()

    def end(self) -> None:
        """Ask the agent to give its runs back and leave; kill it when it does not."""
        end_process(self._process, END_GRACE_S)

    def _start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "sharpen", "--home", str(self._home), "agent", self._sweep_id]
        argv += ["--slots", str(self._n_slots), "--quiet", *self._more]  # the view says it
        try:
            own_folder(self._log.parent)
            file = self._log.open("ab")
        except OSError as problem:
            raise StoreError(f"cannot write the log of an agent, {self._log}: {problem}") from problem
        with file:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for us; we tell it
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
            )


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"none, see {log}"
