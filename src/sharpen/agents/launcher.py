"""How a run's program starts: forked off a warm server where that is possible, cold where it is not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sharpen.agents.forkserver.client import ForkServer
from sharpen.agents.forkserver.forked import ForkedProcess
from sharpen.agents.forkserver.imports import stamp_of
from sharpen.agents.program import Program, ProgramSpec, start_cold

PATIENCE_S = 120.0
GOING_S = 0.001
MOST_DEATHS = 3
NOT_STANDARD = "the command is not [${env}] ${interpreter} PROGRAM …"


class Launcher:
    """Starts programs, and keeps the fork server that it may have for them.

    Args:
        warm: Whether to fork programs off a server; the environment variable SHARPEN_COLD turns that off.
        say: Is told, once each, why programs start cold after all.
    """

    def __init__(self, warm: bool, say: Callable[[str], None]) -> None:
        self.server: ForkServer | None = None
        self._say = say
        self._said: set[str] = set()
        self._n_deaths = 0
        self._forked: list[ForkedProcess] = []
        self._is_warm = warm and not os.environ.get("SHARPEN_COLD")
        self._cold_program: tuple[Path, list[int] | None] | None = None  # must start cold until it changes
        if self._is_warm and sys.platform != "linux":
            self._be_cold("only Linux has what it takes to fork them")

    @property
    def pids(self) -> set[int]:
        """The ids of all children of this process that were started warm, or help with that."""
        forked = {process.session for process in self._forked if process.session is not None}
        return forked | (self.server.pids if self.server is not None else set())

    def prepare(self, program_spec: ProgramSpec) -> None:
        """Get a server ready for a program, where there can be one, while nobody knows a run of it yet."""
        server = self._server_for(program_spec) if self._is_warm else None
        if server is not None:
            server.prepare(program_spec)

    def start(self, program_spec: ProgramSpec, *, is_early: bool = True) -> Program:
        """Return a program that has started, or will as soon as its server is ready.

        Args:
            program_spec: What to start.
            is_early: Whether it may count as ended while the kernel still takes its process down.

        Raises:
            OSError: The command cannot be started.
            ValueError: A word of it cannot be passed on.
        """
        server = self._server_for(program_spec) if self._is_warm else None
        if server is None:
            return start_cold(program_spec)
        pipe, far_end = os.pipe()
        process = ForkedProcess(program_spec, far_end, is_early=is_early)
        self._forked.append(process)
        if not server.ask(process):
            process.start_cold()
        return Program(process, pipe)

    def attend(self) -> bool:
        """Hear what the server says, see to what its end leaves undone; return whether a process has gone."""
        self._receive()
        n_before = len(self._forked)
        self._forked = [process for process in self._forked if process.poll() is None or process.is_going()]
        return len(self._forked) < n_before

    def _receive(self) -> None:
        server = self.server
        if server is None:
            return
        lives = server.receive()
        if server.cold:
            self._be_cold_for(server, server.cold)
        elif not lives:
            self._n_deaths += not server.has_forked
            self._note(f"the fork server has died; {server.last_words() or 'it said nothing'}")
            self._replace(server)
        elif server.oldest_wait_s() > PATIENCE_S:
            self._be_cold_for(server, f"nothing was forked within {PATIENCE_S:g} s")

    def end(self) -> None:
        """End the server; what it was still to make is given up."""
        if self.server is not None:
            for process in self.server.end():
                process.give_up()
            self.server = None
        while any(process.is_going() for process in self._forked):
            time.sleep(GOING_S)

    def _server_for(self, program_spec: ProgramSpec) -> ForkServer | None:
        """Return a server that may fork the command's program, fresh if its files have changed."""
        program = program_of(program_spec)
        if program is None:
            self._note(NOT_STANDARD)
            return None
        if not (program_spec.workdir / program).is_file():
            return None  # Python will say so
        file = program_spec.workdir / program
        if (file, stamp_of(file)) == self._cold_program or self._n_deaths >= MOST_DEATHS:
            return None
        if self.server is not None and self.server.is_stale:
            self._replace(self.server)
        if self.server is None:
            try:
                self.server = ForkServer(program_spec, program)
            except OSError as problem:
                self._be_cold(f"no fork server can be started: {problem}")
        return self.server

    def _replace(self, server: ForkServer) -> None:
        """End a server; what it has not made is for the next one to make."""
        self.server = None
        for process in server.end():
            again = self._server_for(process.program_spec)
            if again is None or not again.ask(process):
                process.start_cold()

    def _be_cold_for(self, server: ForkServer, why: str) -> None:
        """Start a program cold until it changes."""
        self._note(why)
        self._cold_program = server.file, stamp_of(server.file)
        self.server = None
        for process in server.end():
            process.start_cold()

    def _be_cold(self, why: str) -> None:
        self._is_warm = False
        self._note(why)

    def _note(self, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            self._say(f"programs start cold: {why}")


def program_of(program_spec: ProgramSpec) -> str | None:
    """Return the path of the Python program that a command runs with this interpreter, if it is just that.

    >>> program_of(ProgramSpec(["/usr/bin/env", sys.executable, "train.py", "--x=1"], Path("/")))
    'train.py'
    """
    argv = list(program_spec.argv)
    if argv[:1] == ["/usr/bin/env"]:
        del argv[0]
    is_standard = len(argv) > 1 and argv[0] == sys.executable and argv[1].endswith(".py")
    return argv[1] if is_standard and not argv[1].startswith("-") else None
