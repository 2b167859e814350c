"""Reaching whichever process hosts a store, or hosting it where none does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from sharpen.errors import StoreError, StoreHeld
from sharpen.http import server_of
from sharpen.wire import Client, address_of, open_channel

if TYPE_CHECKING:
    from sharpen.coordinator.host import Host

HELD_S = 10.0  # by then the lock of a machine that is gone has been given up


class Hosting:
    """Hosts a store in this process whenever no other does.

    Args:
        home: The store's folder.
        held_s: For how long to wait where a process of another machine has the store.
    """

    def __init__(self, home: Path, held_s: float = HELD_S) -> None:
        self._home = home
        self._held_s = held_s
        self._held_since: float | None = None
        self._hosts: list[Host] = []
        self.is_known = False

    def host_if_free(self) -> StoreError | None:
        """Begin to host, unless another process does; a database that was there and is away may come back.

        Returns:
            Why that is not possible just now; None when there is no reason to be told.

        Raises:
            StoreError: The store cannot be opened, and never could.
            StoreHeld: A process of another machine has it, and has had it for long.
        """
        from sharpen.coordinator.host import try_host  # noqa: PLC0415 - a client may never need it

        try:
            host = try_host(self._home)
        except StoreHeld:
            now = time.monotonic()
            self._held_since = self._held_since or now
            if now - self._held_since > self._held_s:
                raise
            return None
        except StoreError as problem:
            if not self.is_known:
                raise
            return problem
        self._held_since = None
        if host is not None:
            self._hosts.append(host)
        return None

    def close(self) -> None:
        """Host no more."""
        for host in self._hosts:
            host.close()


@contextlib.contextmanager
def connect(home: Path, patience_s: float | None = None, held_s: float = HELD_S) -> Generator[Client]:
    """Give a client of a store; this process hosts it whenever no other does.

    A folder that stands for a server gives a client of the server.

    Args:
        home: The store's folder.
        patience_s: How long each call goes on trying; what suits the channel by default.
        held_s: For how long to wait where a process of another machine has the store.

    Raises:
        StoreError: The store cannot be opened.
        StoreHeld: A process of another machine has it.
    """
    hosting = Hosting(home, held_s)
    is_elsewhere = bool(server_of(home))
    client = Client(
        open_channel(address_of(home)), None if is_elsewhere else hosting.host_if_free, patience_s
    )
    wanted_s, client.patience_s = client.patience_s, max(client.patience_s, held_s)
    try:
        client.call("ping")
        client.patience_s = wanted_s
        hosting.is_known = True
        yield client
    finally:
        client.close()
        hosting.close()
