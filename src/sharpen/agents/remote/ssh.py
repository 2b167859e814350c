"""Agents on machines that the system's ``ssh`` reaches, by names that its configuration may know.

What an agent needs to know, a key among it, goes through the connection's standard input, for a command line
can be read by everybody on both machines.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.program import die_with_parent, end_process
from sharpen.agents.remote.process import LEAVING_S, POLL_S, Ending, last_line, wait_for_some
from sharpen.agents.remote.request import Request
from sharpen.errors import SharpenError

SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10", "-o", "ConnectTimeout=20")
ATTACHED = "sharpen.agents.remote.attached"
CANNOT_START = (126, 127)  # what a shell says of a command that it cannot start
LACKS = "No module named 'sharpen"


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """An agent on another machine, as seen from here.

    Attributes:
        host: The machine.
        process: The ``ssh`` of this machine; the agent ends with its standard input.
        said: What it has printed.
    """

    host: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]


class SshAgents:
    """Starts agents on hosts, one after the other.

    Args:
        request: Which agents.
    """

    def __init__(self, request: Request) -> None:
        self._hosts = request.address.split(",")
        self._command = f"{shlex.quote(request.settings['python'])} -m {ATTACHED}"
        given = {"words": request.agent_words, "environment": request.agent_environment}
        self._given = json.dumps(given).encode() + b"\n"
        self._n_starts: Counter[int] = Counter()

    def start(self, n: int) -> Connection:
        """Start an agent; one that died is started on the next host, for its own may be gone."""
        host = self._hosts[(n + self._n_starts[n]) % len(self._hosts)]
        self._n_starts[n] += 1
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the agent has ended
        process = subprocess.Popen(
            [*SSH, "--", host, self._command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for us; we tell it
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(OSError):  # it has ended already, and says why
            process.stdin.write(self._given)
            process.stdin.flush()
        return Connection(host, process, said)

    def ended(self, agents: Sequence[Connection], wait_s: float) -> Sequence[tuple[Connection, Ending]]:
        """Return those that have ended."""

        def over() -> list[tuple[Connection, int]]:
            return [(one, code) for one in agents if (code := one.process.poll()) is not None]

        found = wait_for_some(over, wait_s)
        return [(one, ending(one.host, code, self._close(one))) for one, code in found]

    def end(self, agents: Sequence[Connection]) -> None:
        """Have agents end, all at once."""
        for one in agents:
            assert one.process.stdin is not None  # noqa: S101 - for the type checker
            with suppress(OSError):
                one.process.stdin.close()
        wait_for_some(lambda: () if any(one.process.poll() is None for one in agents) else agents, LEAVING_S)
        for one in agents:
            self._close(one)

    @staticmethod
    def _close(one: Connection) -> str:
        """Close what is left of a connection; return the agent's last words."""
        end_process(one.process, POLL_S)
        if one.process.stdin is not None:
            with suppress(OSError):
                one.process.stdin.close()
        with one.said:
            return last_line(one.said)


def ending(host: str, code: int, words: str) -> Ending:
    """Return how an agent of a host has ended.

    >>> ending("gpu1", 127, "/opt/python: not found").words
    "gpu1: /opt/python: not found; name with --python the host's that has sharpen"
    """
    if code in CANNOT_START or LACKS in words:
        return Ending(REFUSED, f"{host}: {words}; name with --python the host's that has sharpen")
    return Ending(code, f"{host}: {words}")


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
