"""What a trial costs beyond its data, fits and scores, cold and warm, and what that makes of the demo.

``python benchmarks/warm.py [--trials 20] [--demo 40]`` prints two tables. Overhead is everything of a trial
but ``seconds/data`` and ``seconds/training`` of the program: lease, process, options, reports, files, exit.
With ``gp`` the search method's question is part of it, with ``random`` there is next to none.
CPU time is measured beside wall time because a busy machine inflates only the latter. ``--demo 0`` leaves
the demo out; ``TMPDIR=/dev/shm`` leaves out the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "sweeps" / "xgboost_sweep.yaml"
PARTS = ("data", "training")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--demo", type=int, default=40, help="runs of the demo; 0 for none")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        mode, method = options.only
        print(json.dumps(measure(mode == "warm", method, options.trials)))
        return
    console = Console(width=110)
    table = Table(
        "", "first trial", "wall, median", "wall, best", "CPU programs", "CPU agent and coordinator"
    )
    for mode, method in (("cold", "random"), ("warm", "random"), ("warm", "gp")):
        few, many = (in_own_process(mode, method, n) for n in (2, options.trials))
        per_trial = [
            1000 * (many[key] - few[key]) / (options.trials - 2) for key in ("children_cpu", "self_cpu")
        ]
        walls = many["walls"]
        figures = (walls[0], median(walls[1:]), min(walls[1:]), *per_trial)
        table.add_row(f"{mode}, {method}", *(f"{figure:.0f}" for figure in figures))
    table.title = (
        f"Overhead of a trial in ms, one agent, {options.trials} trials; load {os.getloadavg()[0]:.1f}"
    )
    console.print(table)
    if options.demo:
        console.print(demo_table(options.demo))


def in_own_process(mode: str, method: str, n_trials: int) -> dict:
    command = [sys.executable, __file__, "--only", mode, method, "--trials", str(n_trials)]
    return json.loads(subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout)


def measure(is_warm: bool, method: str, n_trials: int) -> dict:
    """Run a sweep with one agent in this process, and return what its trials cost beyond their work."""
    from sharpen.agents import LocalAgent
    from sharpen.coordinator import connect

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with connect(home) as client:
            origin = {"source": str(FILE), "workdir": str(ROOT)}
            text = FILE.read_text().replace("method: bayes", f"method: {method}")
            made = client.call("create_sweep", key="k", text=text, place=origin, seed=0, run_cap=n_trials)
            reader = Reader(home)
            row = reader.sweep(made["sweep_id"])
            before = os.times()
            LocalAgent(client, row, warm=is_warm).work()
            after = os.times()
            runs = reader.runs(row.id)
    return {
        "walls": [1000 * wall for wall in overheads(runs, row.created_at)],
        "children_cpu": after.children_user
        + after.children_system
        - before.children_user
        - before.children_system
        - sum(run.summary[f"seconds/{part}_cpu"] for run in runs for part in PARTS),
        "self_cpu": after.user + after.system - before.user - before.system,
    }


def overheads(runs: list[RunRow], began: float) -> list[float]:
    """Return, for each trial, the seconds since the one before ended, without those of its work."""
    ends = [began, *(run.ended_at or 0.0 for run in runs)]
    work = [sum(run.summary[f"seconds/{part}"] for part in PARTS) for run in runs]
    return [end - start - done for start, end, done in zip(ends, ends[1:], work, strict=False)]


def demo_table(n_trials: int) -> Table:
    table = Table("", "wall s", "the sweep s", "CPU s", "training CPU s", "training of all CPU")
    for mode in ("cold", "warm"):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "store"
            command = [
                sys.executable,
                "-m",
                "sharpen",
                "--home",
                str(home),
                "run",
                str(FILE),
                "--agents",
                "2",
            ]
            command += ["--trials", str(n_trials), "--report", str(Path(folder) / "report.html")]
            environment = os.environ | ({"SHARPEN_COLD": "1"} if mode == "cold" else {})
            before, began = os.times(), time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, env=environment, capture_output=True)
            wall, after = time.perf_counter() - began, os.times()
            reader = Reader(home)
            sweep = reader.sweep("last")
            training = sum(run.summary["seconds/training_cpu"] for run in reader.runs(sweep.id))
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        sweeping = (sweep.ended_at or 0.0) - sweep.created_at
        figures = (wall, sweeping, cpu, training)
        table.add_row(mode, *(f"{figure:.1f}" for figure in figures), f"{training / cpu:.0%}")
    table.title = f"The demo: {n_trials} runs, 2 agents; load {os.getloadavg()[0]:.1f}"
    return table


if __name__ == "__main__":
    main()
