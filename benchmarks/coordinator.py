"""Durable trials a second: this coordinator and Optuna's database storage, side by side.

    python benchmarks/coordinator.py [--agents 1 4 16] [--seconds 6] [--folder DIR] [--profile]

Agents are processes. Ours ask the one writer for a run, report one step and end it, three requests that are
each on the disk when they are answered. Optuna's call ``study.optimize`` with an objective that reports once,
on a study in an SQLite file with the default settings. Both draw one random number a trial, so neither
sampler is measured; both work for the same time. Latency is what a program waits for its report to be safe.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import multiprocessing
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SWEEP = """
program: none.py
method: random
metric: {name: score, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}}
"""
Result = tuple[int, int, list[float]]  # trials, errors, seconds that each report took
Agent = Callable[[str, str, float], Result]


def sharpen_agent(folder: str, sweep_id: str, seconds: float) -> Result:
    """Lease, report and end runs for some time."""
    from sharpen.wire import Client, UnixChannel

    client = Client(UnixChannel(Path(folder)))
    name = multiprocessing.current_process().name
    n_trials = n_errors = 0
    waits: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            answer = client.call(
                "lease", sweep_id=sweep_id, agent_id=name, key=f"{name}-{n_trials}-{n_errors}"
            )
            held = {"run_id": answer["run"]["run_id"], "token": answer["run"]["token"]}
            began = time.perf_counter()
            client.call("report", **held, rows=[[1, {"score": answer["run"]["config"]["x"]}]])
            waits.append(time.perf_counter() - began)
            client.call("exit", **held, exit_code=0, last_words="")
            n_trials += 1
        except Exception:  # counted, whatever it is
            n_errors += 1
    return n_trials, n_errors, waits


def optuna_agent(folder: str, study_name: str, seconds: float) -> Result:
    """Optimize for some time; begin again when the storage gives up."""
    import optuna

    waits: list[float] = []
    n_trials = n_errors = 0

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        began = time.perf_counter()
        trial.report(x, 1)
        waits.append(time.perf_counter() - began)
        return x

    def count(study: Any, trial: Any) -> None:
        nonlocal n_trials
        n_trials += 1

    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            sampler = optuna.samplers.RandomSampler()
            study = optuna.load_study(study_name=study_name, storage=optuna_storage(folder), sampler=sampler)
            study.optimize(objective, timeout=left, callbacks=[count])
        except Exception:  # counted, whatever it is
            n_errors += 1
    return n_trials, n_errors, waits


def optuna_storage(folder: str) -> str:
    return f"sqlite:///{folder}/optuna.db"


def work(agent: Agent, start: Any, results: Any, args: tuple[str, str, float]) -> None:
    """Be one agent: import first, begin with the others."""
    import sharpen.wire

    assert sharpen.wire is not None
    if agent is optuna_agent:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    start.wait()
    results.put(agent(*args))


def measure(agent: Agent, n_agents: int, args: tuple[str, str, float]) -> dict[str, float]:
    """Return what so many agents get done together."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(n_agents + 1), context.Queue()
    processes = [
        context.Process(target=work, args=(agent, start, results, args), daemon=True) for _ in range(n_agents)
    ]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    measured: list[Result] = [results.get() for _ in processes]
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    waits = [wait for _, _, waits_of_one in measured for wait in waits_of_one]
    return {
        "rate": sum(n for n, _, _ in measured) / took,
        "p50_ms": 1e3 * float(np.quantile(waits, 0.5)),
        "p99_ms": 1e3 * float(np.quantile(waits, 0.99)),
        "errors": sum(n for _, n, _ in measured),
    }


def measure_sharpen(folder: Path, n_agents: int, seconds: float, profile: bool) -> dict[str, float]:
    from sharpen.coordinator import connect
    from sharpen.coordinator.core import Coordinator

    profiler = cProfile.Profile()
    answer = Coordinator.answer
    if profile:  # the host's thread, not this one
        Coordinator.answer = lambda *args: profiler.runcall(answer, *args)  # type: ignore[method-assign]
    with connect(folder) as client:
        origin = {"source": "benchmark.yaml", "workdir": str(folder)}
        sweep_id = client.call("create_sweep", key=str(n_agents), text=SWEEP, place=origin)["sweep_id"]
        figures = measure(sharpen_agent, n_agents, (str(folder), sweep_id, seconds))
    Coordinator.answer = answer  # type: ignore[method-assign]
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)
    return figures


def measure_optuna(folder: Path, n_agents: int, seconds: float) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = f"study-{n_agents}"
    optuna.create_study(study_name=name, storage=optuna_storage(str(folder)), direction="maximize")
    return measure(optuna_agent, n_agents, (str(folder), name, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=6.0, help="for each measurement")
    parser.add_argument("--folder", type=Path, help="where the databases are to lie; their disk is measured")
    parser.add_argument("--profile", action="store_true", help="of the coordinator, and without Optuna")
    options = parser.parse_args()
    print(f"{'agents':>6}  {'':8}{'trials/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7} {'ratio':>7}")
    for n_agents in options.agents:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
            ours = measure_sharpen(folder, n_agents, options.seconds, options.profile)
            rows = [("sharpen", ours)]
            if not options.profile:
                rows.append(("optuna", measure_optuna(folder, n_agents, options.seconds)))
        for name, row in rows:
            ratio = f"{ours['rate'] / row['rate']:6.1f}x" if name != "sharpen" and row["rate"] else ""
            cells = f"{row['rate']:9.1f} {row['p50_ms']:8.1f} {row['p99_ms']:8.1f} {row['errors']:7.0f}"
            print(f"{n_agents:>6}  {name:8}{cells} {ratio:>7}", flush=True)


if __name__ == "__main__":
    main()
