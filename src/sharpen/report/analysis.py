"""From a store to everything that a report shows of a sweep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from sharpen import spec
from sharpen.arrays import Floats
from sharpen.facts import (
    BEST_TRADES,
    FOLD_BASELINE,
    BarsFacts,
    DataNote,
    RunFacts,
)
from sharpen.jsonable import number as as_number
from sharpen.overfit import Judgement
from sharpen.permutation_null import PermutationTest
from sharpen.report import cautions
from sharpen.report.lockbox import read_look
from sharpen.report.memory import about_memory
from sharpen.report.model import (
    Analysis,
    DataFacts,
    Entry,
    Estimate,
    HistoryPoint,
    Look,
    Performance,
)
from sharpen.report.policies import find_policy
from sharpen.report.returns import ReturnsVerdict, estimated, find, performance, yearly
from sharpen.report.training_gap import gap_metrics, training_gap
from sharpen.spec import Metric, Sweep
from sharpen.store.configurations import Configuration, configurations, undeleted
from sharpen.store.queries import Reader
from sharpen.store.rows import OpeningRow, ReportRow, RunRow, SweepRow
from sharpen.trial import FAILURES, TrialState, leaders, ranked, spent
from sharpen.views import aggregates
from sharpen.views.family import family
from sharpen.views.pareto_front import pareto_front
from sharpen.views.permuted_search import PermutedSearch, permuted_search
from sharpen.views.returns import Series, ensembles, partly_kept, read_series
from sharpen.views.scrutiny import Scrutiny, neighbours_of, scrutinise
from sharpen.views.violations import Violations, counts, none_kept, violations

ENDED = (TrialState.FINISHED, TrialState.STOPPED)
NO_METRIC = "the sweep file names no metric, so its runs are not ranked"
Key = TypeVar("Key", str, int)


def analyse(reader: Reader, sweep: SweepRow) -> Analysis:
    """Return everything that a report shows of a sweep: finished or not, feasible or not, empty or not.

    The same store gives the same analysis: bootstraps draw from streams of the sweep's seed.

    Args:
        reader: The store.
        sweep: The sweep, as the reader returns it.

    Raises:
        SpecError: The stored sweep file cannot be read by this version.
    """
    parsed = spec.parse(sweep.spec, where=sweep.source)
    ever = reader.runs(sweep.id, deleted=True)
    runs = [run for run in ever if run.deleted_at is None]
    reports, long = reader.long_runs.thinned_reports(sweep.id)
    logged, last = _by_run(reports), reader.tracked.last_of_all(sorted(long))
    fold_metric = aggregates.fold_metric(parsed.metric, reports) or parsed.metric.name
    groups = configurations(ever, parsed.repeats)
    entries = [_entry(group, logged, fold_metric, parsed, last) for group in groups]
    stored = reader.artifacts(sweep_id=sweep.id, deleted=True)
    by_run, unusable = read_series(stored, {run.id: run.number for run in ever})
    series, differing = ensembles(by_run, groups)

    broken = violations(reader, runs, parsed.constraints)
    ranked = estimated(_ranked(entries, parsed.metric), series, sweep.seed)
    best = ranked[0] if ranked and ranked[0].state is TrialState.FINISHED else None
    finding, search = _finding(reader, sweep, parsed, best, ever, by_run)
    if best is not None:
        ranked = (best := _judged(best, finding.judgement), *ranked[1:])
    else:
        finding = _explained(finding, none_kept(groups, broken, parsed.constraints), parsed)

    scoreless, failed = _those(entries, _is_scoreless), _those(entries, lambda e: e.state in FAILURES)
    infeasible, unranked = (scoreless, ()) if parsed.has_metric else ((), scoreless)
    unfinished = _those(entries, lambda e: not e.state.is_final)
    run_facts = [RunFacts.of_summary(run.summary) for run in runs]
    data, versions = _data(run_facts), _versions(run_facts)
    lockboxes = {facts.lockbox.digest for facts in run_facts if facts.lockbox.digest}
    looks, elsewhere = _looks(reader, sweep, lockboxes)
    steps = tuple(sorted({step for entry in ranked for step in entry.steps}))
    gap_names = gap_metrics(parsed.metric.name)
    warnings = [
        *cautions.about_sweep(sweep, sum(TrialState(run.state).is_final for run in runs), len(runs)),
        *cautions.about_repeats(sweep, unfinished, len(runs) - sum(len(g.runs) for g in groups), differing),
        *cautions.about_seeds(partly_kept(by_run, groups)),
        *cautions.about_deleted(len(ever) - len(runs)),
        *cautions.about_other_instruments(finding.judgement),
        *cautions.about_data(data, versions),
        *cautions.about_code({run.number: facts.code for run, facts in zip(runs, run_facts, strict=True)}),
        *cautions.about_lockbox(lockboxes, looks, elsewhere),
        *cautions.about_constraints(counts(runs, broken, parsed.constraints), runs),
        *cautions.about_runs(infeasible, failed, entries),
        *about_memory(runs),
        *cautions.about_kept(len(by_run), sum(run.started_at is not None for run in ever)),
        *cautions.about_returns(unusable, finding.left_out, len(ranked)),
        *cautions.about_best(best, parsed.space),
    ]
    return Analysis(
        sweep=sweep,
        spec=parsed,
        ranked=ranked,
        broken=tuple(sorted(_those(entries, _breaks_constraint), key=lambda e: (e.run.violation, e.number))),
        broke=_broke(groups, broken),
        front=_front(ranked, parsed.metrics),
        infeasible=infeasible,
        unranked=unranked,
        failed=failed,
        canceled=_those(entries, lambda e: e.state is TrialState.CANCELED),
        unfinished=unfinished,
        best=best,
        fold_metric=fold_metric,
        steps=steps,
        fold_values=_matrix(ranked, steps),
        baseline_steps=_baseline_steps(best, logged),
        history=_history(entries, parsed.metric),
        gap=training_gap(ranked, gap_names),
        gap_metrics=gap_names,
        series=series,
        scrutiny=_scrutiny(best, groups, series, parsed),
        bars_per_year=yearly(_series_of(best, series)),
        judgement=finding.judgement,
        performance=_performance(_series_of(best, series)),
        data=data,
        versions=versions,
        cautions=tuple(warnings),
        looks=looks,
        looks_elsewhere=elsewhere,
        permutations=_permutations(runs),
        search=search,
    )


def _finding(
    reader: Reader,
    sweep: SweepRow,
    parsed: Sweep,
    best: Entry | None,
    ever: Sequence[RunRow],
    by_run: Mapping[int, Series],
) -> tuple[ReturnsVerdict, PermutedSearch | None]:
    """Return the verdict, on returns or on what a policy saved, and the whole search on permuted bars."""
    search = permuted_search(reader.home, sweep, parsed.metric, None if best is None else best.run.score)
    tried = family(reader, sweep, ever)
    if by_run:
        return find(best, *_tried(ever, by_run, parsed), tried, search), search
    return find_policy(reader, best, ever, parsed, tried) or find(best, (), {}, tried, search), search


def _scrutiny(
    best: Entry | None, groups: Sequence[Configuration], series: Mapping[int, Series], parsed: Sweep
) -> Scrutiny | None:
    best_series = _series_of(best, series)
    if best is None or best_series is None:
        return None
    winner = next(group for group in groups if group.row.number == best.number)
    share = best.metrics.get(BEST_TRADES, math.nan)
    return scrutinise(best_series, winner, share, neighbours_of(winner, groups, parsed.space, parsed.metric))


def _broke(groups: Sequence[Configuration], broken: Violations) -> dict[int, str]:
    """Return the constraints that each configuration broke, in words and once, by its first run's number."""
    sentences = {
        g.row.number: dict.fromkeys(v.sentence for run in g.runs for v in broken.get(run.number, ()))
        for g in groups
    }
    return {number: ", ".join(broken_ones) for number, broken_ones in sentences.items() if broken_ones}


def _permutations(runs: Sequence[RunRow]) -> tuple[tuple[int, PermutationTest], ...]:
    tests = ((run.number, PermutationTest.of(run.summary)) for run in runs)
    return tuple((number, test) for number, test in tests if test is not None)


def _looks(
    reader: Reader, sweep: SweepRow, lockboxes: set[str]
) -> tuple[tuple[Look, ...], tuple[OpeningRow, ...]]:
    """Return the looks of a sweep, and those of other sweeps at its bars."""
    looks = tuple(read_look(row) for row in reader.lockbox_openings(sweep.id))
    at_same_bars = reader.openings_of(lockboxes | {look.row.lockbox for look in looks})
    return looks, tuple(row for row in at_same_bars if row.sweep_id != sweep.id)


def _judged(best: Entry, judgement: Judgement) -> Entry:
    """Return the best run with the Sharpe ratio and interval that the verdict gives."""
    if best.sharpe is None or not judgement.checks:
        return best
    return replace(best, sharpe=Estimate(judgement.sharpe, judgement.interval))


def _tried(
    ever: Sequence[RunRow], by_run: Mapping[int, Series], parsed: Sweep
) -> tuple[list[Entry], dict[int, Series]]:
    """Return the ranked configurations and the returns of each as if no run had been deleted.

    The verdict is drawn from these: to delete the losers does not undo that they were tried.
    """
    groups = configurations(undeleted(ever), parsed.repeats)
    entries = [_entry(group, {}, parsed.metric.name, parsed) for group in groups]
    return _ranked(entries, parsed.metric), ensembles(by_run, groups)[0]


def _explained(finding: ReturnsVerdict, why: str, parsed: Sweep) -> ReturnsVerdict:
    """Return a finding on no run at all with the reason for that, if there is one."""
    why = why if parsed.has_metric else NO_METRIC
    if not why:
        return finding
    return replace(finding, judgement=replace(finding.judgement, headline=f"{why[:1].upper()}{why[1:]}."))


def _by_run(reports: Sequence[ReportRow]) -> dict[str, list[ReportRow]]:
    logged: dict[str, list[ReportRow]] = {}
    for report in reports:
        logged.setdefault(report.run_id, []).append(report)
    return logged


def _entry(
    group: Configuration,
    logged: Mapping[str, Sequence[ReportRow]],
    fold_metric: str,
    parsed: Sweep,
    last: Mapping[str, Mapping[str, Any]] | None = None,
) -> Entry:
    logged_of = [
        _figures(reports, fold_metric, (last or {}).get(run.id, {}))
        for run in group.runs
        if (reports := logged.get(run.id))
    ]
    state = TrialState(group.row.state)
    return Entry(
        group.row,
        state,
        _means([metrics for metrics, _ in logged_of]),
        _means([steps for _, steps in logged_of]),
        why=_why(group.row, state, parsed.metric.name),
        seeds=group.scores if parsed.repeats > 1 else (),
    )


def _figures(
    reports: Sequence[ReportRow], fold_metric: str, last: Mapping[str, Any]
) -> tuple[dict[str, float], dict[int, float]]:
    """Return the last number that a run logged under each name, and its fold metric at each step.

    ``last`` has what it logged last where the reports are not all of them.
    """
    metrics: dict[str, float] = {}
    steps: dict[int, float] = {}
    for report in reports:
        figures = {name: as_number(value) for name, value in report.metrics.items()}
        metrics |= {name: value for name, value in figures.items() if value is not None}
        of_fold = figures.get(fold_metric)
        if of_fold is not None:
            steps[report.step] = of_fold
    last_numbers = {name: value for name, logged in last.items() if (value := as_number(logged)) is not None}
    return metrics | last_numbers, steps


def _means(mappings: Sequence[dict[Key, float]]) -> dict[Key, float]:
    """Return the mean of what all of them have."""
    if len(mappings) < 2:
        return mappings[0] if mappings else {}
    shared = [key for key in mappings[0] if all(key in one for one in mappings)]
    return {key: sum(one[key] for one in mappings) / len(mappings) for key in shared}


def _why(run: RunRow, state: TrialState, metric: str) -> str:
    if state in FAILURES:
        return run.reason or "no reason given"
    if state in ENDED and run.score is None and metric:
        infeasible = RunFacts.of_summary(run.summary).infeasible
        return (
            infeasible or (run.reason if state is TrialState.FINISHED else "") or f"{metric} was not a number"
        )
    return ""


def _those(entries: Sequence[Entry], is_one: Callable[[Entry], bool]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if is_one(entry))


def _ranked(entries: Sequence[Entry], metric: Metric) -> list[Entry]:
    """Return the entries with a score that broke nothing: first those that may be the best."""
    turn = metric.larger_is_better
    places = {run.number: rank for rank, run in enumerate(ranked([e.run for e in entries], turn))}

    def place(entry: Entry) -> tuple[int, bool, float, float, int]:
        rank = places.get(entry.number, len(places))
        score = turn(entry.run.score or 0.0)
        is_stopped = entry.state is not TrialState.FINISHED
        return (rank, is_stopped, -spent(entry.run.fidelity), -score, entry.number)

    usable = (
        e for e in entries if e.state in ENDED and e.run.score is not None and not _breaks_constraint(e)
    )
    return sorted(usable, key=place)


def _is_scoreless(entry: Entry) -> bool:
    return entry.state in ENDED and entry.run.score is None


def _breaks_constraint(entry: Entry) -> bool:
    return entry.state is TrialState.FINISHED and entry.run.score is not None and entry.run.violation > 0


def _front(ranked: Sequence[Entry], metrics: Sequence[Metric]) -> tuple[Entry, ...]:
    if len(metrics) < 2:
        return ()
    chosen = {run.number for run in pareto_front([entry.run for entry in ranked], metrics)}
    return tuple(entry for entry in ranked if entry.number in chosen)


def _matrix(ranked: Sequence[Entry], steps: Sequence[int]) -> Floats:
    rows = [[entry.steps.get(step, math.nan) for step in steps] for entry in ranked]
    return np.array(rows, dtype=np.float64).reshape(len(ranked), len(steps))


def _baseline_steps(best: Entry | None, logged: Mapping[str, Sequence[ReportRow]]) -> dict[int, float]:
    reports: Sequence[ReportRow] = logged.get(best.run.id, ()) if best else ()
    scores = {report.step: as_number(report.metrics.get(FOLD_BASELINE)) for report in reports}
    return {step: value for step, value in scores.items() if value is not None}


def _history(entries: Sequence[Entry], metric: Metric) -> tuple[HistoryPoint, ...]:
    ended = [entry for entry in entries if entry.state.is_final]
    ended.sort(key=lambda entry: (entry.run.ended_at or 0.0, entry.number))
    so_far = leaders([entry.run for entry in ended], metric.larger_is_better)
    return tuple(
        HistoryPoint(
            order,
            entry.number,
            entry.state,
            score,
            None if leader is None else leader.score,
            _breaks_constraint(entry),
        )
        for order, (entry, leader) in enumerate(zip(ended, so_far, strict=True), start=1)
        if (score := entry.run.score) is not None and entry.state in ENDED
    )


def _series_of(best: Entry | None, series: Mapping[int, Series]) -> Series | None:
    return None if best is None else series.get(best.number)


def _performance(series: Series | None) -> tuple[Performance, Performance] | None:
    if series is None or len(series.time) < 2:
        return None
    per_year = yearly(series)
    return performance(series.returns, per_year), performance(series.baseline, per_year)


def _data(run_facts: Sequence[RunFacts]) -> tuple[DataFacts, ...]:
    counted: Counter[tuple[str, str]] = Counter()
    first_bars: dict[tuple[str, str], BarsFacts] = {}
    notes: dict[tuple[str, str], dict[DataNote, None]] = {}
    for bars in (facts.bars for facts in run_facts):
        key = bars.name, bars.digest
        if any(key):
            counted[key] += 1
            first_bars.setdefault(key, bars)
            notes.setdefault(key, {}).update(dict.fromkeys(bars.notes))
    return tuple(
        DataFacts(replace(first_bars[key], notes=tuple(notes[key])), n_runs)
        for key, n_runs in counted.most_common()
    )


def _versions(run_facts: Sequence[RunFacts]) -> dict[str, tuple[str, ...]]:
    by_package: dict[str, dict[str, None]] = {}
    for facts in run_facts:
        for package, version in facts.versions.items():
            by_package.setdefault(package, {})[version] = None
    return {package: tuple(sorted(versions)) for package, versions in sorted(by_package.items())}
