"""How soon a new process is ready to work on a long sweep, and what it holds in memory.

    python benchmarks/restore.py [--runs 100000] [--reports 3] [--folder DIR]

A store is filled with one sweep of so many finished runs, past the coordinator. Each measurement is a process
of its own, which says how long it took to import, to be ready, and to report twice, and its peak memory:

- host: the first process at the store; it restores the sweep and grants one run
- agent: a process that connects to that host, joins the sweep and gets one run
- stopper: a host whose stop rule judges a report, for which it reads the reports of all runs that have ended
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SWEEP = """
program: none.py
method: random
metric: {name: score, goal: maximize}
parameters:
  x: {min: 0.0, max: 1.0}
  depth: {min: 2, max: 12}
  rate: {distribution: log_uniform_values, min: 0.001, max: 0.3}
  bagging: {values: [true, false]}
"""
STOPPING = "early_terminate: {type: hyperband, min_iter: 2, eta: 3}\n"

PROBE = """
import json, resource, sys, time
began = time.perf_counter()
from pathlib import Path
from sharpen.wire import Client, UnixChannel
role, home, sweep_id = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
if role == "agent":
    from sharpen import agents, cli
    from sharpen.store.queries import Reader
    imported = time.perf_counter()
    Reader(home).sweep(sweep_id)
    client = Client(UnixChannel(home))
else:
    from sharpen.coordinator.host import try_host
    imported = time.perf_counter()
    host = try_host(home)
    client = Client(UnixChannel(home))
client.call("join", sweep_id=sweep_id, agent_id=role, host="elsewhere", pid=1, born="x")
run = client.call("lease", sweep_id=sweep_id, agent_id=role, key=role)["run"]
ready = time.perf_counter()
for step in (1, 2):
    client.call("report", run_id=run["run_id"], token=run["token"], rows=[[step, {"score": 0.5}]])
reported = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([imported - began, ready - imported, reported - ready, peak]), flush=True)
if role == "host":
    sys.stdin.read()
"""


def fill(
    home: Path,
    sweep_id: str,
    text: str,
    n_runs: int,
    n_reports: int,
    value_of: Callable[[Mapping[str, Any]], float] | None = None,
) -> None:
    """Write a sweep of finished runs past the coordinator; without a function the scores are random."""
    from sharpen.store.location import FILE
    from sharpen.store.sqlite import open_writer

    open_writer(home).dispose()
    draw = random.Random(0)
    with contextlib.closing(sqlite3.connect(home / FILE)) as connection, connection:
        row = (sweep_id, sweep_id, "long", "running", "", text, "long.yaml", str(home), 0, 0, 1.0)
        names = "id, key, name, status, reason, spec, source, workdir, seed, n_forgiven, created_at"
        connection.execute(f"INSERT INTO sweeps ({names}) VALUES ({', '.join('?' * len(row))})", row)
        names = (
            "id, sweep_id, number, state, reason, config, origin, score, exit_code, token, lost, stop,"
            " summary, created_at, started_at, ended_at"
        )
        runs: list[tuple[Any, ...]] = []
        for n in range(1, n_runs + 1):
            config = {"x": draw.random(), "depth": draw.randint(2, 12), "rate": draw.random() / 3}
            config["bagging"] = draw.random() < 0.5
            texts = (f"{sweep_id}-{n}", sweep_id, n, "finished", "", json.dumps(config), "random")
            score = value_of(config) if value_of else draw.random()
            summary = json.dumps({"score": score})
            runs.append((*texts, score, 0, 1, 0, "", summary, 1.0 + n, 1.0 + n, 2.0 + n))
        connection.executemany(f"INSERT INTO runs ({names}) VALUES ({', '.join('?' * 16)})", runs)
        reports = (
            (f"{sweep_id}-{n}", 1, step, '{"score":0.5}', 1, 0.5, 1.0)
            for n in range(1, n_runs + 1)
            for step in range(1, n_reports + 1)
        )
        connection.executemany("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", reports)


def probe(role: str, home: Path, sweep_id: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROBE, role, str(home), sweep_id]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measured(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def show(role: str, figures: list[float]) -> None:
    cells = f"{figures[0]:10.2f} {figures[1]:10.2f} {figures[2]:12.2f} {figures[3]:10.0f}"
    print(f"{role:<10}{cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--reports", type=int, default=3, help="of each run")
    parser.add_argument("--folder", type=Path, help="where the databases are to lie")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        began = time.perf_counter()
        for name, text in (("plain", SWEEP), ("stops", SWEEP + STOPPING)):
            (folder / name).mkdir()
            fill(folder / name, name, text, options.runs, options.reports)
        took = time.perf_counter() - began
        print(f"{options.runs} runs, {options.reports} reports each; filled in {took:.1f} s")
        print(f"{'':<10}{'imports s':>10} {'ready s':>10} {'2 reports s':>12} {'peak MB':>10}")
        with probe("host", folder / "plain", "plain") as host:
            show("host", measured(host))
            with probe("agent", folder / "plain", "plain") as agent:
                show("agent", measured(agent))
            assert host.stdin is not None
            host.stdin.close()
        with probe("stopper", folder / "stops", "stops") as stopper:
            show("stopper", measured(stopper))


if __name__ == "__main__":
    main()
