"""A store that is there: to ask its coordinator, and to find what a word on the command line names."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from sharpen.coordinator import born, connect, hostname
from sharpen.store.database import find
from sharpen.store.queries import Reader
from sharpen.wire import Client


@contextlib.contextmanager
def opened(home: Path) -> Generator[tuple[Client, Reader]]:
    """Give a client and a reader of a store, which is brought up to date when an older sharpen made it.

    Raises:
        NotFound: There is no store in the folder.
        StoreError: It cannot be opened.
    """
    find(home)
    with connect(home) as client:
        yield client, Reader(home)


def target(reader: Reader, word: str) -> str:
    """Return the id of the run or sweep that a word names; a run's has a number behind a dash.

    Raises:
        NotFound: It names none.
    """
    return reader.run(word).id if "-" in word else reader.sweep(word).id


def has_agents(reader: Reader, sweep_id: str) -> bool:
    """Return whether an agent works on a sweep; one of another machine counts as alive."""
    agents = reader.agents(sweep_id)
    return any(host != hostname() or born(pid) == mark for _, host, pid, mark in agents)
