"""What programs leave behind: processes that have left their session, adopted by the agent and ended.

An agent is the reaper of its descendants' orphans (``prctl(2)``, PR_SET_CHILD_SUBREAPER), so it finds them
among its own children: by the session of a program, or by the agent's id in their environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
MARK = "SHARPEN_AGENT"
REAP_S = 1.0  # a process that waits for a disk dies when it has it


def adopt_orphans(is_on: bool) -> None:
    """Become the reaper of all descendants, or cease to be; nothing where the kernel has no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(is_on))


def child_pids() -> list[int]:
    """Return the ids of this process's children, those that have ended and were not waited for among them."""
    try:
        texts = [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()]
    except OSError:
        return []
    return [int(word) for text in texts for word in text.split()]


def end_orphans(
    children: Collection[int],
    agent_id: str,
    ended: Collection[int],
    live: Collection[str],
    expected: Collection[int],
) -> None:
    """Kill and reap the processes that ended programs have left behind.

    Args:
        children: This process's, listed before ``expected`` was.
        agent_id: The value of :data:`MARK` in the environment of all that this agent has started.
        ended: Sessions of programs that have ended.
        live: Ids of the runs at work: their processes are left alone, and with them those of which
            nobody can say to which run they belong.
        expected: Children of this process that are no orphans.
    """
    own_session = os.getsid(0)
    for pid in set(children).difference(expected):
        session, is_zombie = _about(pid)
        if is_zombie:
            # who it was cannot be read any more: one of a session of its own was adopted
            if session in ended or session != own_session:
                _reap(pid)
        elif session in ended or _is_of_nobody(pid, agent_id, live):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            _reap(pid)


def _reap(pid: int) -> None:
    deadline = time.monotonic() + REAP_S
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.001)


def _is_of_nobody(pid: int, agent_id: str, live: Collection[str]) -> bool:
    """Return whether a process carries the agent's mark and belongs to no run at work."""
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    values = dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
    if values.get(MARK.encode()) != agent_id.encode():
        return False
    try:
        run_id = json.loads(values[b"SHARPEN_RUN"])["run_id"]
    except (KeyError, ValueError):
        return not live
    return run_id not in live


def _about(pid: int) -> tuple[int, bool]:
    """Return a process's session and whether it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, False
    return int(fields[3]), fields[0] == "Z"
