"""Which search method finds the most in 50 trials: random, tpe, gp and cmaes on ten problems, ten seeds each.

    OMP_NUM_THREADS=1 python benchmarks/optimizers.py            the full table, under 20 minutes
    OMP_NUM_THREADS=1 python benchmarks/optimizers.py --quick    three seeds, problems without training

Nothing is downloaded: the data are scikit-learn's and the real bars that sharpen brings. Where a problem is
noisy, a method is judged by the noise-free value of the configuration that it would hand over, which is the
one of the best score that it saw. Regret is 0 for the best value that anyone found and 1 for the median of
random search's single trials.

The last table is of the problems that train something: the Gaussian process as it is, and told what each
trial cost in CPU seconds, as `cost_metric` does in a sweep.

The Gaussian process's prior was chosen among five on problems that are not here: Ackley, Griewank, Levy,
ellipsoid and Styblinski-Tang functions, rotated by the same code; Hartmann 6; and three made-up ones, two of
them networks much like the made-up learner below.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from search_problems import Problem, functions, noisy, trained
from sharpen.arrays import Floats
from sharpen.optimizers import make
from sharpen.seeds import rng_for, seed_for
from sharpen.trial import Report, Trial, TrialState, best

METHODS = ("random", "tpe", "gp", "cmaes")
PER_COST = "gp, per cost"


@dataclass(frozen=True, slots=True)
class Race:
    """What one method found on one problem under one seed.

    Attributes:
        best_values: Value of the best configuration after each trial, (n_trials,); NaN while there is none.
        firsts: Value of each trial on its own, (n_trials,).
        ask_s: CPU seconds for each question, (n_trials,).
        run_s: CPU seconds for each trial itself, (n_trials,).
    """

    best_values: Floats
    firsts: Floats
    ask_s: Floats
    run_s: Floats


def race(problem: Problem, method: str, seed: int, n_trials: int) -> Race:
    """Return how a method does on a problem, one trial after the other."""
    root = seed_for(seed, problem.name)  # the same for all methods: they share their random first trials
    optimizer = make("gp" if method == PER_COST else method, seed=root)
    history: list[Trial] = []
    best_values, firsts, ask_s, run_s = (np.full(n_trials, math.nan) for _ in range(4))
    for i in range(n_trials):
        began = time.process_time()
        (p,) = optimizer.ask(problem.space, history, 1, rng_for(root, "ask", i + 1))
        asked = time.process_time()
        values = problem.run(p.config, seed_for(root, "run", i + 1))
        ask_s[i], run_s[i] = asked - began, time.process_time() - asked
        score = float(np.mean(values))
        reports = tuple(Report(step, value) for step, value in enumerate(values))
        kept = None if math.isnan(score) else score
        cost = float(run_s[i]) if method == PER_COST else None
        history.append(Trial(i + 1, p.config, TrialState.FINISHED, reports, kept, p.origin, cost=cost))
        firsts[i] = score
        winner = best(history)
        if winner is not None and winner.score is not None:
            best_values[i] = problem.truth(winner.config) if problem.truth else winner.score
    return Race(best_values, firsts, ask_s, run_s)


def regrets(races: dict[str, list[Race]]) -> dict[str, Floats]:
    """Return each method's regret under each seed, (seeds,): 0 the best found by anyone, 1 a random trial."""
    top = max(float(np.nanmax(r.best_values)) for runs in races.values() for r in runs)
    typical = float(np.nanmedian(np.concatenate([r.firsts for r in races["random"]])))
    width = max(top - typical, 1e-12)
    return {
        method: np.array(
            [(top - (r.best_values[-1] if np.isfinite(r.best_values[-1]) else typical)) / width for r in runs]
        )
        for method, runs in races.items()
    }


def mean_ranks(losses: Floats) -> Floats:
    """Return the mean rank of each method, 1 the best, ties shared. ``losses``: (blocks, methods)."""
    return stats.rankdata(losses, axis=1).mean(0)


def rank_intervals(losses: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """Return 95 % intervals of the mean ranks: problems are drawn anew, and seeds within them.

    Args:
        losses: (problems, seeds, methods)
        seed: Of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    n_problems, n_seeds, _ = losses.shape
    ranks = stats.rankdata(losses, axis=2)
    draws = []
    for _ in range(2000):
        problems = rng.integers(n_problems, size=n_problems)
        draws.append(
            np.mean([ranks[p, rng.integers(n_seeds, size=n_seeds)].mean(0) for p in problems], axis=0)
        )
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    return low, high


@click.command()
@click.option("--quick", is_flag=True, help="Three seeds, and only problems without training.")
@click.option("--trials", default=50, show_default=True)
@click.option("--seeds", default=10, show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True, help="Separated by commas.")
def main(quick: bool, trials: int, seeds: int, methods: str) -> None:
    """Print mean rank, regret and the CPU time of a question for each method."""
    warnings.simplefilter("ignore")
    rows = methods.split(",")
    with_cost = [] if quick or "gp" not in rows else trained()
    problems = functions() + noisy() + ([] if quick else trained())
    n_seeds = 3 if quick else seeds
    console, progress = Console(width=120), Console(stderr=True)
    table = Table(
        title=f"regret after {trials} trials, mean of {n_seeds} seeds (0 best found, 1 a random trial)"
    )
    for column in ("problem", *rows):
        table.add_column(column, justify="left" if column == "problem" else "right")
    costs = Table("problem", "gp: regret", "CPU s", "per cost: regret", "CPU s", title="what cost changes")
    losses = np.empty((len(problems), n_seeds, len(rows)))
    asks: dict[str, list[Floats]] = {method: [] for method in rows}
    for i, problem in enumerate(problems):
        began = time.perf_counter()
        races = {m: [race(problem, m, seed, trials) for seed in range(n_seeds)] for m in rows}
        for m, races_of_one in races.items():
            asks[m] += [r.ask_s for r in races_of_one]
        regret = regrets(races)
        losses[i] = np.column_stack([regret[m] for m in rows])
        table.add_row(problem.name, *(f"{regret[m].mean():.3f}" for m in rows))
        if problem.name in {other.name for other in with_cost}:
            costs.add_row(problem.name, *cost_cells(problem, races, n_seeds, trials))
        progress.print(f"{problem.name}: {time.perf_counter() - began:.0f} s")
    console.print(table)
    console.print(summary(losses, rows, asks))
    if with_cost:
        console.print(costs)


def cost_cells(problem: Problem, races: dict[str, list[Race]], n_seeds: int, n_trials: int) -> list[str]:
    """Return regret, and CPU seconds of all trials, of the Gaussian process without and with their cost."""
    with_cost = {PER_COST: [race(problem, PER_COST, seed, n_trials) for seed in range(n_seeds)]}
    regret = regrets({**races, **with_cost})
    cells: list[str] = []
    for races_of_one, name in ((races["gp"], "gp"), (with_cost[PER_COST], PER_COST)):
        seconds = np.mean([one.run_s.sum() for one in races_of_one])
        cells += [f"{regret[name].mean():.3f}", f"{seconds:.1f}"]
    return cells


def summary(losses: Floats, methods: Sequence[str], asks: dict[str, list[Floats]]) -> Table:
    """Return the table over all problems. ``losses``: (problems, seeds, methods)."""
    ranks = mean_ranks(losses.reshape(-1, len(methods)))
    low, high = rank_intervals(losses)
    by_problem = np.median(losses, axis=1)
    p_value = stats.friedmanchisquare(*by_problem.T).pvalue if len(methods) > 2 else math.nan
    table = Table(
        title="over all problems", caption=f"Friedman test on the problems' medians: p = {p_value:.4f}"
    )
    columns = (
        "method",
        "mean rank",
        "95 % interval",
        "mean regret",
        "median regret",
        "CPU ms per ask",
        "p99",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "method" else "right")
    for m, method in enumerate(methods):
        ask_ms = np.concatenate(asks[method]) * 1e3
        table.add_row(
            method,
            f"{ranks[m]:.2f}",
            f"{low[m]:.2f} to {high[m]:.2f}",
            f"{losses[..., m].mean():.3f}",
            f"{np.median(losses[..., m]):.3f}",
            f"{ask_ms.mean():.1f}",
            f"{np.quantile(ask_ms, 0.99):.1f}",
        )
    return table


if __name__ == "__main__":
    main()
