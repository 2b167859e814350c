"""Runs of no sweep, as ``sharpen runs --project`` and ``sharpen info`` show them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sharpen.cli.printing import (
    first_names,
    print_files,
    print_json,
    print_pairs,
    print_rows,
    print_values,
    when,
)
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.errors import NotFound, UsageError
from sharpen.hints import duration
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun, shown_state
from sharpen.trial import TrialState
from sharpen.wire.processes import is_dead

SHOWN_TO_PROGRAMS = ("n_lines", "n_reports", "is_broken")
HIDDEN = ("lease_key", "pid", "born", "heartbeat_at", "token", "stop")


def print_project(
    reader: Reader, project: str, as_json: bool, states: Sequence[str], tag: str | None, deleted: bool
) -> None:
    """Print the runs of a project, those of its sweeps among them.

    Raises:
        NotFound: There is no such project.
    """
    if deleted:
        raise UsageError("runs: --deleted lists those of a sweep: say SWEEP in place of --project")
    names = [one.name for one in reader.tracked.projects()]
    if project not in names:
        projects_there = f"there are: {', '.join(names)}" if names else "there is none yet"
        raise NotFound(f"no project {project!r} in {reader.home}; {projects_there}")
    runs = [_as_it_is(run) for run in reader.tracked.runs(project)]
    runs = [run for run in runs if tag is None or tag in run.tags]
    runs = [run for run in runs if not states or run.state in states]
    if as_json:
        print_json([_facts(reader, run) for run in runs])
        return
    rows = [
        {
            "run": run.id,
            "name": run.display_name,
            "group": run.group_name,
            "sweep": run.sweep_id or "",
            "state": shown_state(run),
            "rows": run.n_lines,
            "tags": ", ".join(run.tags),
            "created": when(run.created_at),
        }
        for run in runs
    ]
    print_rows(rows, as_json, f"no run of project {project} is so")


def print_tracked_run(reader: Reader, run: TrackedRun, as_json: bool) -> None:
    """Print a run of no sweep: where it stands, its configuration, and what it logged last."""
    run = _as_it_is(run)
    facts = _facts(reader, run)
    if as_json:
        print_json(facts)
        return
    tables = {name: facts.pop(name) for name in ("config", "metrics", "summary")}
    files: dict[str, str] = facts.pop("artifacts")
    facts["time_s"] = "" if facts["time_s"] is None else duration(facts["time_s"])
    facts |= {"rows": run.n_lines}
    for name in SHOWN_TO_PROGRAMS:
        del facts[name]
    print_pairs(facts | {"tags": first_names(run.tags)})
    for heading, values in tables.items():
        print_values(heading, values)
    print_files(files)
    echo(f"\nwhat it printed: {same_store(f'sharpen logs {run.id}')}", err=True)


def _facts(reader: Reader, run: TrackedRun) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(run).items() if name not in HIDDEN}
    facts["run"] = facts.pop("id")
    began = run.started_at or run.created_at
    facts |= {"time_s": max(0.0, (run.ended_at or time.time()) - began)}
    facts |= {name: when(facts[name]) or None for name in ("created_at", "started_at", "ended_at")}
    for name in ("config", "summary"):  # what the W&B client keeps there for itself stays unseen
        facts[name] = {key: value for key, value in facts[name].items() if not key.startswith("_")}
    facts["metrics"] = reader.tracked.last_values(run.id)
    facts["metrics"] = {key: value for key, value in facts["metrics"].items() if not key.startswith("_")}
    facts["artifacts"] = {file.name: str(file.path) for file in reader.artifacts(run_id=run.id)}
    return facts


def _as_it_is(run: TrackedRun) -> TrackedRun:
    """Return a run, as crashed when its process is no more, which nobody may have written down yet."""
    if run.state == TrialState.RUNNING and run.pid and is_dead(run.pid, run.born or ""):
        return replace(run, state=TrialState.CRASHED, reason=f"its process {run.pid} died")
    return run
