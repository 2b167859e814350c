"""What each configuration of a sweep came to over its folds and seeds, and how sweeps got there."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.facts import fold_name
from sharpen.spec import Metric
from sharpen.store.rows import ReportRow, RunRow
from sharpen.sweep.out_of_memory import less
from sharpen.trial import TrialState, leaders

EVALUATION = "evaluation"
"""Under which name a Hydra sweep's runs report each job's own value."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The values of one configuration.

    Attributes:
        number: Of its first run.
        mean: Of the values; NaN without one.
        std: With ddof 1; NaN for fewer than two values.
        count: How many values: folds times seeds.
        config: The parameters.
        fidelity: What its runs could spend; None for the whole.
        is_whole: Whether a run of it finished: one that was stopped early has the values of fewer folds.
        less: What its runs had to do with less of than the search had proposed, in words; empty for nothing.
    """

    number: int
    mean: float
    std: float
    count: int
    config: Mapping[str, Any]
    fidelity: float | None = None
    is_whole: bool = True
    less: str = ""


def fold_metric(metric: Metric, reports: Sequence[ReportRow]) -> str | None:
    """Return the name under which the runs log each fold's own value; None where they log none."""
    return fold_metric_among(metric, {name for report in reports for name in report.metrics})


def fold_metric_among(metric: Metric, logged: Collection[str]) -> str | None:
    """Return which of the names that runs log holds each fold's own value; None for none."""
    names = (EVALUATION, fold_name(metric.name), f"fold/{metric.name}")
    return next((name for name in names if name in logged), None)


def aggregates(metric: Metric, runs: Sequence[RunRow], reports: Sequence[ReportRow]) -> list[Aggregate]:
    """Return what each configuration came to, the best mean first; then the stopped ones, and those without.

    The values are those that the runs log for each fold. Where they log none, each run counts with its score,
    so that repeats and equal configurations are averaged.

    Args:
        metric: The sweep's.
        runs: Those of the sweep, by number.
        reports: What they logged.
    """
    name = fold_metric(metric, reports)
    values: dict[str, list[float]] = {}
    for report in reports:
        value = report.metrics.get(name) if name is not None else None
        if isinstance(value, int | float):
            values.setdefault(report.run_id, []).append(float(value))
    groups: dict[tuple[Any, ...], list[RunRow]] = {}
    for run in runs:
        if TrialState(run.state).is_final:
            key = (repr(sorted(run.config.items())), run.fidelity)
            groups.setdefault(key, []).append(run)
    rows = [_aggregate(group, values, name is not None) for group in groups.values()]
    return sorted(
        rows,
        key=lambda one: (
            math.isnan(one.mean),
            not one.is_whole,
            -metric.larger_is_better(one.mean),
            one.number,
        ),
    )


def _aggregate(runs: Sequence[RunRow], values: Mapping[str, list[float]], by_fold: bool) -> Aggregate:
    scores = [[run.score] if run.score is not None else [] for run in runs]
    values_of_run = [values.get(run.id, []) for run in runs] if by_fold else scores
    every = [value for one in values_of_run for value in one]
    mean = math.fsum(every) / len(every) if every else math.nan
    finite = len(every) > 1 and all(map(math.isfinite, every))
    std = statistics.stdev(every) if finite else math.nan
    is_whole = any(run.state == TrialState.FINISHED for run in runs)
    halved = (less(run.proposed, run.config) for run in runs)
    reductions = "; ".join(dict.fromkeys(one for one in halved if one))
    first = runs[0]
    return Aggregate(first.number, mean, std, len(every), first.config, first.fidelity, is_whole, reductions)


def best_so_far(metric: Metric, runs: Sequence[RunRow]) -> list[tuple[float, float]]:
    """Return (spent, best) after each run that ended, in the order in which they ended.

    What a run spends is its fidelity, or 1 where there is none; only runs of the largest fidelity can be the
    best, for a cheap look is no result.

    Args:
        metric: The sweep's.
        runs: Those of the sweep.
    """
    ended = [run for run in runs if TrialState(run.state).is_final and run.ended_at is not None]
    ended.sort(key=lambda run: (run.ended_at or 0.0, run.number))
    largest = max((run.fidelity for run in ended if run.fidelity is not None), default=None)
    curve: list[tuple[float, float]] = []
    spent = 0.0
    for run, leader in zip(ended, leaders(ended, metric.larger_is_better), strict=True):
        spent += 1.0 if run.fidelity is None or largest is None else run.fidelity / largest
        curve.append((spent, math.nan if leader is None or leader.score is None else leader.score))
    return curve


def at_budget(curve: Sequence[tuple[float, float]], budget: float) -> float:
    """Return the best of a curve once so much was spent; NaN before anything was, or where it ended earlier.

    >>> at_budget([(1.0, 5.0), (2.0, 3.0)], 1.5), at_budget([(1.0, 5.0)], 2.0)
    (5.0, nan)
    """
    if not curve or curve[-1][0] < budget - 1e-9:
        return math.nan
    return next((best for spent, best in reversed(curve) if spent <= budget + 1e-9), math.nan)
