"""Agents on machines that the system's ``ssh`` reaches, by names that its configuration may know.

What an agent needs to know, a key among it, goes through the connection's standard input, for a command line
can be read by everybody on both machines.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.program import die_with_parent, end_process
from sharpen.agents.remote.attached import BEGINS, ending_in
from sharpen.agents.remote.process import LEAVING_S, POLL_S, Ending, last_lines, wait_for_some
from sharpen.agents.remote.request import Request
from sharpen.errors import SharpenError

SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10", "-o", "ConnectTimeout=20")
ATTACHED = "sharpen.agents.remote.attached"
CANNOT_START = (126, 127)  # what a shell says of a command that it cannot start
OWN_FAILURE = 255  # of ssh itself
N_LINES = 5
LONGEST_GREETING_BYTES = 65_536
NAME_PYTHON = "name with --python the host's that has sharpen"
WAYS_OUT: Mapping[str, str] = {
    "No module named 'sharpen": NAME_PYTHON,
    "No module named sharpen": NAME_PYTHON,
    "Could not resolve hostname": "give --hosts as ssh knows them",
    "Permission denied (": "ssh must get in without a question: try 'ssh -o BatchMode=yes {host} true'",
    **dict.fromkeys(
        ("Connection refused", "No route to host", "Network is unreachable", "timed out"),
        "start its sshd, or leave it out of --hosts",
    ),
    "Host key verification failed": "type 'ssh {host}' once, and say whether that is its key",
}
"""What a host says that another try does not mend, and what does."""


@dataclass(frozen=True, slots=True, eq=False)
class SshConnection:
    """An agent on another machine, as seen from here.

    Attributes:
        host: The machine.
        process: The ``ssh`` of this machine; the agent ends with its standard input.
        printed: Its standard output, and what the host's shell adds to that.
        complained: Its standard error, and that of ``ssh``.
    """

    host: str
    process: subprocess.Popen[bytes]
    printed: IO[bytes]
    complained: IO[bytes]


class SshAgents:
    """Starts agents on hosts, one after the other.

    Args:
        request: Which agents.
    """

    def __init__(self, request: Request) -> None:
        self._hosts = request.address.split(",")
        self._command = f"{shlex.quote(request.settings['python'])} -m {ATTACHED}"
        first_line = {"words": request.agent_argv, "environment": request.agent_environment}
        self._given = json.dumps(first_line).encode() + b"\n"
        self._n_starts: Counter[int] = Counter()
        self._reached: set[str] = set()
        self._refusing: set[str] = set()

    def start(self, n: int) -> SshConnection:
        """Start an agent; one that died is started on the next host, for its own may be gone.

        Hosts that have refused agents are left out, until all have.
        """
        hosts = [host for host in self._hosts if host not in self._refusing] or self._hosts
        host = hosts[(n + self._n_starts[n]) % len(hosts)]
        self._n_starts[n] += 1
        printed, complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - see _close
        process = subprocess.Popen(
            [*SSH, "--", host, self._command],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=complained,
            start_new_session=True,  # Ctrl-C is for us; we tell it
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(OSError):  # it has ended already, and says why
            process.stdin.write(self._given)
            process.stdin.flush()
        return SshConnection(host, process, printed, complained)

    def ended(self, agents: Sequence[SshConnection], wait_s: float) -> Sequence[tuple[SshConnection, Ending]]:
        """Return those that have ended."""

        def over() -> list[tuple[SshConnection, int]]:
            return [(one, code) for one in agents if (code := one.process.poll()) is not None]

        closed = wait_for_some(over, wait_s)
        self._reached |= {one.host for one in agents if _has_begun(one)}
        return [(one, self._how(one, code)) for one, code in closed]

    def _how(self, one: SshConnection, code: int) -> Ending:
        """Return how an agent has ended: refused only where every host has refused one."""
        printed, complained = self._close(one)
        outcome = ending(one.host, code, printed, complained, was_reached=one.host in self._reached)
        if outcome.code != REFUSED:
            return outcome
        self._refusing.add(one.host)
        is_last = self._refusing >= set(self._hosts)
        return outcome if is_last else replace(outcome, code=OWN_FAILURE)  # the next host may take it

    def end(self, agents: Sequence[SshConnection]) -> None:
        """Have agents end, all at once."""
        for one in agents:
            assert one.process.stdin is not None  # noqa: S101 - for the type checker
            with suppress(OSError):
                one.process.stdin.close()
        wait_for_some(lambda: () if any(one.process.poll() is None for one in agents) else agents, LEAVING_S)
        for one in agents:
            self._close(one)

    @staticmethod
    def _close(one: SshConnection) -> tuple[Sequence[str], Sequence[str]]:
        """Close what is left of a connection; return the last lines of what it printed, and of its errors."""
        end_process(one.process, POLL_S)
        if one.process.stdin is not None:
            with suppress(OSError):
                one.process.stdin.close()
        with one.printed, one.complained:
            return last_lines(one.printed), last_lines(one.complained)[-N_LINES:]


def _has_begun(one: SshConnection) -> bool:
    """Return whether an agent has said that it begins; its file is left as it is, for it may write to it."""
    return BEGINS.encode() in os.pread(one.printed.fileno(), LONGEST_GREETING_BYTES, 0)


def ending(
    host: str, code: int, printed: Sequence[str], complained: Sequence[str], *, was_reached: bool = False
) -> Ending:
    """Return how an agent of a host has ended.

    Args:
        host: The host.
        code: The exit code of its connection.
        printed: The last lines of its output.
        complained: The last lines of its errors.
        was_reached: Whether an agent has begun there before, so that its name and key are right.

    >>> ending("gpu1", 127, ["Bye!"], ["/opt/python: not found"]).words
    "gpu1: /opt/python: not found; name with --python the host's that has sharpen"
    """
    own_ending = ending_in(printed)
    if own_ending is not None:
        return replace(own_ending, words=f"{host}: {own_ending.words}")
    message = " | ".join(complained or printed[-1:]) or "it said nothing"
    ways = [way.format(host=host) for sign, way in WAYS_OUT.items() if sign in message]
    if code in CANNOT_START:
        ways = [NAME_PYTHON]
    if not ways or (code == OWN_FAILURE and was_reached):
        return Ending(code, f"{host}: {message}")
    return Ending(REFUSED, f"{host}: {message}; {ways[0]}")


def open_placement(request: Request) -> SshAgents:
    """Return what starts agents on the hosts of a request.

    Raises:
        SharpenError: This machine has no ``ssh``.
    """
    if shutil.which(SSH[0]) is None:
        raise SharpenError(
            "there is no 'ssh' on this machine: install OpenSSH's client, or put it on the PATH"
        )
    return SshAgents(request)
