"""Driving a sweep from one terminal: start an agent, replace it when it dies, watch, and stop cleanly."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from sharpen.agents.agent_process import AgentProcess
from sharpen.cli.conclude import get_ready
from sharpen.cli.live import View
from sharpen.cli.missing_metrics import Warnings
from sharpen.cli.same_store import same_store
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus

POLL_S = 0.05


def drive(  # noqa: PLR0913 - each is another side of it
    home: Path,
    sweep_id: str,
    n_slots: int,
    more: Sequence[str],
    view: View,
    interrupts: Sequence[int],
    *,
    shows_agent: bool = False,
) -> None:
    """Work on a sweep until it is over or there are interrupts; the agent has left when this returns.

    Args:
        home: The store's folder.
        sweep_id: Which sweep.
        n_slots: Of the agent.
        more: Further words of its command line.
        view: Shows how it stands.
        interrupts: Those that there were.
        shows_agent: Whether people are shown what the agent says, as of a cluster that has no room.

    Raises:
        UsageError: The agent cannot do what it was told to.
        SharpenError: It cannot be kept alive.
    """
    reader = Reader(home)
    warnings = Warnings(reader, reader.sweep(sweep_id))
    agent = AgentProcess(home, sweep_id, n_slots, more)

    def is_open() -> bool:
        return SweepStatus(reader.sweep(sweep_id).status).is_open

    with view:
        try:
            get_ready()  # it is a second before the first run begins
            look_at = 0.0
            while not interrupts and agent.supervise(is_open):
                time.sleep(POLL_S)
                if time.monotonic() >= look_at:
                    for line in agent.news() if shows_agent else ():
                        view.warn(line)
                    view.update()
                    warnings.look(reader.sweep(sweep_id), view)
                    look_at = time.monotonic() + view.every_s
        except UsageError:
            if shows_agent:  # what it says is shown with its other words
                raise UsageError(f"nobody works on it: {way_on(sweep_id, more)}") from None
            raise
        finally:
            agent.end()
            for line in agent.news() if shows_agent else ():
                view.warn(line)
        warnings.look(reader.sweep(sweep_id), view)


def way_on(sweep_id: str, more: Sequence[str]) -> str:
    """Return how to go on with a sweep.

    Args:
        sweep_id: Which sweep.
        more: Further words of the command line that has worked on it.

    >>> way_on("k3v9x2aq", ["--ray", "auto", "--agents", "8"])
    'resume with: sharpen resume k3v9x2aq --ray auto --agents 8'
    """
    return f"resume with: {same_store(f'sharpen resume {shlex.join([sweep_id, *more])}')}"


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
