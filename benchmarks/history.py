"""What a long history costs: one run of a million rows of five numbers, written, shown, and taken over.

    python benchmarks/history.py [--rows 1000000] [--in sweep|project] [--peers]

Prints one line of JSON:

- ``log_ms``, ``log_cpu_ms``: a call of ``run.log`` by the clock, and its processor time in the program
- ``host_cpu_ms``, ``host_mb``: the processor time of the host for a row, and the largest memory it had
- ``info_s``, ``report_s``, ``chart_s``: ``sharpen info``, ``sharpen report``, a chart of 1,000 points; with
  ``_cpu_s`` their processor time; with ``ended_`` when the run has ended
- ``takeover_s``, ``takeover_mb``: a new host of a run at work, its imports done, until it has answered the
  first report; with ``ended_`` the first lease when the run has ended

``--peers`` does the same logging with the offline mode of ``wandb`` and with Optuna's intermediate values, in
memory and on SQLite, with fewer rows: they are the slower.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

METRICS = ("loss", "reward", "entropy", "kl", "value")
SWEEP = """
{program: none.py, method: random, metric: {name: reward, goal: maximize}, run_cap: 3,
 parameters: {lr: {min: 0.1, max: 1.0}}}
"""
MOST_ON_SQLITE = 1_000  # of Optuna's intermediate values: one takes milliseconds
HOST = """
import json, resource, sys, time
from pathlib import Path
from sharpen import optimizers, stoppers, tracking  # noqa: F401 - so that the clock leaves them out
from sharpen.coordinator import restore  # noqa: F401
from sharpen.coordinator.host import try_host
from sharpen.wire import Client, UnixChannel
home, words = Path(sys.argv[1]), json.loads(sys.argv[2])
began = time.perf_counter()
host = try_host(home)
if words:
    Client(UnixChannel(home)).call(words["op"], **words["args"])
took = time.perf_counter() - began
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), flush=True)
sys.stdin.read()
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--in", choices=("sweep", "project"), default="sweep", dest="of")
    parser.add_argument("--peers", action="store_true", help="Optuna and wandb, too, with fewer rows.")
    asked = parser.parse_args()
    measure = in_sweep if asked.of == "sweep" else in_project
    with tempfile.TemporaryDirectory() as folder:
        figures = {"rows": asked.rows, **measure(Path(folder) / "store", asked.rows)}
        if asked.peers:
            figures |= peers(Path(folder), asked.rows // 10)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def in_sweep(home: Path, n_rows: int) -> dict[str, float]:
    """Measure a run of a sweep: its host is killed while it is at work, and again when it has ended."""
    from sharpen import tracking
    from sharpen.wire import Client, UnixChannel

    with hosting(home) as (host, *_):
        client = Client(UnixChannel(home))
        lease = leased(client)
        assignment = {"channel": client.channel.address, "waits_for": [], "config": {}, "seed": 1, **lease}
        os.environ["SHARPEN_RUN"] = json.dumps(assignment)
        run = tracking.init()
        figures = logged(run.log, n_rows)
        run.flush()
        figures |= {"host_cpu_ms": 1e3 * cpu_s_of(host.pid) / n_rows, "host_mb": peak_mb(host.pid)}
    sweep_id, run_id = lease["run_id"].rpartition("-")[0], lease["run_id"]
    again = {**lease, "rows": [[n_rows + 1, {"reward": 0.5}]]}
    with hosting(home, "report", again) as (_, seconds, mb):
        figures |= {"takeover_s": seconds, "takeover_mb": mb}
    figures |= shown(home, run_id, sweep_id)  # nobody hosts meanwhile, so that the lease does not run out
    with hosting(home):
        Client(UnixChannel(home)).call("exit", **lease, exit_code=0, last_words="")
    with hosting(home, "lease", {"sweep_id": sweep_id, "agent_id": "a", "key": "2"}) as (_, seconds, mb):
        figures |= {"ended_takeover_s": seconds, "ended_takeover_mb": mb}
        figures |= {f"ended_{name}": value for name, value in shown(home, run_id, sweep_id).items()}
    return figures | {"store_mb": size_mb(home)}


def leased(client: Any) -> dict[str, Any]:
    origin = {"source": "s.yaml", "workdir": "/"}
    sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=origin)["sweep_id"]
    client.call("join", sweep_id=sweep_id, agent_id="a", host="elsewhere", pid=1, born="x")
    run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
    return {"run_id": run["run_id"], "token": run["token"]}


def in_project(home: Path, n_rows: int) -> dict[str, float]:
    """Measure a run of no sweep, whose host ends by itself."""
    from sharpen import tracking

    run = tracking.init(project="bench", id="long", home=home)
    figures = logged(run.log, n_rows)
    run.flush()
    pid = int((home / "lock").read_text())
    figures |= {"host_cpu_ms": 1e3 * cpu_s_of(pid) / n_rows, "host_mb": peak_mb(pid)}
    figures |= shown(home, "long")
    run.finish()
    while is_there(pid):
        time.sleep(0.5)
    again = {"run_id": "long", "key": "k", "project": "bench", "resume": "must"}
    with hosting(home, "create_run", again) as (_, seconds, mb):
        figures |= {"takeover_s": seconds, "takeover_mb": mb}
    return figures | {"store_mb": size_mb(home)}


@contextmanager
def hosting(
    home: Path, op: str = "", args: Mapping[str, Any] | None = None
) -> Iterator[tuple[subprocess.Popen[str], float, float]]:
    """Host a store in a process that is killed at the end; give the seconds and MB of its first answer."""
    request = json.dumps({"op": op, "args": args} if op else None)
    command = [sys.executable, "-c", HOST, str(home), request]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        try:
            yield (host, *json.loads(host.stdout.readline()))
        finally:
            host.kill()


def logged(log: Callable[..., object], n_rows: int) -> dict[str, float]:
    took_s, cpu_s = timed(log, n_rows)
    return {"log_ms": 1e3 * took_s / n_rows, "log_cpu_ms": 1e3 * cpu_s / n_rows}


def timed(log: Callable[..., object], n_rows: int) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of logging so many rows."""
    began, cpu = time.perf_counter(), time.process_time()
    for step in range(1, n_rows + 1):
        log({name: step * 0.5 + i for i, name in enumerate(METRICS)}, step=step)
    return time.perf_counter() - began, time.process_time() - cpu


def shown(home: Path, run_id: str, sweep_id: str | None = None) -> dict[str, float]:
    from sharpen.store.queries import Reader

    figures = command_s("info", home, "info", run_id, "--json")
    if sweep_id is not None:
        return figures | command_s("report", home, "report", sweep_id)
    began = time.perf_counter()
    Reader(home).tracked.history(run_id, n_points=1000)
    return figures | {"chart_s": time.perf_counter() - began}


def command_s(name: str, home: Path, *arguments: str) -> dict[str, float]:
    """Return the least wall-clock and processor seconds of three calls of a command."""
    command = [sys.executable, "-m", "sharpen", "--home", str(home), *arguments]
    seconds: list[tuple[float, float]] = []
    for _ in range(3):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home.parent
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        seconds.append((time.perf_counter() - began, cpu_s))
    return {f"{name}_s": min(wall for wall, _ in seconds), f"{name}_cpu_s": min(cpu for _, cpu in seconds)}


def cpu_s_of(pid: int) -> float:
    """Return the processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Return the largest memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


def size_mb(home: Path) -> float:
    return sum(file.stat().st_size for file in home.glob("store.db*")) / 1e6


def peers(folder: Path, n_rows: int) -> dict[str, float]:
    """Return the processor time a call of what else logs."""
    figures: dict[str, float] = {}
    try:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for name, storage, n in (
            ("memory", None, n_rows),
            ("sqlite", f"sqlite:///{folder}/optuna.db", MOST_ON_SQLITE),
        ):
            trial = optuna.create_study(storage=storage).ask()
            log = lambda row, step, trial=trial: trial.report(row["loss"], step)  # noqa: E731
            took_s, cpu_s = timed(log, n)
            figures |= {f"optuna_{name}_ms": 1e3 * took_s / n, f"optuna_{name}_cpu_ms": 1e3 * cpu_s / n}
    except ImportError:
        pass
    try:
        os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(folder)}
        import wandb

        run = wandb.init(project="bench")
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        took_s, cpu_s = timed(run.log, n_rows)
        run.finish()
        helper_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - children
        figures |= {"wandb_offline_ms": 1e3 * took_s / n_rows, "wandb_offline_cpu_ms": 1e3 * cpu_s / n_rows}
        figures["wandb_helper_cpu_ms"] = 1e3 * helper_s / n_rows
    except ImportError:
        pass
    return figures


if __name__ == "__main__":
    main()
