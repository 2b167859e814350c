"""The verbs that show what is in the store: ls, best, runs, logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sharpen import spec
from sharpen.cli.best_run import show_best
from sharpen.cli.live import table_row
from sharpen.cli.pareto_front import chosen, print_front
from sharpen.cli.printing import (
    json_option,
    print_json_list,
    print_rows,
    when,
)
from sharpen.cli.project_runs import print_project
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.errors import NotFound, SharpenError, UsageError
from sharpen.store.configurations import Configuration, configurations, seed_of, winner
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow, shown_state
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.views.dead_agents import lost_as_waiting, status_of
from sharpen.views.limited_projects import limited_projects
from sharpen.views.pareto_front import pareto_front
from sharpen.views.snapshot import Snapshot

FOLLOW_S = 0.5
RUN_KEYS = (
    *("id", "number", "state", "reason", "score", "scores", "violation", "cost", "config", "origin"),
    *("parent", "fidelity", "repeat", "repeat_of", "exit_code", "summary", "note", "tags"),
)


@click.command()
@json_option
@click.pass_obj
def ls(home: Path, as_json: bool) -> None:
    """List the sweeps, the newest last, each with its best score, or the size of its front."""
    reader = Reader(home)
    rows: list[dict[str, Any]] = []
    damaged: list[str] = []
    projects: set[str] = set()
    for sweep in reader.sweeps(damaged=damaged):
        row = {"sweep": sweep.id, "name": sweep.name}
        try:
            row |= {"status": status_of(reader, sweep), "done": _done(sweep), "cap": sweep.run_cap}
            row |= _leader(reader, sweep, as_json)
        except SharpenError as problem:
            damaged.append(f"sweep {sweep.id}: {' '.join(problem.message.split())}")
            continue
        rows.append(row | {"created": when(sweep.created_at)})
        projects |= {sweep.project} if SweepStatus(sweep.status).is_open else set()
    print_rows(rows, as_json, f"no sweeps in {home}: start one with 'sharpen run FILE'")
    for project, message in limited_projects(reader).items():
        if project in projects:
            echo(message, err=True)
    for message in damaged:
        echo(f"left out: {message}", err=True)


@click.command()
@click.argument("sweep")
@click.option("--run", "run", help="This run in place of the best: its id, or its number.")
@json_option
@click.pass_obj
def best(home: Path, sweep: str, run: str | None, as_json: bool) -> None:
    """Show the best run of a sweep: its score, its configuration, and the command that repeats it.

    With repeats it is the configuration of the best mean, shown with each of its runs.

    A sweep of several metrics has no single best run. It has a front: the runs that no other beats in every
    metric. They are shown as a table; --run shows one of them in full.

    \b
      sharpen best last
      sharpen best last --run 7
    """
    reader = Reader(home)
    now = Snapshot.of_best(reader, sweep) if run is None else Snapshot.read(reader, sweep)
    if run is None and now.why_none:
        runs_of = same_store(f"sharpen runs {now.sweep.id}")
        raise NotFound(f"sweep {now.sweep.id}: {now.why_none}; see '{runs_of}'")
    if run is None and now.has_several:
        print_front(now, as_json)
        return
    configuration = now.winner
    if run is not None:
        one = chosen(reader, now, run)
        configuration = Configuration(one, (one,))
    assert configuration is not None  # noqa: S101 - there is something to choose
    show_best(reader, now, configuration, as_json)


@click.command()
@click.argument("sweep", required=False)
@click.option("--project", help="The runs of a project, in place of a sweep's.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in TrialState]),
    help="Only the runs in this state; may be repeated.",
)
@click.option("--tag", "tag", help="Only the runs that have this tag.")
@click.option("--deleted", is_flag=True, help="The deleted runs in place of the others.")
@json_option
@click.pass_obj
def runs(home: Path, sweep: str | None, project: str | None, as_json: bool, **filters: Any) -> None:
    """List the runs of a sweep, or of a project, with their configurations under --json.

    \b
      sharpen runs last --state failed --state crashed
      sharpen runs --project momentum
    """
    if (sweep is None) == (project is None):
        raise UsageError("runs: say SWEEP, such as 'last', or --project NAME, and not both")
    reader = Reader(home)
    if project is not None:
        print_project(reader, project, as_json, **filters)
    elif sweep is not None:
        _runs_of_sweep(reader, sweep, as_json, **filters)


def _runs_of_sweep(
    reader: Reader, sweep: str, as_json: bool, states: Sequence[str], tag: str | None, deleted: bool
) -> None:
    now = Snapshot.read(reader, sweep)
    now = now.of_deleted(reader) if deleted else now
    listed = lost_as_waiting(reader, now.sweep.id, now.runs)
    if tag is not None:
        listed = [run for run in listed if tag in run.tags]
    if states:
        listed = [run for run in listed if run.state in states]
    if as_json:
        print_json_list(_facts(now, run) for run in listed)
        return
    is_tagged = any(run.tags for run in listed)
    rows = [
        table_row(now, run) | {"run": run.id} | ({"tags": ", ".join(run.tags)} if is_tagged else {})
        for run in listed
    ]
    kind = "deleted runs" if deleted else "runs" if tag is None else f"runs tagged {tag!r}"
    kind += f" that are {' or '.join(states)}" if states else ""
    none = f"sweep {now.sweep.id} has no {kind}{'' if deleted or tag or states else ' yet'}"
    print_rows(rows, as_json, none)


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends.")
@click.pass_obj
def logs(home: Path, run: str, follow: bool) -> None:
    """Print what a run's program printed.

    RUN is a run's id, "last-7" for run 7 of the newest sweep, or "last-best".
    """
    reader = Reader(home)
    n_lines = 0
    while True:
        row = reader.tracked.run(run) or reader.run(run)
        text = reader.console(row.id, n_lines)
        n_lines += text.count("\n")
        click.echo(text, nl=False)  # as the program printed it
        if not follow or TrialState(row.state).is_final:
            break
        time.sleep(FOLLOW_S)
    if row.reason:
        echo(f"run {row.id} {row.state}: {row.reason}", err=True)


def _facts(now: Snapshot, run: RunRow) -> dict[str, Any]:
    facts = {key: getattr(run, key) for key in RUN_KEYS} | {"state": shown_state(run)}
    facts |= {"seed": seed_of(now.sweep, run), "steps": now.progress.get(run.id, (0, None))[0]}
    return facts | {"broke": [violation.sentence for violation in now.violations.get(run.number, ())]}


def _leader(reader: Reader, sweep: SweepRow, as_json: bool) -> dict[str, Any]:
    """Return the best score of a sweep, with repeats the best mean; of several metrics the front's size."""
    read = spec.parse(sweep.spec, where=sweep.source)
    if len(read.metrics) == 1 and read.repeats == 1:
        run = reader.best(sweep.id, read.metric)
        return {"best": None if run is None else run.score}
    grouped = configurations(reader.runs(sweep.id, deleted=True), read.repeats)
    if len(read.metrics) == 1:
        top = winner(grouped, read.metric)
        return {"best": None if top is None else top.row.score}
    size = len(pareto_front([one.row for one in grouped], read.metrics))
    if as_json:
        return {"best": None, "front": size}
    return {"best": f"front of {size}" if size else None}


def _done(sweep: SweepRow) -> int:
    return sum(n for state, n in sweep.n_runs.items() if TrialState(state).is_final)
