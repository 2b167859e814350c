"""The verbs that put runs into the queue and show it: queue, rerun."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click

from sharpen import spec
from sharpen.cli.printing import json_option, print_rows
from sharpen.cli.resolve import opened
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.errors import SharpenError, UsageError
from sharpen.hints import join, refuse
from sharpen.regular_file import read_input
from sharpen.spec import document
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.sweep.queued_configs import complete_all
from sharpen.trial import FAILURES, TrialState
from sharpen.views.dead_agents import has_agents, lost_as_waiting
from sharpen.wire import Client

Point = Mapping[str, Any]
AT_ONCE = 500  # points in one request
MOST_VALUES = 5_000_000  # in a file of points


@click.command()
@click.argument("sweep")
@click.option(
    "--add", "texts", multiple=True, metavar="JSON", help="A configuration to try; may be repeated."
)
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configurations to try: a list as YAML or JSON, or one JSON object a line (.jsonl).",
)
@json_option
@click.pass_obj
def queue(home: Path, sweep: str, texts: Sequence[str], file: Path | None, as_json: bool) -> None:
    """Show which runs of a sweep wait and what comes after them; or add known-good points.

    'origin' says where a run's configuration came from: the method, 'prior' in the sweep file, 'queued' here,
    or 'rerun'; 'leases' how often an agent has taken the run.

    Points that are added go before whatever the method would propose, in order, and the method learns from
    them as from its own. Each is checked against the sweep's space; parameters that are left out get the
    middle of their range. When one of them is wrong, none is added. The new runs' ids go to stdout. A run cap
    that leaves no room grows by as much as is needed.

    \b
      sharpen queue last
      sharpen queue last --add '{"max_depth": 5, "learning_rate": 0.1}'
      sharpen queue last --file winners.yaml
    """
    points = [_mapping(_json(text), f"--add {text}") for text in texts] + (_read(file) if file else [])
    if not points:
        reader = Reader(home)
        _show(reader, reader.sweep(sweep), as_json)
        return
    with opened(home) as (client, reader):
        row = reader.sweep(sweep)
        answer = _add(client, row, points)
        _say(reader, row, answer, as_json)


def _add(client: Client, sweep: SweepRow, points: Sequence[Point]) -> Mapping[str, Any]:
    """Add points in portions, so that agents are answered in between; all are checked before the first."""
    complete_all(spec.parse(sweep.spec, where=sweep.source).space, points)
    key = secrets.token_hex(16)
    runs: list[str] = []
    answer: Mapping[str, Any] = {}
    for start in range(0, len(points), AT_ONCE):
        portion = points[start : start + AT_ONCE]
        try:
            answer = client.call("add", sweep_id=sweep.id, key=f"{key}-{start}", points=portion)
        except SharpenError:
            if runs:
                echo(f"{len(runs)} of {len(points)} points have been added before this", err=True)
            raise
        runs += answer["runs"]
    return {**answer, "runs": runs}


@click.command()
@click.argument("run_or_sweep")
@click.option("--failed", is_flag=True, help="All runs of a sweep that failed or crashed, each once.")
@json_option
@click.pass_obj
def rerun(home: Path, run_or_sweep: str, failed: bool, as_json: bool) -> None:
    """Try a run's configuration once more, as a run of its own; or those of all runs that failed.

    The new one has a number of its own and remembers which it repeats; its id goes to stdout. The program
    gets the same seed, so a program that keeps to it gives the same figures. With 'repeats' in the sweep file
    it belongs to no configuration: neither the search method nor 'best' nor the report counts it.

    \b
      sharpen rerun last-3
      sharpen rerun last --failed
    """
    with opened(home) as (client, reader):
        runs = _failed(reader, reader.sweep(run_or_sweep)) if failed else [reader.run(run_or_sweep)]
        if not runs:
            echo(
                f"no run of sweep {reader.sweep(run_or_sweep).id} has failed and was not run again", err=True
            )
            return
        row = reader.sweep(runs[0].sweep_id)
        answers = [client.call("rerun", run_id=run.id, key=secrets.token_hex(16)) for run in runs]
        _say(
            reader,
            row,
            answers[-1] | {"runs": [new for answer in answers for new in answer["runs"]]},
            as_json,
        )


def _failed(reader: Reader, sweep: SweepRow) -> list[RunRow]:
    """Return the runs that failed or crashed and were not run again since."""
    runs = reader.runs(sweep.id)
    again = {run.parent for run in runs if run.origin == "rerun"}
    return [run for run in runs if run.state in FAILURES and run.number not in again]


def _say(reader: Reader, before: SweepRow, answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        echo(json.dumps(answer["runs"]))
    else:
        echo("\n".join(answer["runs"]))
    cap, status = answer["run_cap"], answer["status"]
    if before.run_cap is not None and cap > before.run_cap:
        echo(f"the run cap grew from {before.run_cap} to {cap}", err=True)
    if status != SweepStatus.RUNNING:
        echo(
            f"sweep {before.id} is {status}; work on it: {same_store(f'sharpen resume {before.id}')}",
            err=True,
        )
    elif not has_agents(reader, before.id):
        to_take_it = same_store(f"sharpen agent {before.id}")
        echo(f"sweep {before.id} is idle; an agent would take it: {to_take_it}", err=True)


def _show(reader: Reader, sweep: SweepRow, as_json: bool) -> None:
    live = lost_as_waiting(reader, sweep.id, reader.live_runs(sweep.id))
    waiting = [run for run in live if run.state == TrialState.PENDING]
    rows = [_row(run, as_json) for run in waiting]
    print_rows(rows, as_json, f"no run of sweep {sweep.id} waits")
    echo(_next(sweep, len(waiting)), err=True)


def _row(run: RunRow, as_json: bool) -> dict[str, Any]:
    config = run.config if as_json else json.dumps(run.config)
    row = {"run": run.id, "origin": run.origin, "parent": run.parent, "leases": run.token}
    return row | {"config": config, "why": run.reason}


def _next(sweep: SweepRow, n_waiting: int) -> str:
    """Return what comes when the queue is empty."""
    n_left = None if sweep.run_cap is None else sweep.run_cap - sweep.n_created
    if sweep.status != SweepStatus.RUNNING:
        way_on = same_store(f"sharpen resume {sweep.id}")
        sentence = f"sweep {sweep.id} is {sweep.status}: nothing begins until '{way_on}'"
        if n_waiting or n_left is None or n_left > 0:
            return sentence
        return (
            f"{sentence[:-1]} --trials N', where N is above its run cap of {sweep.run_cap}, which is reached"
        )
    then = "then" if n_waiting else "next"
    read = spec.parse(sweep.spec, where=sweep.source)
    method = read.method if read.repeats == 1 else f"{read.method} (each {read.repeats} times)"
    source = "whatever is added" if read.method == "queued" else f"whatever method {method} proposes"
    if n_left is None:
        return f"{then}: {source}, without a cap"
    if n_left <= 0:
        return f"{then}: nothing, the run cap of {sweep.run_cap} is reached"
    return f"{then}: {source}, {n_left} more under the run cap of {sweep.run_cap}"


def _read(file: Path) -> list[Point]:
    """Return the configurations of a file."""
    try:
        text = read_input(file, document.LARGEST_TEXT_BYTES)
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"{file} cannot be read as text: {problem}") from problem
    if file.suffix == ".jsonl":
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_mapping(_json(line), f"{file}, line {n}") for n, line in lines]
    value, problems, _ = document.read(text, str(file), MOST_VALUES)
    if problems:
        raise refuse(str(file), problems)
    rows = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not rows:
        raise UsageError(f"{file}: there is no configuration in it")
    return [_mapping(row, f"{file}, entry {n}") for n, row in enumerate(rows, 1)]


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except ValueError as problem:
        raise UsageError(f"{text!r} is not JSON: {problem}") from problem


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [name for name, _ in pairs]
        twice = join(repr(name) for name in mapping if names.count(name) > 1)
        raise UsageError(f"{twice} is given twice in one configuration: keep one")
    return mapping


def _mapping(value: Any, where: str) -> Point:
    if not isinstance(value, dict):
        raise UsageError(f'{where}: a configuration is a mapping such as {{"max_depth": 5}}, not {value!r}')
    return cast("Point", value)
