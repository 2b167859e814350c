"""Becoming a run's program: a forked process takes on what a new one has, runs it, and ends like one."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import ctypes
import fcntl
import gc
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, cast

PR_SET_PDEATHSIG = 1
OUT_OF_THE_WAY = 200
FLUSH_FAILED_EXIT_CODE = 120  # as Python's own


def die_with(agent: int) -> bool:
    """Get SIGKILL when the agent, this process's parent, dies; return whether it lives."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == agent


def set_title(argv: Sequence[str]) -> None:
    """Make ``ps`` show a command; what does not fit is cut off."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if start and end > start:
        line = b"\0".join(os.fsencode(argument) for argument in argv)[: end - start - 1]
        ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


def reseed() -> None:
    """Give global random generators what a new process would: a state that nobody else has."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def rename_thread() -> None:
    """Let ``threading`` know the main thread's id, which it does not ask for after a fork."""
    cast("Any", threading.main_thread())._set_native_id()


def exit_code_writer(exit_fd: int) -> Callable[[int], None]:
    """Return what tells the agent this process's exit code, just before it ends.

    Args:
        exit_fd: The pipe to write it to. It moves out of the way of the program's own descriptors.
    """
    far = fcntl.fcntl(exit_fd, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
    os.close(exit_fd)
    pid, pipe = os.getpid(), os.fstat(far)

    def say(exit_code: int) -> None:
        with contextlib.suppress(OSError):  # the program has closed it
            is_pipe = os.path.samestat(os.fstat(far), pipe)
            if is_pipe and os.getpid() == pid:  # and not a fork of the program's own
                os.write(far, bytes([exit_code]))
                os.kill(os.getppid(), signal.SIGCHLD)  # wakes the agent up

    return say


def run_main(code: CodeType, file: str, argv: Sequence[str], write_exit_code: Callable[[int], None]) -> None:
    """Run a program as ``__main__`` and end this process as Python would have ended; never returns.

    Args:
        code: The program.
        file: Its absolute path.
        argv: Its words; the first is its path as it was given.
        write_exit_code: Is told the exit code when nothing is left to do; not of an end by a signal.
    """
    end_main(*start_main(code, file, argv), write_exit_code)


def start_main(code: CodeType, file: str, argv: Sequence[str]) -> tuple[ModuleType, int]:
    """Run a program as ``__main__``; return its module, and with which exit code it would end."""
    main = ModuleType("__main__")
    values: dict[str, Any] = {"__file__": file, "__cached__": None, "__builtins__": builtins}
    main.__dict__.update(values, __loader__=SourceFileLoader("__main__", file), __annotations__={})
    sys.modules["__main__"] = main
    sys.argv = list(argv)
    sys.orig_argv = [sys.executable, *argv]
    return main, _run(code, main)


def end_main(main: ModuleType, exit_code: int, write_exit_code: Callable[[int], None]) -> None:
    """End this process as Python would have ended after a program; never returns."""
    exit_code = _finish(main, exit_code)
    if exit_code < 0:  # as Python does after Ctrl-C, so that a shell knows
        signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    write_exit_code(exit_code & 0xFF)
    os._exit(exit_code & 0xFF)


def _run(code: CodeType, main: ModuleType) -> int:
    try:
        exec(code, main.__dict__)  # noqa: S102 - it is the user's program
    except SystemExit as ending:
        return _exit_code(ending.code)
    except BaseException as problem:  # whatever it is, it is the program's
        trace = problem.__traceback__
        _show(problem.with_traceback(trace.tb_next if trace else None))
        return -signal.SIGINT if isinstance(problem, KeyboardInterrupt) else 1
    return 0


def _exit_code(code: object) -> int:
    if code is None or isinstance(code, int):
        return code & 0xFF if code else 0
    print(code, file=sys.stderr)
    return 1


def _show(problem: BaseException) -> None:
    try:
        sys.excepthook(type(problem), problem, problem.__traceback__)
    except BaseException:  # a hook of the program's own
        traceback.print_exc()


def _finish(main: ModuleType, exit_code: int) -> int:
    """Do what a program could miss of Python's own end; return the exit code.

    Not done is what nobody can see and what costs most: taking down, object by object, the modules that the
    fork server had imported, which would also copy every page of them.
    """
    try:
        cast("Any", threading)._shutdown()  # waits for threads that are no daemons
        cast("Any", atexit)._run_exitfuncs()
    except BaseException as problem:  # Ctrl-C while waiting
        _show(problem)
    if threading.active_count() == 1:
        main.__dict__.clear()  # what the program has made ends now: its __del__ methods run
        gc.collect()
    flushed = [_flush(file) for file in (sys.stdout, sys.stderr)]
    for thing in gc.get_objects():
        # isinstance would ask what is no file for its __class__, and wake lazy modules
        if issubclass(type(thing), io.BufferedWriter | io.TextIOWrapper):
            _flush(thing)
    ctypes.CDLL(None).fflush(None)  # what libraries in C have printed
    return exit_code if all(flushed) or exit_code else FLUSH_FAILED_EXIT_CODE


def _flush(file: Any) -> bool:
    try:
        if file is not None and not file.closed:
            file.flush()
    except Exception:  # a reader that is gone, a full disk, a file detached
        return False
    return True
