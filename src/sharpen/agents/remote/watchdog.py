"""Watching over the process that keeps agents elsewhere: it may die, and then another is started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.program import die_with_parent, end_process
from sharpen.agents.remote.process import END_GRACE_S
from sharpen.agents.remote.request import Request
from sharpen.errors import SharpenError, UsageError

NOT_THERE = 3
"""The exit code of one that found no cluster, or not what it takes to start agents there."""
GAVE_UP = 4
"""The exit code of one whose agents ended again and again."""
POLL_S = 0.2
LOOK_S = 2.0
OVER_GRACE_S = 10.0  # for agents to hear by themselves that there is no more to do
MAX_DEATHS = 20
LONGEST_PAUSE_S = 30.0
STEADY_S = 120.0


def begin_supervisor(placement: str) -> subprocess.Popen[bytes]:
    """Start the process that is to keep agents; it gets ready until it is told of them, which may be late.

    Args:
        placement: What starts the agents.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "sharpen.agents.remote", placement],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # a cluster's library prints logs of its nodes
        start_new_session=True,  # Ctrl-C is for us; we tell it
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
    )


def keep_agents(
    request: Request,
    is_open: Callable[[], bool],
    stop: Sequence[object],
    say: Callable[[str], None],
    on_look: Callable[[], None] = lambda: None,
    begun: subprocess.Popen[bytes] | None = None,
) -> bool:
    """Have agents work elsewhere until they have ended; return whether they were told to.

    Args:
        request: Which agents.
        is_open: Whether the sweep may still have runs to give.
        stop: When there is something in it, the agents are told to give their runs back.
        say: Is told what people should know.
        on_look: Is called now and then.
        begun: The first process, where there is one by now.

    Raises:
        SharpenError: It dies again and again.
        UsageError: There is no cluster, or no agent can begin there.
    """
    process, began, n_starts, n_deaths = begun or begin_supervisor(request.placement), time.monotonic(), 1, 0
    _tell(process, request)
    look_at, closed_at = 0.0, None
    try:
        while not stop:
            now = time.monotonic()
            if now >= look_at:
                look_at = now + LOOK_S
                on_look()
                closed_at = None if is_open() else closed_at or now
            code = process.poll()
            if code == 0 or (code is not None and closed_at is not None):
                return False
            if closed_at is not None and now - closed_at > OVER_GRACE_S:
                return False  # those that still wait for room are not needed
            if code == REFUSED or (code == NOT_THERE and n_starts == 1):
                raise UsageError("no agents were started")  # it has said why
            if code == GAVE_UP:
                raise SharpenError("the agents ended again and again")  # the same
            if code is not None:
                n_deaths = 1 if now - began > STEADY_S else n_deaths + 1
                _pause(code, n_deaths, stop, say)
                process, began, n_starts = begin_supervisor(request.placement), time.monotonic(), n_starts + 1
                _tell(process, request)
            time.sleep(POLL_S)
        return True
    finally:
        end_process(process, END_GRACE_S)


def _pause(code: int, n_deaths: int, stop: Sequence[object], say: Callable[[str], None]) -> None:
    if n_deaths >= MAX_DEATHS:
        raise SharpenError(f"the process that keeps the agents ended {n_deaths} times, with code {code}")
    pause_s = min(LONGEST_PAUSE_S, 2.0 ** (n_deaths - 1))
    say(f"the process that keeps the agents ended with code {code}; another starts in {pause_s:g} s")
    until = time.monotonic() + pause_s
    while not stop and time.monotonic() < until:
        time.sleep(POLL_S)


def _tell(process: subprocess.Popen[bytes], request: Request) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker
    # not on the command line, where anybody can read it: it has a key
    with suppress(BrokenPipeError), process.stdin as pipe:  # it has died, which is seen to
        pipe.write(request.dumps().encode())
