"""The Pareto front of a sweep of several metrics, of runs as stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sharpen.spec import Metric
from sharpen.store.rows import RunRow
from sharpen.trial import Trial, TrialState, pareto


def pareto_front(runs: Iterable[RunRow], metrics: Sequence[Metric]) -> list[RunRow]:
    """Return the finished runs that no other beats in every metric, by number.

    Args:
        runs: The runs of a sweep.
        metrics: What it optimises.
    """
    rows = {run.number: run for run in runs if run.state == TrialState.FINISHED and run.score is not None}
    return [rows[trial.number] for trial in pareto([_trial(run, metrics) for run in rows.values()])]


def _trial(run: RunRow, metrics: Sequence[Metric]) -> Trial:
    values = [*(run.scores or (run.score or 0.0,)), *[math.nan] * len(metrics)][: len(metrics)]
    turned = tuple(metric.larger_is_better(value) for metric, value in zip(metrics, values, strict=True))
    state = TrialState.FINISHED
    return Trial(
        run.number, {}, state, score=turned[0], scores=turned, violation=run.violation, fidelity=run.fidelity
    )
