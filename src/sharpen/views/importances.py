"""Which parameters of a sweep mattered, by every method side by side; nothing is run again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sharpen import importance, spec
from sharpen.coordinator.restore import restore
from sharpen.errors import UsageError
from sharpen.hints import join, nearest
from sharpen.importance import AblationStep, Share, SurrogateSkill
from sharpen.jsonable import number
from sharpen.run_ids import run_id
from sharpen.spec import Metric
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow
from sharpen.trial import Trial, TrialState

SHOWN = 20
MIDDLE, DEFAULT = "the middle of the space", "the default"


@dataclass(frozen=True, slots=True)
class Mattered:
    """A parameter, or a pair of them, by each method that says something of it.

    Attributes:
        names: The parameter, or the two of a pair.
        fanova: Its share of the score's variance over the whole space.
        local: The same around the best trial.
        ped_anova: How far the good trials' values differ from all.
    """

    names: tuple[str, ...]
    fanova: Share
    local: Share | None
    ped_anova: Share | None

    @property
    def label(self) -> str:
        """Its name for people."""
        return " × ".join(self.names)


@dataclass(frozen=True, slots=True)
class Importances:
    """Which parameters mattered.

    Attributes:
        evidence: Whether the trials can tell.
        rows: Parameters and pairs, the largest share first.
        steps: From where ablation starts to the best trial, one parameter after another.
        best: The number of that trial.
        metric: What the shares are of.
        start: Where ablation starts: the first configuration that the sweep was told to try, if there is one.
    """

    evidence: SurrogateSkill
    rows: tuple[Mattered, ...]
    steps: tuple[AblationStep, ...]
    best: int
    metric: str = ""
    start: str = MIDDLE


def importances(
    reader: Reader, row: SweepRow, fidelity: float | None = None, metric: str = ""
) -> Importances:
    """Return which parameters of a sweep mattered.

    Args:
        reader: The store.
        row: The sweep.
        fidelity: Which trials to take; None for those of the largest fidelity.
        metric: Of what that runs have logged, ``-NAME`` where less is better; empty for the sweep's own.

    Raises:
        UsageError: There are too few trials, no parameter varies, or nobody has logged the metric.
        MissingExtra: scikit-learn is not installed.
    """
    parsed = spec.parse(row.spec, where=row.source)
    state = restore(reader, row, parsed, time.monotonic())
    chosen_metric = _metric(parsed, metric)
    trials = (
        state.searched if chosen_metric == parsed.metric else _by(reader, row, state.searched, chosen_metric)
    )
    observations = importance.observe(state.rules.space, trials, fidelity)
    forest = importance.fit(observations, row.seed)
    best = observations.points[observations.incumbent]
    start, start_name = np.full((1, best.size), 0.5), MIDDLE
    if parsed.prior and state.rules.space.contains(parsed.prior[0]):
        start, start_name = observations.cube.encode([parsed.prior[0]]), DEFAULT
    local = {share.names: share for share in importance.local_importance(forest, observations.cube, best)}
    ped = {share.names: share for share in importance.ped_anova(observations, row.seed)}
    rows = [
        Mattered(share.names, share, local.get(share.names), ped.get(share.names))
        for share in importance.fanova(forest, observations.names)
    ]
    return Importances(
        evidence=importance.weigh(observations, row.seed),
        rows=tuple(sorted(rows, key=lambda row_of_parameter: -row_of_parameter.fanova.value)),
        steps=tuple(importance.ablation(forest, observations.cube, observations.cube.snap(start)[0], best)),
        best=observations.numbers[observations.incumbent],
        metric=chosen_metric.name,
        start=start_name,
    )


def _metric(parsed: spec.Sweep, written: str) -> Metric:
    """Return the metric of a name, with the goal that the sweep has for it."""
    by_name = {one.name: one for one in parsed.metrics}
    if not written:
        return parsed.metric
    if written in by_name:
        return by_name[written]
    return Metric(written.removeprefix("-"), "minimize" if written.startswith("-") else "maximize")


def _by(reader: Reader, row: SweepRow, trials: Sequence[Trial], metric: Metric) -> list[Trial]:
    """Return trials with what they logged last of a metric as their score; others without one.

    Raises:
        UsageError: Nobody has logged it.
    """
    ids = {trial.number: run_id(row.id, trial.number) for trial in trials}
    logged = reader.tracked.last_of_all(list(ids.values()))
    scored: list[Trial] = []
    for trial in trials:
        value = number(logged.get(ids[trial.number], {}).get(metric.name))
        is_done = trial.state is TrialState.FINISHED and value is not None and np.isfinite(value)
        score = metric.larger_is_better(value) if is_done and value is not None else None
        scored.append(replace(trial, score=score, scores=()))
    if all(trial.score is None for trial in scored):
        names = sorted({name for values in logged.values() for name in values})
        raise UsageError(
            f"no finished run has logged {metric.name!r}{nearest(metric.name, names)}: {join(names)}"
        )
    return scored
