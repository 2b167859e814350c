"""The channel to a store on this machine: a Unix socket in its folder, between this user's processes."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from sharpen import errors

MAX_SOCKET_PATH_BYTES = 100  # the kernel allows 107
ROOT = 0


def socket_path(home: Path) -> Path:
    """Return where the coordinator of a store listens: in the store's own folder, whatever its length."""
    return home.resolve() / "socket"


class UnixChannel:
    """Carries messages, one a line, to the process that hosts a store on this machine.

    Args:
        home: The store's folder.
    """

    patience_s = 60.0

    def __init__(self, home: Path) -> None:
        self.home = home
        self._connection: socket.socket | None = None
        self._lines: BinaryIO | None = None

    @property
    def address(self) -> str:
        """The word unix, and the store's folder."""
        return f"unix:{self.home.resolve()}"

    def exchange(self, message: bytes, timeout_s: float) -> bytes:
        """Return the answer to a message.

        Raises:
            OSError: Nobody answered within the time.
            ValueError: Another thread closed the channel meanwhile.
            StoreError: Another user's process listens there.
        """
        connection, lines = self._connection, self._lines
        if connection is None or lines is None:
            connection = open_connection(self.home, timeout_s)
            lines = connection.makefile("rb")
            self._connection, self._lines = connection, lines
        try:
            connection.settimeout(timeout_s)
            connection.sendall(message + b"\n")
            answer = lines.readline()
        except BaseException:  # Ctrl-C, too: what comes of this message must not answer the next one
            self.close()
            raise
        if not answer.endswith(b"\n"):
            raise ConnectionError("the host closed the connection")
        return answer

    def holder(self) -> str:
        """Return the number of the process that holds the store's lock."""
        try:
            return f" (process {int((self.home / 'lock').read_text())} holds {self.home})"
        except (OSError, ValueError):
            return ""

    def diagnose(self) -> str:
        """Return who holds the store's lock and does not answer; empty when that cannot be told."""
        try:
            pid = int((self.home / "lock").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return ""
        if state in "Tt":
            return f"; process {pid} holds the store and is stopped: 'kill -CONT {pid}' lets it go on"
        return (
            f"; process {pid} holds the store and does not answer: if it hangs, end it and another takes over"
        )

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # another thread may wait for an answer: it hears of the end
                self._connection.shutdown(socket.SHUT_RDWR)
        for one in (self._lines, self._connection):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.close()
        self._connection = self._lines = None


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
