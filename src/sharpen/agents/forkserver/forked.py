"""A run's process that a fork server makes, as the agent sees it: asked for, made, ended, gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from sharpen.agents.program import ColdProcess, ProgramSpec, kill_group


class ForkedProcess:
    """A process that was asked of a fork server: it has no id before the server has made it.

    It is this process's own child, like any other; when no server will make it, it starts cold. The last
    thing that it does is to write its exit code to a pipe. That is its end: what is left is for the kernel to
    take down its memory, which takes milliseconds that nobody has to wait for.

    Args:
        program_spec: What it is to run.
        stdout: The descriptor that it prints to.
        is_early: Whether that last word counts; without it, it has ended when it is gone.

    Attributes:
        program_spec: What it is to run.
        stdout: The descriptor that it prints to, until somebody has taken it; then -1.
        exit_write_fd: The descriptor that it writes its last word to, until somebody has taken it; then -1.
        asked_at: When it was asked for, on the monotonic clock.
        session: Its process id; None before it has one.
    """

    def __init__(self, program_spec: ProgramSpec, stdout: int, *, is_early: bool = True) -> None:
        self.program_spec = program_spec
        self.stdout = stdout
        self._exit_read_fd, self.exit_write_fd = os.pipe()
        os.set_blocking(self._exit_read_fd, False)
        self.asked_at = time.monotonic()
        self.session: int | None = None
        self._is_early = is_early
        self._is_child = False
        self._cold: ColdProcess | None = None
        self._exit_code: int | None = None
        self._signals: list[int] = []

    def made(self, pid: int) -> None:
        """Take note of its id; signals that came before reach it now."""
        self.session = pid
        self._is_child = True
        self._let_go()
        for number in self._signals:
            self.kill(number)
        if self._exit_code is not None:  # it was given up
            self._reap(0)

    def start_cold(self) -> None:
        """Start it without a server; when even that is impossible it ends with 127 and says why."""
        if self._signals:
            self.give_up()
            return
        try:
            self._cold = ColdProcess(self.program_spec, self.stdout)
            self.session = self._cold.session
        except (OSError, ValueError) as problem:
            with contextlib.suppress(OSError):
                os.write(self.stdout, f"cannot start {self.program_spec.argv[0]}: {problem}\n".encode())
            self._exit_code = 127
        self._let_go()
        self._close_exit_fd()

    def give_up(self) -> None:
        """Let it never start, as if it had been killed."""
        self._exit_code = -signal.SIGKILL
        self._signals.append(signal.SIGKILL)
        self._let_go()
        self._close_exit_fd()

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs, or waits to."""
        if self._cold is not None:
            return self._cold.poll()
        if self._exit_code is None and self._is_early:
            self._read_exit_code()
        if self._exit_code is None and self._is_child:
            self._reap(os.WNOHANG)
        return self._exit_code

    def is_going(self) -> bool:
        """Return whether it has ended and the kernel still takes it down; reap it when that is done."""
        if self._is_child and self._exit_code is not None:
            self._reap(os.WNOHANG)
            return self._is_child
        return False

    def kill(self, with_signal: int) -> None:
        """Send a signal to its process group, at once or as soon as there is one."""
        if self.session is not None:
            kill_group(self.session, with_signal)
        elif self._exit_code is None:
            self._signals.append(with_signal)

    def wait(self) -> None:
        """Return when it has ended; what has not begun is given up."""
        if self._cold is not None:
            self._cold.wait()
        elif self.session is None:
            self.give_up()
        elif self._exit_code is None:
            self._reap(0)

    def _read_exit_code(self) -> None:
        """Take in its last word, if it has said it."""
        with contextlib.suppress(BlockingIOError):
            word = os.read(self._exit_read_fd, 1)
            self._exit_code = word[0] if word else None

    def _reap(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self.session or 0, options)
        except ChildProcessError:  # somebody else in this process took it
            pid, status = -1, signal.SIGKILL
        if pid:
            self._is_child = False
            self._close_exit_fd()
            if self._exit_code is None:
                self._exit_code = os.waitstatus_to_exitcode(status)

    def _close_exit_fd(self) -> None:
        if self._exit_read_fd >= 0:
            os.close(self._exit_read_fd)
            self._exit_read_fd = -1

    def _let_go(self) -> None:
        for descriptor in (self.stdout, self.exit_write_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.exit_write_fd = -1
