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
from pathlib import Path
from typing import Any

from sharpen.agents.forkserver.forked import ForkedProcess
from sharpen.agents.forkserver.imports import stamp_of
from sharpen.agents.output import last_words
from sharpen.agents.program import ProgramSpec, die_with_parent

ROOT = Path(__file__).resolve().parents[3]  # the folder that this package is imported from
START = (
    "import sys; path = sys.path[:]; sys.path.insert(0, {root!r}); "
    "from sharpen.agents.forkserver.server import main; sys.path[:] = path; main()"
)
TITLE_BYTES = 4096  # room for what ps shows
# their allocators would start a thread when they are imported
LENT = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
STARTS_THREADS = ("polars",)  # so it is for each run to import
MAX_MESSAGE_BYTES = 1 << 20
DRAIN_S = 5.0


class ForkServer:
    """A fork server of one program.

    Args:
        program_spec: A start of the program, for its folder and environment.
        program: Its path, as the command gives it.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, program_spec: ProgramSpec, program: str) -> None:
        self.program = program
        self.file = program_spec.workdir / program
        self.cold = ""
        self.has_forked = False
        self.waiting: dict[int, ForkedProcess] = {}
        self._standing_by: set[int] = set()
        self._files = {str(self.file): stamp_of(self.file)}  # until it says what it has read
        self._n_asked = 0
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        self.control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        environment = program_spec.full_environment()
        environment.pop("SHARPEN_RUN", None)  # each fork gets its own
        lent = {name: value for name, value in LENT.items() if name not in environment}
        settings = {"control": far_end.fileno(), "program": program, "agent": os.getpid()}
        settings |= {"lent": list(lent), "skip": list(STARTS_THREADS), "ahead": True}
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    START.format(root=str(ROOT)),
                    json.dumps(settings) + " " * TITLE_BYTES,
                ],
                cwd=program_spec.workdir,
                env=environment | lent,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                start_new_session=True,
                pass_fds=[far_end.fileno()],
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it makes two system calls
            )
        except BaseException:
            self.control.close()
            self._output.close()
            raise
        finally:
            far_end.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def pids(self) -> set[int]:
        """Its process id, and those of processes that it has made ahead and that nobody has asked for."""
        return {self.pid, *self._standing_by}

    @property
    def is_stale(self) -> bool:
        """Whether a file that it has read was changed since."""
        return any(stamp_of(file) != stamp for file, stamp in self._files.items())

    def prepare(self, program_spec: ProgramSpec) -> None:
        """Let it preload for a command, and make a process ahead, before there is a run."""
        with contextlib.suppress(OSError):  # it has died: whoever asks for a process will see that
            self.control.send(json.dumps(self._request(program_spec)).encode())

    def ask(self, process: ForkedProcess) -> bool:
        """Ask for a process; return False when the server cannot be told."""
        self._n_asked += 1
        request = self._request(process.program_spec) | {"id": self._n_asked}
        try:
            socket.send_fds(
                self.control, [json.dumps(request).encode()], [process.stdout, process.exit_write_fd]
            )
        except OSError:  # it has died, or the request is too long
            return False
        self.waiting[self._n_asked] = process
        return True

    def receive(self) -> bool:
        """Take in what it has said; return whether more may come."""
        ended = {pid for pid in self._standing_by if _has_ended(pid)}
        lives = self._receive()
        for pid in ended & self._standing_by:  # nor had it said before its end that it has become a run
            self._standing_by.remove(pid)
            _reap(pid)
        return lives

    def _receive(self) -> bool:
        while True:
            try:
                data = self.control.recv(MAX_MESSAGE_BYTES)
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
            while data := self.control.recv(MAX_MESSAGE_BYTES):
                self._take(json.loads(data))
        for pid in self._standing_by:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # without the server it ends by itself, unless it was stopped
            _reap(pid)
        self.control.close()
        self._output.close()
        return list(self.waiting.values())

    def last_words(self) -> str:
        """Return the line that it printed last, or the one that names the error that ended it."""
        self._output.seek(0)
        return last_words(self._output.read(MAX_MESSAGE_BYTES).decode(errors="replace").splitlines())

    def oldest_wait_s(self) -> float:
        """Return for how long the process that waits longest has been asked for; 0 when none waits."""
        return max((time.monotonic() - process.asked_at for process in self.waiting.values()), default=0.0)

    def _request(self, program_spec: ProgramSpec) -> dict[str, Any]:
        argv = program_spec.argv[program_spec.argv.index(self.program) :]
        return {"argv": argv, "environment": dict(program_spec.environment)}

    def _take(self, message: dict[str, Any]) -> None:
        if "files" in message:
            self._files = message["files"]
        elif "cold" in message:
            self.cold = message["cold"]
        elif "ready" in message:
            self._standing_by.add(message["ready"])
        elif "pid" in message:
            self.has_forked = True
            self._standing_by.discard(message["pid"])
            self.waiting.pop(message["id"]).made(message["pid"])
        else:
            self.waiting.pop(message["id"]).start_cold()


def _has_ended(pid: int) -> bool:
    """Return whether a child has ended, and leave it to be reaped."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
