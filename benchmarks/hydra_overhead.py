"""What a trial of a Hydra sweep costs beyond its work: a program that does nothing.

    python benchmarks/hydra_overhead.py            40 trials of random search and of SMAC
    python benchmarks/hydra_overhead.py --trials 16 --methods random

Trials run one after the other. A trial is the time from the end of one to the end of the next: question,
process, Hydra, report. The start is the time from the command to the end of its first trial, less a usual
trial. CPU seconds are those of all processes together. SMAC teaches its model every eight trials once twelve
have ended, and nobody waits who has points left.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from sharpen.store.queries import Reader

PROGRAM = """
import hydra

@hydra.main(config_path=".", config_name="nothing", version_base="1.3")
def main(cfg):
    return sum(cfg[f"x{k}"] for k in range(10))

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: sharpen
  - _self_
hydra:
  sweep: {dir: out}
  sweeper:
    n_workers: 1
    seed: 1
    search_space:
      hyperparameters:
"""
OPTIONS = {"smac": ("hydra.sweeper.sweeper_kwargs.optimizer_kwargs.initial_design={n_configs:12}",)}


@click.command()
@click.option("--trials", default=40, show_default=True)
@click.option("--methods", default="random,smac", show_default=True, help="Separated by commas.")
def main(trials: int, methods: str) -> None:
    """Print what the start and a trial take, in seconds."""
    table = Table("method", "start s", "a trial s, mean", "median", "99th percentile", "CPU s", "trials")
    for method in methods.split(","):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start_s, each_s = measured(method, trials)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        quantiles = [f"{np.quantile(each_s, q):.3f}" for q in (0.5, 0.99)]
        table.add_row(
            method, f"{start_s:.1f}", f"{np.mean(each_s):.3f}", *quantiles, f"{cpu_s:.1f}", str(trials)
        )
    Console().print(table)


def measured(method: str, n_trials: int) -> tuple[float, np.ndarray]:
    """Return the seconds that the start took, and those from the end of each trial to the next one's."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "nothing.py").write_text(PROGRAM)
        x = "".join(f"        x{k}: {{type: uniform_float, lower: 0.0, upper: 1.0}}\n" for k in range(10))
        names = "".join(f"x{k}: 0.5\n" for k in range(10))
        (scratch / "nothing.yaml").write_text(CONFIG + x + names)
        overrides = [
            f"hydra.sweeper.method={method}",
            f"hydra.sweeper.n_trials={n_trials}",
            *OPTIONS.get(method, ()),
        ]
        home = scratch / ".sharpen"
        began = time.time()
        subprocess.run(
            [sys.executable, "nothing.py", "-m", *overrides],
            cwd=scratch,
            env={**os.environ, "SHARPEN_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        reader = Reader(home)
        ends = sorted(run.ended_at or 0.0 for run in reader.runs(reader.sweep("last").id))
        each_s = np.diff(ends)
        return ends[0] - began - float(np.median(each_s)), each_s


if __name__ == "__main__":
    main()
