"""How the routes reach the store: the coordinator to write, a reader to read."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpen.errors import SharpenError
from sharpen.store.queries import Reader
from sharpen.views.run_listing import RunListing
from sharpen.wire import Client


class Engine:
    """One store, for the threads that answer requests.

    A client is for one thread at a time, so there are as many as threads that ask at the same moment: what
    they ask is then committed together.

    Args:
        home: The store's folder.
        client: Asks its coordinator.
    """

    def __init__(self, home: Path, client: Client) -> None:
        self.home = home
        self.reader = Reader(home)
        self.listing = RunListing(self.reader)
        self._first = client
        self._free: queue.LifoQueue[Client] = queue.LifoQueue()
        self._free.put(client)

    def call(self, op: str, **args: Any) -> Any:
        """Return the coordinator's answer to a request.

        Raises:
            SharpenError: Whatever it answered with.
        """
        with self._client() as client:
            return client.call(op, **args)

    def call_all(self, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Return the answers to several requests, which share a commit.

        Raises:
            SharpenError: What the first of them that was refused was answered with; all others are kept.
        """
        with self._client() as client:
            answers = client.call_all(requests)
        for answer in answers:
            if isinstance(answer, SharpenError):
                raise answer
        return answers

    def close(self) -> None:
        """Close the connections; the client that it was given belongs to whoever gave it."""
        with contextlib.suppress(queue.Empty):
            while True:
                client = self._free.get_nowait()
                if client is not self._first:
                    client.close()

    @contextlib.contextmanager
    def _client(self) -> Generator[Client]:
        try:
            client = self._free.get_nowait()
        except queue.Empty:
            client = self._first.another()
        try:
            yield client
        finally:
            self._free.put(client)
