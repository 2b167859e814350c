"""Agents on three machines of one sweep: one is cut off and comes back, one is killed, nothing is lost.

    sudo python benchmarks/three_machines.py [--runs 60]

The machines are network namespaces with host names of their own, on a switch with the server's; root makes
them, and they are taken away at the end. Each agent has two slots and programs of six seconds. After 20 s the
cable of the first is pulled, after 25 s the second is killed with its programs (``kill -9``), after 70 s the
cable is back: by then the first machine's leases, of 30 s, have gone to others.

At the end every run must have finished once, with its six rows, and the first machine must have worked again.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from network_namespaces import SWEEP, address, machines, pids, plug_in_cable, pull_cable, sharpen_on

PROGRAM = """\
import time
from sharpen import tracking

with tracking.init() as run:
    for step in range(6):
        run.log({"loss": run.config.x + 6 - step}, step=step)
        time.sleep(1)
"""
ADDRESS = f"http://{address(0)}:8420"
SERVER, *MACHINES = (f"sharpen-{n}" for n in range(4))
FIRST = 1


def serve(folder: Path) -> str:
    """Start a server on its machine, and return the key."""
    home = ["--home", str(folder / "store")]
    add = [sys.executable, "-m", "sharpen", *home, "key", "add"]
    key = subprocess.run(add, capture_output=True, text=True, check=True).stdout.split()[-1]
    command = sharpen_on(SERVER, folder, *home, "serve", "--host", address(0), "--port", "8420")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    process.stdout.readline()
    return key


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=int, default=60)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch, machines((SERVER, *MACHINES)):
        folder = Path(scratch)
        (folder / "train.py").write_text(PROGRAM)
        (folder / "sweep.yaml").write_text(SWEEP % given.runs)
        os.environ |= {"SHARPEN_API_KEY": serve(folder), "SHARPEN_SERVER": ADDRESS}
        os.chdir(folder)
        command = sharpen_on(MACHINES[0], folder, "sweep", "sweep.yaml")
        sweep = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
        logs = [folder / f"{machine}.log" for machine in MACHINES]
        agents = [
            subprocess.Popen(
                sharpen_on(machine, folder, "agent", sweep, "--slots", "2"),
                stdout=log.open("w"),
                stderr=subprocess.STDOUT,
            )
            for machine, log in zip(MACHINES, logs, strict=True)
        ]
        time.sleep(20)
        pull_cable(FIRST)
        time.sleep(5)
        for pid in pids(MACHINES[1]):
            os.kill(pid, signal.SIGKILL)
        time.sleep(45)
        before = logs[0].read_text()
        plug_in_cable(FIRST)
        codes = [agent.wait(600) for agent in agents]
        tell(folder / "store", sweep, codes, logs[0].read_text().removeprefix(before))


def tell(home: Path, sweep: str, codes: list[int], after: str) -> None:
    """Print what came of it, and fail where something was lost."""
    from sharpen.store.queries import Reader

    reader = Reader(home)
    runs = reader.runs(sweep)
    steps = {run.id: sorted(report.step for report in reader.reports(run_id=run.id)) for run in runs}
    n_whole = sum(run.state == "finished" and steps[run.id] == [*range(6)] for run in runs)
    n_again = sum(run.lost > 0 for run in runs)
    n_after = len(re.findall("finished", after))
    print(f"{len(runs)} runs; finished with all six rows, each once: {n_whole}")
    print(f"given to another machine: {n_again}; finished by the first machine after it was back: {n_after}")
    print(f"the agents ended with {codes}")
    if n_whole != len(runs) or not n_after or not n_again:
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
