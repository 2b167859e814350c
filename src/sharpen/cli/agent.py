"""The verb that works on a sweep: agent. It imports little, for a sweep waits until its agents are there."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sharpen import spec
from sharpen.agents import LocalAgent
from sharpen.cli import exit_codes
from sharpen.cli.options import FiniteRange, population_option, store_options
from sharpen.cli.remote_options import Remote, remote_options
from sharpen.cli.terminal import echo
from sharpen.coordinator import connect
from sharpen.errors import SharpenError, UsageError
from sharpen.run_ids import split_last_dash
from sharpen.spec import Metric
from sharpen.store import location
from sharpen.store.rows import SweepFile

if TYPE_CHECKING:
    from sharpen.store.queries import Reader


class News:
    """Says on stderr which runs an agent has taken, and how each ended.

    Args:
        home: The store's folder.
        sweep: Whose runs.
    """

    def __init__(self, home: Path, sweep: SweepFile) -> None:
        self._home, self._sweep = home, sweep
        self._running: set[str] = set()

    def __call__(self, run_id: str) -> None:
        """Say that a run has begun; and at the second time how it ended."""
        with contextlib.suppress(OSError, SharpenError):  # the work matters more
            if run_id not in self._running:
                self._running.add(run_id)
                echo(f"run {split_last_dash(run_id)[1]:>3}  running", err=True)
            else:
                self._running.discard(run_id)
                echo(self._ending(run_id), err=True)

    def _ending(self, run_id: str) -> str:
        from sharpen.cli.live import line_of  # noqa: PLC0415 - by now the first program has had its start

        run = self._reader.run(run_id)
        progress = self._reader.progress(run.sweep_id, [run.number]).get(run_id)
        return line_of(run, self._metrics, progress)

    @cached_property
    def _reader(self) -> Reader:
        from sharpen.store.queries import Reader  # noqa: PLC0415 - sqlalchemy takes a moment to import

        return Reader(self._home)

    @cached_property
    def _metrics(self) -> Sequence[Metric]:
        return spec.parse(self._sweep.spec, where=self._sweep.source).metrics


@click.command()
@click.argument("sweep")
@click.option(
    "--slots", "n_slots", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time."
)
@click.option(
    "--count", "n_runs", type=click.IntRange(min=1), help="Runs to take in all. [default: no limit]"
)
@population_option
@click.option(
    "--idle-timeout",
    "idle_timeout_s",
    type=FiniteRange(min=0.0),
    metavar="SECONDS",
    help="Leave after that long without a run, as while the sweep is paused. [default: never]",
)
@click.option("--permutation-seed", type=int, hidden=True)  # what `sharpen permute SWEEP` starts agents with
@click.option(
    "--agents",
    "n_agents",
    type=click.IntRange(min=1),
    help="How many agents, with --ray or --launcher. [default: 1]",
)
@partial(remote_options, takes_bundle=True)
@click.option(
    "--workdir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Run programs in this folder. [default: where the sweep was made]",
)
@click.option(
    "--drain",
    is_flag=True,
    help="Let this machine's agents of it take no more runs, and leave after theirs.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of single runs.")
@click.option("-v", "--verbose", is_flag=True, help="Also say what the agent does in between.")
@click.option("--cold", is_flag=True, help="Start every program anew; fork none off a warm server.")
@store_options
@click.pass_obj
def agent(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    sweep: str,
    n_slots: int,
    n_runs: int | None,
    population: int | None,
    *,
    idle_timeout_s: float | None,
    permutation_seed: int | None,
    n_agents: int | None,
    remote: Remote | None,
    is_shipped: bool,
    workdir: Path | None,
    drain: bool,
    quiet: bool,
    verbose: bool,
    cold: bool,
) -> None:
    """Work on a sweep from this terminal until it has no more runs; each that starts or ends is a line.

    Any number of agents may work on one sweep. Ctrl-C ends the programs and gives their runs back. Programs
    are forked off a server that has done their imports, where that is possible; the results are the same.
    Each has one thread, unless the sweep file or OMP_NUM_THREADS say otherwise.

    \b
      sharpen agent last --slots 2 --count 10
      sharpen agent last --idle-timeout 600
      sharpen agent last --drain
      sharpen agent k3v9x2aq --server http://desk:8420 --ship
      sharpen agent last --ray auto --agents 8 --gpus-per-agent 0.25
      sharpen agent last --launcher slurm --agents 16 --slurm partition=gpu --gpus-per-agent 1
    """
    if n_agents is not None and remote is None:
        raise UsageError(
            "--agents: of other machines, so give --ray or --launcher; runs at a time here are --slots"
        )
    if verbose:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
        logging.getLogger("sharpen").setLevel(logging.DEBUG)
    if is_shipped and workdir is not None:
        raise UsageError("--ship and --workdir name two folders to run in: leave one of them out")
    location.find(home)
    if drain:
        from sharpen.cli.drain import drain_agents  # noqa: PLC0415 - for few

        drain_agents(home, sweep)
        return
    with connect(home) as client:
        file = SweepFile(**client.call("sweep", word=sweep))
        if remote is not None:
            from sharpen.cli.remote_agents import work_remotely  # noqa: PLC0415 - for few

            argv = _passed_on(n_runs, population, idle_timeout_s, cold=cold)
            is_interrupted = work_remotely(home, file, remote, n_agents or 1, n_slots, argv)
            _leave(f"agents done: {'interrupted' if is_interrupted else 'no more runs'}", is_interrupted)
            return
        _refuse_function(file)
        if is_shipped:
            from sharpen.agents.bundle import shipped_folder  # noqa: PLC0415 - for few

            workdir = shipped_folder(home, file.id)
        if workdir is not None:
            file = replace(file, workdir=str(workdir.absolute()))
        news = None if quiet else News(home, file)
        worker = LocalAgent(
            client,
            file,
            n_slots,
            n_runs,
            warm=not cold,
            population=population,
            idle_timeout_s=idle_timeout_s,
            permutation_seed=permutation_seed,
            say=_say,
            news=news,
        )
        ending = worker.work()
    _leave(f"agent done: {ending}", bool(worker.interrupted_by))


def _refuse_function(file: SweepFile) -> None:
    """Refuse a sweep that names no program, for its runs are calls of a function in somebody's script."""
    if spec.parse(file.spec).program == spec.FUNCTION:
        call = f"wandb.agent({file.id!r}, function=...)"
        raise UsageError(f"sweep {file.id} names no program: start the script that calls {call}")


def _leave(message: str, is_interrupted: bool) -> None:
    echo(message, err=True)
    if is_interrupted:
        sys.exit(exit_codes.INTERRUPTED)


def _passed_on(
    n_runs: int | None, population: int | None, idle_timeout_s: float | None, *, cold: bool
) -> list[str]:
    """Return the words of an agent's command line on another machine."""
    options = {
        "--count": n_runs,
        "--population": population,
        "--idle-timeout": idle_timeout_s,
    }
    argv = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return [*argv, "--cold"] if cold else argv


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # a log on a full disk: the work matters more
        echo(sentence, err=True)
