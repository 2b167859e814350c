"""How a client talks to the coordinator of a store: one JSON object a line, over a Unix socket.

A request is ``{"op": name, "args": {...}}``; a reply is ``{"ok": result}`` or ``{"error": {kind, message,
facts}}``. A list of requests is answered with the list of their replies. Every request may be sent twice: the
coordinator answers the second as it answered the first. That is what lets :class:`Client` retry through the
death of one host and the birth of the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sharpen import errors
from sharpen.jsonable import dumps

MAX_SOCKET_PATH_BYTES = 100  # the kernel allows 107
ROOT = 0


def socket_path(home: Path) -> Path:
    """Return where the coordinator of a store listens: in the store's own folder, whatever its length."""
    return home.resolve() / "socket"


@contextlib.contextmanager
def bindable(home: Path) -> Generator[str]:
    """Give a name of the socket that is short enough for the kernel, for as long as the block lasts.

    A long path is reached through a descriptor of its folder, so the socket is never outside of the store.

    Raises:
        OSError: The store's folder cannot be opened.
    """
    path = socket_path(home)
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def open_connection(home: Path, timeout_s: float | None = None) -> socket.socket:
    """Return a connection to the process that hosts a store.

    Args:
        home: The store's folder.
        timeout_s: Of every later call; None for none.

    Raises:
        OSError: Nobody listens there.
        StoreError: Another user's process does: it could answer with anything, a program to run included.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        with bindable(home) as name:
            connection.connect(name)
        _refuse_another_user(home, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_another_user(home: Path, connection: socket.socket) -> None:
    owner, own = peer_uid(connection), os.geteuid()
    if not is_trusted(owner):
        raise errors.StoreError(
            f"the process at {socket_path(home)} belongs to user {owner}, and you are user {own}: sharpen "
            "speaks to nobody else's. Work as that user, or use a --home of your own"
        )


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end of a Unix socket, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]


def is_trusted(uid: int) -> bool:
    """Return whether a user may be spoken to: oneself, and root, who may do everything anyway.

    >>> is_trusted(os.geteuid())
    True
    """
    return uid in (os.geteuid(), ROOT)


class Client:
    """A connection to the coordinator of a store that outlives any one host.

    Args:
        home: The store's folder.
        host_if_free: Called when nobody answers; may start a host in this process. None for a process
            that must never host, such as a training script.
        patience_s: How long to go on trying before :class:`~sharpen.errors.Unreachable`.
    """

    def __init__(
        self, home: Path, host_if_free: Callable[[], object] | None = None, patience_s: float = 60.0
    ) -> None:
        self.home = home
        self.patience_s = patience_s
        self._host_if_free = host_if_free
        self._file: Any = None

    def call(self, op: str, **args: Any) -> Any:
        """Return the coordinator's answer to a request.

        Raises:
            Unreachable: Nobody answered within ``patience_s``.
            StoreError: For as long as that, the store could not be written (a full disk, say).
            SharpenError: Whatever the coordinator answered with.
        """
        (answer,) = self._ask({"op": op, "args": args})
        if isinstance(answer, errors.SharpenError):
            raise answer
        return answer

    def call_all(self, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Return the answers to several requests, which share a commit.

        The errors that some are answered with are returned in their places.

        Raises:
            Unreachable: Nobody answered within ``patience_s``.
        """
        return self._ask([{"op": op, "args": args} for op, args in requests])

    def _ask(self, words: Any) -> list[Any]:
        """Return the answers to one request or to several; try again while nobody can answer."""
        line = dumps(words).encode() + b"\n"
        deadline = time.monotonic() + self.patience_s
        pause_s = 0.01
        while True:
            try:
                answers = [_answer(reply) for reply in self._exchange(line)]
                are_kept = not any(isinstance(answer, errors.StoreError) for answer in answers)
                if are_kept or time.monotonic() > deadline:
                    return answers
            except OSError as problem:
                self.close()
                if time.monotonic() > deadline:
                    words = f"no coordinator answered for {self.home} within {self.patience_s:g} s: {problem}"
                    words += _silent(self.home) if isinstance(problem, TimeoutError) else ""
                    raise errors.Unreachable(words) from problem
            if self._host_if_free is not None:
                self._host_if_free()
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.5)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # closing flushes, to a host that may be dead
                self._file.close()
            self._file = None

    def _exchange(self, line: bytes) -> list[Mapping[str, Any]]:
        if self._file is None:
            with open_connection(self.home, self.patience_s) as connection:
                self._file = connection.makefile("rwb")
        self._file.write(line)
        self._file.flush()
        reply = self._file.readline()
        if not reply.endswith(b"\n"):
            raise ConnectionError("the host closed the connection")
        return as_list(json.loads(reply))


def _silent(home: Path) -> str:
    """Return who holds the store's lock and does not answer; empty when that cannot be told."""
    try:
        pid = int((home / "lock").read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return ""
    if state in "Tt":
        return f"; process {pid} holds the store and is stopped: 'kill -CONT {pid}' lets it go on"
    return f"; process {pid} holds the store and does not answer: if it hangs, end it and another takes over"


def as_list(words: Any) -> list[Any]:
    """Return a list as it is, and anything else in a list of its own."""
    return cast("list[Any]", words) if isinstance(words, list) else [words]


def _answer(reply: Mapping[str, Any]) -> Any:
    return errors.from_facts(**reply["error"]) if "error" in reply else reply["ok"]
