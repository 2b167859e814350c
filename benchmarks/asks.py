"""How long an agent waits for its next configuration when a sweep is long: our methods beside Optuna's TPE.

    python benchmarks/asks.py             10,000 and 2,000 finished trials; Optuna's study of 2,000
    python benchmarks/asks.py --quick     1,000 and 300; half a minute or so

A store is filled with a sweep of so many finished runs, past the coordinator. Then one agent leases run after
run, reports and ends each; the lease is timed, as the agent sees it: request, search method, transaction on
the disk, answer. The first lease of all, which also reads the sweep from the store, is shown apart. Optuna's
study lies in an SQLite file, filled with `study.add_trials`, which is slow: hence fewer trials. Timed is what
gives its objective a configuration: `study.ask` and a `suggest` for each parameter.

CPU is that of the whole process, coordinator and agent. The scores are a smooth function of four parameters.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

from restore import SWEEP, fill

METHODS = ("random", "tpe", "gp", "cmaes")
PEER = "optuna tpe"


def value_of(config: Mapping[str, Any]) -> float:
    """Return what a configuration scores."""
    bagged = 0.1 if config["bagging"] else 0.0
    return bagged - (config["x"] - 0.3) ** 2 - (config["depth"] - 7) ** 2 / 50 - abs(config["rate"] - 0.1)


class Stopwatch:
    """Wall and CPU milliseconds of some calls."""

    def __init__(self) -> None:
        self._ms: list[tuple[float, float]] = []

    def time(self, call: Callable[[], Any]) -> Any:
        """Return what a call gives."""
        began = time.perf_counter(), time.process_time()
        result = call()
        self._ms.append((1e3 * (time.perf_counter() - began[0]), 1e3 * (time.process_time() - began[1])))
        return result

    def figures(self) -> list[float]:
        """Return the first wall time, then median and 99th percentile of wall and of CPU time of the rest."""
        rest = np.array(self._ms[1:])
        return [self._ms[0][0], *np.quantile(rest, (0.5, 0.99), axis=0).T.ravel().tolist()]


def asked_of_sharpen(method: str, n_trials: int, n_asks: int, folder: Path) -> list[float]:
    """Return the figures of leases of a sweep that has so many runs."""
    from sharpen.coordinator import connect

    fill(folder, method, SWEEP.replace("method: random", f"method: {method}"), n_trials, 0, value_of)
    watch = Stopwatch()
    with connect(folder) as client:
        process = {"host": "elsewhere", "pid": 1, "born": "x"}
        client.call("join", sweep_id=method, agent_id="a", **process)
        for n in range(n_asks + 1):
            ask = {"sweep_id": method, "agent_id": "a", "key": str(n)}
            run = watch.time(lambda ask=ask: client.call("lease", **ask))["run"]
            held = {"run_id": run["run_id"], "token": run["token"]}
            client.call("report", **held, rows=[[1, {"score": value_of(run["config"])}]])
            client.call("exit", **held, exit_code=0, last_words="")
    return watch.figures()


def asked_of_optuna(n_trials: int, n_asks: int, folder: Path) -> list[float]:
    """Return the figures of the questions to a study that has so many trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = optuna.distributions
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        "x": kinds.FloatDistribution(0.0, 1.0),
        "depth": kinds.IntDistribution(2, 12),
        "rate": kinds.FloatDistribution(0.001, 0.3, log=True),
        "bagging": kinds.CategoricalDistribution([True, False]),
    }
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/optuna.db", sampler=sampler, direction="maximize"
    )
    draw = random.Random(0)
    for _ in range(n_trials):
        config: dict[str, Any] = {"x": draw.random(), "depth": draw.randint(2, 12)}
        config |= {"rate": 0.001 + 0.299 * draw.random(), "bagging": draw.random() < 0.5}
        trial_values = {"params": config, "distributions": ranges, "value": value_of(config)}
        study.add_trial(optuna.trial.create_trial(**trial_values))
    watch = Stopwatch()
    for _ in range(n_asks + 1):
        trial = watch.time(lambda: study.ask(ranges))
        study.tell(trial, value_of(trial.params))
    return watch.figures()


def measured(name: str, n_trials: int, n_asks: int, folder: Path | None) -> list[float]:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        if name == PEER:
            return asked_of_optuna(n_trials, n_asks, Path(scratch))
        return asked_of_sharpen(name, n_trials, n_asks, Path(scratch))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--trials", type=int, default=10_000, help="of our long sweep")
    add("--peer-trials", type=int, default=2_000, help="of Optuna's study and our shorter sweep")
    add("--asks", type=int, default=200, help="how many are timed")
    add("--folder", type=Path, help="where the databases are to lie; their disk is measured")
    add("--quick", action="store_true", help="1,000 and 300 trials, 30 asks")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.peer_trials, options.asks = 1_000, 300, 30
    return options


def main() -> None:
    options = parsed()
    tasks = [(PEER, options.peer_trials)]
    tasks += [(method, n) for n in sorted({options.peer_trials, options.trials}) for method in METHODS]
    rows = {task: measured(*task, options.asks, options.folder) for task in tasks}
    peer = rows[tasks[0]]
    table = Table("", "trials", title=f"ms for an ask, {options.asks} asks; load {os.getloadavg()[0]:.1f}")
    for column in ("first", "wall p50", "wall p99", "CPU p50", "CPU p99", "optuna / it, CPU p50"):
        table.add_column(column, justify="right")
    for (name, n_trials), row in rows.items():
        cells = (f"{figure:.1f}" for figure in row)
        table.add_row(name, f"{n_trials:,}", *cells, f"{peer[3] / row[3]:.1f} x")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
