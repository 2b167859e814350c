"""Does it pay to try configurations on a small budget first? Search methods at equal budget, with intervals.

    OMP_NUM_THREADS=1 python benchmarks/fidelities.py            five problems, five seeds, 25 minutes
    OMP_NUM_THREADS=1 python benchmarks/fidelities.py --quick    three seeds, no SMAC, no agents

The budget of a trial is its boosting rounds, its folds, or its environment steps: a ninth, a third, or all
of them. Every trial is paid in full: one that goes on from a smaller budget begins anew. What a method hands
over after so much budget is the best of its trials with the largest budget so far, and it is judged by what
that configuration is worth on the whole budget. Regret is 0 for the best that anyone handed over, and 1 for
the median of random search's single trials. All models begin after five random trials.

The agents are small ones, trained for a short time on the real bars of 20 stocks, once for each configuration
of a table and each budget; a search looks them up. The search sees the validation Sharpe ratio of one seed,
and is judged by the mean of two others: what it found by luck of the seed does not count.

`--cache FILE` keeps what has been worked out: a command that was cut off goes on.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from optimizers import mean_ranks, rank_intervals
from search_problems import MARKET, TREES, booster, data
from sharpen.arrays import Floats
from sharpen.optimizers import make
from sharpen.seeds import rng_for, seed_for
from sharpen.space import Choice, Space
from sharpen.trial import ParameterValues, Trial, TrialState

ETA = 3
BUDGETS = (5, 10, 20)  # in trials on the whole budget
SEARCH_SEED, OTHER_SEEDS = 1, (2, 3)
WHOLE, PARTS = "whole budget", "budgets"
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": (WHOLE, {"type": "random"}),
    "tpe": (WHOLE, {"type": "tpe", "n_startup_trials": 5}),
    "gp": (WHOLE, {"type": "gp", "n_startup_trials": 5}),
    "smac": (WHOLE, {"type": "smac", "n_startup_trials": 5}),
    "hyperband": (PARTS, {"type": "hyperband"}),
    "hyperband, tpe": (PARTS, {"type": "hyperband", "sampler": "tpe"}),
    "hyperband, gp": (PARTS, {"type": "hyperband", "sampler": "gp"}),
    "asha": (PARTS, {"type": "asha"}),
    "bohb": (PARTS, {"type": "bohb"}),
    "dehb": (PARTS, {"type": "dehb"}),
    "smac, mf": (PARTS, {"type": "smac", "facade": "mf"}),
}


@dataclass(frozen=True)
class Problem:
    """Something to maximise, on a budget.

    Attributes:
        name: For the table.
        space: Where.
        least: The smallest budget.
        most: The whole budget.
        run: From a configuration and a budget to the score that a search sees.
        truth: What a configuration is worth; None when that is its score on the whole budget.
        known: Scores that have been worked out.
    """

    name: str
    space: Space
    least: int
    most: int
    run: Callable[[ParameterValues, int], float]
    truth: Callable[[ParameterValues], float] | None = None
    known: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def score(self, config: ParameterValues, budget: int) -> float:
        """Return what a search sees."""
        key = (self.space.key(config), budget)
        if key not in self.known:
            self.known[key] = self.run(config, budget)
        return self.known[key]

    def worth(self, config: ParameterValues) -> float:
        """Return what a configuration is worth on the whole budget."""
        return self.truth(config) if self.truth else self.score(config, self.most)


@dataclass(frozen=True, slots=True)
class Race:
    """What one method found on one problem under one seed.

    Attributes:
        worths: What its choice was worth after each of the budgets; NaN for nothing.
        firsts: The score of each trial on the whole budget.
        n_trials: How many trials there were.
        ask_s: Seconds for all questions.
    """

    worths: list[float]
    firsts: list[float]
    n_trials: int
    ask_s: float


@dataclass(frozen=True)
class Cache:
    """What has been worked out, in a file, if there is to be one."""

    file: Path | None
    kept: dict[str, Any]

    @classmethod
    def of(cls, file: Path | None) -> Cache:
        """Return what a file holds."""
        return cls(file, json.loads(file.read_text()) if file and file.exists() else {})

    def get(self, key: str, work_out: Callable[[], Any]) -> Any:
        """Return what is kept under a key, worked out if it is not there yet."""
        if key not in self.kept:
            self.kept[key] = work_out()
            if self.file:
                self.file.write_text(json.dumps(self.kept))
        return self.kept[key]


def race(problem: Problem, method: str, seed: int) -> Race:
    """Return how a method does on a problem, one trial after the other, until the budget is spent."""
    kind, options = METHODS[method]
    root = seed_for(seed, problem.name)
    rungs = {"min_fidelity": problem.least, "max_fidelity": problem.most, "eta": ETA}
    settings = {name: value for name, value in options.items() if name != "type"}
    optimizer = make(options["type"], settings | (rungs if kind == PARTS else {}), seed=root)
    history: list[Trial] = []
    worths = np.full(len(BUDGETS), math.nan)
    spent, ask_s = 0, 0.0
    while True:
        began = time.perf_counter()
        (p,) = optimizer.ask(problem.space, history, 1, rng_for(root, "ask", len(history) + 1))
        ask_s += time.perf_counter() - began
        budget = int(p.fidelity or problem.most)
        spent += budget
        for k, most in enumerate(BUDGETS):
            if history and spent > most * problem.most and math.isnan(worths[k]):
                worths[k] = problem.worth(chosen(history, problem.most).config)
        if spent > BUDGETS[-1] * problem.most:
            break
        seen = problem.score(p.config, budget)
        score = seen if math.isfinite(seen) else None  # infeasible
        more: dict[str, Any] = {"parent": p.parent, "fidelity": p.fidelity}
        finished = TrialState.FINISHED
        history.append(Trial(len(history) + 1, p.config, finished, (), score, p.origin, **more))
    firsts = [
        t.score for t in history if t.score is not None and (t.fidelity or problem.most) == problem.most
    ]
    return Race(worths.tolist(), firsts, len(history), ask_s)


def raced(cache: Cache, problem: Problem, method: str, seed: int) -> Race:
    """Return a race, worked out if it is not kept."""
    return Race(**cache.get(f"{problem.name}; {method}; {seed}", lambda: asdict(race(problem, method, seed))))


def chosen(history: Sequence[Trial], most: int) -> Trial:
    """Return the best trial among those of the largest budget so far."""
    scored = [t for t in history if t.score is not None]
    largest = max(t.fidelity or most for t in scored)
    return max((t for t in scored if (t.fidelity or most) == largest), key=lambda t: t.objectives[0])


# ---- boosting rounds and folds ------------------------------------------------------------------------


def rounds() -> list[Problem]:
    """Return boosted trees on scikit-learn's data, cross-validated; a trial may have 5 to 45 rounds."""
    dimensions = {name: one for name, one in TREES.dimensions.items() if name != "n_estimators"}
    return [
        Problem(
            "rounds: cancer",
            Space(dimensions),
            5,
            45,
            _boosted("breast_cancer", "XGBClassifier", "neg_log_loss"),
        ),
        Problem("rounds: diabetes", Space(dimensions), 5, 45, _boosted("diabetes", "XGBRegressor", "r2")),
    ]


def _boosted(name: str, kind: str, metric: str) -> Callable[[ParameterValues, int], float]:
    from sklearn.model_selection import cross_val_score

    def run(config: ParameterValues, budget: int) -> float:
        x, y = data(name)
        model = booster(kind)({**config, "n_estimators": budget})
        return float(cross_val_score(model, x, y, cv=3, scoring=metric).mean())

    return run


def folds() -> list[Problem]:
    """Return a walk-forward search on stocks; a trial may have 1, 3 or all 9 folds."""
    from sharpen.data import load
    from sharpen.folds import WalkForward, split
    from sharpen.objectives.boosted import scoring
    from sharpen.objectives.boosted.settings import ClassifierSettings

    prepared = scoring.prepare(load("stocks").panel.slice(0, 2400))
    every = split(2400, WalkForward(n_folds=9), prepared.features.warmup_bars)

    def run(config: ParameterValues, budget: int) -> float:
        settings = ClassifierSettings(**config)
        examples = scoring.label(settings, prepared)
        return float(
            np.mean([scoring.score(settings, examples, fold, 0).val_sharpe for fold in every[:budget]])
        )

    return [Problem("folds: stocks", MARKET, 1, 9, run)]


# ---- agents -------------------------------------------------------------------------------------------

SMALL = {"n_envs": 16, "net_dims_0": 32, "net_dims_1": 32, "n_checks": 3}
OFF_POLICY = {"batch_size": 64, "horizon_len": 8, "repeat_times": 0.25, "buffer_init_size": 256}
AGENTS: dict[str, tuple[int, dict[str, Any], dict[str, tuple[Any, ...]]]] = {
    "ppo": (
        18_432,
        {"horizon_len": 64, "batch_size": 256},
        {
            "learning_rate": (1e-4, 1e-3, 1e-2),
            "ratio_clip": (0.1, 0.2, 0.4),
            "gamma": (0.9, 0.97, 0.995),
            "lambda_entropy": (1e-4, 1e-2),
        },
    ),
    "sac": (
        4_608,
        OFF_POLICY,
        {
            "learning_rate": (1e-4, 1e-3, 1e-2),
            "gamma": (0.9, 0.97, 0.995),
            "soft_update_tau": (0.005, 0.05),
            "init_alpha": (0.05, 0.5),
        },
    ),
}
"""Of each agent: the steps of the whole budget, what is set, and what varies."""


def agents(cache: Cache) -> list[Problem]:
    """Return portfolio agents on one walk-forward fold; a trial has a ninth, a third or all of the steps."""
    problems: list[Problem] = []
    for name, (most, settings, options) in AGENTS.items():
        space = Space({key: Choice(values) for key, values in options.items()})
        scores = cache.get(name, partial(_trained, name, most, settings, options, space))
        problems.append(_looked_up(name, space, most, scores))
    return problems


def _trained(
    agent: str, most: int, settings: dict[str, Any], options: dict[str, tuple[Any, ...]], space: Space
) -> dict[str, float]:
    """Return the validation Sharpe ratio by configuration, budget and seed; one that broke down has -1."""
    import torch

    from sharpen.data import load
    from sharpen.folds import WalkForward, lockbox_start, split
    from sharpen.objectives.fold_jobs import FoldJob
    from sharpen.objectives.rl.market_data import market_data
    from sharpen.objectives.rl.portfolio import PortfolioSettings, train

    torch.set_num_threads(1)
    panel = load("us20").panel
    plain = PortfolioSettings.of({"agent": agent})
    data = market_data(
        panel.slice(0, lockbox_start(len(panel), 0.2)), plain.technicals, plain.columns, plain.scaling
    )
    fold = split(len(data), WalkForward(n_folds=3, train_ratio=0.8), first_bar=data.warmup_bars)[0]
    runs = [(most // ETA**2, SEARCH_SEED), (most // ETA, SEARCH_SEED)]
    runs += [(most, seed) for seed in (SEARCH_SEED, *OTHER_SEEDS)]
    configs = [dict(zip(options, values, strict=True)) for values in product(*options.values())]
    sharpes: dict[str, float] = {}
    for steps, seed in runs:
        same = {"agent": agent, **SMALL, **settings, "break_step": steps}
        jobs = [FoldJob(PortfolioSettings.of({**same, **config}), fold, seed) for config in configs]
        for config, outcome in zip(configs, train(data, jobs), strict=True):
            sharpe = outcome.score.val_sharpe if outcome.score else math.nan
            sharpes[f"{space.key(config)} {steps} {seed}"] = sharpe if math.isfinite(sharpe) else -1.0
    return sharpes


def _looked_up(name: str, space: Space, most: int, scores: dict[str, float]) -> Problem:
    def run(config: ParameterValues, budget: int) -> float:
        return scores[f"{space.key(config)} {budget} {SEARCH_SEED}"]

    def truth(config: ParameterValues) -> float:
        return float(np.mean([scores[f"{space.key(config)} {most} {seed}"] for seed in OTHER_SEEDS]))

    return Problem(f"steps: {name}", space, most // ETA**2, most, run, truth)


# ---- the table ----------------------------------------------------------------------------------------


def regrets(races: dict[str, list[Race]]) -> dict[str, Floats]:
    """Return each method's regret, (seeds, budgets): 0 the best that anyone handed over, 1 a random trial."""
    top = max(float(np.nanmax(r.worths)) for runs in races.values() for r in runs)
    typical = float(np.median([score for r in races["random"] for score in r.firsts]))
    width = max(top - typical, 1e-12)
    return {
        m: np.array([(top - np.nan_to_num(r.worths, nan=typical)) / width for r in runs])
        for m, runs in races.items()
    }


def half_width(values: Floats) -> float:
    """Return half the 95 % interval of a mean, by Student's t."""
    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan


@click.command()
@click.option("--quick", is_flag=True, help="Three seeds, no SMAC, and nothing that trains agents.")
@click.option("--seeds", default=5, show_default=True)
@click.option("--methods", default=";".join(METHODS), help="Separated by semicolons. [default: all]")
@click.option("--cache", type=click.Path(path_type=Path), help="Keeps what has been worked out.")
def main(quick: bool, seeds: int, methods: str, cache: Path | None) -> None:
    """Print regret after 5, 10 and 20 whole budgets, and mean ranks, for each method."""
    warnings.simplefilter("ignore")
    console, progress = Console(width=140), Console(stderr=True)
    rows = [name for name in methods.split(";") if not (quick and "smac" in name)]
    n_seeds = 3 if quick else seeds
    kept = Cache.of(cache)
    problems = rounds() + folds() + ([] if quick else agents(kept))
    losses = np.empty((len(problems), n_seeds, len(rows), len(BUDGETS)))
    n_trials, ask_s = np.zeros((2, len(rows)))
    for i, problem in enumerate(problems):
        began = time.perf_counter()
        races = {m: [raced(kept, problem, m, seed) for seed in range(n_seeds)] for m in rows}
        regret = regrets(races)
        for m, name in enumerate(rows):
            losses[i, :, m] = regret[name]
            n_trials[m] += np.mean([r.n_trials for r in races[name]]) / len(problems)
            ask_s[m] += sum(r.ask_s for r in races[name])
        progress.print(f"{problem.name}: {time.perf_counter() - began:.0f} s")
    console.print(by_problem(losses, rows, problems))
    console.print(over_all(losses, rows, n_trials, ask_s))


def by_problem(losses: Floats, rows: Sequence[str], problems: Sequence[Problem]) -> Table:
    """Return regret at the end on each problem. ``losses``: (problems, seeds, methods, budgets)."""
    n_seeds = losses.shape[1]
    title = f"regret after {BUDGETS[-1]} whole budgets, mean of {n_seeds} seeds ± half the 95 % interval"
    table = Table("method", *(p.name for p in problems), title=title)
    for m, name in enumerate(rows):
        cells = [f"{end.mean():.3f} ± {half_width(end):.3f}" for end in losses[:, :, m, -1]]
        table.add_row(name, *cells)
    return table


def over_all(losses: Floats, rows: Sequence[str], n_trials: Floats, ask_s: Floats) -> Table:
    """Return mean regret after each budget and mean ranks at the end. ``losses`` as in :func:`by_problem`."""
    n_problems, n_seeds = losses.shape[:2]
    end = losses[..., -1]
    ranks, (low, high) = mean_ranks(end.reshape(-1, len(rows))), rank_intervals(end)
    names = (
        "method",
        "mean rank",
        "95 % interval",
        *(f"regret after {n}" for n in BUDGETS),
        "trials",
        "ms an ask",
    )
    table = Table(*names, title="over all problems")
    for m, name in enumerate(rows):
        means = [f"{losses[:, :, m, k].mean():.3f}" for k in range(len(BUDGETS))]
        ask_ms = 1e3 * ask_s[m] / max(n_trials[m] * n_problems * n_seeds, 1)
        interval = f"{low[m]:.2f} to {high[m]:.2f}"
        table.add_row(name, f"{ranks[m]:.2f}", interval, *means, f"{n_trials[m]:.0f}", f"{ask_ms:.1f}")
    return table


if __name__ == "__main__":
    main()
