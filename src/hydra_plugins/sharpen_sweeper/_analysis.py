"""Hypersweeper's analyses of a sweep that has been: from its runhistory, with nothing run again."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from hydra_plugins.sharpen_sweeper._settings import Settings
from hydra_plugins.sharpen_sweeper._translation import read_runhistory, sweep_text, typed_value
from sharpen import importance, spec
from sharpen.errors import UsageError
from sharpen.trial import Trial, TrialState


def analyse(settings: Settings) -> None:
    """Print what mattered in a runhistory: local importance around the best, or the steps from the defaults.

    Raises:
        UsageError: No runhistory is named, or it holds too few configurations.
    """
    if not settings.data_path:
        raise UsageError("hydra.sweeper.sweeper_kwargs.data_path is missing: name a sweep's runhistory.csv")
    trials = _trials(Path(settings.data_path), settings)
    text = sweep_text(_as_random(settings), "analysis", "none.py", ["${program}"])
    seen = importance.observe(spec.parse(text).space, trials)
    evidence = importance.weigh(seen, settings.seed or 0)
    forest = importance.fit(seen, settings.seed or 0)
    best = seen.points[seen.incumbent]
    if settings.method == "lpi":
        for share in importance.local_importance(forest, seen.cube, best):
            print(f"{' x '.join(share.names):<24} {share.value:.3f}  ({share.low:.2f} to {share.high:.2f})")
    else:
        prior = spec.parse(text).prior
        start = seen.cube.encode(prior[:1]) if prior else 0.5 + 0.0 * seen.points[:1]
        for step in importance.ablation(forest, seen.cube, seen.cube.snap(start)[0], best):
            print(f"{step.name:<24} {step.gain:+.4g}")
    print(evidence.sentence, file=sys.stderr)


def _as_random(settings: Settings) -> Settings:
    return Settings(method="random", space=settings.space, maximize=settings.maximize, own=settings.own)


def _trials(path: Path, settings: Settings) -> list[Trial]:
    """Return the configurations at the largest budget, each with its mean; larger is better."""
    rows = [row for row in read_runhistory(path) if row.get("performance") not in ("", "nan", None)]
    if not rows:
        raise UsageError(f"{path}: no row has a performance")
    largest = max(float(row["budget"]) for row in rows)
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if float(row["budget"]) == largest:
            groups.setdefault(row["config_id"], []).append(row)
    sign = 1.0 if settings.maximize else -1.0
    trials: list[Trial] = []
    for number, jobs in groups.items():
        mean = math.fsum(float(row["performance"]) for row in jobs) / len(jobs)
        config = {n: typed_value(jobs[0][n]) for n in settings.space.parameters if jobs[0].get(n)}
        trials.append(Trial(int(number), config, TrialState.FINISHED, score=sign * mean))
    return trials
