"""Having agents on other machines work on a sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sharpen import spec
from sharpen.agents.interrupts import interrupts
from sharpen.agents.program import end_process
from sharpen.agents.remote.process import END_GRACE_S
from sharpen.agents.remote.request import Request
from sharpen.agents.remote.watchdog import begin_supervisor, keep_agents
from sharpen.cli.remote_options import Remote
from sharpen.cli.remote_store import served
from sharpen.cli.terminal import echo
from sharpen.errors import SharpenError
from sharpen.store.rows import SweepFile
from sharpen.sweep import SweepStatus

if TYPE_CHECKING:
    from sharpen.store.queries import Reader

PASSED_ON = ("SHARPEN_COLD",)


class SweepWatch:
    """Looks whether a sweep may still have runs to give.

    Args:
        home: The store's folder.
        sweep_id: Which sweep.
    """

    def __init__(self, home: Path, sweep_id: str) -> None:
        self._home, self._sweep_id = home, sweep_id

    def is_open(self) -> bool:
        """Return whether it may."""
        try:
            return SweepStatus(self._reader.sweep(self._sweep_id).status).is_open
        except SharpenError:  # the store is away for a while
            return True

    @cached_property
    def _reader(self) -> Reader:
        from sharpen.store.queries import Reader  # noqa: PLC0415 - the agents are on their way by now

        return Reader(self._home)


def work_remotely(
    home: Path, sweep: SweepFile, remote: Remote, n_agents: int, n_slots: int, argv: Sequence[str]
) -> bool:
    """Have agents of a cluster work on a sweep until it is over; return whether somebody interrupted them.

    Args:
        home: The store's folder.
        sweep: The sweep.
        remote: Where, and with which share of the machines.
        n_agents: How many agents.
        n_slots: How many runs each has at a time.
        argv: More of each one's command line.

    Raises:
        SharpenError: There is no such cluster, or agents die again and again.
    """
    needs = spec.parse(sweep.spec, where=sweep.source).resources
    n_cpus, n_gpus = remote.shares(needs, n_slots)
    supervisor = begin_supervisor(remote.placement)  # its library loads while the server starts
    try:
        with interrupts() as signals, served(home, remote.serve_host, remote.address) as site:
            request = Request(
                placement=remote.placement,
                address=remote.address,
                url=site.url,
                key=site.key,
                sweep_id=sweep.id,
                n_agents=n_agents,
                options=("--slots", str(n_slots), *argv, *(["--ship"] if remote.ship else [])),
                n_cpus=n_cpus,
                n_gpus=n_gpus,
                settings=remote.settings,
                environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            )
            say, sweep_now = partial(echo, err=True), SweepWatch(home, sweep.id)
            return keep_agents(request, sweep_now.is_open, signals, say, site.look_after, supervisor)
    finally:
        end_process(supervisor, END_GRACE_S)
