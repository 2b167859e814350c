"""The same trials on Ray Tune and on sharpen: how long they take, and how soon a killed one is at work again.

    python benchmarks/ray_tune.py [--noops 60] [--xgboost 24] [--kills 5]

It needs ``pip install 'ray[tune]'``.

One Ray head with two processors runs on this machine for Ray Tune and for ``sharpen run --ray``; without
``--ray`` the agent is here. All have two trials at a time and train by the same function on the same data,
with the same configurations: each trial draws its own by its number. Ours ends with a verdict and a report.

A trial is killed (``kill -9`` of the process that trains) three seconds after it has begun; what is timed is
how long until it begins again, in seconds, the median of some.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

N_AT_ONCE = 2
WORK = '''
import os
import time

import numpy as np


def noop(number, report):
    """Report once."""
    report(1.0 / (1 + number))


def xgboost(number, report):
    """Report the accuracy after each of four folds."""
    import xgboost

    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 20))
    labels = (features[:, 0] + features[:, 1] * features[:, 2] + rng.normal(size=4000) > 0).astype(int)
    draw = np.random.default_rng(number)
    settings = {"max_depth": int(draw.integers(2, 8)), "eta": float(draw.uniform(0.02, 0.3)), "nthread": 1}
    for fold in range(1, 5):
        end = 800 * fold
        train = xgboost.DMatrix(features[:end], labels[:end])
        later = xgboost.DMatrix(features[end : end + 800])
        model = xgboost.train(settings | {"objective": "binary:logistic"}, train, 40)
        report(1.0 - float(np.mean((model.predict(later) > 0.5) == labels[end : end + 800])))


def slow(number, report):
    """Note the process, and take six seconds."""
    with open(os.environ["BEGUN"], "a") as file:
        file.write(f"{time.time()} {number} {os.getpid()}\\n")
    for _ in range(6):
        report(1.0)
        time.sleep(1.0)
'''
OURS = """
import work
from sharpen import tracking

with tracking.init({"number": 0}) as run:
    work.%s(run.config.number, lambda loss: run.log({"loss": loss}))
"""
SWEEP = """
program: train.py
command: [{python}, "${{program}}", "${{args}}"]
method: grid
metric: {{name: loss, goal: minimize}}
max_attempts: 10
parameters: {{number: {{values: {numbers}}}}}
"""
TUNE = """
import os, sys
import ray
from ray import tune

folder, name, n, address = sys.argv[1:]
sys.path.insert(0, folder)


def trainable(config):
    sys.path.insert(0, folder)
    import work

    getattr(work, name)(config["number"], lambda loss: tune.report({"loss": loss}))


ray.init(address=address, log_to_driver=False)
results = tune.Tuner(
    tune.with_resources(trainable, {"cpu": 1}),
    param_space={"number": tune.grid_search(list(range(int(n))))},
    tune_config=tune.TuneConfig(metric="loss", mode="min", max_concurrent_trials=2),
    run_config=tune.RunConfig(
        storage_path=folder + "/tune", verbose=0, failure_config=tune.FailureConfig(max_failures=10)
    ),
).fit()
print(len(results), results.num_errors, results.get_best_result().metrics["loss"])
"""


@dataclass(frozen=True)
class Cost:
    """What a sweep took, in seconds with its start and end, and the best loss."""

    wall_s: float
    best: float


class Ways:
    """The ways to run a sweep.

    Args:
        folder: For everything.
        address: Of the head.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self.begun = Path(os.environ["BEGUN"])
        self.all: Mapping[str, Callable[[str, int], subprocess.Popen[str]]] = {
            "Ray Tune": self.tune,
            "sharpen": self.local,
            "sharpen --ray": self.on_ray,
        }

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        with (self._folder / "errors").open("w") as errors:
            return subprocess.Popen(
                command, cwd=self._folder, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def tune(self, name: str, n: int) -> subprocess.Popen[str]:
        """Search by Ray Tune."""
        (self._folder / "by_tune.py").write_text(TUNE)
        command = [sys.executable, "by_tune.py", str(self._folder), name, str(n), self._address]
        return self._start(command)

    def local(self, name: str, n: int, *more: str) -> subprocess.Popen[str]:
        """Search by sharpen, here where no more is said."""
        (self._folder / "train.py").write_text(OURS % name)
        sweep = SWEEP.format(python=sys.executable, numbers=list(range(n)))
        (self._folder / "sweep.yaml").write_text(sweep)
        arguments = ["run", "sweep.yaml", "--agents", str(N_AT_ONCE), *more]
        return self._start([sys.executable, "-m", "sharpen", "--home", "store", *arguments])

    def on_ray(self, name: str, n: int) -> subprocess.Popen[str]:
        """Search by sharpen in the cluster."""
        return self.local(name, n, "--ray", self._address, "--serve-host", "127.0.0.1")

    def errors(self) -> str:
        """Return the end of what was said on stderr."""
        return (self._folder / "errors").read_text()[-3000:]

    def best(self, way: str, output: str, n: int) -> float:
        """Return the best loss of a sweep in which every trial has ended well."""
        if way == "Ray Tune":
            n_done, n_errors, best = output.split()[-3:]
            n_done, best = int(n_done) - int(n_errors), float(best)
        else:
            from sharpen.store.queries import Reader

            reader = Reader(self._folder / "store")
            runs = reader.runs(reader.sweep("last").id)
            losses = [run.score for run in runs if run.state == "finished" and run.score is not None]
            n_done, best = len(losses), min(losses, default=float("nan"))
        if n_done != n:
            raise SystemExit(f"{way}: {n_done} of {n} trials ended well: {self.errors()}")
        return best


def cost(ways: Ways, way: str, name: str, n: int) -> Cost:
    """Run a sweep."""
    began = time.perf_counter()
    process = ways.all[way](name, n)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{way} failed: {ways.errors()}")
    return Cost(time.perf_counter() - began, ways.best(way, output, n))


def recovery_s(ways: Ways, way: str, n_kills: int) -> float:
    """Run a sweep of slow trials, kill some, and return the median time until each is at work again."""
    ways.begun.write_text("")
    process = ways.all[way]("slow", n_kills + 1)
    killed: dict[str, float] = {}
    took: list[float] = []

    def watch() -> None:
        seen = 0
        while process.poll() is None:
            time.sleep(0.01)
            lines = [line.split() for line in ways.begun.read_text().splitlines() if line.count(" ") == 2]
            for at, number, pid in lines[seen:]:
                if number in killed:
                    took.append(float(at) - killed.pop(number))
                elif len(took) + len(killed) < n_kills and not any(number == n for _, n, _ in lines[:seen]):
                    time.sleep(max(0.0, float(at) + 3.0 - time.time()))
                    os.kill(int(pid), signal.SIGKILL)
                    killed[number] = time.time()
            seen = len(lines)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    ways.best(way, output, n_kills + 1)
    if len(took) != n_kills:
        raise SystemExit(f"{way}: {len(took)} of {n_kills} killed trials began again")
    return median(took)


@contextlib.contextmanager
def head(
    folder: Path,
    n_cpus: int = N_AT_ONCE,
    more: Callable[[str], Sequence[str]] = lambda address: (),
    **about: str,
) -> Generator[str]:
    """Run a Ray head.

    Args:
        folder: For its files.
        n_cpus: Its processors.
        more: Gives further words of the command for its address.
        about: Further variables.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        address = f"127.0.0.2:{probe.getsockname()[1]}"
    own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_AUTH_MODE": "disabled"}
    arguments = ["start", "--head", "--block", f"--port={address.rpartition(':')[2]}"]
    arguments += ["--node-ip-address=127.0.0.2", f"--num-cpus={n_cpus}", "--include-dashboard=false"]
    arguments += ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder / 'r'}"]
    ray = str(Path(sys.executable).with_name("ray"))
    log = folder / "ray.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [ray, *arguments, *more(address)],
            stdout=file,
            stderr=file,
            env=os.environ | own | about,
        )
    try:
        while "Ray runtime started" not in log.read_text():
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--noops", type=int, default=60)
    asked.add_argument("--xgboost", type=int, default=24)
    asked.add_argument("--kills", type=int, default=5)
    given = asked.parse_args()
    table = Table("sweep", "way", "wall s", "s a trial", "Ray Tune / this", "best loss")
    with tempfile.TemporaryDirectory(prefix="rt") as scratch:
        path = os.pathsep.join([scratch, *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ |= {"BEGUN": str(Path(scratch) / "begun"), "PYTHONPATH": path}
        with head(Path(scratch)) as address:
            (Path(scratch) / "work.py").write_text(WORK)
            ways = Ways(Path(scratch), address)
            for name, n in (("noop", given.noops), ("xgboost", given.xgboost)):
                costs = {way: cost(ways, way, name, n) for way in ways.all}
                for way, costs_of_one in costs.items():
                    ratio = costs["Ray Tune"].wall_s / costs_of_one.wall_s
                    figures = [f"{costs_of_one.wall_s:.1f}", f"{costs_of_one.wall_s / n:.3f}"]
                    table.add_row(f"{name}, {n}", way, *figures, f"{ratio:.2f}", f"{costs_of_one.best:.6f}")
            again = {way: recovery_s(ways, way, given.kills) for way in ways.all}
    console = Console(width=110)
    console.print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    console.print(table)
    for way, took_s in again.items():
        console.print(f"{way}: at work again {took_s:.2f} s after the kill (median of {given.kills})")


if __name__ == "__main__":
    main()
