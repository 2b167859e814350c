"""Having agents on other machines work on a sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sharpen import spec
from sharpen.agents.elsewhere.request import Request
from sharpen.agents.elsewhere.watching import keep_agents
from sharpen.agents.interrupts import interrupts
from sharpen.cli.elsewhere import Elsewhere
from sharpen.cli.served import served
from sharpen.cli.terminal import echo
from sharpen.errors import SharpenError
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepFile
from sharpen.sweep import SweepStatus

PASSED_ON = ("SHARPEN_COLD",)


def work_elsewhere(
    home: Path, sweep: SweepFile, elsewhere: Elsewhere, n_agents: int, n_slots: int, words: Sequence[str]
) -> str:
    """Have agents of a cluster work on a sweep; return why there are none any more.

    Args:
        home: The store's folder.
        sweep: The sweep.
        elsewhere: Where, and with which share of the machines.
        n_agents: How many agents.
        n_slots: How many runs each has at a time.
        words: More of each one's command line.

    Raises:
        SharpenError: There is no such cluster, or agents die again and again.
    """
    needs = spec.parse(sweep.spec, where=sweep.source).resources
    n_cpus, n_gpus = elsewhere.shares(needs, n_slots)
    reader = Reader(home)

    def is_open() -> bool:
        try:
            return SweepStatus(reader.sweep(sweep.id).status).is_open
        except SharpenError:  # the store is away for a while
            return True

    with interrupts() as seen, served(home, elsewhere.serve_host, elsewhere.address) as site:
        request = Request(
            placement=elsewhere.placement,
            address=elsewhere.address,
            url=site.url,
            key=site.key,
            sweep_id=sweep.id,
            n_agents=n_agents,
            words=("--slots", str(n_slots), *words, *(["--ship"] if elsewhere.takes_bundle else [])),
            n_cpus=n_cpus,
            n_gpus=n_gpus,
            ship=sweep.workdir if elsewhere.ship and not elsewhere.takes_bundle else "",
            settings=elsewhere.settings,
            environment={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        )
        return keep_agents(request, is_open, seen, lambda words: echo(words, err=True), site.look_after)
