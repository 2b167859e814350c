"""A store that is there: to ask its coordinator, and to find what a word on the command line names."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from sharpen.coordinator import born, connect, hostname
from sharpen.store.place import find
from sharpen.store.queries import Reader
from sharpen.trial import TrialState
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
    """Return whether an agent works on a sweep: its process lives, or, on another host, it holds a run."""
    holders = {run.agent_id for run in reader.live_runs(sweep_id) if run.state == TrialState.RUNNING}
    agents = reader.agents(sweep_id)
    return any(
        born(pid) == mark if host == hostname() else name in holders for name, host, pid, mark in agents
    )
