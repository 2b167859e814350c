"""The verbs that make sweeps and work on them: run, resume, sweep."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from sharpen import optimizers, spec, stoppers
from sharpen.agents.interrupts import interrupts
from sharpen.cli import exit_codes
from sharpen.cli.conclude import conclude
from sharpen.cli.live import view
from sharpen.cli.options import population_option, store_options
from sharpen.cli.remote_options import Remote, remote_options
from sharpen.cli.resolve import check_cap, opened
from sharpen.cli.same_store import same_store
from sharpen.cli.supervise import drive, n_cores, way_on
from sharpen.cli.terminal import echo
from sharpen.cli.user_name import person
from sharpen.coordinator import connect
from sharpen.coordinator.restore import rules_for
from sharpen.errors import MissingExtra, SpecError
from sharpen.extras import require_report
from sharpen.hints import Problem, count
from sharpen.jsonable import LARGEST_INTEGER
from sharpen.store.queries import Reader
from sharpen.sweep import SweepStatus
from sharpen.views.dead_agents import has_agents
from sharpen.views.snapshot import Snapshot
from sharpen.wire import Client

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
slots_option = click.option(
    "--agents",
    "--slots",
    "n_slots",
    type=click.IntRange(min=1),
    help="Runs at a time: the slots of the agent that is started. [default: one a core]",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_INTEGER),
    help="Root of every random choice. [default: the file's, or 0]",
)
trials_option = click.option(
    "--trials",
    "run_cap",
    type=click.IntRange(1, LARGEST_INTEGER),
    help="Runs in all; replaces the file's run_cap.",
)


def _has_folder(ctx: click.Context, option: click.Parameter, path: Path) -> Path:
    """Refuse a file in a folder that is not there, before any work is done."""
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.absolute().parent}")
    return path


report_option = click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    callback=_has_folder,
    show_default=True,
    help="Where to write the report.",
)


@click.command()
@file_argument
@slots_option
@population_option
@trials_option
@seed_option
@report_option
@remote_options
@store_options
@click.pass_obj
def run(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    file: Path,
    n_slots: int | None,
    population: int | None,
    *,
    run_cap: int | None,
    seed: int | None,
    report_path: Path,
    remote: Remote | None,
) -> None:
    """Run a sweep: create it, work on it, judge it, write its report.

    FILE is a sweep file, as for W&B. On a terminal a live table shows the runs; elsewhere each run that
    starts or ends is a line on stderr. The leaderboard and the verdict go to stdout at the end. Ctrl-C gives
    the unfinished runs back; `sharpen resume` goes on where it stopped.

    \b
      sharpen run sweeps/xgboost_sweep.yaml --agents 2 --trials 40
      sharpen run sweeps/ppo_portfolio.yaml --trials 50 --population 16
      sharpen run sweeps/xgboost_sweep.yaml --store postgresql://db.lab/sharpen
      sharpen run sweeps/ppo_portfolio.yaml --ray auto --agents 32 --gpus-per-agent 0.25
      sharpen run sweeps/xgboost_sweep.yaml --launcher ssh --hosts gpu1,gpu2 --agents 4
    """
    require_report()
    read = _read(file)
    ship = remote is not None and remote.ship
    with connect(home) as client:
        with interrupts() as signals:
            sweep_id = _create(home, client, read, file, run_cap, seed, ship=ship)
            _work(home, sweep_id, n_slots, population, signals, remote)
        _conclude(home, sweep_id, report_path)


@click.command()
@click.argument("sweep")
@click.option(
    "--agents",
    "--slots",
    "n_slots",
    type=click.IntRange(min=0),
    help="Runs at a time: the slots of the agent that is started; 0 leaves the work to others."
    " [default: one a core; 0 for a paused sweep whose agents wait]",
)
@population_option
@trials_option
@report_option
@remote_options
@click.pass_obj
def resume(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    sweep: str,
    n_slots: int | None,
    population: int | None,
    *,
    run_cap: int | None,
    report_path: Path,
    remote: Remote | None,
) -> None:
    """Go on with a sweep that is paused, stopped, cut off or crashed, or extend one that has ended.

    Nothing that was stored is done again: runs that were cut off start anew, or from their newest checkpoint
    where the sweep file says `resume: true`; all others stay as they are. What was canceled stays canceled.

    \b
      sharpen resume last
      sharpen resume k3v9x2aq --trials 80      # 80 runs in all
      sharpen resume k3v9x2aq --ray auto --agents 8
    """
    with opened(home) as (client, reader):
        before = reader.sweep(sweep)
        check_cap("--trials", run_cap, before)
        with interrupts() as signals:
            answer = client.call("reopen", sweep_id=before.id, run_cap=run_cap)
            is_paused = before.status == SweepStatus.PAUSED
            if n_slots == 0 or (n_slots is None and is_paused and has_agents(reader, before.id)):
                echo(f"sweep {before.id} is {answer['status']}", err=True)
                return
            if answer["status"] != SweepStatus.RUNNING:
                reason = f"it has had the {answer['run_cap']} runs of its cap; go on with --trials"
                echo(f"sweep {before.id} stays {answer['status']}: {reason}", err=True)
            _work(home, before.id, n_slots, population, signals, remote)
        _conclude(home, before.id, report_path)


@click.command("sweep")
@file_argument
@click.option("--check", is_flag=True, help="Only say whether the file is right.")
@click.option(
    "--ship",
    is_flag=True,
    help="Keep the files of this folder's git commit with it, for agents whose machine has no such folder.",
)
@trials_option
@seed_option
@store_options
@click.pass_obj
def sweep(home: Path, file: Path, *, check: bool, ship: bool, run_cap: int | None, seed: int | None) -> None:
    """Create a sweep and print its id; `sharpen agent` works on it.

    \b
      SWEEP=$(sharpen sweep sweeps/xgboost_sweep.yaml)
      sharpen agent $SWEEP --slots 2
      sharpen sweep sweeps/xgboost_sweep.yaml --server http://desk:8420 --ship
    """
    read = _read(file)
    if check:
        rules_for(read, seed or 0, run_cap)  # they may want a library that is not there
        is_python = read.program.endswith(".py") and Path(read.program).is_file()
        program = Path(read.program).read_text("utf-8", "replace") if is_python else ""
        here = spec.lint_command(read, os.environ, shutil.which)
        for advice in (*spec.lint(read), *here, *spec.lint_program(program)):
            echo(f"advice: {advice.path}: {advice.sentence}", err=True, fg="yellow")
        n_parameters = count(len(read.space.dimensions), "parameter")
        echo(f"{file}: {n_parameters}, method {read.method}: right", err=True)
        return
    with connect(home) as client:
        echo(_create(home, client, read, file, run_cap, seed, ship=ship))


def _ship(home: Path, client: Client, sweep_id: str, read: spec.Sweep) -> None:
    from sharpen.agents.bundle import keep_bundle  # noqa: PLC0415 - for few

    commit, n_files = keep_bundle(home, client, sweep_id, Path.cwd(), read, person())
    data = f", and data that the sweep names: {_few(commit.data)}" if commit.data else ""
    n_held = n_files - len(commit.data)
    echo(f"kept {count(n_held, 'file')} of commit {commit.id[:12]}{data}", err=True)
    if commit.changed:
        reason = "not kept as they are now, for they are not committed"
        echo(f"{reason}: {_few(commit.changed)}", err=True, fg="yellow")
    if commit.untracked:
        echo(f"not kept, for git does not hold them: {_few(commit.untracked)}", err=True, fg="yellow")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _read(file: Path) -> spec.Sweep:
    """Return what a sweep file says, once its program, method and stop rule are known to be there."""
    return spec.load(file, _beyond)


def _beyond(read: spec.Sweep) -> Iterator[Problem]:
    """Yield what is wrong with a sweep beyond its file: no such program, method, stop rule or setting."""
    workdir = Path.cwd()
    is_script = read.program and not spec.is_module(read) and shutil.which(read.program) is None
    if is_script and not (workdir / read.program).is_file():
        yield (
            "$.program",
            f"there is no {read.program} in {workdir}, where programs run: change to the folder that it is "
            "relative to, or give its full path",
        )
    try:
        rules_for(read, 0, None)  # the search method and the stop rule know their own settings
    except SpecError as error:
        yield from ((_place(read, path), message) for path, message in error.facts["problems"])
    except MissingExtra:
        return  # no fault of the file: it is said when nothing else is wrong


def _place(read: spec.Sweep, path: str) -> str:
    """Return where a name that nothing has is written; a problem with settings stays where it is."""
    if path == "$.optimizer" and read.method not in optimizers.names():
        return f"{path}.type"
    is_unknown = read.stop is not None and read.stop.type not in stoppers.names()
    return f"{path}.name" if path == "$.early_terminate" and is_unknown else path


def _create(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    client: Client,
    read: spec.Sweep,
    file: Path,
    run_cap: int | None,
    seed: int | None,
    *,
    ship: bool,
) -> str:
    if ship:
        from sharpen.agents.bundle import commit_of  # noqa: PLC0415 - for few

        commit_of(Path.cwd(), read)  # before there is a sweep
    origin = {"source": str(file), "workdir": str(Path.cwd())}
    key = secrets.token_hex(16)
    request = {"text": read.source_text, "place": origin, "run_cap": run_cap, "seed": seed}
    sweep_id: str = client.call("create_sweep", key=key, **request)["sweep_id"]
    if ship:
        _ship(home, client, sweep_id, read)
    return sweep_id


def _work(
    home: Path,
    sweep_id: str,
    n_slots: int | None,
    population: int | None,
    signals: Sequence[int],
    remote: Remote | None = None,
) -> None:
    """Drive a sweep to its end, or say how to go on after an interrupt."""
    reader = Reader(home)
    row = reader.sweep(sweep_id)
    n_slots = n_slots or (n_cores() if remote is None else 1)
    more = [] if population is None else ["--population", str(population)]
    at_once = f"up to {n_slots * population}" if population else n_slots
    echo(f"sweep {sweep_id} ({row.name}), seed {row.seed}, {at_once} at a time", err=True)
    if remote is None:
        drive(home, sweep_id, n_slots, more, view(reader, row, n_slots), signals)
    else:
        more += [*remote.options, "--agents", str(n_slots)]
        drive(home, sweep_id, 1, more, view(reader, row, n_slots), signals, shows_agent=True)
    if signals:
        echo(f"interrupted; {way_on(sweep_id, more)}", err=True)
        sys.exit(exit_codes.INTERRUPTED)


def _conclude(home: Path, sweep_id: str, report_path: Path) -> None:
    reader = Reader(home)
    row = reader.sweep(sweep_id)
    conclude(reader, row, report_path)
    if row.status in (SweepStatus.STOPPED, SweepStatus.CANCELED):
        echo(f"sweep {sweep_id} was {row.status}{f': {row.reason}' if row.reason else ''}", err=True)
    if row.status == SweepStatus.FAILED:
        echo(f"sharpen: sweep {sweep_id} failed: {row.reason}", err=True, fg="red")
        sys.exit(exit_codes.FAILED)
    now = Snapshot.read(reader, sweep_id)
    why = now.why_none if now.spec.has_metric else ""
    if why and row.status != SweepStatus.CANCELED:
        failure = f"{why}; see '{same_store(f'sharpen runs {sweep_id}')}' and 'sharpen logs RUN'"
        echo(f"sharpen: {failure}", err=True, fg="red")
        sys.exit(exit_codes.FAILED)
