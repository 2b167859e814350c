"""The verb that works on a sweep: agent. It imports little, for a sweep waits until its agents are there."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sharpen.agents import LocalAgent
from sharpen.cli import exits
from sharpen.coordinator import connect
from sharpen.store import place
from sharpen.store.rows import SweepFile


@click.command()
@click.argument("sweep")
@click.option(
    "--slots", "n_slots", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time."
)
@click.option(
    "--count", "n_runs", type=click.IntRange(min=1), help="Runs to take in all. [default: no limit]"
)
@click.option(
    "--idle-timeout",
    "idle_timeout_s",
    type=click.FloatRange(min=0.0),
    metavar="SECONDS",
    help="Leave after that long without a run, as while the sweep is paused. [default: never]",
)
@click.option("--cold", is_flag=True, help="Start every program anew; fork none off a warm server.")
@click.pass_obj
def agent(
    home: Path, sweep: str, n_slots: int, n_runs: int | None, idle_timeout_s: float | None, cold: bool
) -> None:
    """Work on a sweep from this terminal until it has no more runs.

    Any number of agents may work on one sweep. Ctrl-C ends the programs and gives their runs back. Programs
    are forked off a server that has done their imports, where that is possible; the results are the same.
    Each has one thread, unless the sweep file or OMP_NUM_THREADS say otherwise.

    \b
      sharpen agent last --slots 2 --count 10
      sharpen agent last --idle-timeout 600
    """
    place.find(home)
    with connect(home) as client:
        file = SweepFile(**client.call("sweep", word=sweep))
        worker = LocalAgent(client, file, n_slots, n_runs, warm=not cold, idle_timeout_s=idle_timeout_s)
        ending = worker.work()
    click.echo(f"agent done: {ending}", err=True)
    if ending == "interrupted":
        sys.exit(exits.INTERRUPTED)
