"""The verbs that say whether a winner is real: report, validate."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sharpen.agents.lockbox import LockboxRun, run_on_lockbox
from sharpen.cli.ending import conclude
from sharpen.cli.printing import json_option, print_json, shown, stdout, table
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.trial import TrialState


@click.command()
@click.argument("sweep")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where to write it.",
)
@click.pass_obj
def report(home: Path, sweep: str, output: Path) -> None:
    """Print a sweep's leaderboard and verdict, and write its report: one HTML file that needs no network.

    It may be asked of a sweep that is still running.
    """
    reader = Reader(home)
    conclude(reader, reader.sweep(sweep), output)


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def validate(home: Path, run: str, as_json: bool) -> None:
    """Open the lockbox: score a finished RUN on the final period that no sweep has seen.

    The program trains that configuration, and its own default one, on all development data and scores both on
    the lockbox. Every look is recorded with who looked, before anything is shown: figures that have been
    looked at twice are no longer out of sample.
    """
    reader = Reader(home)
    row = reader.run(run)
    if row.state != TrialState.FINISHED:
        raise UsageError(f"run {row.id} is {row.state}: only a finished run can be validated")
    sweep = reader.sweep(row.sweep_id)
    look_id = secrets.token_hex(8)
    with connect(home) as client:
        client.call("look", look_id=look_id, run_id=row.id, who=getpass.getuser())
        configs = {"chosen": row.config, "default": None}
        found = {name: run_on_lockbox(home, sweep, config) for name, config in configs.items()}
        result = {name: _side(home, side, sweep.seed) for name, side in found.items()}
        client.call("looked", look_id=look_id, result=result)
    n_looks = len(reader.looks(sweep.id))
    if as_json:
        print_json({"run": row.id, "looks": n_looks, **result})
        return
    stdout().print(table(_rows(result)))
    click.echo(f"\n{_sentence(result['chosen'], n_looks)}")


def _side(home: Path, side: LockboxRun, seed: int) -> dict[str, Any]:
    """Return what to store of one configuration: its figures, and where its returns are."""
    from sharpen.report import lockbox_figures  # noqa: PLC0415 - numba takes a moment to import

    figures = lockbox_figures(home, side.returns, seed) if side.returns else {}
    return {"metrics": side.metrics, "returns": side.returns, **figures}


def _rows(result: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return one row a figure, one column a configuration."""
    columns = {name: _figures(side) for name, side in result.items()}
    figures = dict.fromkeys(figure for side in columns.values() for figure in side)
    return [
        {"": figure, **{name: side.get(figure, "") for name, side in columns.items()}} for figure in figures
    ]


def _figures(side: Mapping[str, Any]) -> dict[str, str]:
    own: dict[str, str] = {}
    if "sharpe" in side:
        own = {"Sharpe ratio": shown(side["sharpe"]), "95 % interval": _interval(side)}
        own |= {"buy-and-hold's": shown(side["baseline_sharpe"]), "bars": shown(side["n_bars"])}
    return own | {name: shown(value) for name, value in side["metrics"].items()}


def _interval(side: Mapping[str, Any]) -> str:
    low, high = side["interval"]
    return f"{low:+.2f} … {high:+.2f}"


def _sentence(side: Mapping[str, Any], n_looks: int) -> str:
    looks = "This is the first look" if n_looks == 1 else f"This is look {n_looks}"
    if "sharpe" not in side:
        return f"{looks} at this sweep's lockbox."
    if side["interval"][0] > 0:
        claim = f"the Sharpe ratio on the lockbox is above zero (95 % interval {_interval(side)})"
    else:
        claim = f"the lockbox does not tell its Sharpe ratio from zero (95 % interval {_interval(side)})"
    return f"{looks} at this sweep's lockbox: {claim}; buy-and-hold made {side['baseline_sharpe']:.2f}."
