"""Sweeps on a Ray cluster of two nodes whose parts are killed at random: caps exact, nothing lost.

    python benchmarks/ray_faults.py [--minutes 5] [--runs 30] [--seed 0] [--only head --only gcs]

Two nodes run on this machine, at addresses of their own on the loopback. ``sharpen agent SWEEP --ray`` works
on one sweep after the other until the time is over; every few seconds something is killed (``kill -9``), and
what a user or a cluster's keeper would start again is started again. Each sweep must then end: as many runs
as its cap says, each finished once with all of its rows, and no process of it left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "SHARPEN_RAY_FAULTS"
"""A variable that everything started here inherits, so that what is left of it can be found."""
N_ROWS = 6
PROGRAM = f"""\
import time
from sharpen import tracking

with tracking.init({{"x": 0.0}}) as run:
    for step in range({N_ROWS}):
        run.log({{"loss": run.config.x + step}}, step=step)
        time.sleep(0.3)
"""
SWEEP = """\
program: train.py
command: [{python}, "${{program}}", "${{args}}"]
method: random
run_cap: {n_runs}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""
LONGEST_S = 400.0  # from a sweep's last fault to its end
QUIET_S = (4.0, 14.0)  # between two faults
STARTED = "Ray runtime started."
SHARPEN = (sys.executable, "-m", "sharpen")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return probe.getsockname()[1]


class Node:
    """A machine of the cluster: what ``ray start --block`` starts, and what that starts.

    Args:
        number: 2 is the head.
        head: The head's address.
        folder: For Ray's files.
    """

    def __init__(self, number: int, head: str, folder: Path) -> None:
        where = ["--head", f"--port={head.rpartition(':')[2]}", "--include-dashboard=false", "--num-gpus=1"]
        self._folder = folder
        self._mark = f"{os.environ[MARK]} {number}"
        self.ip = f"127.0.0.{number}"
        self._words = where if number == 2 else [f"--address={head}"]
        self._words += [f"--node-ip-address={self.ip}", "--num-cpus=2", "--min-worker-port=0"]
        self._words += ["--max-worker-port=0", "--block", *([f"--temp-dir={folder}"] if number == 2 else [])]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the machine, or start it again."""
        self.lose()
        # Ray takes the raylet of the other machine, which is this one, for that of a head which still runs
        (self._folder / "ray_current_cluster").unlink(missing_ok=True)
        command = [str(Path(sys.executable).with_name("ray")), "start", *self._words]
        log = Path(f"{self.ip}.log")
        with log.open("wb") as file:
            about = {**os.environ, MARK: self._mark}
            self._process = subprocess.Popen(
                command, stdout=file, stderr=file, env=about, start_new_session=True
            )
        while STARTED not in log.read_text():
            if self._process.poll() is not None:
                sys.exit(f"{self.ip} did not start: {log.read_text()}")
            time.sleep(0.2)

    def processes(self, of: str = "") -> list[psutil.Process]:
        """Return its processes, the agents among them, or those with a word in their command lines."""
        return with_mark(self._mark, of)

    def kill(self, of: str, with_signal: int = signal.SIGKILL) -> None:
        """Kill a part of it, and let the others find out for themselves."""
        for one in self.processes("ray start"):
            one.suspend()  # it would end the others
        for one in self.processes(of):
            kill(one, with_signal)

    def lose(self) -> None:
        """Take away the whole machine."""
        while alive := self.processes():
            for one in [*alive, *children_of(alive)]:
                kill(one)
            psutil.wait_procs(alive, timeout=1.0)
        if self._process is not None:
            self._process.wait()
            self._process = None


def children_of(parents: Sequence[psutil.Process]) -> list[psutil.Process]:
    children: list[psutil.Process] = []
    for one in parents:
        with contextlib.suppress(psutil.Error):
            children += one.children(recursive=True)
    return children


def command(one: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(one.cmdline())
    return ""


def kill(one: psutil.Process, with_signal: int = signal.SIGKILL) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        one.send_signal(with_signal)
        return True
    return False


class Sweep:
    """One sweep and the command that works on it.

    Args:
        home: The store.
        cluster: The head's address.
        n_runs: The cap.
    """

    def __init__(self, home: Path, cluster: str, n_runs: int) -> None:
        self.home, self.n_runs, self._cluster = home, n_runs, cluster
        self._sharpen = [*SHARPEN, "--home", str(home)]
        made = subprocess.run(
            [*self._sharpen, "sweep", "sweep.yaml"], capture_output=True, text=True, check=True
        )
        self.id = made.stdout.split()[-1]
        self.log = home / f"{self.id}.log"
        self.start()

    def start(self) -> None:
        """Type the command."""
        arguments = ["agent", self.id, "--ray", self._cluster, "--agents", "4", "--serve-host", "127.0.0.1"]
        with self.log.open("ab") as log:
            self.launcher = psutil.Popen([*self._sharpen, *arguments], stdout=log, stderr=log)

    def end(self) -> None:
        """End the command, if it has not ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.launcher.terminate()
        self.launcher.wait()

    def n_finished(self) -> int:
        """Return how many runs have finished."""
        from sharpen.store.queries import Reader

        return sum(run.state == "finished" for run in Reader(self.home).runs(self.id))

    def faults(self) -> list[str]:
        """Return what is wrong with it at its end."""
        from sharpen.store.queries import Reader

        reader = Reader(self.home)
        runs = reader.runs(self.id)
        wrong = [] if len(runs) == self.n_runs else [f"{len(runs)} runs in place of {self.n_runs}"]
        for run in runs:
            steps = [report.step for report in reader.reports(run_id=run.id)]
            if run.state != "finished" or sorted(steps) != [*range(N_ROWS)]:
                wrong.append(f"{run.id} {run.state} {run.reason} {steps}")
        return wrong


def with_mark(mark: str, of: str = "") -> list[psutil.Process]:
    """Return the processes that were started here, directly or not, or on the node whose mark it is."""
    marked: list[psutil.Process] = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.pid != os.getpid() and of in command(one) and is_marked(one, mark):
                marked.append(one)
    return marked


def is_marked(one: psutil.Process, mark: str) -> bool:
    """Return whether a process bears a mark; one that has a title of its own is known by its folder."""
    if one.status() == psutil.STATUS_ZOMBIE:
        return False
    is_here = mark == os.environ[MARK] and one.cwd() == str(Path.cwd())
    return is_here or one.environ().get(MARK, "").startswith(mark)


@dataclass(frozen=True)
class Site:
    """What there is to break.

    Attributes:
        head: A node.
        other: The other one.
        chance: What is next, and how long it lasts.
    """

    head: Node
    other: Node
    chance: random.Random

    def kill_one(self, of: str) -> bool:
        """Kill a process with a word in its command line; return whether there was one."""
        candidates = with_mark(os.environ[MARK], of)
        return bool(candidates) and kill(self.chance.choice(candidates))

    def wait(self, longest_s: float) -> None:
        """Wait for a while."""
        time.sleep(self.chance.uniform(0.0, longest_s))

    def start_all(self) -> None:
        """Start the head again, and the other node, which gives up when it meets another head."""
        self.wait(20.0)
        self.head.start()
        self.other.start()


def worker(site: Site, sweep: Sweep) -> bool:
    return site.kill_one("ray::sharpen")


def agent(site: Site, sweep: Sweep) -> bool:
    return site.kill_one(f"agent {sweep.id} --server")


def program(site: Site, sweep: Sweep) -> bool:
    agents = with_mark(os.environ[MARK], f"agent {sweep.id} --server")
    with contextlib.suppress(psutil.Error, IndexError):
        return kill(site.chance.choice(site.chance.choice(agents).children(recursive=True)))
    return False


def keeper(site: Site, sweep: Sweep) -> bool:
    return site.kill_one("sharpen.agents.remote")


def server(site: Site, sweep: Sweep) -> bool:
    return site.kill_one(" serve --host")


def launcher(site: Site, sweep: Sweep) -> bool:
    sweep.launcher.kill()
    sweep.launcher.wait()
    sweep.start()
    return True


def raylet(site: Site, sweep: Sweep) -> bool:
    site.other.kill("raylet/raylet")
    site.wait(5.0)
    site.other.start()
    return True


def node(site: Site, sweep: Sweep) -> bool:
    site.other.lose()
    site.wait(5.0)
    site.other.start()
    return True


def preempted_node(site: Site, sweep: Sweep) -> bool:
    site.other.kill("ray start", signal.SIGTERM)
    time.sleep(2.0)
    return node(site, sweep)


def gcs(site: Site, sweep: Sweep) -> bool:
    site.head.kill("gcs_server")
    site.start_all()
    return True


def head_raylet(site: Site, sweep: Sweep) -> bool:
    site.head.kill("raylet/raylet")
    site.start_all()
    return True


def head(site: Site, sweep: Sweep) -> bool:
    site.head.lose()
    site.start_all()
    return True


Fault = Callable[[Site, Sweep], bool]
FAULTS: list[Fault] = [
    *(worker, agent, program, keeper, server, launcher),
    *(raylet, node, preempted_node, gcs, head_raylet, head),
]


@contextlib.contextmanager
def cluster(folder: Path) -> Generator[tuple[str, list[Node]]]:
    """Run two nodes."""
    address = f"127.0.0.2:{free_port()}"
    nodes = [Node(number, address, folder) for number in (2, 3)]
    try:
        for node in nodes:
            node.start()
        yield address, nodes
    finally:
        for node in nodes:
            node.lose()


def try_one(sweep: Sweep, site: Site, faults: Sequence[Fault], done: Counter[str]) -> list[str]:
    """Break things until the sweep is nearly over, and return what is wrong with its end."""
    while sweep.launcher.poll() is None and sweep.n_finished() < 0.8 * sweep.n_runs:
        time.sleep(site.chance.uniform(*QUIET_S))
        fault = site.chance.choice(faults)
        print(f"{time.strftime('%T')} {sweep.n_finished():4d} finished; {fault.__name__}", flush=True)
        done[fault.__name__] += fault(site, sweep)
    try:
        code = sweep.launcher.wait(LONGEST_S)
    except psutil.TimeoutExpired:
        return [f"no end after {LONGEST_S:g} s", *sweep.faults()]
    return [*([f"exit code {code}"] if code else []), *sweep.faults()]


def left_over(mark: str, sweep: Sweep) -> list[str]:
    """Return what still runs of a sweep some seconds after its end."""
    until = time.monotonic() + 20.0
    while (alive := with_mark(mark, sweep.id)) and time.monotonic() < until:
        time.sleep(0.2)
    return [f"left over: {command(one)}" for one in alive]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=5.0)
    asked.add_argument("--runs", type=int, default=30)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--only", action="append")
    given = asked.parse_args()
    faults = [fault for fault in FAULTS if fault.__name__ in (given.only or [f.__name__ for f in FAULTS])]
    mark = f"faults-{os.getpid()}"
    os.environ |= {MARK: mark, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ["RAY_AUTH_MODE"] = "disabled"  # whatever token Ray has left on this machine
    done, n_sweeps, wrong = Counter[str](), 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as scratch:
        os.chdir(scratch)
        Path("train.py").write_text(PROGRAM)
        Path("sweep.yaml").write_text(SWEEP.format(python=sys.executable, n_runs=given.runs))
        with cluster(Path(scratch) / "r") as (address, nodes):
            site = Site(*nodes, random.Random(given.seed))
            until = time.monotonic() + 60 * given.minutes
            while time.monotonic() < until and not wrong:
                sweep = Sweep(Path(scratch) / "store", address, given.runs)
                n_sweeps += 1
                wrong += try_one(sweep, site, faults, done) + left_over(mark, sweep)
                if wrong:
                    print(sweep.log.read_text(), file=sys.stderr)
                sweep.end()
        gone = psutil.wait_procs(with_mark(mark), timeout=30.0)[1]
        wrong += [f"left over: {command(one)}" for one in gone]
    print(f"{n_sweeps} sweeps of {given.runs} runs; killed: {dict(done.most_common())}")
    print("\n".join(wrong) or "every cap exact, every run finished once with all rows, nothing left over")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
