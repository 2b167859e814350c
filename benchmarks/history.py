"""What a long history costs: one run of a million rows of five numbers, written, shown, and taken over.

    python benchmarks/history.py [--rows 1000000]

Prints one line of JSON: CPU a call of ``run.log``, and what ``sharpen info``, a chart of 1,000 points, and a
new host over the same store take, with the host's largest memory; ``import_s`` is what ``sharpen info`` needs
before it opens the store. Optuna's intermediate values in memory and the
offline mode of ``wandb`` stand beside it where they are installed (``--peers``).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

METRICS = ("loss", "reward", "entropy", "kl", "value")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--peers", action="store_true", help="Optuna and wandb, too, with a tenth of the rows."
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "store", asked.rows)
        if asked.peers:
            found |= peers(Path(folder), asked.rows // 10)
    print(json.dumps(found))


def measure(home: Path, n_rows: int) -> dict[str, float]:
    from sharpen import tracking
    from sharpen.coordinator.core import Coordinator
    from sharpen.store.queries import Reader

    run = tracking.init(project="bench", id="long", home=home)
    log_s, log_cpu_s = timed(run.log, n_rows)
    host = host_memory_mb(home)
    began = time.perf_counter()
    run.finish()
    found = {"rows": n_rows, "log_ms": 1e3 * log_s / n_rows, "log_cpu_ms": 1e3 * log_cpu_s / n_rows}
    found |= {"finish_s": time.perf_counter() - began, "host_mb": host}
    command = [sys.executable, "-m", "sharpen", "--home", str(home), "info", "long", "--json"]
    found["info_s"] = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    reader = Reader(home)
    found["chart_s"] = seconds(lambda: reader.tracked.history("long", n_points=1000))
    command = [sys.executable, "-c", "import sharpen.cli.listing"]
    found["import_s"] = seconds(lambda: subprocess.run(command, check=True))
    wait_until_free(home)
    found["takeover_s"] = seconds(lambda: Coordinator(home, time).close())
    found["store_mb"] = (home / "store.db").stat().st_size / 1e6
    return {name: round(value, 4) for name, value in found.items()}


def timed(log: Callable[..., object], n_rows: int) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of logging so many rows."""
    began, cpu = time.perf_counter(), time.process_time()
    for step in range(1, n_rows + 1):
        log({name: step * 0.5 + i for i, name in enumerate(METRICS)}, step=step)
    return time.perf_counter() - began, time.process_time() - cpu


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def host_memory_mb(home: Path) -> float:
    """Return the largest memory that the process which holds the store has had."""
    pid = (home / "lock").read_text().strip()
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def wait_until_free(home: Path) -> None:
    """Wait until the process that held the store has found that nobody needs it."""
    pid = int((home / "lock").read_text())
    while (
        Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    ):
        time.sleep(0.5)


def peers(folder: Path, n_rows: int) -> dict[str, float]:
    """Return the processor time a call of what else logs, with so many rows."""
    found: dict[str, float] = {}
    try:
        import optuna

        trial = optuna.create_study().ask()
        _, cpu_s = timed(lambda row, step: trial.report(row["loss"], step), min(n_rows, 20_000))
        found["optuna_memory_cpu_ms"] = 1e3 * cpu_s / min(n_rows, 20_000)
    except ImportError:
        pass
    try:
        os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(folder)}
        import wandb

        run = wandb.init(project="bench")
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        _, cpu_s = timed(run.log, n_rows)
        run.finish()
        helper_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - children
        found |= {
            "wandb_offline_cpu_ms": 1e3 * cpu_s / n_rows,
            "wandb_helper_cpu_ms": 1e3 * helper_s / n_rows,
        }
    except ImportError:
        pass
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
