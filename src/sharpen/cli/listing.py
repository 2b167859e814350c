"""The verbs that show what is in the store: ls, info, best, runs, logs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import click

from sharpen import spec
from sharpen.cli.live import Snapshot
from sharpen.cli.printing import json_option, print_json, print_rows, shown, stdout, table, when
from sharpen.coordinator import born, hostname
from sharpen.errors import NotFound
from sharpen.store.queries import Reader, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState

FOLLOW_S = 0.5


@click.command()
@json_option
@click.pass_obj
def ls(home: Path, as_json: bool) -> None:
    """List the sweeps, the newest last."""
    reader = Reader(home)
    rows: list[dict[str, Any]] = []
    for sweep in reader.sweeps():
        best = Snapshot(reader, sweep.id).best
        row = {"sweep": sweep.id, "name": sweep.name, "status": _status(reader, sweep)}
        row |= {"runs": _done(sweep), "cap": sweep.run_cap, "best": None if best is None else best.score}
        rows.append(row | {"created": when(sweep.created_at)})
    print_rows(rows, as_json, f"no sweeps in {home}: start one with 'sharpen run FILE'")


@click.command()
@click.argument("sweep")
@json_option
@click.pass_obj
def info(home: Path, sweep: str, as_json: bool) -> None:
    """Show a sweep: its state, its file, and how its runs ended."""
    reader = Reader(home)
    row = reader.sweep(sweep)
    facts = {
        "sweep": row.id,
        "name": row.name,
        "status": _status(reader, row),
        "reason": row.reason,
        "runs": row.n_runs,
        "run_cap": row.run_cap,
        "seed": row.seed,
        "file": row.source,
        "folder": row.workdir,
        "created": when(row.created_at),
        "ended": when(row.ended_at) or None,
        "lockbox_looks": len(reader.looks(row.id)),
        "store": str(home),
    }
    if as_json:
        print_json(facts | {"spec": row.spec})
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_counts(value)}")
    click.echo(f"\n{row.spec.rstrip()}")


@click.command()
@click.argument("sweep")
@json_option
@click.pass_obj
def best(home: Path, sweep: str, as_json: bool) -> None:
    """Show the best run of a sweep: its score, its configuration, and the command that repeats it."""
    reader = Reader(home)
    now = Snapshot(reader, reader.sweep(sweep).id)
    winner = now.best
    if winner is None:
        where = f"sharpen runs {now.sweep.id}"
        raise NotFound(f"sweep {now.sweep.id} has no finished run with a score yet: see '{where}'")
    logged = reader.reports(run_id=winner.id)
    metrics = logged[-1].metrics if logged else {}
    artifacts = {file.name: str(file.path) for file in reader.artifacts(run_id=winner.id)}
    command = _command(now.sweep, winner.config)
    if as_json:
        facts = {"run": winner.id, "metric": now.metric.name, "score": winner.score, "config": winner.config}
        facts |= {"metrics": metrics, "artifacts": artifacts, "command": command}
        print_json(facts)
        return
    click.echo(f"run {winner.id}: {now.metric.name} {shown(winner.score)}\n")
    stdout().print(table([{"parameter": name, "value": shown(v)} for name, v in winner.config.items()]))
    click.echo("")
    stdout().print(table([{"metric": name, "value": shown(v)} for name, v in metrics.items()]))
    for name, path in artifacts.items():
        click.echo(f"\n{name}: {path}", nl=False)
    click.echo(f"\n\nrepeat it alone: {command}")
    click.echo(
        f"is it real?      sharpen report {now.sweep.id}, then, once: sharpen validate {winner.id}", err=True
    )


@click.command()
@click.argument("sweep")
@json_option
@click.pass_obj
def runs(home: Path, sweep: str, as_json: bool) -> None:
    """List the runs of a sweep, with their configurations under --json."""
    reader = Reader(home)
    now = Snapshot(reader, reader.sweep(sweep).id)
    if as_json:
        keys = ("id", "number", "state", "reason", "score", "config", "origin", "exit_code", "summary")
        rows = [{key: getattr(run, key) for key in keys} for run in now.runs]
        print_json([row | {"steps": now.progress.get(row["id"], (0, None))[0]} for row in rows])
        return
    print_rows(
        [now.row(run) | {"run": run.id} for run in now.runs], as_json, f"sweep {now.sweep.id} has no runs yet"
    )


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run ends.")
@click.pass_obj
def logs(home: Path, run: str, follow: bool) -> None:
    """Print what a run's program printed.

    RUN is a run's id, or "last-7" for run 7 of the newest sweep.
    """
    reader = Reader(home)
    n_lines = 0
    while True:
        row = reader.run(run)
        text = reader.console(row.id, n_lines)
        n_lines += text.count("\n")
        click.echo(text, nl=False)
        if not follow or TrialState(row.state).is_final:
            break
        time.sleep(FOLLOW_S)
    if row.reason:
        click.echo(f"run {row.id} {row.state}: {row.reason}", err=True)


def _command(sweep: SweepRow, config: dict[str, Any]) -> str:
    """Return what a user types to repeat a run alone."""
    read = spec.parse(sweep.spec, where=sweep.source)
    return spec.command_line(read, config, sweep.seed)


def _counts(value: Any) -> str:
    """Return a fact as people read it; numbers by state as ``2 finished, 1 stopped``."""
    if not isinstance(value, dict):
        return shown(value)
    return ", ".join(f"{n} {state}" for state, n in cast("dict[str, int]", value).items())


def _done(sweep: SweepRow) -> int:
    return sum(n for state, n in sweep.n_runs.items() if TrialState(state).is_final)


def _status(reader: Reader, sweep: SweepRow) -> str:
    """Return the stored status, or ``idle`` for a running sweep that no agent of this machine works on."""
    if sweep.status != SweepStatus.RUNNING:
        return sweep.status
    agents = reader.agents(sweep.id)
    is_worked_on = any(host != hostname() or born(pid) == mark for _, host, pid, mark in agents)
    return sweep.status if is_worked_on else "idle"
