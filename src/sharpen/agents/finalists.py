"""Carrying out the best configurations of a sweep once more, with seeds that the search has not used."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from sharpen import spec
from sharpen.agents.lockbox import default_config
from sharpen.agents.stages import BARS, StageRun, Task, carry_out
from sharpen.errors import UsageError
from sharpen.facts import BASELINE, INFEASIBLE
from sharpen.jsonable import number
from sharpen.seeds import seed_for
from sharpen.spec import Metric
from sharpen.store.configurations import configurations, winner
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.trial import ranked
from sharpen.views.aggregates import fold_metric_among
from sharpen.views.finalists import (
    DEFAULT,
    PREVIOUS,
    Candidate,
    FinalistScore,
    Role,
    folder_of,
    keep,
    kept_evaluations,
)


def top_runs(reader: Reader, sweep: SweepRow, n: int) -> list[RunRow]:
    """Return the best configurations of a sweep at its largest fidelity, the best first, none twice.

    Raises:
        UsageError: No run finished with a score, or the sweep has several metrics.
    """
    read = spec.parse(sweep.spec, where=sweep.source)
    if len(read.metrics) > 1:
        raise UsageError(
            f"sweep {sweep.id} has several metrics, so its runs have no order: 'sharpen best' lists its front"
        )
    groups = configurations(reader.runs(sweep.id, deleted=True), read.repeats)
    scored = ranked([one.row for one in groups], read.metric.larger_is_better)
    if not scored:
        raise UsageError(f"sweep {sweep.id} has no finalists: none of its runs finished with a score")
    unique = {repr(sorted(row.config.items())): row for row in reversed(scored)}
    return sorted(unique.values(), key=scored.index)[:n]


def previous_best(reader: Reader, sweep: SweepRow) -> RunRow | None:
    """Return the winner of the newest earlier sweep of one program, metric and constants; None for none."""
    own = spec.parse(sweep.spec, where=sweep.source)
    for other in reversed(reader.sweeps()):
        if other.id == sweep.id or other.created_at >= sweep.created_at or other.workdir != sweep.workdir:
            continue
        search = spec.parse(other.spec, where=other.source)
        if (search.program, search.metrics, search.constants) != (own.program, own.metrics, own.constants):
            continue
        best = winner(configurations(reader.runs(other.id, deleted=True), search.repeats), search.metric)
        if best is not None:
            return best.row
    return None


def candidates(sweep: SweepRow, tops: Sequence[RunRow], previous: RunRow | None) -> tuple[Candidate, ...]:
    """Return what is to be carried out: the finalists, the default and the previous best, if there is one.

    The default is what the sweep was told to try first, as for ablation, or else what the program has.
    """
    chosen = [_candidate(row, "finalist") for row in tops]
    fidelity = tops[0].fidelity
    prior = spec.parse(sweep.spec, where=sweep.source).prior
    default = prior[0] if prior else default_config(sweep)
    chosen.append(Candidate(DEFAULT, "default", sweep.id, default, fidelity))
    if previous is not None:
        chosen.append(_candidate(previous, PREVIOUS))
    return tuple(chosen)


def _candidate(row: RunRow, role: Role) -> Candidate:
    return Candidate(row.id, role, row.sweep_id, row.config, row.fidelity, row.score)


def fresh_seeds(root_seed: int, n: int) -> tuple[int, ...]:
    """Return n seeds that no run of a search gets.

    >>> fresh_seeds(7, 3)[:2] == fresh_seeds(7, 2)
    True
    """
    return tuple(seed_for(root_seed, "finalists", k) for k in range(1, n + 1))


def evaluate(
    reader: Reader, sweep: SweepRow, candidates: Sequence[Candidate], seeds: Sequence[int], n_slots: int
) -> Generator[FinalistScore]:
    """Give what each candidate came to under each seed, first what is kept of an earlier call.

    A program that fails is told as an evaluation with a problem, which is not kept.

    Args:
        reader: The store.
        sweep: Whose finalists.
        candidates: What to carry out.
        seeds: One run of every candidate for each.
        n_slots: How many programs run at once.
    """
    home = reader.home
    own_folder(folder_of(home, sweep.id).parent)
    own_folder(folder_of(home, sweep.id))
    done = {(one.key, one.seed): one for one in kept_evaluations(home, sweep.id)}
    pairs = list(dict.fromkeys((one.key, seed) for one in candidates for seed in seeds))
    for pair in pairs:
        if pair in done:
            yield done[pair]
    by_sweep: dict[str, dict[tuple[str, int], Candidate]] = {}
    for one in candidates:
        todo = {(one.key, seed): one for seed in seeds if (one.key, seed) not in done}
        by_sweep.setdefault(one.sweep_id, {}).update(todo)
    for sweep_id, todo in by_sweep.items():
        for evaluation in _carry_out(home, reader.sweep(sweep_id), todo, n_slots):
            if not evaluation.has_failed:
                keep(home, sweep.id, evaluation)
            yield evaluation


def _carry_out(
    home: Path, sweep: SweepRow, todo: dict[tuple[str, int], Candidate], n_slots: int
) -> Generator[FinalistScore]:
    search = spec.parse(sweep.spec, where=sweep.source)
    order = list(todo.items())
    tasks = [
        Task(
            "search",
            candidate.config,
            seed,
            f"as {candidate.name} with seed {seed}",
            fidelity=candidate.fidelity,
        )
        for (_, seed), candidate in order
    ]
    for index, result in carry_out(home, sweep, tasks, n_slots, tell_failures=True):
        (key, seed), _ = order[index]
        yield _evaluation(search, key, seed, result)


def _evaluation(search: spec.Sweep, key: str, seed: int, result: StageRun) -> FinalistScore:
    if result.error:
        return FinalistScore(key, seed, None, problem=result.error, has_failed=True)
    metric = search.metric
    if metric.name not in result.metrics:
        logged = ", ".join(result.metrics) or "nothing"
        sentence = f"the program failed: it logged no {metric.name}, but {logged}"
        return FinalistScore(key, seed, None, problem=sentence, has_failed=True)
    value = number(result.metrics[metric.name])
    problem = _problem(search, result)
    score = value if value is not None and math.isfinite(value) else None
    facts = {name: result.summary[name] for name in BARS if name in result.summary}
    baseline = number(result.metrics.get(BASELINE))
    if (
        baseline is not None and metric.goal == "minimize"
    ):  # who minimises says the ratio with its sign turned
        baseline = -baseline
    return FinalistScore(key, seed, score, _folds(metric, result), baseline, facts, problem)


def _problem(search: spec.Sweep, result: StageRun) -> str:
    """Return why a configuration must not be chosen; empty when it may be."""
    value = number(result.metrics.get(search.metric.name))
    if result.summary.get(INFEASIBLE) or value is None or not math.isfinite(value):
        return f"infeasible: {result.summary.get(INFEASIBLE) or search.metric.name + ' is no number'}"
    broken = [
        str(constraint)
        for constraint in search.constraints
        if constraint.violation(
            value if (value := number(result.metrics.get(constraint.metric))) is not None else math.nan
        )
    ]
    return f"broke {', '.join(broken)}" if broken else ""


def _folds(metric: Metric, result: StageRun) -> dict[str, float]:
    name = fold_metric_among(metric, result.metrics)
    values = {} if name is None else {step: number(metrics.get(name)) for step, metrics in result.steps}
    return {str(step): value for step, value in values.items() if value is not None and math.isfinite(value)}


def on_the_bars_of(run: RunRow, evaluation: FinalistScore) -> FinalistScore:
    """Return an evaluation; one of other bars than a run's with that as its problem."""
    differ = [name for name, value in evaluation.facts.items() if run.summary.get(name, value) != value]
    problem = f"scored on other bars than run {run.id}: {', '.join(differ)} differ"
    return replace(evaluation, problem=problem) if differ else evaluation


def forget(home: Path, sweep_id: str) -> None:
    """Drop what is kept of a sweep's finalists."""
    (folder_of(home, sweep_id) / "evaluations.jsonl").unlink(missing_ok=True)


def continued(reader: Reader, rows: Sequence[RunRow]) -> list[str]:
    """Return the runs that went on from a training of other values, which their own values cannot repeat."""
    run_ids: list[str] = []
    for row in rows:
        parent = next((one for one in reader.runs(row.sweep_id) if one.number == row.parent), None)
        if row.resumed and parent is not None and parent.config != row.config:
            run_ids.append(row.id)
    return run_ids
