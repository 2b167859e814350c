"""The whole of sweeps/xgboost_sweep.yaml beside Optuna on SQLite: wall and CPU time, and the winners.

    python benchmarks/xgboost_sweep.py                 100 runs each, six ways: half an hour on two cores
    python benchmarks/xgboost_sweep.py --quick         8 runs each, two ways: a minute or so
    python benchmarks/xgboost_sweep.py --ways sharpen optuna --seeds 0 1 2 3 4     and the mean of the ratio

Ours is the command that people type, `sharpen run FILE --agents 2 --trials 100`, with its verdict and report;
then the same without warm slots (SHARPEN_COLD=1), without early_terminate, and without both. Optuna searches
the same space with TPE and two threads, on a study in an SQLite file; its objective starts the same script
as a process and reads what it prints. "optuna-pruned" also reports each fold to its Hyperband pruner and
ends the process when told to. Everybody trains on one thread a process.

Since each way trains other configurations, a fold does not cost the same everywhere: see CPU ms a fold. One
search says little, therefore, of how long another takes; several seeds end with the mean ratio.

The winners are rescored by the script alone: under the sweep's seed, which must give the same figure again,
and under others, which the search has not seen. Only the mean of those says what a winner is worth, for its
own figure is the luckiest of many; the rank is by that mean, 1 is the best.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from sharpen import spec
from sharpen.space import Float, Int
from sharpen.store.queries import Reader

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "sweeps" / "xgboost_sweep.yaml"
SCRIPT = "scripts/train_classifier.py"
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")}
STEP = re.compile(r"step (\d+) .* val/sharpe=(\S+)")
TRAINING = re.compile(r"summary  seconds/training_cpu=(\S+)")
N_QUICK = 8
N_AT_ONCE = 2
OTHER_SEED = 1000  # the first of those that winners are rescored under


@dataclass(frozen=True, slots=True)
class Task:
    """What everybody is given to do."""

    n_trials: int
    seed: int


@dataclass(frozen=True)
class Search:
    """What a search did.

    Attributes:
        states: How many runs ended how.
        n_folds: Folds that were reported.
        training_cpu_s: CPU seconds of fitting and scoring, as the programs say; NaN where some could not.
        best: The winner's val/sharpe.
        config: The winner's configuration.
        again: Its val/sharpe once more, by the script alone.
        worth: Its val/sharpe under seeds that the search has not seen.
        wall_s: Seconds from the command to its end.
        cpu_s: CPU seconds of all processes.
    """

    states: Mapping[str, int]
    n_folds: int
    training_cpu_s: float
    best: float
    config: Mapping[str, Any]
    again: float = math.nan
    worth: Sequence[float] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0


# ---- ours


def ours(task: Task, folder: Path, cold: bool = False, stops: bool = True) -> Search:
    """Return what `sharpen run` did."""
    sweep = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    if not stops:
        del sweep["early_terminate"]
    file, home = folder / "sweep.yaml", folder / "store"
    file.write_text(yaml.safe_dump(sweep, sort_keys=False), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sharpen",
        "--home",
        str(home),
        "run",
        str(file),
        "--seed",
        str(task.seed),
    ]
    command += ["--agents", str(N_AT_ONCE), "--trials", str(task.n_trials)]
    extra = {"SHARPEN_COLD": "1"} if cold else {}
    done = subprocess.run(
        [*command, "--report", str(folder / "report.html")],
        cwd=ROOT,
        env=os.environ | ONE_THREAD | extra,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    reader = Reader(home)
    runs = reader.runs(reader.sweep("last").id)
    scored = {run.score: run.config for run in runs if run.state == "finished" and run.score is not None}
    best = max(scored)
    return Search(
        Counter(run.state for run in runs),
        len(reader.reports(runs[0].sweep_id)),
        sum(run.summary["seconds/training_cpu"] for run in runs),
        best,
        scored[best],
    )


# ---- the peer


def optuna_search(task: Task, folder: Path, pruned: bool = False) -> Search:
    """Return what Optuna did, in a process of its own so that its imports count and its CPU is seen."""
    command = [sys.executable, __file__, "--trials", str(task.n_trials), "--seeds", str(task.seed)]
    command += ["--peer", str(folder), *(["--pruned"] if pruned else [])]
    done = subprocess.run(command, check=True, cwd=ROOT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE)
    return Search(*json.loads(done.stdout))


def be_optuna(task: Task, folder: Path, pruned: bool) -> None:
    """Search as Optuna's users do, and print the result as JSON."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.HyperbandPruner(3, 8, 3) if pruned else optuna.pruners.NopPruner()
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/optuna.db",
        sampler=optuna.samplers.TPESampler(seed=task.seed),
        pruner=pruner,
        direction="maximize",
    )
    dimensions = spec.load(FILE).space.dimensions
    n_folds, training_cpu_s = 0, [0.0]

    def objective(trial: Any) -> float:
        nonlocal n_folds
        config = {name: suggest(trial, name, dimension) for name, dimension in dimensions.items()}
        value = math.nan
        with start_script(config, task.seed) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if match := STEP.match(line):
                    value = float(match[2])
                    n_folds += 1
                    trial.report(value, int(match[1]))
                    if trial.should_prune():
                        process.kill()
                        raise optuna.TrialPruned
                elif match := TRAINING.match(line):
                    training_cpu_s.append(float(match[1]))
        if process.returncode:
            raise RuntimeError(f"the script failed with {config}")
        return value  # NaN, an infeasible configuration, makes the trial a failed one

    study.optimize(objective, n_trials=task.n_trials, n_jobs=N_AT_ONCE)
    states = Counter(trial.state.name.lower() for trial in study.trials)
    spent = math.nan if pruned else sum(training_cpu_s)  # a process that was killed did not say
    best = study.best_trial
    print(json.dumps([states, n_folds, spent, best.value, best.params]))


def suggest(trial: Any, name: str, dimension: Any) -> Any:
    """Return Optuna's value for one of the file's parameters."""
    assert isinstance(dimension, Float | Int)
    draw = trial.suggest_float if isinstance(dimension, Float) else trial.suggest_int
    return draw(name, dimension.low, dimension.high, log=dimension.log)


def start_script(config: Mapping[str, Any], seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, SCRIPT, *(f"--{name}={value}" for name, value in config.items())]
    command.append(f"--seed={seed}")
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True)


# ---- what the winners are worth


def rescored(config: Mapping[str, Any], seed: int) -> float:
    """Return the val/sharpe that the script alone prints last."""
    with start_script(config, seed) as process:
        text, _ = process.communicate()
    return float([match[2] for match in map(STEP.match, text.splitlines()) if match][-1])


def with_worth(search: Search, seed: int, n_others: int) -> Search:
    """Return a search with its winner rescored, under its own seed and under others."""
    seeds = [seed, *range(OTHER_SEED, OTHER_SEED + n_others)]
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        again, *worth = pool.map(rescored, repeat(search.config), seeds)
    return replace(search, again=again, worth=worth)


# ---- the tables


WAYS: dict[str, Callable[[Task, Path], Search]] = {
    "sharpen": ours,
    "optuna": optuna_search,
    "sharpen-cold": lambda task, folder: ours(task, folder, cold=True),
    "sharpen-no-stops": lambda task, folder: ours(task, folder, stops=False),
    "sharpen-neither": lambda task, folder: ours(task, folder, cold=True, stops=False),
    "optuna-pruned": lambda task, folder: optuna_search(task, folder, pruned=True),
}
"""Searches by name, in the order in which they are made."""


def measured(way: Callable[[Task, Path], Search], task: Task) -> Search:
    """Return what a search did, with the seconds that it took and those of CPU of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        before, began = os.times(), time.perf_counter()
        search = way(task, Path(folder))
        wall_s, after = time.perf_counter() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return replace(search, wall_s=wall_s, cpu_s=cpu_s)


def searches_table(searches: Mapping[str, Search], title: str) -> Table:
    table = Table("", title=title)
    for column in ("wall s", "CPU s", "training CPU s", "folds", "CPU ms a fold", "runs", "optuna / it"):
        table.add_column(column, justify="left" if column == "runs" else "right")
    for name, search in searches.items():
        ended = ", ".join(f"{n} {state}" for state, n in sorted(search.states.items()))
        ratio = f"{searches['optuna'].wall_s / search.wall_s:.2f} x" if "optuna" in searches else ""
        figures = (search.wall_s, search.cpu_s, search.training_cpu_s)
        per_fold = 1000 * search.training_cpu_s / search.n_folds
        cells = [*(f"{figure:.1f}" for figure in figures), str(search.n_folds), f"{per_fold:.0f}"]
        table.add_row(name, *cells, ended, ratio)
    return table


def winners_table(searches: Mapping[str, Search]) -> Table:
    n = len(next(iter(searches.values())).worth)
    table = Table("winner of", "val/sharpe", "rescored", f"mean of {n} other seeds", "from", "to", "rank")
    for name, search in searches.items():
        is_same = math.isclose(search.again, search.best, rel_tol=1e-5)
        again = "the same" if is_same else f"{search.again:.4f}, NOT the same"
        rank = 1 + sum(fmean(other.worth) > fmean(search.worth) for other in searches.values())
        spread = (f"{fmean(search.worth):.3f}", f"{min(search.worth):.3f}", f"{max(search.worth):.3f}")
        table.add_row(name, f"{search.best:.4f}", again, *spread, str(rank))
    return table


def split_table(searches: Mapping[str, Search]) -> Table:
    """Return by how much each part shortens a sweep; the first three make the fourth."""
    table = Table("what makes the ratio", "wall", "CPU")
    steps = {
        "search method and engine, cold, no stops": ("optuna", "sharpen-neither"),
        "early_terminate, cold": ("sharpen-neither", "sharpen-cold"),
        "warm slots, with early_terminate": ("sharpen-cold", "sharpen"),
        "all of it": ("optuna", "sharpen"),
        "the other way round: warm slots first": ("sharpen-neither", "sharpen-no-stops"),
        "then early_terminate": ("sharpen-no-stops", "sharpen"),
        "a peer that prunes, too": ("optuna-pruned", "sharpen"),
    }
    for part, (slow, quick) in steps.items():
        if slow in searches and quick in searches:
            wall, cpu = (
                getattr(searches[slow], s) / getattr(searches[quick], s) for s in ("wall_s", "cpu_s")
            )
            table.add_row(part, f"{wall:.2f} x", f"{cpu:.2f} x")
    return table


def report(searches: Mapping[str, Search], title: str) -> None:
    console = Console(width=120)
    console.print(searches_table(searches, title))
    console.print(split_table(searches))
    console.print(winners_table(searches))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--trials", type=int, default=100, help="runs of each way")
    add("--seeds", type=int, nargs="+", default=[0], help="one table each, then the means")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which ways, all by default")
    add("--rescore", type=int, default=5, help="how many other seeds to rescore the winners under")
    add("--quick", action="store_true", help=f"{N_QUICK} runs of sharpen and optuna, winners rescored twice")
    add("--peer", type=Path, help=argparse.SUPPRESS)
    add("--pruned", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rescore < 1:
        parser.error("--rescore must be 1 or more")
    return options


def main() -> None:
    options = parsed()
    if options.peer is not None:
        be_optuna(Task(options.trials, options.seeds[0]), options.peer, options.pruned)
        return
    if options.quick:
        options.trials, options.ways, options.rescore = N_QUICK, ["sharpen", "optuna"], 2
    by_seed = [compare(options, seed) for seed in options.seeds]
    if len(by_seed) > 1 and all({"sharpen", "optuna"} <= one.keys() for one in by_seed):
        Console(width=120).print(means_table(by_seed, options.seeds))


def compare(options: argparse.Namespace, seed: int) -> dict[str, Search]:
    """Make every search under one seed, print what it did, and return it."""
    searches: dict[str, Search] = {}
    loads: list[float] = []
    for name in options.ways:
        print(f"{name}, seed {seed} ...", file=sys.stderr, flush=True)
        searches[name] = measured(WAYS[name], Task(options.trials, seed))
        loads.append(os.getloadavg()[0])
    title = f"{options.trials} runs, {N_AT_ONCE} at once, seed {seed}; "
    title += f"load {min(loads):.1f} to {max(loads):.1f}"
    searches = {name: with_worth(search, seed, options.rescore) for name, search in searches.items()}
    report(searches, title)
    return searches


def means_table(by_seed: Sequence[Mapping[str, Search]], seeds: Sequence[int]) -> Table:
    """Return the ratios of all seeds, what their winners are worth, and the means."""
    table = Table("optuna / sharpen", *(f"seed {seed}" for seed in seeds), "mean")
    for name, field in (("wall", "wall_s"), ("CPU", "cpu_s"), ("CPU without training", "")):
        ratios = [spent(one["optuna"], field) / spent(one["sharpen"], field) for one in by_seed]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        table.add_row(name, *(f"{ratio:.2f} x" for ratio in (*ratios, mean)))
    for name in ("sharpen", "optuna"):
        worths = [fmean(one[name].worth) for one in by_seed]
        table.add_row(f"{name}'s winner", *(f"{worth:.3f}" for worth in (*worths, fmean(worths))))
    gains = [fmean(one["sharpen"].worth) - fmean(one["optuna"].worth) for one in by_seed]
    error = stdev(gains) / math.sqrt(len(gains))
    table.add_row("difference", *(f"{gain:+.3f}" for gain in gains), f"{fmean(gains):+.3f} ± {error:.3f}")
    return table


def spent(search: Search, field: str) -> float:
    """Return seconds by the name of a field, or those of CPU beyond training."""
    return getattr(search, field) if field else search.cpu_s - search.training_cpu_s


if __name__ == "__main__":
    main()
