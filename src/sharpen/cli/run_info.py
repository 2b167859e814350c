"""What is known of one run, whatever became of it: ``sharpen info RUN``."""

from __future__ import annotations

import time
from typing import Any

from sharpen.cli.printing import (
    first_names,
    print_files,
    print_json,
    print_pairs,
    print_values,
    shown,
    when,
)
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.facts import RunFacts
from sharpen.hints import duration
from sharpen.permutation_null import PermutationTest
from sharpen.store.queries import Reader
from sharpen.store.rows import shown_state
from sharpen.views.run_details import RunDetails


def print_run(reader: Reader, run_id: str, as_json: bool) -> None:
    """Print a run: where it stands, its configuration, what it logged last, and the files kept with it."""
    details = RunDetails.read(reader, run_id)
    run, facts, test = details.run, _facts(details), PermutationTest.of(details.run.summary)
    if as_json:
        more = {"permuted": test.figures()} if test else {}
        all_of_it = {"config": run.config, "metrics": details.metrics, "summary": run.summary}
        print_json(facts | more | all_of_it | {"artifacts": details.artifacts})
        return
    code = RunFacts.of_summary(run.summary).code
    began, ended = run.started_at, run.ended_at or time.time()
    facts |= {"time_s": duration(max(0.0, ended - began)) if began else "", "tags": first_names(run.tags)}
    facts |= {"scores": "" if len(details.scores) < 2 else _scores_line(details.scores)}
    facts |= {"broke": ", ".join(details.broke), "permuted": test.summary if test else ""}
    facts |= {"program_files": first_names(f"{file} {digest}" for file, digest in code.items())}
    print_pairs(facts)
    print_values("parameter", run.config)
    print_values("metric", details.metrics)
    print_files(details.artifacts)
    echo(f"\nwhat it printed: {same_store(f'sharpen logs {run.id}')}", err=True)


def _facts(details: RunDetails) -> dict[str, Any]:
    run = details.run
    return {
        "run": run.id,
        "sweep": run.sweep_id,
        "number": run.number,
        "state": shown_state(run),
        "reason": run.reason,
        "score": run.score,
        "scores": details.scores,
        "broke": details.broke,
        "cost": run.cost,
        "steps": details.n_steps,
        "seed": details.seed,
        "origin": run.origin,
        "parent": run.parent,
        "fidelity": run.fidelity,
        "repeat_of": run.repeat_of,
        "agent": run.agent_id,
        "host": details.host,
        "attempts": run.token,
        "exit_code": run.exit_code,
        "created": when(run.created_at),
        "started": when(run.started_at),
        "ended": when(run.ended_at),
        "time_s": details.time_s,
        "tags": list(run.tags),
        "note": run.note,
    }


def _scores_line(scores: dict[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in scores.items())
