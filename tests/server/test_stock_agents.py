"""Agents of the real, unmodified wandb client; only their pauses are shorter."""

import re
import sys

import pytest

from sharpen.store.queries import Reader

pytest.importorskip("wandb")

SWEEP = """\
program: train.py
method: grid
project: quant
metric: {name: loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 2, eta: 3}
parameters:
  x: {values: [1, 5]}
"""

TRAIN = """\
import time

import wandb


def train():
    with wandb.init() as run:
        for i in range(3 if run.config["x"] == 1 else 300):
            run.log({"loss": run.config["x"] + 1 / (i + 1)})
            time.sleep(0.1)


if __name__ == "__main__":
    train()
"""

AGENT = """\
from wandb.cli.cli import cli
from wandb.wandb_agent import Agent

Agent.POLL_INTERVAL = 0.2
cli()
"""

FUNCTION = """\
import sys

import wandb
from train import train
from wandb.agents.pyagent import Agent

Agent.HEARTBEAT_SLEEP_SECONDS = 0.2
wandb.agent(sys.argv[1], function=train, project="quant", count=2)
"""


@pytest.fixture
def sweep(server):
    """Make a sweep with the client, and return its path."""
    for name, text in (("train.py", TRAIN), ("agent.py", AGENT), ("function.py", FUNCTION)):
        (server.folder / name).write_text(text)

    def make(text):
        (server.folder / "sweep.yaml").write_text(text)
        said = server.wandb("wandb", "sweep", "sweep.yaml")
        return re.search(r"wandb agent (\S+)", said)[1]

    return make


def states(server, path):
    return [(run.config["x"], run.state) for run in Reader(server.home).runs(path.rpartition("/")[2])]


@pytest.mark.slow
def test_hyperband_ends_a_run_of_a_stock_agent(server, sweep):
    path = sweep(SWEEP)
    server.wandb(sys.executable, "agent.py", "agent", path)
    assert states(server, path) == [(1, "finished"), (5, "stopped")]


@pytest.mark.slow
def test_hyperband_ends_a_run_of_a_function_and_the_agent_goes_on(server, sweep):
    path = sweep(SWEEP)
    server.wandb(sys.executable, "function.py", path.rpartition("/")[2])  # by the bare id
    assert states(server, path) == [(1, "finished"), (5, "stopped")]
