"""A store that is there: to ask its coordinator, and to find what a word on the command line names."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store.location import find
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow, TrackedRun
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


def check_cap(option: str, cap: int | None, sweep: SweepRow) -> None:
    """Refuse a cap that an option gives to a sweep that has had more runs.

    Raises:
        UsageError: It is below them.
    """
    n = sweep.n_created
    if cap is not None and cap < n:
        raise UsageError(f"{option} {cap} is below the {n} runs that sweep {sweep.id} already has")


@dataclass(frozen=True, slots=True)
class Target:
    """The run or the sweep that a word names.

    Attributes:
        id: Its id.
        run: The run; None for a sweep.
    """

    id: str
    run: TrackedRun | None = None

    @property
    def kind(self) -> str:
        """``run`` or ``sweep``."""
        return "sweep" if self.run is None else "run"


def target(reader: Reader, word: str) -> Target:
    """Return the run or sweep that a word names: an id, else what SWEEP-NUMBER or SWEEP-best means.

    Raises:
        NotFound: It names none.
    """
    run = reader.tracked.run(word)
    if run is None and reader.names_run(word):
        run = reader.tracked.run(reader.run(word).id)
    return Target(reader.sweep(word).id) if run is None else Target(run.id, run)
