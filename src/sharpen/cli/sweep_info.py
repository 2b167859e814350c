"""What is known of one sweep: ``sharpen info SWEEP``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from sharpen import spec
from sharpen.cli.printing import print_json, print_pairs, shown, when
from sharpen.cli.terminal import echo
from sharpen.hints import duration
from sharpen.permutation_null import PermutationTest
from sharpen.store.configurations import configurations
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow, shown_state
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.views.dead_agents import lost_as_waiting, status_of
from sharpen.views.limited_projects import limited_projects
from sharpen.views.violations import counts, violations


def print_sweep(reader: Reader, sweep_id: str, as_json: bool) -> None:
    """Print a sweep: where it stands, its file, and how its runs ended."""
    row = reader.sweep(sweep_id)
    read = spec.parse(row.spec, where=row.source)
    runs = lost_as_waiting(reader, row.id, reader.runs(row.id))
    facts: dict[str, Any] = {
        "sweep": row.id,
        "name": row.name,
        "status": status_of(reader, row),
        "reason": row.reason,
        "waits": limited_projects(reader).get(row.project) if SweepStatus(row.status).is_open else None,
        "runs": dict(sorted(Counter(shown_state(run) for run in runs).items())),
        **(_of_repeats(reader, row, read.repeats) if read.repeats > 1 else {}),
        "deleted": row.n_deleted,
        "run_cap": row.run_cap,
        "max_failures": row.max_failures,
        "time_cap_s": row.time_cap_s,
        "elapsed_s": round(row.elapsed_s, 1),
        "seed": row.seed,
        "file": row.source,
        "folder": row.workdir,
        "created": when(row.created_at),
        "ended": when(row.ended_at) or None,
        "lockbox_looks": len(reader.lockbox_openings(row.id)),
        "tags": ", ".join(row.tags),
        "note": row.note,
        "store": str(reader.home),
    } | _constraints(reader, row, read.constraints)
    tests = {run.id: PermutationTest.of(run.summary) for run in runs}
    facts |= {"permuted": {run: test.figures() for run, test in tests.items() if test}}
    if as_json:
        print_json(facts | {"spec": row.spec})
        return
    facts["permuted"] = "; ".join(f"{run}: {test.summary}" for run, test in tests.items() if test)
    if "broke" in facts:
        n = row.n_runs.get(TrialState.FINISHED, 0)
        facts["broke"] = ", ".join(f"{name}: {k} of {n} finished" for name, k in facts["broke"].items())
    facts |= {name: _length(facts[name]) for name in ("time_cap_s", "elapsed_s")}
    facts |= {"deleted": row.n_deleted or None}
    print_pairs({name: _counts(value) for name, value in facts.items()})
    echo(f"\n{row.spec.rstrip()}")


def _constraints(reader: Reader, sweep: SweepRow, constraints: Sequence[spec.Constraint]) -> dict[str, Any]:
    """Return how many finished runs broke each constraint; nothing for a sweep without one."""
    if not constraints:
        return {}
    runs = reader.runs(sweep.id)
    return {"broke": counts(runs, violations(reader, runs, constraints), constraints)}


def _of_repeats(reader: Reader, sweep: SweepRow, repeats: int) -> dict[str, Any]:
    """Return how many runs a configuration gets, and how many configurations are in each state."""
    grouped = configurations(reader.runs(sweep.id, deleted=True), repeats)
    return {"repeats": repeats, "configurations": dict(Counter(one.row.state for one in grouped))}


def _counts(value: Any) -> str:
    """Return a fact as people read it; numbers by state as ``2 finished, 1 stopped``."""
    if not isinstance(value, dict):
        return shown(value)
    return ", ".join(f"{n} {state}" for state, n in cast("dict[str, int]", value).items())


def _length(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)
