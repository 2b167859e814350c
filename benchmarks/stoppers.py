"""What early stopping saves and what it loses: every stop rule replayed on histories that ran to their end.

    python benchmarks/stoppers.py              record (once, minutes), replay, print the table
    python benchmarks/stoppers.py --orders 50  quicker, with wider spread

Two histories are real: configurations of sweeps/xgboost_sweep.yaml, with fewer trees, on embedded daily bars,
trained and scored on all walk-forward folds, and kept as JSON in the cache folder. They are one world each,
as they are, and the one without infeasible folds also with its folds in random order. The others are drawn,
anew for each order. Trials start in many random orders, two side by side as two agents would, and a rule sees
only what it would have seen in the sweep.

Columns: of all folds, the share not run; of the orders, the share in which the configuration with the best
full run was stopped; by how much the best of the finished falls short of it, as a share of the standard
deviation of the full runs' results.
"""

from __future__ import annotations

import functools
import json
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sharpen.seeds import rng_for
from sharpen.stoppers import Stopper, build
from sharpen.trial import Report, Trial, TrialState

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir())) / "sharpen-benchmark-stoppers"
N_CONFIGS, N_FOLDS, MOST_TREES, MIN_TRADES = 60, 8, 120, 5.0

Curves = list[tuple[float, ...]]  # of each configuration, what it reports after each fold

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "hyperband min_iter 2 eta 2": ("hyperband", {"min_iter": 2, "eta": 2.0}),
    "hyperband min_iter 3 eta 3": ("hyperband", {"min_iter": 3, "eta": 3.0}),
    "asha min_iter 1 eta 2": ("asha", {"min_iter": 1, "eta": 2.0}),
    "asha min_iter 2 eta 2": ("asha", {"min_iter": 2, "eta": 2.0}),
    "asha min_iter 3 eta 3": ("asha", {"min_iter": 3, "eta": 3.0}),
    "median min_iter 1": ("median", {"min_iter": 1}),
    "median min_iter 4": ("median", {"min_iter": 4}),
    **{f"racing level {level:g}": ("racing", {"level": level}) for level in (0.01, 0.05, 0.1, 0.2, 0.4)},
}
"""Rules under test by what they are called in the table."""


# ---- histories


@functools.cache
def recorded(data: str, n_configs: int = N_CONFIGS) -> Curves:
    """Return what configurations report on the folds of a data set, from the cache or trained now."""
    path = CACHE / f"{data}-{n_configs}x{N_FOLDS}-{MOST_TREES}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        curves = [list(curve) for curve in _train(data, n_configs)]
        path.write_text(json.dumps(curves), encoding="utf-8")
    curves = json.loads(path.read_text(encoding="utf-8"))
    return [tuple(math.nan if value is None else value for value in curve) for curve in curves]


def _train(data: str, n_configs: int) -> list[list[float | None]]:
    from sharpen import spec
    from sharpen.data import load
    from sharpen.folds import WalkForward, lockbox_start, split
    from sharpen.objectives.boosted.scoring import label, prepare, score
    from sharpen.objectives.boosted.settings import ClassifierSettings
    from sharpen.objectives.progress import progress

    panel = load(data).panel
    prepared = prepare(panel.slice(0, lockbox_start(len(panel), 0.2)))
    folds = split(len(prepared.panel), WalkForward(n_folds=N_FOLDS), first_bar=prepared.features.warmup_bars)
    space = spec.load(ROOT / "sweeps" / "xgboost_sweep.yaml").space
    curves: list[list[float | None]] = []
    for n in track(range(n_configs), f"training on {data}"):
        config = dict(space.from_unit(rng_for(0, "config", n).random(len(space.dimensions)).tolist()))
        config["n_estimators"] = 20 + config["n_estimators"] * (MOST_TREES - 20) // 500
        settings = ClassifierSettings.of(config)
        examples = label(settings, prepared)
        scores = [score(settings, examples, fold, seed=0) for fold in folds]
        values = [progress(scores[:k], MIN_TRADES).metrics["val/sharpe"] for k in range(1, N_FOLDS + 1)]
        curves.append([value if math.isfinite(value) else None for value in values])
    return curves


def shuffled(curves: Curves, turn: int) -> Curves:
    """Return what configurations would have reported had the folds come in a random order."""
    step = np.arange(1, N_FOLDS + 1)
    folds = np.diff(np.array(curves) * step, axis=1, prepend=0.0)[
        :, rng_for(0, "shuffled", turn).permutation(N_FOLDS)
    ]
    return [tuple(row) for row in (folds.cumsum(axis=1) / step).tolist()]


def drawn(kind: str, turn: int, n_configs: int = N_CONFIGS) -> Curves:
    """Return drawn histories: running means of noisy folds, or learning curves that level off and cross."""
    rng = rng_for(0, "drawn", kind, turn)
    skill, step = rng.normal(size=(n_configs, 1)), np.arange(1, N_FOLDS + 1)
    noise = rng.normal(size=(n_configs, N_FOLDS))
    if kind == "learning curves":
        speed = np.exp(rng.normal(scale=0.5, size=(n_configs, 1)))
        values = skill - 2.0 * np.exp(-speed * step / 3.0) + 0.05 * noise
    else:
        folds = {"luck": 0.0, "skill": 0.5}[kind] * skill + 2.0 * rng.normal(size=N_FOLDS) + noise
        values = folds.cumsum(axis=1) / step
    return [tuple(row) for row in values.tolist()]


SETS: dict[str, Callable[[int], Curves]] = {
    "real: stocks": lambda _: recorded("stocks"),
    "stocks, folds shuffled": lambda turn: shuffled(recorded("stocks"), turn),
    "real: nasdaq": lambda _: recorded("nasdaq"),
    "drawn: luck alone": lambda turn: drawn("luck", turn),
    "drawn: skill, luck": lambda turn: drawn("skill", turn),
    "learning curves": lambda turn: drawn("learning curves", turn),
}
"""Histories of a turn by what they are called in the table."""


# ---- replay


@dataclass(frozen=True, slots=True)
class ReplayedSearch:
    """What a rule did to one order of a history.

    Attributes:
        saved: The share of all folds that was not run.
        lost: Whether the configuration with the best full run was stopped.
        regret: By how much the best finished one falls short of it.
    """

    saved: float
    lost: bool
    regret: float


def replay(curves: Curves, order: Sequence[int], rule: Stopper, n_slots: int = 2) -> ReplayedSearch:
    """Return what a rule does when trials start in an order, as many side by side as there are slots."""
    past: list[Trial] = []
    waiting, live, n_folds = list(enumerate(order, start=1)), {}, 0
    while waiting or live:
        while waiting and len(live) < n_slots:
            number, config = waiting.pop(0)
            live[number] = curves[config]
            past.append(Trial(number, {"config": config}, TrialState.RUNNING))
        for number, curve in list(live.items()):
            fold = len(past[number - 1].reports)
            reports = (*past[number - 1].reports, Report(fold + 1, curve[fold]))
            past[number - 1] = replace(past[number - 1], reports=reports)
            n_folds += 1
            stops = rule.should_stop(past[number - 1], past).stop
            if stops or len(reports) == len(curve):
                state = TrialState.STOPPED if stops else TrialState.FINISHED
                past[number - 1] = replace(past[number - 1], state=state)
                del live[number]
    final = [curve[-1] for curve in curves]
    finished = [int(t.config["config"]) for t in past if t.state is TrialState.FINISHED]
    best = max(range(len(curves)), key=final.__getitem__)
    kept = max((final[config] for config in finished), default=min(final))
    return ReplayedSearch(1 - n_folds / (len(curves) * N_FOLDS), best not in finished, final[best] - kept)


def turned(curves: Curves, name: str, turn: int, rule: Stopper) -> ReplayedSearch:
    """Return the replay of a turn's order, its regret in standard deviations of the full runs' results."""
    order = rng_for(0, name, turn).permutation(len(curves)).tolist()
    replayed = replay(curves, order, rule)
    return replace(replayed, regret=replayed.regret / float(np.std([curve[-1] for curve in curves])))


@click.command()
@click.option("--orders", "n_orders", default=200, show_default=True, help="Random orders of each history.")
def main(n_orders: int) -> None:
    """Record, replay and print the table."""
    table = Table(title=f"{N_CONFIGS} configurations, {N_FOLDS} folds, {n_orders} random orders, 2 agents")
    table.add_column("rule", no_wrap=True)
    for name in SETS:
        table.add_column(f"{name}\nsaved  lost  regret", justify="right")
    for rule, (kind, options) in track(RULES.items(), "replaying"):
        cells: list[str] = []
        for name, world in SETS.items():
            searches = [turned(world(turn), name, turn, build(kind, options)) for turn in range(n_orders)]
            saved, lost, regret = (
                float(np.mean([getattr(r, column) for r in searches]))
                for column in ("saved", "lost", "regret")
            )
            cells.append(f"{saved:4.0%} {lost:5.1%}  {regret:.2f}")
        table.add_row(rule, *cells)
    Console(width=165).print(table)


if __name__ == "__main__":
    main()
