"""Driving a sweep from one terminal: start agents, replace those that die, watch, and stop cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sharpen.agents.program import die_with_parent
from sharpen.cli.live import View
from sharpen.cli.warning import Warnings
from sharpen.errors import SharpenError, StoreError
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus

POLL_S = 0.05
MAX_RESTARTS = 20
END_GRACE_S = 15.0


@dataclass
class AgentChild:
    """An agent that this process started; its words go to a file."""

    process: subprocess.Popen[bytes]
    log: Path
    n_restarts: int = 0


class Agents:
    """The agents of one sweep on this machine, one slot each.

    Args:
        home: The store's folder.
        sweep_id: Whose runs they take.
        n_agents: How many there are to be.
    """

    def __init__(self, home: Path, sweep_id: str, n_agents: int) -> None:
        self._home = home
        self._sweep_id = sweep_id
        self._n_agents = n_agents
        self._children: list[AgentChild] = []

    def tend(self, wanted: Callable[[], bool]) -> bool:
        """Start agents, replace those that have died; return whether any is at work.

        Args:
            wanted: Whether one that has died is to be replaced.

        Raises:
            SharpenError: One dies again and again.
        """
        while len(self._children) < self._n_agents:
            self._children.append(self._start(len(self._children)))
        for n, child in enumerate(self._children):
            code = child.process.poll()
            if code is None or code == 0 or not wanted():
                continue
            if child.n_restarts >= MAX_RESTARTS:
                raise SharpenError(f"an agent died {MAX_RESTARTS} times; its last words: {_tail(child.log)}")
            self._children[n] = self._start(n)
            self._children[n].n_restarts = child.n_restarts + 1
        return any(child.process.poll() is None for child in self._children)

    def end(self) -> None:
        """Ask every agent to give its run back and leave; kill those that do not."""
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + END_GRACE_S
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _start(self, n: int) -> AgentChild:
        log = self._home / "logs" / f"{self._sweep_id}-agent-{n + 1}.log"
        words = [sys.executable, "-m", "sharpen", "--home", str(self._home), "agent", self._sweep_id]
        words.append("--quiet")  # the view says it
        try:
            log.parent.mkdir(exist_ok=True)
            file = log.open("ab")
        except OSError as problem:
            raise StoreError(f"cannot write the log of an agent, {log}: {problem}") from problem
        with file:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for us; we tell them
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
            )
        return AgentChild(process, log)


def drive(home: Path, sweep_id: str, n_agents: int, view: View, interrupts: Sequence[int]) -> None:
    """Work on a sweep until it is over or there are interrupts; the agents have left when this returns.

    Raises:
        SharpenError: The agents cannot be kept alive.
    """
    reader = Reader(home)
    agents = Agents(home, sweep_id, n_agents)
    warnings = Warnings(reader, reader.sweep(sweep_id))
    with view:
        try:
            look_at = 0.0
            while not interrupts and agents.tend(lambda: SweepStatus(reader.sweep(sweep_id).status).is_open):
                time.sleep(POLL_S)
                if time.monotonic() >= look_at:
                    view.update()
                    warnings.look(reader.sweep(sweep_id), view)
                    look_at = time.monotonic() + view.every_s
        finally:
            agents.end()
        warnings.look(reader.sweep(sweep_id), view)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"none, see {log}"


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
