"""Letting agents of this machine end in peace."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sharpen.agents.local import DRAIN
from sharpen.cli.terminal import echo
from sharpen.coordinator import process_identity
from sharpen.store.queries import Reader


def drain_agents(home: Path, sweep: str) -> None:
    """Tell the agents of this machine that work on a sweep to take no more runs, and print their numbers."""
    reader = Reader(home)
    row = reader.sweep(sweep)
    draining: list[int] = []
    for *_, pid, born in reader.agents(row.id):
        if process_identity(pid) == born:  # no other of its number, and none of another machine
            with suppress(ProcessLookupError):
                os.kill(pid, DRAIN)
                draining.append(pid)
    for pid in draining:
        echo(f"agent {pid} takes no more runs, and leaves when its own are over", err=True)
    if not draining:
        echo(f"no agent of this machine works on sweep {row.id}", err=True)
