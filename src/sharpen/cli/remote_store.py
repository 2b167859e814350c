"""A store for agents elsewhere: the server that is named, or one that is started for them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from sharpen.agents.program import die_with_parent, end_process
from sharpen.errors import SharpenError, UsageError
from sharpen.extras import require
from sharpen.http import server_of
from sharpen.http.keys import find_key
from sharpen.store.permissions import own_folder

END_GRACE_S = 10.0
POLL_S = 0.05
MAX_KILLED = 3
SERVE = (sys.executable, "-m", "sharpen", "--home")
SAID = re.compile(r" at (https?://\S+)\n")
ANYWHERE = ("auto", "local", "")
SOMEWHERE = "192.0.2.1"  # no machine has it; nothing is sent


@dataclass
class Served:
    """Where agents find the store.

    Attributes:
        url: The server's.
        key: What they show to it.
    """

    url: str
    key: str
    _home: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def look_after(self) -> None:
        """Start the server again at the same address, if it was started here and has died."""
        if self._process is not None and self._process.poll() is not None and self._home is not None:
            host, _, port = self.url.partition("://")[2].rpartition(":")
            self._process, _ = _start(self._home, host.strip("[]"), int(port))

    def close(self) -> None:
        """End the server, if it was started here."""
        if self._process is not None:
            end_process(self._process, END_GRACE_S)


@contextlib.contextmanager
def served(home: Path, host: str | None, cluster: str) -> Generator[Served]:
    """Give the server of a store, started for as long as the block lasts unless the folder stands for one.

    The key of a server that is started here is revoked at the end.

    Args:
        home: The store's folder.
        host: The address to listen on; by default the one from which this machine reaches the cluster.
        cluster: The cluster's address, or hosts with commas between them.

    Raises:
        SharpenError: It cannot be started.
    """
    if url := server_of(home):
        yield Served(url, find_key(url, os.environ).key)
        return
    from sharpen.server.auth import KeyFile  # noqa: PLC0415 - an extra

    require("uvicorn", "server")
    keys = KeyFile(home)
    before = {kept_key.id for kept_key in keys.all()}
    key = keys.add("agents elsewhere", "agent")
    mine = [
        kept_key.id
        for kept_key in keys.all()
        if kept_key.id not in before and kept_key.name == "agents elsewhere"
    ]
    try:
        process, url = _start(home, host or address_towards(cluster), 0)
        server = Served(url, key, home, process)
        with contextlib.closing(server):
            yield server
    finally:
        for key_id in mine[:1]:
            keys.remove(key_id)


def address_towards(cluster: str) -> str:
    """Return this machine's address as seen from another; the loopback where there is no network.

    >>> address_towards("127.0.0.1:6379")
    '127.0.0.1'
    >>> address_towards("alice@127.0.0.1,gpu2")
    '127.0.0.1'
    """
    there = cluster.partition(",")[0].rpartition("@")[2]
    there = there.partition("://")[2] or there
    host = there.rpartition(":")[0] or there
    for towards in (host, SOMEWHERE):  # a name may be one that only ssh knows
        if towards in ANYWHERE:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((towards, 9))
            return probe.getsockname()[0]
    return "127.0.0.1"


def check_own_address(host: str) -> None:
    """Refuse what is not an address of this machine that other machines can be told.

    >>> check_own_address("127.0.0.1")
    >>> check_own_address("0.0.0.0")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --serve-host: 0.0.0.0 stands for all addresses: give the one at which other \
machines reach this one
    """
    try:
        (family, kind, _, _, place), *_ = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.bind(place)
            is_any = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]).is_unspecified
    except (OSError, UnicodeError) as problem:
        raise UsageError(
            f"--serve-host: {host!r} is no address of this machine ({problem}): give one of those that "
            "'ip address' shows here, or leave it out"
        ) from problem
    if is_any:
        raise UsageError(
            f"--serve-host: {host} stands for all addresses: give the one at which other machines reach "
            "this one"
        )


def _start(home: Path, host: str, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server, again where it is killed before it is there."""
    for _ in range(MAX_KILLED):
        process, url = _try_to_start(home, host, port)
        if process.poll() is None:
            return process, url
    raise SharpenError("no server for agents elsewhere: it was killed again and again")


def _try_to_start(home: Path, host: str, port: int) -> tuple[subprocess.Popen[bytes], str]:
    log = home / "logs" / "served.log"
    own_folder(log.parent)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*SERVE, str(home), "serve", "--host", host, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
        )
    while not (address := SAID.search(log.read_text(errors="replace"))):
        code = process.poll()
        if code is not None and code < 0:
            return process, ""
        if code is not None:
            log_lines = log.read_text(errors="replace").strip().splitlines()
            raise SharpenError(f"no server for agents elsewhere: {log_lines[-1] if log_lines else 'it died'}")
        time.sleep(POLL_S)
    return process, address[1]
