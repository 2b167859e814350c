"""Nodes of a Ray cluster come for agents that wait, and go after their sweep: an autoscaler on this machine.

    python benchmarks/ray_autoscaling.py

Ray's own autoscaler (its second version) starts nodes through the provider that Ray tests it with, whose
nodes are processes of this machine: two at most, with two processors each; the head has none. Three agents
ask for two processors each, so that one always waits. One sweep comes to its end, and of another the command
is killed (``kill -9``): each time both nodes must come, and be gone some seconds after.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray

from ray_tune import head

MOST_NODES = 2
IDLE_MINUTES = 0.1
LONGEST_S = 180.0
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
HEAD_ID = "f" * 51 + "00000"
SECOND_VERSION = {
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
    "RAY_FAKE_CLUSTER": "1",
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
}
PROGRAM = """
import time
from sharpen import tracking

with tracking.init({"number": 0}) as run:
    time.sleep(1.0)
    run.log({"loss": run.config.number})
"""
SWEEP = """
program: train.py
command: [{python}, "${{program}}", "${{args}}"]
method: grid
metric: {{name: loss, goal: minimize}}
parameters: {{number: {{values: {numbers}}}}}
"""


def told(folder: Path, address: str) -> Path:
    """Write what the autoscaler is told of a head, and return where."""
    node = {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": MOST_NODES}
    head_node = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    provider = {"type": "external", "module": PROVIDER, "gcs_address": address, "head_node_id": HEAD_ID}
    provider |= {"launch_multiple": True, "disable_node_updaters": True, "worker_liveness_check": False}
    provider |= {"disable_launch_config_check": True}
    lists = ("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands")
    lists += ("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
    about: dict[str, Any] = {name: [] for name in lists}
    about |= {"file_mounts": {}, "auth": {}, "docker": {}}
    about |= {"cluster_name": "here", "max_workers": MOST_NODES, "idle_timeout_minutes": IDLE_MINUTES}
    about |= {"provider": provider, "head_node_type": "ray.head.default", "upscaling_speed": 10}
    about |= {"available_node_types": {"ray.head.default": head_node, "worker": node}}
    path = folder / "cluster.json"
    path.write_text(json.dumps(about))
    return path


def n_nodes() -> int:
    """Return how many nodes beside the head are there."""
    return sum(node["Alive"] for node in ray.nodes()) - 1


def wait_for_nodes(n: int) -> float:
    """Return how long it took until so many nodes were there, in seconds."""
    began = time.monotonic()
    while n_nodes() != n:
        if time.monotonic() - began > LONGEST_S:
            raise SystemExit(f"{n_nodes()} nodes in place of {n} after {LONGEST_S:g} s")
        time.sleep(0.2)
    return time.monotonic() - began


def sharpen(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command."""
    arguments = (sys.executable, "-m", "sharpen", "--home", str(folder / "store"), *arguments)
    with (folder / "errors").open("a") as errors:
        return subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)


def try_one(folder: Path, address: str, n_runs: int, *, is_killed: bool) -> str:
    """Have agents work on a sweep, to its end or until their command is killed; return what was seen."""
    (folder / "sweep.yaml").write_text(SWEEP.format(python=sys.executable, numbers=list(range(n_runs))))
    sweep_id = sharpen(folder, "sweep", "sweep.yaml").communicate()[0].strip()
    share = ("--agents", "3", "--cpus-per-agent", "2", "--serve-host", "127.0.0.1")
    agents = sharpen(folder, "agent", sweep_id, "--ray", address, *share)
    try:
        came_s = wait_for_nodes(MOST_NODES)
        if not is_killed:
            agents.wait()
    finally:
        agents.kill()
        agents.wait()
    went_s = wait_for_nodes(0)
    if agents.returncode != (-9 if is_killed else 0):
        raise SystemExit(f"exit code {agents.returncode}: {(folder / 'errors').read_text()[-2000:]}")
    ending = "its command was killed" if is_killed else f"it had its {n_runs} runs"
    return f"{MOST_NODES} nodes came within {came_s:.0f} s, and were gone {went_s:.0f} s after {ending}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ra") as scratch:
        folder = Path(scratch)
        (folder / "train.py").write_text(PROGRAM)

        def autoscaling(address: str) -> list[str]:
            return [f"--autoscaling-config={told(folder, address)}"]

        with head(folder, 0, autoscaling, **SECOND_VERSION) as address:
            ray.init(address, log_to_driver=False, logging_level="ERROR")
            print(try_one(folder, address, 40, is_killed=False))
            print(try_one(folder, address, 400, is_killed=True))
            ray.shutdown()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
