"""The port that carries a message to the coordinator and its answer back, and the kinds of address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from sharpen.errors import UsageError
from sharpen.http import folder_of, server_of
from sharpen.wire.unix_socket import UnixChannel

UNIX = "unix:"


class Channel(Protocol):
    """Carries messages to one coordinator. A client repeats a message whose answer it did not get."""

    @property
    def patience_s(self) -> float:
        """How long a client goes on trying by default."""
        ...

    @property
    def address(self) -> str:
        """What another process opens a channel to the same coordinator with, as in ``unix:/data/store``."""
        ...

    def exchange(self, message: bytes, timeout_s: float) -> bytes:
        """Return the answer to a message.

        Raises:
            OSError: Nobody answered; the message may be sent again.
            SharpenError: The process that listens belongs to another user.
        """
        ...

    def holder(self) -> str:
        """Return who holds the store, for people, after a sentence; empty when that cannot be told."""
        ...

    def diagnose(self) -> str:
        """Return a likely cause, for people, when there is no answer; empty when none is known."""
        ...

    def close(self) -> None:
        """Close the connection; the next exchange opens a new one."""
        ...


def open_channel(address: str) -> Channel:
    """Return a channel to the coordinator at an address.

    Raises:
        UsageError: It is no address.

    >>> open_channel("unix:/data/store").address
    'unix:/data/store'
    """
    kind, separator, location = address.partition(":")
    if not separator or kind not in KINDS:
        raise UsageError(f"{address!r} is no address of a coordinator; there are: {', '.join(KINDS)}:…")
    return KINDS[kind](location)


def address_of(home: Path) -> str:
    """Return the address of the coordinator of a store: its server's URL, or its folder on this machine."""
    return server_of(home) or UnixChannel(home).address


def scratch_folder(address: str) -> Path:
    """Return where an agent keeps files that its programs read: the folder of the store, or of the server."""
    return Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else folder_of(address)


def _unix(path: str) -> Channel:
    return UnixChannel(Path(path))


def _http(location: str, kind: str) -> Channel:
    from sharpen.wire.http_channel import HttpChannel  # noqa: PLC0415 - most programs speak to a socket

    return HttpChannel(f"{kind}:{location}")


KINDS: dict[str, Callable[[str], Channel]] = {
    "unix": _unix,
    "http": partial(_http, kind="http"),
    "https": partial(_http, kind="https"),
}
