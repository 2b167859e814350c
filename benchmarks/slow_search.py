"""What a report, a heartbeat and a listing wait for while a search method thinks.

    python benchmarks/slow_search.py [--seconds 10]

The method computes in plain Python, which gives other threads the least: the libraries of SMAC and HEBO let
go of the interpreter while they compute. Coordinator and client are processes of their own. One run is at
work, and another agent has asked for the next. ``quiet`` is the same before the method is asked.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sharpen.store.queries import Reader
from sharpen.wire import Client, UnixChannel

SWEEP = "program: t.py\nmethod: random\nmetric: {name: score}\nparameters: {x: {min: 0.0, max: 1.0}}\n"
HOST = """
import sys, time
from pathlib import Path
from sharpen import optimizers
from sharpen.coordinator.host import try_host

class Busy:
    def ask(self, space, history, n, rng):
        if history:
            print("thinks", flush=True)
            until = time.monotonic() + float(sys.argv[2])
            while time.monotonic() < until:
                sum(range(1000))
        return optimizers.RandomSearch().ask(space, history, n, rng)

optimizers.make = lambda *_: Busy()
optimizers.QUICK = frozenset()
host = try_host(Path(sys.argv[1]))
print("up", flush=True)
sys.stdin.read()
host.close()
"""


def waits_ms(ask: Callable[[int], object], n: int) -> str:
    """Return the median, the 95th percentile and the longest of n waits."""
    waits: list[float] = []
    for k in range(n):
        began = time.perf_counter()
        ask(k)
        waits.append(1000 * (time.perf_counter() - began))
        time.sleep(0.01)
    return "".join(f"{value:10.1f}" for value in (*np.percentile(waits, [50, 95]), max(waits)))


def main() -> None:
    """Print the waits."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--seconds", type=float, default=10.0, help="how long the method thinks")
    seconds = options.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = [sys.executable, "-c", HOST, folder, str(seconds)]
        host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert host.stdout is not None
        host.stdout.readline()
        measure(home, host.stdout.readline, seconds)
        host.communicate("")


def measure(home: Path, line: Callable[[], str], seconds: float) -> None:
    """Print what each request waits for, before the method thinks and while it does."""
    call = Client(UnixChannel(home)).call
    origin = {"source": "s.yaml", "workdir": str(home)}
    sweep_id = call("create_sweep", key="k", text=SWEEP, place=origin)["sweep_id"]
    call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="x")
    while "run" not in (leased := call("lease", sweep_id=sweep_id, agent_id="a", key="first")):
        time.sleep(0.01)
    run, reader, step = (
        {name: leased["run"][name] for name in ("run_id", "token")},
        Reader(home),
        iter(range(9**9)),
    )
    asked: dict[str, Callable[[int], object]] = {
        "report": lambda _: call("report", **run, rows=[[next(step), {"score": 0.5}]]),
        "heartbeat": lambda _: call(
            "beat", sweep_id=sweep_id, agent_id="a", held=[[run["run_id"], run["token"]]]
        ),
        "listing of runs": lambda _: reader.runs(sweep_id),
    }
    print(f"{'ms':<28}    median       p95   longest")
    for phase in ("quiet", "thinking"):
        began = time.monotonic()
        if phase == "thinking":
            call("lease", sweep_id=sweep_id, agent_id="a", key="second")
            assert line() == "thinks\n"
            began = time.monotonic()
        for name, ask in asked.items():
            print(f"{phase:<10}{name:<18}{waits_ms(ask, 40)}", flush=True)
        took_s = time.monotonic() - began
        assert phase == "quiet" or took_s < seconds, f"it had answered before: {took_s:.1f} s"


if __name__ == "__main__":
    main()
