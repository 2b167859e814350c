"""Which parameters of a sweep mattered, by every method side by side; nothing is run again."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sharpen import importance, spec
from sharpen.coordinator.restoring import restore
from sharpen.importance import AblationStep, Evidence, Share
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow

SHOWN = 20


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
        steps: From the middle of the space to the best trial, one parameter after another.
        best: The number of that trial.
    """

    evidence: Evidence
    rows: tuple[Mattered, ...]
    steps: tuple[AblationStep, ...]
    best: int


def importances(reader: Reader, row: SweepRow, fidelity: float | None = None) -> Importances:
    """Return which parameters of a sweep mattered.

    Args:
        reader: The store.
        row: The sweep.
        fidelity: Which trials to take; None for those of the largest fidelity.

    Raises:
        UsageError: There are too few trials, or no parameter varies.
        MissingExtra: scikit-learn is not installed.
    """
    parsed = spec.parse(row.spec, where=row.source)
    state = restore(reader, row, parsed, time.monotonic())
    seen = importance.observe(state.rules.space, state.searched, fidelity)
    forest = importance.fit(seen, row.seed)
    best = seen.points[seen.incumbent]
    middle = seen.cube.snap(np.full((1, best.size), 0.5))[0]
    local = {share.names: share for share in importance.local_importance(forest, seen.cube, best)}
    ped = {share.names: share for share in importance.ped_anova(seen, row.seed)}
    rows = [
        Mattered(share.names, share, local.get(share.names), ped.get(share.names))
        for share in importance.fanova(forest, seen.names)
    ]
    return Importances(
        evidence=importance.weigh(seen, row.seed),
        rows=tuple(sorted(rows, key=lambda found: -found.fanova.value)),
        steps=tuple(importance.ablation(forest, seen.cube, middle, best)),
        best=seen.numbers[seen.incumbent],
    )
