"""Sweeps that programs of the real client steer: its local controller, and its sweep scheduler.

The controller needs W&B's package `sweeps`, which `make` installs without numpy 1, which it asks for.
"""

import contextlib
import re
import subprocess
import sys
import time

import pytest

from sharpen.store.queries import Reader

from .conftest import Server

pytest.importorskip("wandb")

SWEEP = """\
program: train.py
method: random
project: quant
run_cap: 3
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1, 2, 3, 4]}
"""

TRAIN = """\
import time

import wandb

with wandb.init() as run:
    for i in range(300 if run.config["x"] == 4 else 3):
        run.log({"loss": run.config["x"] + 1 / (i + 1)})
        time.sleep(0.1)
"""

AGENT = """\
from wandb.cli.cli import cli
from wandb.wandb_agent import Agent

Agent.POLL_INTERVAL = 0.2
cli()
"""

# a loop as wandb's own text shows it: it tries 1, 3 and 4, and stops 4 when that has logged
CONTROLLER = """\
import sys
import time

import sweeps
import wandb


def search(config, runs):
    tried = {run.config["x"]["value"] for run in runs}
    left = [x for x in (1, 3, 4) if x not in tried]
    return sweeps.SweepRun(config={"x": {"value": left[0]}}) if left else None


def stopping(config, runs):
    return [run for run in runs if run.state == "running" and run.config["x"]["value"] == 4 and run.history]


tuner = wandb.controller(sys.argv[1])
tuner.configure_search(search)
tuner.configure_stopping(lambda settings: stopping)
while not tuner.done():
    tuner.print_status()
    tuner.step()
    tuner.print_actions()
    time.sleep(0.3)
tuner.print_status()
"""


# the command line with shorter pauses
QUICK = """\
import time
from types import SimpleNamespace

from wandb import wandb_controller
from wandb.cli.cli import cli

wandb_controller.time = SimpleNamespace(sleep=lambda seconds: time.sleep(0.3))
cli()
"""

FILES = {"train.py": TRAIN, "agent.py": AGENT, "controller.py": CONTROLLER, "quick.py": QUICK}


class Steered:
    """A server that may be killed and started again, and programs of the client beside it."""

    def __init__(self, folder, programs):
        self.folder = folder
        self._programs = programs
        for name, text in FILES.items():
            (folder / name).write_text(text)
        self._serve("0")
        told = [self._process.stdout.readline().split("=", 1)[1].strip() for _ in range(2)]
        self.server = Server(folder / "store", *told, folder)

    def _serve(self, port):
        command = [sys.executable, "-m", "sharpen", "--home", str(self.folder / "store"), "serve"]
        self._process = self._begin([*command, "--port", port], None)

    def _begin(self, words, env):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        started = subprocess.Popen(words, cwd=self.folder, env=env, **pipes)
        self._programs.callback(started.stdout.close)
        self._programs.callback(started.wait, 30)
        self._programs.callback(started.kill)
        return started

    def kill_and_serve_again(self):
        self._process.kill()
        self._process.wait(30)
        self._serve(self.server.url.rpartition(":")[2])

    def start(self, *words):
        return self._begin(words, self.server.environ)

    def make(self, more, text=SWEEP):
        (self.folder / "sweep.yaml").write_text(text + more)
        said = self.server.wandb("wandb", "sweep", "sweep.yaml")
        return re.search(r"wandb agent (\S+)", said)[1].rpartition("/")[2]

    def work(self, sweep):
        """Let a stock agent work until the sweep is over."""
        self.server.wandb(sys.executable, "agent.py", "agent", sweep)

    def runs(self, sweep):
        return [(run.config["x"], run.state) for run in Reader(self.server.home).runs(sweep)]

    def status(self, sweep):
        return Reader(self.server.home).sweep(sweep).status


@pytest.fixture
def steered(tmp_path):
    with contextlib.ExitStack() as programs:
        yield Steered(tmp_path, programs)


def wait_until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_local_controller_searches_stops_and_ends_a_sweep_through_kills(steered):
    pytest.importorskip("sweeps")
    sweep = steered.make("controller: {type: local}\nearly_terminate: {type: hyperband, min_iter: 2}\n")
    first = steered.start(sys.executable, "controller.py", sweep)
    wait_until(lambda: steered.runs(sweep))
    first.kill()
    steered.kill_and_serve_again()
    second = steered.start(sys.executable, "controller.py", sweep)  # what waits is not scheduled again
    steered.work(sweep)
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 0
    assert steered.runs(sweep) == [(1, "finished"), (3, "finished"), (4, "stopped")]
    assert steered.status(sweep) == "finished"
    assert f"Sweep: {sweep} (random,hyperband) | Runs: 3 (Finished: 3) | Stopped: 1" in said
    assert "Schedule (x=3)" in said
    assert f"Stop ({sweep}-3)" in said


@pytest.mark.slow
def test_the_command_line_begins_a_sweep_and_steers_it_with_the_clients_own_search(steered):
    pytest.importorskip("sweeps")
    text = SWEEP.replace("random", "grid").replace("[1, 2, 3, 4]", "[2, 1]")
    (steered.folder / "grid.yaml").write_text(text)
    controller = steered.start(sys.executable, "quick.py", "sweep", "--controller", "grid.yaml")
    wait_until(lambda: Reader(steered.server.home).sweeps())
    (sweep,) = [row.id for row in Reader(steered.server.home).sweeps()]
    steered.work(sweep)
    assert controller.wait(60) == 0
    assert sorted(steered.runs(sweep)) == [(1, "finished"), (2, "finished")]
    assert steered.status(sweep) == "finished"


@pytest.mark.slow
def test_the_sweep_scheduler_of_the_client_searches_with_optuna(steered):
    pytest.importorskip("optuna")
    sweep = steered.make("scheduler: {engine: optuna}\n", SWEEP.replace(", 4", ""))
    quick = ("--batch-size", "2", "--poll-interval", "0.3")
    scheduler = steered.start("wandb", "sweep-scheduler", f"local/quant/{sweep}", *quick)
    steered.work(sweep)
    scheduler.communicate(timeout=60)
    assert steered.status(sweep) == "finished"
    assert [state for _, state in steered.runs(sweep)] == ["finished"] * 3
