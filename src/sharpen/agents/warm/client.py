"""The agent's side of a fork server: ask it for processes, hear of them, and end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sharpen.agents.program import ColdProcess, Command, die_with_parent, kill_group
from sharpen.agents.warm.imports import stamp_of

ROOT = Path(__file__).resolve().parents[3]  # the folder that this package is imported from
START = (
    "import sys; path = sys.path[:]; sys.path.insert(0, {root!r}); "
    "from sharpen.agents.warm.server import main; sys.path[:] = path; main()"
)
TITLE_BYTES = 4096  # room for what ps shows
# their allocators would start a thread when they are imported
LENT = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
STARTS_THREADS = ("polars",)  # so it is for each run to import
MAX_WORDS_BYTES = 1 << 20
DRAIN_S = 5.0


@dataclass
class ForkedProcess:
    """A process that was asked of a fork server: it has no id before the server has made it.

    It is this process's own child, like any other; when no server will make it, it starts cold.

    Attributes:
        command: What it is to run.
        stdout: The descriptor that it prints to, until somebody has taken it.
        asked_at: When it was asked for, on the monotonic clock.
    """

    command: Command
    stdout: int
    asked_at: float
    session: int | None = None
    _cold: ColdProcess | None = None
    _exit_code: int | None = None
    _signals: list[int] = field(default_factory=list[int])

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has made it yet."""
        return self.session is None and self._exit_code is None

    def made(self, pid: int) -> None:
        """Take note of its id; signals that came before reach it now."""
        self.session = pid
        self._let_go()
        for number in self._signals:
            self.kill(number)
        if self._exit_code is not None:  # it was given up
            os.waitpid(pid, 0)

    def start_cold(self) -> None:
        """Start it without a server; when even that is impossible it ends with 127 and says why."""
        if self._signals:
            self.give_up()
            return
        try:
            self._cold = ColdProcess(self.command, self.stdout)
            self.session = self._cold.session
        except (OSError, ValueError) as problem:
            with contextlib.suppress(OSError):
                os.write(self.stdout, f"cannot start {self.command.words[0]}: {problem}\n".encode())
            self._exit_code = 127
        self._let_go()

    def give_up(self) -> None:
        """Let it never start, as if it had been killed."""
        self._exit_code = -signal.SIGKILL
        self._signals.append(signal.SIGKILL)
        self._let_go()

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs, or waits to."""
        if self._cold is not None:
            return self._cold.poll()
        if self._exit_code is None and self.session is not None:
            self._reap(os.WNOHANG)
        return self._exit_code

    def kill(self, with_signal: int) -> None:
        """Send a signal to its process group, at once or as soon as there is one."""
        if self.session is not None:
            kill_group(self.session, with_signal)
        elif self.is_waiting:
            self._signals.append(with_signal)

    def wait(self) -> None:
        """Return when it has ended; what has not begun is given up."""
        if self._cold is not None:
            self._cold.wait()
        elif self.session is None:
            self.give_up()
        elif self._exit_code is None:
            self._reap(0)

    def _reap(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self.session or 0, options)
        except ChildProcessError:  # somebody else in this process took it
            self._exit_code = -signal.SIGKILL
            return
        if pid:
            self._exit_code = os.waitstatus_to_exitcode(status)

    def _let_go(self) -> None:
        if self.stdout >= 0:
            os.close(self.stdout)
            self.stdout = -1


class ForkServer:
    """A fork server of one program.

    Args:
        command: A command of the program, for its folder and environment.
        program: Its path, as the command gives it.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, command: Command, program: str) -> None:
        self.program = program
        self.file = command.workdir / program
        self.cold = ""
        self.has_forked = False
        self.waiting: dict[int, ForkedProcess] = {}
        self._files: dict[str, list[int]] = {}
        self._n_asked = 0
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        self.control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        environment = command.full_environment()
        environment.pop("SHARPEN_RUN", None)  # each fork gets its own
        lent = {name: value for name, value in LENT.items() if name not in environment}
        settings = {"control": far_end.fileno(), "program": program, "agent": os.getpid()}
        settings |= {"lent": list(lent), "skip": list(STARTS_THREADS)}
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    START.format(root=str(ROOT)),
                    json.dumps(settings) + " " * TITLE_BYTES,
                ],
                cwd=command.workdir,
                env=environment | lent,
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=self._words,
                start_new_session=True,
                pass_fds=[far_end.fileno()],
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it makes two system calls
            )
        except BaseException:
            self.control.close()
            raise
        finally:
            far_end.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_stale(self) -> bool:
        """Whether a file that it has read was changed since."""
        return any(stamp_of(file) != stamp for file, stamp in self._files.items())

    def ask(self, process: ForkedProcess) -> bool:
        """Ask for a process; return False when the server cannot be told."""
        argv = process.command.words[process.command.words.index(self.program) :]
        self._n_asked += 1
        request = {"id": self._n_asked, "argv": argv, "environment": dict(process.command.environment)}
        try:
            socket.send_fds(self.control, [json.dumps(request).encode()], [process.stdout])
        except OSError:  # it has died, or the words are too many
            return False
        self.waiting[self._n_asked] = process
        return True

    def hear(self) -> bool:
        """Take in what it has said; return whether more may come."""
        while True:
            try:
                data = self.control.recv(MAX_WORDS_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._take(json.loads(data))

    def end(self) -> list[ForkedProcess]:
        """Kill it, and return the processes that it was asked for and has not made."""
        self._process.kill()
        self._process.wait()
        self.control.settimeout(DRAIN_S)
        with contextlib.suppress(OSError):  # a process that was made last may still be saying so
            while data := self.control.recv(MAX_WORDS_BYTES):
                self._take(json.loads(data))
        self.control.close()
        self._words.close()
        return list(self.waiting.values())

    def last_words(self) -> str:
        """Return the last line that it printed, such as the error that ended it."""
        self._words.seek(0)
        lines = self._words.read(MAX_WORDS_BYTES).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def oldest_wait_s(self) -> float:
        """Return for how long the process that waits longest has been asked for; 0 when none waits."""
        return max((time.monotonic() - process.asked_at for process in self.waiting.values()), default=0.0)

    def _take(self, said: dict[str, Any]) -> None:
        if "files" in said:
            self._files = said["files"]
        elif "cold" in said:
            self.cold = said["cold"]
        elif "pid" in said:
            self.has_forked = True
            self.waiting.pop(said["id"]).made(said["pid"])
        else:
            self.waiting.pop(said["id"]).start_cold()
