"""From rows in the store to a sweep's state: what a new host does first."""

from __future__ import annotations

from collections.abc import Sequence

from sharpen import optimizers, stoppers
from sharpen.errors import UsageError
from sharpen.spec import Resources, Sweep
from sharpen.store.queries import Reader, ReportRow, RunRow, SweepRow
from sharpen.sweep import Lease, Live, Rules, SweepState, SweepStatus
from sharpen.trial import Report, Trial, TrialState


def rules_for(sweep: Sweep, seed: int, run_cap: int | None) -> Rules:
    """Return the rules that a sweep file asks for.

    Raises:
        UsageError: The method or the stop rule cannot be had.
    """
    _refuse_unfinished(sweep)
    return Rules(
        space=sweep.space,
        optimizer=optimizers.make(sweep.method, sweep.options, seed=seed),
        stopper=stoppers.make(sweep.stop, sweep.metric),
        metric=sweep.metric.name,
        seed=seed,
        run_cap=run_cap,
    )


def _refuse_unfinished(sweep: Sweep) -> None:
    """Refuse what a sweep file may say and the engine does not do yet, rather than leave it out.

    Raises:
        UsageError: With every such key.
    """
    asked = {
        "metrics": len(sweep.metrics) > 1,
        "metric.target": sweep.metric.target is not None,
        "constraints": bool(sweep.constraints),
        "prior": bool(sweep.prior),
        "repeats": sweep.repeats != 1,
        "max_failures": sweep.max_failures is not None,
        "time_cap": sweep.time_cap_s is not None,
        "resume": sweep.resume,
        "resources": sweep.resources != Resources(),
    }
    keys = [f"$.{key}" for key, is_asked in asked.items() if is_asked]
    if keys:
        raise UsageError(f"{', '.join(keys)}: read, but not done yet: leave them out")


def restore(reader: Reader, row: SweepRow, sweep: Sweep, now: float) -> SweepState:
    """Return the state of a stored sweep; leases get their full time again, from now.

    Args:
        reader: The store.
        row: The sweep as stored.
        sweep: Its file, parsed.
        now: The coordinator's monotonic seconds.
    """
    reports: dict[str, list[Report]] = {}
    last_steps: dict[str, int] = {}
    for report in reader.reports(sweep_id=row.id):
        last_steps[report.run_id] = report.step
        if report.has_metric:
            reports.setdefault(report.run_id, []).append(_report(sweep, report))
    rules = rules_for(sweep, row.seed, row.run_cap)
    runs = reader.runs(row.id)
    live = {
        run.number: _live(run, reports.get(run.id, []), last_steps.get(run.id, -1), now + rules.lease_s)
        for run in runs
        if not TrialState(run.state).is_final
    }
    done = [run for run in runs if TrialState(run.state).is_final]
    as_they_ended = sorted(done, key=lambda run: (run.ended_at or 0.0, run.number))
    last_failure, n_same_failures = _failures(as_they_ended[row.n_forgiven :])
    return SweepState(
        rules=rules,
        status=SweepStatus(row.status),
        reason=row.reason,
        live=live,
        ended=tuple(_ended(sweep, run, reports.get(run.id, [])) for run in done),
        last_failure=last_failure,
        n_same_failures=n_same_failures,
        n_forgiven=row.n_forgiven,
    )


def _report(sweep: Sweep, row: ReportRow) -> Report:
    return Report(row.step, sweep.metric.larger_is_better(row.value))


def _live(run: RunRow, reports: Sequence[Report], last_step: int, deadline: float) -> Live:
    state = TrialState(run.state)
    is_leased = state is TrialState.RUNNING and run.agent_id is not None
    trial = Trial(run.number, run.config, state, tuple(reports) if is_leased else (), origin=run.origin)
    lease = Lease(run.agent_id, run.lease_key or "", deadline) if is_leased and run.agent_id else None
    return Live(
        trial,
        lease,
        token=run.token,
        lost=run.lost,
        last_step=last_step if is_leased else -1,
        stop=run.stop if is_leased else "",
    )


def _ended(sweep: Sweep, run: RunRow, reports: Sequence[Report]) -> Trial:
    score = None if run.score is None else sweep.metric.larger_is_better(run.score)
    return Trial(run.number, run.config, TrialState(run.state), tuple(reports), score, run.origin)


def _failures(done: Sequence[RunRow]) -> tuple[str, int]:
    """Return the last words of the newest failure and how often they came in a row."""
    last, count = "", 0
    for run in done:
        failed = run.state in (TrialState.FAILED, TrialState.CRASHED)
        count = count + 1 if failed and run.reason == last else int(failed)
        last = run.reason if failed else ""
    return last, count
