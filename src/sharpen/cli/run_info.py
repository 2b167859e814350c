"""What is known of one run, whatever became of it: ``sharpen info RUN``."""

from __future__ import annotations

import time
from typing import Any

from sharpen.cli.live import Snapshot
from sharpen.cli.printing import duration, print_json, print_pairs, shown, stdout, table, when
from sharpen.cli.resolve import as_they_are
from sharpen.cli.terminal import echo
from sharpen.facts import RunFacts
from sharpen.permutation_null import PermutationTest
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow


def print_run(reader: Reader, run_id: str, as_json: bool) -> None:
    """Print a run: where it stands, its configuration, what it logged last, and the files kept with it."""
    run = reader.run(run_id)
    now = Snapshot(reader, run.sweep_id)
    [run] = as_they_are(reader, run.sweep_id, [run])
    metrics = reader.long_runs.last_metrics(run.id)
    artifacts = {file.name: str(file.path) for file in reader.artifacts(run_id=run.id)}
    facts, test = _facts(now, run, _host(reader, run)), PermutationTest.of(run.summary)
    code = RunFacts.of_summary(run.summary).code
    if as_json:
        more = {"permuted": test.figures()} if test else {}
        all_of_it = {"config": run.config, "metrics": metrics, "summary": run.summary}
        print_json(facts | more | all_of_it | {"artifacts": artifacts})
        return
    began, ended = run.started_at, run.ended_at or time.time()
    facts |= {"time_s": duration(max(0.0, ended - began)) if began else "", "tags": ", ".join(run.tags)}
    facts |= {"scores": "" if len(facts["scores"]) < 2 else _words(facts["scores"])}
    facts |= {"broke": ", ".join(facts["broke"]), "permuted": test.words if test else ""}
    facts |= {"program_files": ", ".join(f"{file} {digest}" for file, digest in code.items())}
    print_pairs(facts)
    for what, pairs in (("parameter", run.config), ("metric", metrics)):
        if pairs:
            echo("")
            stdout().print(table([{what: name, "value": shown(value)} for name, value in pairs.items()]))
    for name, path in artifacts.items():
        echo(f"\n{name}: {path}", nl=False)
    echo("\n" if artifacts else "", nl=False)
    echo(f"\nwhat it printed: sharpen logs {run.id}", err=True)


def _facts(now: Snapshot, run: RunRow, host: str | None) -> dict[str, Any]:
    values = run.scores or (run.score,)
    named = zip(now.spec.metrics, values, strict=False)
    return {
        "run": run.id,
        "sweep": run.sweep_id,
        "number": run.number,
        "state": run.state,
        "reason": run.reason,
        "score": run.score,
        "scores": {metric.name: value for metric, value in named},
        "broke": [violation.words for violation in now.violations.get(run.number, ())],
        "cost": run.cost,
        "steps": now.progress.get(run.id, (0, None))[0],
        "seed": seed_of(now.sweep, run),
        "origin": run.origin,
        "parent": run.parent,
        "fidelity": run.fidelity,
        "repeat_of": run.repeat_of,
        "agent": run.agent_id,
        "host": host,
        "attempts": run.token,
        "exit_code": run.exit_code,
        "created": when(run.created_at),
        "started": when(run.started_at),
        "ended": when(run.ended_at),
        "time_s": run.ended_at - run.started_at if run.ended_at and run.started_at else None,
        "tags": list(run.tags),
        "note": run.note,
    }


def _host(reader: Reader, run: RunRow) -> str | None:
    """Return the machine of the agent that had a run last."""
    return next((host for name, host, *_ in reader.agents(run.sweep_id) if name == run.agent_id), None)


def _words(scores: dict[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in scores.items())
