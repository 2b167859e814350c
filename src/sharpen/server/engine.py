"""How the routes reach the store: the coordinator to write, a reader to read."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sharpen.store.queries import Reader
from sharpen.wire import Client


class Engine:
    """One store, for the threads that answer requests.

    Args:
        home: The store's folder.
        client: Asks its coordinator.
    """

    def __init__(self, home: Path, client: Client) -> None:
        self.home = home
        self.reader = Reader(home)
        self._client = client
        self._lock = threading.Lock()  # a client is for one thread at a time

    def call(self, op: str, **args: Any) -> Any:
        """Return the coordinator's answer to a request.

        Raises:
            SharpenError: Whatever it answered with.
        """
        with self._lock:
            return self._client.call(op, **args)
