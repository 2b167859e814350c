"""Reaching whichever process hosts a store, or hosting it where none does."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from sharpen.http import server_of
from sharpen.wire import Client, address_of, open_channel

if TYPE_CHECKING:
    from sharpen.coordinator.host import Host


@contextlib.contextmanager
def connect(home: Path, patience_s: float | None = None) -> Generator[Client]:
    """Give a client of a store; this process hosts it whenever no other does.

    A folder that stands for a server gives a client of the server.

    Args:
        home: The store's folder.
        patience_s: How long each call goes on trying; what suits the channel by default.

    Raises:
        StoreError: The store cannot be opened.
    """
    hosts: list[Host] = []

    def host_if_free() -> None:
        from sharpen.coordinator.host import try_host  # noqa: PLC0415 - a client may never need it

        host = try_host(home)
        if host is not None:
            hosts.append(host)

    is_elsewhere = bool(server_of(home))
    client = Client(open_channel(address_of(home)), None if is_elsewhere else host_if_free, patience_s)
    try:
        client.call("ping")
        yield client
    finally:
        client.close()
        for host in hosts:
            host.close()
