"""Three machines, a store in Postgres, and a network that fails at random in one direction or the other.

    sudo python benchmarks/partitions.py [--seconds 600] [--runs 300] [--seed 1]

The machines are network namespaces with host names of their own; root makes them, and they are taken away at
the end. Postgres is on the first, the server on the second, and an agent with two slots on each. For the time
asked, what one of them sends to another is lost without a word, for 1 to 60 seconds (log-uniform), from a
random instant on; several such cuts may be at the same time. The server is started again when it dies, as
systemd would.

Each program reports 20 times, waits until each report is stored, and then writes that down in a file beside.
After all is healed and the sweep is over, the store is compared with these files: every acknowledged report
must be there with its value, every run must have ended once, and there must be as many runs as the cap.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network_namespaces import SWEEP, address, cut, heal, machines, on, sharpen_on

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import FAST, PostgresServer

N_STEPS, N_SLOTS = 20, 2
PAUSE_S = 6.0  # between the beginnings of two cuts, on average
SHORTEST_S, LONGEST_S = 1.0, 60.0
PATIENCE_S = 600.0
HOSTS = ("sharpen-0", "sharpen-1", "sharpen-2")
DATABASE, SERVER = 0, 1
PROGRAM = """\
import json, os, socket, time
from sharpen import tracking

about = json.loads(os.environ["SHARPEN_RUN"])
with tracking.init() as run, open(f"acknowledged-{socket.gethostname()}", "a") as file:
    for step in range(%d):
        time.sleep(0.4)
        value = run.config.x + step
        run.log({"loss": value}, step=step)
        run.flush()
        file.write(json.dumps([about["run_id"], about["token"], step, value]) + "\\n")
        file.flush()
"""
AGAIN = 'while :; do "$@"; echo "the server ended with $?"; sleep 1; done'


@dataclass(frozen=True, slots=True)
class Cut:
    """What a machine sends to another is lost from a second to another one."""

    begins_s: float
    ends_s: float
    sender: int
    receiver: int


def cuts(seed: int, seconds: float) -> list[Cut]:
    """Return the cuts of a seed, by their beginnings; those of one direction do not overlap."""
    rng = random.Random(seed)
    planned: list[Cut] = []
    free_at: Counter[tuple[int, int]] = Counter()
    now = 0.0
    while (now := now + rng.expovariate(1 / PAUSE_S)) < seconds:
        sender, receiver = rng.sample(range(len(HOSTS)), 2)
        lasts_s = SHORTEST_S * (LONGEST_S / SHORTEST_S) ** rng.random()
        if now >= free_at[sender, receiver]:
            free_at[sender, receiver] = now + lasts_s
            planned.append(Cut(now, min(now + lasts_s, seconds), sender, receiver))
    return planned


def fail_at_random(planned: list[Cut]) -> None:
    """Cut and heal as planned."""
    moments = [(planned_cut.begins_s, cut, planned_cut) for planned_cut in planned] + [
        (planned_cut.ends_s, heal, planned_cut) for planned_cut in planned
    ]
    began = time.monotonic()
    for at_s, do, planned_cut in sorted(moments, key=lambda moment: moment[0]):
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        do(HOSTS[planned_cut.sender], planned_cut.receiver)


@contextlib.contextmanager
def database() -> Generator[str]:
    """Give the address of an empty database on the first machine."""
    nobody = on(HOSTS[DATABASE], "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    server = PostgresServer(*FAST, host=address(DATABASE), starter=nobody)
    try:
        yield server.start().new_database()
    finally:
        server.close()


def serve(folder: Path, url: str) -> str:
    """Start a server on the second machine, and again whenever it ends; return the key."""
    home = ["--home", str(folder / "store")]
    add = [sys.executable, "-m", "sharpen", *home, "key", "add"]
    key = subprocess.run(add, capture_output=True, text=True, check=True).stdout.split()[-1]
    arguments = ["serve", "--host", address(SERVER), "--port", "8420", "--standby", "--store", url]
    command = sharpen_on(HOSTS[SERVER], folder, *home, *arguments, start=("sh", "-c", AGAIN, "sh"))
    with (folder / "server.log").open("w") as log:
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    return key


def start_agents(folder: Path, sweep: str) -> list[subprocess.Popen[bytes]]:
    """Start an agent on each machine."""
    agents: list[subprocess.Popen[bytes]] = []
    for machine in HOSTS:
        command = sharpen_on(machine, folder, "agent", sweep, "--slots", str(N_SLOTS))
        with (folder / f"{machine}.log").open("w") as log:
            agents.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
    return agents


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=600.0)
    asked.add_argument("--runs", type=int, default=300)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--keep", type=Path, help="A new folder that keeps the logs.")
    given = asked.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        stack.enter_context(machines(HOSTS))
        url = stack.enter_context(database())
        (folder / "train.py").write_text(PROGRAM % N_STEPS)
        (folder / "sweep.yaml").write_text(SWEEP % given.runs)
        os.environ["SHARPEN_API_KEY"] = serve(folder, url)
        os.environ["SHARPEN_SERVER"] = f"http://{address(SERVER)}:8420"
        os.chdir(folder)
        command = sharpen_on(HOSTS[2], folder, "sweep", "sweep.yaml")
        sweep = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
        agents = start_agents(folder, sweep)
        planned = cuts(given.seed, given.seconds)
        fail_at_random(planned)
        n_left = given.runs - len(finished(url))
        began = time.monotonic()
        codes = [agent.wait(PATIENCE_S) for agent in agents]
        total_s = sum(planned_cut.ends_s - planned_cut.begins_s for planned_cut in planned)
        print(
            f"{len(planned)} cuts of {total_s:.0f} s in all, seed {given.seed}; {n_left} runs were left then,"
        )
        print(f"over {time.monotonic() - began:.0f} s later; the agents ended with {codes}")
        tell(folder, url, given.runs)
    assert not any(codes), codes


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    """Return the rows that a query finds in the store."""
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(text.encode()).fetchall()


def finished(url: str) -> list[tuple[Any, ...]]:
    """Return the runs that are over."""
    return query(url, "SELECT id FROM runs WHERE state = 'finished'")


def tell(folder: Path, url: str, run_cap: int) -> None:
    """Print what came of it, and fail where something was lost."""
    stored = {tuple(row[:3]): row[3] for row in query(url, "SELECT run_id, token, step, value FROM reports")}
    lines = [line for file in folder.glob("acknowledged-*") for line in file.read_text().splitlines()]
    acknowledged = [json.loads(line) for line in lines]
    lost = [sent for sent in acknowledged if stored.get(tuple(sent[:3])) != sent[3]]
    runs = query(url, "SELECT id, token, state, lost FROM runs")
    whole = [
        run for run, token, state, _ in runs
        if state == "finished" and all((run, token, step) in stored for step in range(N_STEPS))
    ]  # fmt: skip
    logs = "".join((folder / f"{machine}.log").read_text() for machine in HOSTS)
    n_finished = Counter(re.findall(r"^run +(\d+) +finished", logs, re.MULTILINE))
    n_starts = (folder / "server.log").read_text().count("the server ended with")
    n_moved = sum(run[3] > 0 for run in runs)
    print(f"{len(acknowledged)} reports were acknowledged, {len(lost)} of them are not in the store")
    print(f"{len(runs)} runs of a cap of {run_cap}; finished with all their reports: {len(whole)}")
    ((n_leaders,),) = query(url, "SELECT epoch FROM store_state")
    print(f"given to another machine: {n_moved}; began to lead: {n_leaders}; servers that died: {n_starts}")
    n_twice = sum(n > 1 for n in n_finished.values())
    print(f"agents said of {len(n_finished)} runs that they are finished, of {n_twice} more than once")
    if lost or len(runs) != run_cap or len(whole) != run_cap:
        sys.exit("something was lost")


if __name__ == "__main__":
    main()
