"""The verbs that steer a sweep while it runs or after: pause, stop, cancel, edit, delete."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sharpen.cli.resolve import check_cap, opened, target
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo, one_line
from sharpen.errors import NotFound, UsageError
from sharpen.spec.readers import seconds_of
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState

CHANGES = {"name": "name", "run_cap": "run cap", "max_failures": "max failures", "time_cap_s": "time cap"}


def count(text: str) -> int | str:
    """Return a whole number above zero, or the word ``none``."""
    if text == "none":
        return text
    if not text.isdecimal() or int(text) == 0:
        raise click.BadParameter(f"{text!r} is neither a whole number above 0 nor 'none'.")
    return int(text)


def duration(text: str) -> float | str:
    """Return a length of time in seconds, written as in a sweep file, or the word ``none``."""
    if text == "none":
        return text
    try:
        return seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; or write none.") from error


@click.command()
@click.argument("sweep")
@click.pass_obj
def pause(home: Path, sweep: str) -> None:
    """Let no run of a sweep begin until `sharpen resume`.

    Runs that are at work go on to their end, and agents stay and wait. A sweep that has ended cannot be
    paused.

    \b
      sharpen pause last
      sharpen resume last
    """
    with opened(home) as (client, reader):
        sweep_id = reader.sweep(sweep).id
        answer = client.call("pause", sweep_id=sweep_id)
    echo(
        f"sweep {sweep_id} is paused{_going_on(answer)}; go on: {same_store(f'sharpen resume {sweep_id}')}",
        err=True,
    )


@click.command()
@click.argument("sweep")
@click.pass_obj
def stop(home: Path, sweep: str) -> None:
    """End a sweep after the runs that are at work.

    Agents leave when their runs have ended. What waits in the queue goes on waiting: `sharpen resume` takes
    it up again.

    \b
      sharpen stop last
    """
    with opened(home) as (client, reader):
        sweep_id = reader.sweep(sweep).id
        answer = client.call("stop", sweep_id=sweep_id)
    echo(f"sweep {sweep_id} is stopped{_going_on(answer)}", err=True)


@click.command()
@click.argument("sweep_or_run")
@click.option("--reason", help="Why, for whoever looks at it later. [default: who canceled it]")
@click.pass_obj
def cancel(home: Path, sweep_or_run: str, reason: str | None) -> None:
    """End a sweep and its runs, or one run, now.

    Programs at work are told to end within two seconds; what they have logged is kept, and counts for
    nothing. Runs that wait are canceled on the spot. Another run may take a canceled one's place only
    under a larger cap: `sharpen resume SWEEP --trials 80`.

    \b
      sharpen cancel last-7 --reason "learning rate far too high"
      sharpen cancel last
    """
    reason = reason or f"canceled by {getpass.getuser()}"
    with opened(home) as (client, reader):
        meant = target(reader, sweep_or_run)
        target_id = meant.id
        if meant.run is not None:
            state = client.call("cancel_run", run_id=target_id, reason=reason)["state"]
            outcome = "is canceled" if state == TrialState.CANCELED else "has been told to end"
            echo(f"run {target_id} {outcome}", err=True)
            return
        answer = client.call("cancel", sweep_id=target_id, reason=reason)
    n = answer["n_running"]
    echo(f"sweep {target_id} is canceled{f'; {n} at work have been told to end' if n else ''}", err=True)


@click.command()
@click.argument("sweep")
@click.option("--name", help="What to call it.")
@click.option("--run-cap", type=count, metavar="N", help="Runs in all, or none for no limit.")
@click.option(
    "--max-failures",
    type=count,
    metavar="N",
    help="Failed runs that end it, or none for five alike in a row.",
)
@click.option(
    "--time-cap",
    type=duration,
    metavar="TIME",
    help="Time at work, as 3600, 90m or 8h, or none for no limit.",
)
@click.pass_obj
def edit(home: Path, sweep: str, name: str | None, **limits: float | str | None) -> None:
    """Change a sweep's name or limits, also while it runs.

    A sweep that ended at its run cap or time cap and gets a larger one is running again, for agents to work
    on. One that is over a new limit ends after the runs that are at work. The run cap counts every run that
    there ever was, failed, canceled and deleted ones among them, and cannot go below that.

    \b
      sharpen edit last --run-cap 200
      sharpen edit last --time-cap 8h --max-failures 20
    """
    limits["time_cap_s"] = limits.pop("time_cap")
    changes: dict[str, Any] = {k: None if v == "none" else v for k, v in limits.items() if v is not None}
    if name is not None:
        changes["name"] = one_line("--name", name)
    if not changes:
        raise UsageError("edit: nothing to change; say --name, --run-cap, --max-failures or --time-cap")
    with opened(home) as (client, reader):
        row = reader.sweep(sweep)
        check_cap("--run-cap", changes.get("run_cap"), row)
        answer = client.call("edit", sweep_id=row.id, changes=changes)
    done = ", ".join(f"{CHANGES[k]} {'none' if v is None else v}" for k, v in changes.items())
    echo(f"sweep {row.id}: {done}", err=True)
    if answer["status"] != row.status:
        goes_on = answer["status"] == SweepStatus.RUNNING
        next_step = f"; work on it: {same_store(f'sharpen resume {row.id}')}" if goes_on else ""
        echo(f"sweep {row.id} was {row.status} and is {answer['status']} now{next_step}", err=True)


@click.command()
@click.argument("sweep_or_run")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(home: Path, sweep_or_run: str, yes: bool) -> None:
    """Forget a run or a whole sweep: no listing, no optimizer and no stop rule sees it any more.

    A deleted run keeps its number and its place under the cap, so that nobody mistakes another one for it;
    `sharpen runs SWEEP --deleted` lists it. What is at work must be canceled first. Nothing brings back what
    has been deleted.

    \b
      sharpen delete last-3 --yes
    """
    with opened(home) as (client, reader):
        try:
            meant = target(reader, sweep_or_run)
        except NotFound:
            gone = reader.deleted_kind(sweep_or_run)
            if gone is None:
                raise
            echo(f"{gone} {sweep_or_run} is deleted", err=True)
            return
        _ask(meant.kind, meant.id, yes)
        client.call("delete", target=meant.id)
    echo(f"{meant.kind} {meant.id} is deleted", err=True)


def _ask(kind: str, target_id: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"delete: nobody can be asked here; say --yes to delete {kind} {target_id}")
    click.confirm(f"Delete {kind} {target_id}?", abort=True, err=True)


def _going_on(answer: Mapping[str, Any]) -> str:
    n = answer["n_running"]
    if n == 0:
        return ""
    return "; 1 run at work goes on to its end" if n == 1 else f"; {n} runs at work go on to their end"
