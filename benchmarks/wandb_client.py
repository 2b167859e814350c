"""What a run costs with the stock client and with sharpen's own; runs an hour of an agent of each.

    python benchmarks/wandb_client.py [--repeats 3] [--lines 100] [--stock-runs 6] [--own-runs 60]

One program logs the same lines in five ways, each in a process of its own: with the stock client against
`sharpen serve`, offline, and disabled; with ``sharpen.tracking`` into a project; and not at all. What the
last one costs, the start of Python, is taken off. Then an agent of each kind works on the same sweep, whose
program logs one line. Shown are medians.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

STOCK = """\
import sys, wandb
with wandb.init(project="bench", config={"lr": 0.1}) as run:
    for i in range(int(sys.argv[1])):
        run.log({"loss": 1 / (i + 1), "i": i})
"""
OWN = """\
import sys
from sharpen import tracking
with tracking.init({"lr": 0.1}, project="bench") as run:
    for i in range(int(sys.argv[1])):
        run.log({"loss": 1 / (i + 1), "i": i})
"""
ONE = """\
from sharpen import tracking
with tracking.init() as run:
    run.log({"loss": run.config["x"]})
"""
SWEEP = "program: one.py\nproject: bench\nmethod: random\nrun_cap: %d\nmetric: {name: loss}\n"
SPACE = "parameters: {x: {min: 0.0, max: 1.0}}\n"
OURS = [sys.executable, "-m", "sharpen"]


def took(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[float, float]:
    """Return the seconds that a command took, and those of a processor in it and what it started."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    after, wall_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def runs(folder: Path, environ: dict[str, str], lines: int, repeats: int) -> None:
    """Print what a run costs in each way."""
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "stock client, against sharpen serve": ("stock.py", {}),
        "stock client, offline": ("stock.py", {"WANDB_MODE": "offline"}),
        "stock client, disabled": ("stock.py", {"WANDB_MODE": "disabled"}),
        "sharpen.tracking, into a project": ("own.py", {}),
        "nothing": ("nothing.py", {}),
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(repeats):  # in turns: what else the machine does meets all of them
        for way, (program, more) in ways.items():
            seconds[way].append(took([sys.executable, program, str(lines)], folder, environ | more))
    nothing = seconds.pop("nothing")
    start_s, start_cpu_s = median(one[0] for one in nothing), median(one[1] for one in nothing)
    own = seconds["sharpen.tracking, into a project"]
    base_s, base_cpu_s = median(o[0] for o in own) - start_s, median(o[1] for o in own) - start_cpu_s
    print(f"{'a run of ' + str(lines) + ' lines':38}{'wall s':>8}{'CPU s':>8}{'x wall':>8}{'x CPU':>8}")
    for way, times in seconds.items():
        wall_s, cpu_s = median(o[0] for o in times) - start_s, median(o[1] for o in times) - start_cpu_s
        print(f"{way:38}{wall_s:8.2f}{cpu_s:8.2f}{wall_s / base_s:8.1f}{cpu_s / base_cpu_s:8.1f}")


def agents(folder: Path, environ: dict[str, str], n_stock: int, n_own: int) -> None:
    """Print how many runs an hour an agent of each kind gets through."""
    (folder / "stock.yaml").write_text(SWEEP % n_stock + SPACE)
    (folder / "own.yaml").write_text(SWEEP % n_own + SPACE)
    made = subprocess.run(
        ["wandb", "sweep", "stock.yaml"], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    path = re.search(r"wandb agent (\S+)", made.stdout + made.stderr)
    assert path
    stock_s, _ = took(["wandb", "agent", path[1]], folder, environ)
    sweep = subprocess.run(
        [*OURS, "sweep", "own.yaml"], cwd=folder, env=environ, check=True, capture_output=True, text=True
    ).stdout.split()[0]
    own_s, _ = took([*OURS, "agent", sweep], folder, environ)
    stock_rate, own_rate = 3600 * n_stock / stock_s, 3600 * n_own / own_s
    print(f"\n{'one agent, a program of one line':38}{'runs/h':>10}")
    print(f"{'wandb agent':38}{stock_rate:10,.0f}")
    print(f"{'sharpen agent':38}{own_rate:10,.0f}   {own_rate / stock_rate:.0f} times as many")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--repeats", type=int, default=3)
    asked.add_argument("--lines", type=int, default=100)
    asked.add_argument("--stock-runs", type=int, default=6)
    asked.add_argument("--own-runs", type=int, default=60)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = {"stock.py": STOCK, "own.py": OWN, "one.py": ONE, "nothing.py": ""}
        for program, text in programs.items():
            (folder / program).write_text(text)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "SHARPEN"))}
        environ |= {"HOME": name, "SHARPEN_HOME": str(folder / "store"), "WANDB_ERROR_REPORTING": "false"}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        server = subprocess.Popen(
            [*OURS, "serve", "--port", "0"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout
            for _ in range(2):
                word, value = server.stdout.readline().strip().removeprefix("export ").split("=", 1)
                environ[word] = value
            runs(folder, environ, given.lines, given.repeats)
            agents(folder, environ, given.stock_runs, given.own_runs)
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
