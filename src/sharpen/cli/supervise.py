"""Driving a sweep from one terminal: start an agent, replace it when it dies, watch, and stop cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sharpen.agents.program import die_with_parent
from sharpen.cli.conclude import get_ready
from sharpen.cli.live import View
from sharpen.cli.warning import Warnings
from sharpen.errors import SharpenError, StoreError
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus

POLL_S = 0.05
MAX_RESTARTS = 20  # for each slot
END_GRACE_S = 15.0


class Agent:
    """The agent that works on a sweep here, with a slot for each run at a time; its words go to a file.

    One, because a process that can be forked into runs takes a second of CPU to get ready.

    Args:
        home: The store's folder.
        sweep_id: Whose runs it takes.
        n_slots: How many of them at a time.

    Raises:
        StoreError: Its words cannot be kept.
    """

    def __init__(self, home: Path, sweep_id: str, n_slots: int) -> None:
        self._home, self._sweep_id, self._n_slots = home, sweep_id, n_slots
        self._log = home / "logs" / f"{sweep_id}-agent.log"
        self._process = self._start()
        self._n_deaths = 0

    def tend(self, wanted: Callable[[], bool]) -> bool:
        """Start another agent in the place of one that has died; return whether one is at work.

        Args:
            wanted: Whether one that has died is to be replaced.

        Raises:
            SharpenError: It dies again and again.
        """
        if self._process.poll() and wanted():
            if self._n_deaths >= MAX_RESTARTS * self._n_slots:
                words = f"the agent died {self._n_deaths + 1} times; its last words: {_tail(self._log)}"
                raise SharpenError(words)
            self._n_deaths += 1
            self._process = self._start()
        return self._process.poll() is None

    def end(self) -> None:
        """Ask the agent to give its runs back and leave; kill it when it does not."""
        self._process.terminate()
        try:
            self._process.wait(END_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "sharpen", "--home", str(self._home), "agent", self._sweep_id]
        words += ["--slots", str(self._n_slots), "--quiet"]  # the view says it
        try:
            own_folder(self._log.parent)
            file = self._log.open("ab")
        except OSError as problem:
            raise StoreError(f"cannot write the log of an agent, {self._log}: {problem}") from problem
        with file:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for us; we tell it
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
            )


def drive(home: Path, sweep_id: str, n_slots: int, view: View, interrupts: Sequence[int]) -> None:
    """Work on a sweep until it is over or there are interrupts; the agent has left when this returns.

    Raises:
        SharpenError: The agent cannot be kept alive.
    """
    reader = Reader(home)
    warnings = Warnings(reader, reader.sweep(sweep_id))
    agent = Agent(home, sweep_id, n_slots)
    with view:
        try:
            get_ready()  # it is a second before the first run begins
            look_at = 0.0
            while not interrupts and agent.tend(lambda: SweepStatus(reader.sweep(sweep_id).status).is_open):
                time.sleep(POLL_S)
                if time.monotonic() >= look_at:
                    view.update()
                    warnings.look(reader.sweep(sweep_id), view)
                    look_at = time.monotonic() + view.every_s
        finally:
            agent.end()
        warnings.look(reader.sweep(sweep_id), view)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"none, see {log}"


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
