"""Where the time of the 40-run demo goes: training, data, imports, and everything that is sharpen's.

``python benchmarks/demo.py [--trials 40] [--agents 2]`` runs sweeps/xgboost_sweep.yaml in a scratch store and
prints a table. Slot-seconds are wall time times agents: what the machine could have given to training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("training", "data", "imports")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--agents", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "store"
        command = [sys.executable, "-m", "sharpen", "--home", str(home), "run", "sweeps/xgboost_sweep.yaml"]
        command += ["--agents", str(options.agents), "--trials", str(options.trials)]
        began = time.perf_counter()
        subprocess.run([*command, "--report", str(Path(folder) / "report.html")], cwd=ROOT, check=True)
        wall = time.perf_counter() - began
        reader = Reader(home)
        sweep = reader.sweep("last")
        show(reader.runs(sweep.id), wall, (sweep.ended_at or 0.0) - sweep.created_at, options.agents)


def show(runs: list[RunRow], wall: float, sweeping: float, n_agents: int) -> None:
    capacity = sweeping * n_agents
    busy = sum((run.ended_at or 0.0) - (run.started_at or 0.0) for run in runs)
    spent = {part: sum(run.summary.get(f"seconds/{part}", 0.0) for run in runs) for part in PARTS}
    spent["interpreter start and exit, reports"] = busy - sum(spent.values())
    spent["between runs, and idle at the end"] = capacity - busy
    table = Table("part", "slot-seconds", "share", "ms a run", title=f"{len(runs)} runs, {n_agents} agents")
    for part, seconds in spent.items():
        per_run = f"{1000 * seconds / len(runs):.0f}"
        table.add_row(part, f"{seconds:.1f}", f"{seconds / capacity:.1%}", per_run)
    table.add_section()
    table.add_row("the sweep", f"{capacity:.1f}", "100 %", f"{1000 * capacity / len(runs):.0f}")
    console = Console()
    console.print(table)
    console.print(
        f"wall: {wall:.1f} s, of which the sweep {sweeping:.1f} s, and start, verdict and report "
        f"{wall - sweeping:.1f} s"
    )


if __name__ == "__main__":
    main()
