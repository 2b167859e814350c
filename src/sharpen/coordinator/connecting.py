"""Reaching whichever process hosts a store, or hosting it where none does."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from sharpen.wire import Client, UnixChannel

if TYPE_CHECKING:
    from sharpen.coordinator.host import Host


@contextlib.contextmanager
def connect(home: Path, patience_s: float = 60.0) -> Generator[Client]:
    """Give a client of a store; this process hosts it whenever no other does.

    Raises:
        StoreError: The store cannot be opened.
    """
    hosts: list[Host] = []

    def host_if_free() -> None:
        from sharpen.coordinator.host import try_host  # noqa: PLC0415 - a client may never need it

        host = try_host(home)
        if host is not None:
            hosts.append(host)

    client = Client(UnixChannel(home), host_if_free, patience_s)
    try:
        client.call("ping")
        yield client
    finally:
        client.close()
        for host in hosts:
            host.close()
