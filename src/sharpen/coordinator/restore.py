"""Rebuilds a sweep's state from rows of the store: what a new host does first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sharpen import optimizers, stoppers
from sharpen.coordinator.lazy_reports import LazyReports, ReportCache, no_garbage
from sharpen.coordinator.live_reports import NONE, LiveReports
from sharpen.errors import MissingExtra, UsageError
from sharpen.hints import Problem, refuse
from sharpen.report_log import ReportLog
from sharpen.spec import Constraint, Metric, Sweep
from sharpen.store.queries import Reader
from sharpen.store.rows import EndedRow, RunRow, SweepRow
from sharpen.sweep import (
    Assessment,
    Configurations,
    Lease,
    LiveRun,
    StoredCheckpoint,
    SweepRules,
    SweepState,
    SweepStatus,
    Trials,
)
from sharpen.sweep.causes import RunCause, SweepCause, is_alike
from sharpen.sweep.imputation import Impute
from sharpen.sweep.out_of_memory import as_searched
from sharpen.sweep.trials import blank
from sharpen.threads import one_thread
from sharpen.trial import FAILURES, Trial, TrialState, finite

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Assess:
    """Turns the last values of the watched metrics into scores, the constraints' violation and the cost.

    A metric that was never logged is not a number, and misses its bound infinitely.

    >>> assess = Assess((Metric("sharpe", "maximize"), Metric("drawdown")), (Constraint("trades", ">=", 30),))
    >>> assess({"sharpe": 1.5, "drawdown": 0.2, "trades": 24})
    Assessment(scores=(1.5, -0.2), violation=0.2, cost=None)
    """

    metrics: tuple[Metric, ...]
    constraints: tuple[Constraint, ...]
    cost_metric: str = ""

    def __call__(self, watched: Mapping[str, float]) -> Assessment:
        """Return the scores, none for a single metric, the violation and the cost."""
        scores = tuple(m.larger_is_better(watched.get(m.name, math.nan)) for m in self.metrics)
        missed = sum(c.violation(watched.get(c.metric, math.nan)) for c in self.constraints)
        cost = watched.get(self.cost_metric, math.nan)
        is_cost = math.isfinite(cost) and cost > 0
        return Assessment(scores if len(scores) > 1 else (), float(missed), cost if is_cost else None)


def rules_for(sweep: Sweep, seed: int, run_cap: int | None) -> SweepRules:
    """Return the rules that a sweep file asks for; from now on linear algebra has one thread in this process.

    Raises:
        SpecError: There is no such method or stop rule, or it does not take these settings.
        MissingExtra: It needs a library that is not installed.
    """
    problems: list[Problem] = []
    optimizer = _made("$.optimizer", problems, optimizers.make, sweep.method, sweep.options, seed)
    stopper = _made("$.early_terminate", problems, stoppers.make, sweep.stop, sweep.metric)
    if optimizer is None or stopper is None:
        raise refuse(f"sweep {sweep.name}", problems)
    one_thread()
    metric, several = sweep.metric, sweep.metrics if len(sweep.metrics) > 1 else ()
    names = [m.name for m in several] + [c.metric for c in sweep.constraints]
    names += [sweep.cost_metric] if sweep.cost_metric else []
    rules = SweepRules(
        space=sweep.space,
        optimizer=optimizer,
        stopper=stopper,
        metric=metric.name,
        seed=seed,
        run_cap=run_cap,
        max_failures=sweep.max_failures,
        max_attempts=sweep.max_attempts,
        time_cap_s=sweep.time_cap_s,
        target=None if metric.target is None else metric.larger_is_better(metric.target),
        prior=sweep.prior,
        resume=sweep.resume,
        impute=Impute() if several else Impute(metric.impute, metric.impute_while_running),
        repeats=sweep.repeats,
        is_slow_search=sweep.method not in optimizers.QUICK,
    )
    if not names:
        return rules
    watched = tuple(dict.fromkeys(names))
    return replace(rules, watched=watched, assess=Assess(several, sweep.constraints, sweep.cost_metric))


def _made(path: str, problems: list[Problem], make: Callable[..., _Made], *arguments: Any) -> _Made | None:
    """Return what is made; None, with the problem noted, where it cannot be."""
    try:
        return make(*arguments)
    except MissingExtra:
        raise
    except UsageError as error:
        problems.append((path, error.message))
        return None


def restore(reader: Reader, row: SweepRow, sweep: Sweep, now: float) -> SweepState:
    """Return the state of a stored sweep; leases get their full time again, from now.

    The reports of runs that have ended stay in the store until somebody wants one.

    Args:
        reader: The store.
        row: The sweep as stored.
        sweep: Its file, parsed.
        now: The coordinator's monotonic seconds.
    """
    rules = rules_for(sweep, row.seed, row.run_cap)
    rules = replace(rules, max_failures=row.max_failures, time_cap_s=row.time_cap_s)
    live = _live_runs(reader, row.id, sweep, rules, now)
    with no_garbage():
        ended = reader.takeover.ended_runs(row.id)
        trials = _ended(sweep, ended, ReportCache(reader, row.id, sweep.metric, rules.resume))
        trials += [one.trial for one in live.values()]
        trials.sort(key=lambda trial: trial.number)
    last_failure, last_cause, n_same_failures, n_failures = _failures(ended, row.n_forgiven)
    deleted = frozenset(run.number for run in ended if run.is_deleted)
    has_repeats = rules.repeats > 1
    return SweepState(
        rules=rules,
        status=SweepStatus(row.status),
        reason=row.reason,
        cause=SweepCause(row.cause),
        trials=Trials.of(trials),
        live=live,
        deleted=deleted,
        is_deleted=row.deleted_at is not None,
        last_failure=last_failure,
        last_cause=last_cause,
        n_same_failures=n_same_failures,
        n_failures=n_failures,
        n_forgiven=row.n_forgiven,
        n_prior=sum(trial.origin == "prior" and trial.repeat_of is None for trial in trials),
        elapsed_s=row.elapsed_s,
        configurations=Configurations.of(trials, rules.repeats) if has_repeats else Configurations(),
    )


def _live_runs(
    reader: Reader, sweep_id: str, sweep: Sweep, rules: SweepRules, now: float
) -> dict[int, LiveRun]:
    runs = reader.live_runs(sweep_id)
    at_work = [run.id for run in runs if _is_leased(run)]
    logged = reader.takeover.last_logged(at_work) if rules.watched else {}
    live_runs: dict[int, LiveRun] = {}
    for run in runs:
        reports = LiveReports(reader, run.id, run.token)
        if _is_leased(run):
            live = _at_work(run, reports, sweep.metric, now + rules.lease_s)
            watched = reports.of_watched(logged.get(run.id, {}), rules.watched)
        else:
            kept_step = _last_kept(run, rules)
            live = _waiting(run, reports, sweep.metric, kept_step)
            watched = reports.watched_up_to(rules.watched, kept_step) if kept_step >= 0 else {}
        live_runs[run.number] = replace(live, trial=as_searched(sweep.space, live.trial), watched=watched)
    return live_runs


def _is_leased(run: RunRow) -> bool:
    return run.state == TrialState.RUNNING and run.agent_id is not None


def _last_kept(run: RunRow, rules: SweepRules) -> int:
    """Return the last step that a run which waits for an agent goes on from."""
    return run.checkpoint["step"] if rules.resume and run.checkpoint is not None else -1


def _at_work(run: RunRow, reports: LiveReports, metric: Metric, deadline: float) -> LiveRun:
    last = reports.reader.takeover.last_value(run.id, run.token)
    resumed = _checkpoint(run.resumed)
    ends = (-1 if last.last_step is None else last.last_step, -1 if resumed is None else resumed.step)
    return LiveRun(
        _trial(run, reports.of_metric(metric, last)),
        Lease(run.agent_id or "", run.lease_key or "", deadline),
        token=run.token,
        lost=run.lost,
        last_step=max(ends),
        stop=run.stop,
        is_canceled=run.is_canceled,
        resumed=resumed,
    )


def _waiting(run: RunRow, reports: LiveReports, metric: Metric, kept_step: int) -> LiveRun:
    logged = NONE
    if kept_step >= 0:
        last = reports.reader.takeover.last_value(run.id, run.token, kept_step)
        logged = reports.of_metric(metric, last)
    return LiveRun(_trial(run, logged), token=run.token, lost=run.lost, resumed=_checkpoint(run.resumed))


def _trial(run: RunRow, reports: ReportLog) -> Trial:
    return Trial(
        run.number,
        run.config,
        TrialState(run.state),
        reports,
        origin=run.origin,
        repeat=run.repeat,
        repeat_of=run.repeat_of,
        parent=run.parent,
        fidelity=run.fidelity,
        checkpoint=_checkpoint(run.checkpoint),
        proposed=run.proposed,
    )


def watched_in(rules: SweepRules, metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return those of a step's metrics that are watched, as numbers."""
    return {name: finite(metrics[name]) for name in rules.watched if name in metrics}


def _checkpoint(stored: Mapping[str, Any] | None) -> StoredCheckpoint | None:
    return None if stored is None else StoredCheckpoint(**stored)


def _ended(sweep: Sweep, rows: Sequence[EndedRow], cache: ReportCache) -> list[Trial]:
    states = {state.value: state for state in TrialState}
    turn = sweep.metric.larger_is_better
    trials = [
        Trial(
            row.number,
            row.config,
            states[row.state],
            LazyReports(cache, row.number),
            None if row.score is None else turn(row.score),
            row.origin,
            _turned(sweep, row.scores) if row.scores != "[]" else (),
            row.violation,
            row.cost,
            row.repeat,
            row.repeat_of,
            row.parent,
            row.fidelity,
            None if row.checkpoint is None else _checkpoint(json.loads(row.checkpoint)),
            row.proposed,
        )
        for row in rows
    ]
    searched = [as_searched(sweep.space, trial) for trial in trials]
    return [blank(trial) if row.is_deleted else trial for trial, row in zip(searched, rows, strict=True)]


def _turned(sweep: Sweep, scores: str) -> tuple[float, ...]:
    pairs = zip(sweep.metrics, json.loads(scores), strict=False)
    return tuple(metric.larger_is_better(float(value)) for metric, value in pairs)


def _failures(rows: Sequence[EndedRow], n_forgiven: int) -> tuple[str, RunCause, int, int]:
    """Return the newest failure's words and cause, how many like it came in a row, and how many in all."""
    last, last_cause, streak, total = "", RunCause.UNSAID, 0, 0
    if not any(row.state in FAILURES for row in rows):
        return last, last_cause, streak, total
    for row in sorted(rows, key=lambda row: (row.ended_at or 0.0, row.number))[n_forgiven:]:
        failed, reason, cause = row.state in FAILURES, row.reason, RunCause(row.cause)
        streak = streak + 1 if failed and is_alike(cause, reason, last_cause, last) else int(failed)
        last, last_cause = (reason, cause) if failed else ("", RunCause.UNSAID)
        total += failed
    return last, last_cause, streak, total
