"""How many agents one coordinator bears, on SQLite and on Postgres; and what a very long sweep costs.

    python benchmarks/scale.py [--agents 1 16 128 1000] [--seconds 10] [--postgres URL]
        [--runs 1000000 [--sweeps 1000]]

Agents are simulated: each is a connection of one process that leases a run, reports ten times and ends it,
one request after the other, without work between. The coordinator is a process of its own. A line has the
requests answered in a second, what a report waits for (it is on the disk then), and how busy the
coordinator's core was.

With ``--runs`` a store in a file is filled with so many runs, of one sweep or of ``--sweeps``. Each verb, a
page and the ask of each method is a process of its own, which is timed; one that takes 15 minutes is ended.
``--postgres`` names an empty database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from restore import SWEEP
from sharpen.hints import count
from sharpen.store.location import link
from sharpen.wire import Client, UnixChannel
from sharpen.wire.protocol import MAX_MESSAGE_BYTES, decode_replies, encode_requests
from sharpen.wire.unix_socket import open_connection

N_REPORTS = 10
HOST = """
import sys
from pathlib import Path
from sharpen.coordinator.host import try_host
host = try_host(Path(sys.argv[1]))
print("up", flush=True)
sys.stdin.read()
host.close()
"""
FILL = """
import sys
from pathlib import Path
from restore import fill
home, text, n_runs, n_sweeps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for n in range(1, n_sweeps + 1):
    fill(home, "long" if n == n_sweeps else f"other{n}", text, n_runs // n_sweeps, 1)
"""
LINES = """
import sys
from pathlib import Path
from sharpen.store.queries import Reader
from sharpen.views.run_lines import run_lines
run_lines(Reader(Path(sys.argv[1])), "long")
"""
ASK = """
import itertools, sys, time
from pathlib import Path
from sharpen.coordinator import connect
with connect(Path(sys.argv[1])) as client:
    client.call("join", sweep_id="long", agent_id="a", host="h", pid=1, born="x")
    for n in itertools.count():
        if client.call("lease", sweep_id="long", agent_id="a", key=str(time.time()))["run"]:
            break
        time.sleep(0.1)
"""
METHODS = ("random", "tpe", "gp")
LONGEST_S = 900.0


@dataclass
class Tally:
    """What simulated agents have seen."""

    waits_s: list[float] = field(default_factory=list[float])
    n_requests: int = 0
    n_runs: int = 0


class SimulatedAgent:
    """One connection that behaves as an agent and its program do."""

    def __init__(self, name: str, sweep_id: str, tally: Tally) -> None:
        self._name, self._sweep_id, self._tally = name, sweep_id, tally

    async def work(self, home: Path, until: float) -> None:
        """Lease, report and end runs until a time."""
        socket = open_connection(home)
        socket.setblocking(False)
        self._reader, self._writer = await asyncio.open_unix_connection(sock=socket, limit=MAX_MESSAGE_BYTES)
        with contextlib.closing(self._writer):
            await self._ask("join", agent_id=self._name, sweep_id=self._sweep_id, host="h", pid=1, born="x")
            n = 0
            while time.monotonic() < until:
                n += 1
                key = f"{self._name}/{n}"
                answer = await self._ask("lease", sweep_id=self._sweep_id, agent_id=self._name, key=key)
                await self._carry_out({name: answer["run"][name] for name in ("run_id", "token")})
                self._tally.n_runs += 1

    async def _carry_out(self, lease: dict[str, Any]) -> None:
        for step in range(1, N_REPORTS + 1):
            began = time.perf_counter()
            await self._ask("report", **lease, rows=[[step, {"score": step / 10}]])
            self._tally.waits_s.append(time.perf_counter() - began)
        await self._ask("exit", **lease, exit_code=0, last_words="")

    async def _ask(self, op: str, **args: Any) -> Any:
        self._writer.write(encode_requests([{"op": op, "args": args}]) + b"\n")
        (reply,) = decode_replies(await self._reader.readline(), 1)
        self._tally.n_requests += 1
        if "ok" not in reply:
            raise SystemExit(f"{op}: {reply}")
        return reply["ok"]


def simulate(home: Path, n_agents: int, seconds: float) -> str:
    """Return a line about so many agents at one coordinator."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    host.stdout.readline()
    origin = {"source": "s.yaml", "workdir": str(home)}
    sweep_id = Client(UnixChannel(home)).call("create_sweep", key=str(n_agents), text=SWEEP, place=origin)[
        "sweep_id"
    ]
    tally, watched = Tally(), psutil.Process(host.pid)
    before, began = sum(watched.cpu_times()[:2]), time.monotonic()

    async def crowd() -> None:
        agents = [SimulatedAgent(f"{sweep_id}-{n}", sweep_id, tally) for n in range(n_agents)]
        await asyncio.gather(*(agent.work(home, began + seconds) for agent in agents))

    asyncio.run(crowd())
    took_s = time.monotonic() - began
    busy = (sum(watched.cpu_times()[:2]) - before) / took_s
    n_bytes = watched.memory_info().rss
    host.communicate(b"")
    p50, p99 = np.percentile(tally.waits_s, [50, 99]) * 1000
    rates = f"{tally.n_requests / took_s:10.0f} {tally.n_runs / took_s:8.1f}"
    return f"{n_agents:6} {rates} {p50:9.1f} {p99:9.1f} {busy:9.0%} {n_bytes / 2**20:8.0f}"


def timed(what: str, *arguments: str, home: Path) -> None:
    """Print how long a process takes, and the most memory that it had."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, *arguments], stdin=quiet, stdout=quiet, cwd=home)
    with contextlib.suppress(ChildProcessError):
        ending = threading.Timer(LONGEST_S, process.kill)
        ending.start()
        _, status, used = os.wait4(process.pid, 0)
        ending.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        took = f"{time.perf_counter() - began:8.2f} s" if status == 0 else f"ended with {process.returncode}"
        print(f"{what:<40} {took} {used.ru_maxrss / 1024:8.0f} MiB", flush=True)


def many_runs(home: Path, n_runs: int, n_sweeps: int) -> None:
    """Print what questions cost at a store of so many runs; those of a sweep are about the newest."""
    print(f"\n{n_runs:,} runs in {count(n_sweeps, 'sweep'):<22}     time   peak memory of the process")
    numbers = [str(n_runs), str(n_sweeps)]
    command = [sys.executable, "-c", FILL, str(home), SWEEP, *numbers]  # or this process's memory would count
    subprocess.run(command, cwd=Path(__file__).parent, check=True)
    print(f"{'the database':<40} {(home / 'store.db').stat().st_size / 2**20:8.0f} MiB", flush=True)
    sharpen = ("-m", "sharpen", "--home", str(home))
    for command in (
        ("--version",),
        ("ls",),
        ("best", "long", "--json"),
        ("logs", f"long-{n_runs // n_sweeps // 2}"),
        ("runs", "long"),
        ("runs", "long", "--json"),
        ("report", "long", "--output", str(home / "report.html")),
    ):
        timed(
            "sharpen " + " ".join(command[:2] if "--output" in command else command),
            *sharpen,
            *command,
            home=home,
        )
    timed("every run as lines of a page", "-c", LINES, str(home), home=home)
    for method in METHODS:
        with contextlib.closing(sqlite3.connect(home / "store.db")) as connection, connection:
            text = SWEEP.replace("method: random", f"method: {method}")
            connection.execute("update sweeps set spec = ? where id = 'long'", [text])
        timed(f"a new writer, and a run of {method}", "-c", ASK, str(home), home=home)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="*", type=int, default=[1, 16, 128, 1000])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--sweeps", type=int, default=1)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()[0]}))
    head = (
        f"{'agents':>6} {'requests/s':>10} {'runs/s':>8} {'p50 ms':>9} {'p99 ms':>9} {'busy':>9} {'MiB':>8}"
    )
    for name, url in (("SQLite", None), ("Postgres", given.postgres)):
        if name == "Postgres" and url is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "store"
            if url is not None:
                link(home, url)
            print(f"\n{name}\n{head}")
            for n_agents in given.agents:
                print(simulate(home, n_agents, given.seconds), flush=True)
    if given.runs:
        with tempfile.TemporaryDirectory() as folder:
            many_runs(Path(folder), given.runs, given.sweeps)


if __name__ == "__main__":
    main()
