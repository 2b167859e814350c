"""The Pareto front of a sweep of several metrics: what ``sharpen best`` shows of it."""

from __future__ import annotations

import shlex
from typing import Any

from sharpen import spec
from sharpen.cli.printing import print_json, shown, stdout, table
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.trial import TrialState
from sharpen.views.snapshot import Snapshot


def print_front(now: Snapshot, as_json: bool) -> None:
    """Print the runs that no other beats in every metric, the best in the first metric first."""
    metric = now.metric
    runs = sorted(now.front, key=lambda run: metric.larger_is_better(run.scores[0]), reverse=True)
    if as_json:
        print_json([_facts(now, run) for run in runs])
        return
    differ = varying(runs)
    rows = [
        {"run": run.id, **scores(now, run), **{name: run.config.get(name) for name in differ}} for run in runs
    ]
    stdout().print(table(rows))
    choice = shlex.join(["sharpen", "best", now.sweep.id, "--run", runs[0].id])
    echo(f"\none of them, and the command that repeats it: {choice}")
    echo(f"are they real? {same_store(f'sharpen report {now.sweep.id}')}", err=True)


def scores(now: Snapshot, run: RunRow) -> dict[str, float | None]:
    """Return every metric of a sweep as a run ended with it."""
    values = run.scores or (run.score,)
    return {metric.name: value for metric, value in zip(now.spec.metrics, values, strict=False)}


def varying(runs: list[RunRow]) -> list[str]:
    """Return the names of the parameters in which runs differ; all for one run."""
    names = list(dict.fromkeys(name for run in runs for name in run.config))
    if len(runs) == 1:
        return names
    return [name for name in names if any(run.config.get(name) != runs[0].config.get(name) for run in runs)]


def chosen(reader: Reader, now: Snapshot, word: str) -> RunRow:
    """Return the finished run of a sweep that a word names: its id, or its number.

    Raises:
        NotFound: There is no such run.
        UsageError: It is another sweep's, or has not finished.
    """
    run = reader.run(f"{now.sweep.id}-{word}" if word.isdecimal() else word)
    if run.sweep_id != now.sweep.id:
        raise UsageError(f"run {run.id} is not of sweep {now.sweep.id}")
    if run.state != TrialState.FINISHED:
        raise UsageError(f"run {run.id} is {run.state}: choose one that has finished")
    return run


def headline(now: Snapshot, run: RunRow) -> str:
    """Return a run and its metrics in a line, and which constraints it broke."""
    values = ", ".join(f"{name} {shown(value) or 'infeasible'}" for name, value in scores(now, run).items())
    broke = now.broke(run)
    return f"run {run.id}: {values}{f' (broke {broke})' if broke else ''}"


def _facts(now: Snapshot, run: RunRow) -> dict[str, Any]:
    command = spec.command_line(now.spec, run.config, seed_of(now.sweep, run))
    return {"run": run.id, "scores": scores(now, run), "config": run.config, "command": command}
