"""Agents in a Ray cluster: how many fit, and what happens when its head is lost; one test runs a real one."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.remote.ray import RayTasks, _way_out, lack_of_room, set_by_ray
from sharpen.agents.remote.ray_head import SILENT_S, HeadWatch
from sharpen.agents.remote.request import Request
from sharpen.cli import main
from sharpen.errors import SharpenError
from sharpen.store.queries import Reader

from .ray_node import RayNode, working_on

N_RUNS = 6


class Ray:
    """Takes tasks and starts none, as Ray does once another head is at its address."""

    def __init__(self):
        self.canceled = []

    def remote(self, **share):
        return lambda function: self

    def options(self, **named):
        return self

    def wait(self, agents, num_returns, timeout):
        return [], agents

    def cancel(self, agent, force):
        self.canceled.append(agent)


def request(**given):
    return Request("ray", "head:6379", "http://desk:8420", "secret", **given)


def test_agents_of_a_head_that_is_another_by_now_are_given_up(wait_until):
    asked = threading.Semaphore(1)

    def ask():
        if not asked.acquire(blocking=False):
            raise RuntimeError("Wrong cluster. Perhaps it has restarted")

    ray, head = Ray(), HeadWatch(ask, look_s=0.0)
    tasks = RayTasks(ray, head, request())
    wait_until(lambda: head.problem, "the head's answer")
    with pytest.raises(
        SharpenError, match=r"^the Ray cluster at head:6379 is lost: RuntimeError: Wrong cluster$"
    ):
        tasks.ended(["agent"], 0.0)
    tasks.end(["agent"])
    assert ray.canceled == []


def test_a_head_that_does_not_answer_is_given_up_after_a_while():
    now, over = [0.0], threading.Event()
    head = HeadWatch(over.wait, lambda: now[0])
    tasks = RayTasks(Ray(), head, request())
    now[0] = SILENT_S
    assert tasks.ended(["agent"], 0.0) == []
    now[0] += 1.0
    with pytest.raises(SharpenError, match="it has not answered for 76 s"):
        tasks.ended(["agent"], 0.0)
    over.set()


def test_agents_are_told_to_end_while_the_head_is_there():
    over = threading.Event()
    ray = Ray()
    RayTasks(ray, HeadWatch(over.wait), request()).end(["one", "two"])
    assert ray.canceled == ["one", "two"]
    over.set()


@pytest.mark.parametrize(
    ("share", "n_room"),
    [({"n_cpus": 1.0}, 6), ({"n_cpus": 4.0}, 1), ({"n_cpus": 0.0, "n_gpus": 0.3}, 6), ({"n_gpus": 2.0}, 1)],
)
def test_what_fits_is_counted_by_node_and_by_gpu(share, n_room):
    nodes = [{"CPU": 2.0, "GPU": 2.0}, {"CPU": 4.0}]
    assert lack_of_room(nodes, request(n_agents=n_room, **share)) == ""
    assert f"room for {n_room} of 7 agents" in lack_of_room(nodes, request(n_agents=7, **share))


@pytest.mark.parametrize("parts", [3, 5, 7, 10, 49])
def test_as_many_parts_fit_as_the_share_says(parts):
    share = 1.0 / parts
    for given in ({"n_cpus": 0.0, "n_gpus": share}, {"n_cpus": share}):
        assert lack_of_room([{"CPU": 1.0, "GPU": 1.0}], request(n_agents=parts, **given)) == ""


def test_threads_are_what_the_user_says_and_not_what_ray_makes_of_processors(tmp_path):
    before = tmp_path / "environ"
    before.write_bytes(b"HOME=/root\0MY_OMP_NUM_THREADS=3\0")
    assert set_by_ray(before) == ("OMP_NUM_THREADS",)
    before.write_bytes(b"HOME=/root\0OMP_NUM_THREADS=3\0")
    assert set_by_ray(before) == ()
    assert set_by_ray(tmp_path / "none") == ()


def test_no_node_has_room():
    words = lack_of_room([{"CPU": 2.0}], request(n_gpus=0.5))
    assert words.startswith("no node of the cluster has room for an agent (each: 1 CPU, 0.5 GPU)")


PROGRAM = """
import os, time
from sharpen import tracking
with tracking.init({"x": 0.0}) as run:
    for step in range(3):
        run.log({"loss": run.config.x + step}, step=step)
        time.sleep(0.2)
    run.summary["gpu"] = os.environ["CUDA_VISIBLE_DEVICES"]
    run.summary["threads"] = os.environ["OMP_NUM_THREADS"]
"""
SWEEP = f"""
program: train.py
command: [{sys.executable}, "${{program}}", "${{args}}"]
method: random
run_cap: {N_RUNS}
metric: {{name: loss}}
resources: {{gpu: 0.25}}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_sweep_goes_on_when_another_head_begins(tmp_path_factory, monkeypatch, wait_until):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sharpen[ray]'")
    folder = tmp_path_factory.mktemp("r")
    monkeypatch.chdir(folder)
    (folder / "train.py").write_text(PROGRAM)
    (folder / "sweep.yaml").write_text(SWEEP)
    home = folder / "store"
    made = CliRunner().invoke(main, ["--home", str(home), "sweep", "sweep.yaml"])
    sweep_id = made.stdout.strip()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whatever token Ray has left on this machine
    head = RayNode(folder, n_gpus=1)
    head.start()
    reader = Reader(home)

    def n_finished():
        return sum(run.state == "finished" for run in reader.runs(sweep_id))

    words = [sys.executable, "-m", "sharpen", "--home", str(home), "agent", sweep_id, "--ray", head.address]
    said = folder / "said.log"
    with said.open("wb") as file:
        agents = subprocess.Popen(
            [*words, "--agents", "1", "--slots", "2", "--serve-host", "127.0.0.1"], stderr=file
        )
    try:
        wait_until(lambda: n_finished() >= 2, "the first runs", 100.0)
        head.lose()
        head.start()
        code = agents.wait(150)
    finally:
        agents.kill()
        agents.wait()
        head.lose()
    assert code == 0, said.read_text()
    assert "the process that keeps the agents ended" in said.read_text()
    runs = reader.runs(sweep_id)
    assert [run.state for run in runs] == ["finished"] * N_RUNS
    assert {(run.summary["gpu"], run.summary["threads"]) for run in runs} == {("0", "1")}
    assert {len(reader.reports(run_id=run.id)) for run in reader.runs(sweep_id)} == {3}
    wait_until(lambda: not working_on(sweep_id), "the end of all that worked on it")


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("RuntimeError: Version mismatch: The cluster was started with: Ray: 2.44.1", "has Ray 2.60.0"),
        ("ConnectionError: Failed to connect to Ray cluster at head:6379", "set RAY_AUTH_MODE=token"),
        ("AuthenticationError: no authentication token was found", "or in RAY_AUTH_TOKEN"),
        ("RuntimeError: something else", ""),
    ],
)
def test_what_to_do_about_what_ray_says_is_said(said, way_out):
    found = _way_out(said, "2.60.0")
    assert way_out in found
    assert bool(found) == bool(way_out)


class TaskError(Exception):
    """What Ray raises for a task that raised something."""

    ip = "10.0.0.7"


def test_a_node_without_sharpen_is_named_and_not_tried_for_ever():
    class Broken(Ray):
        exceptions = SimpleNamespace(RayError=TaskError, RayTaskError=TaskError)

        def get(self, agent, timeout):
            raise TaskError("The remote function failed\nModuleNotFoundError: No module named 'sharpen'\n")

        def wait(self, agents, num_returns, timeout):
            return agents, []

    over = threading.Event()
    ((_, ending),) = RayTasks(Broken(), HeadWatch(over.wait), request()).ended(["agent"], 0.0)
    over.set()
    assert ending.code == REFUSED
    assert ending.words.startswith("node 10.0.0.7: ModuleNotFoundError: No module named 'sharpen'; install")
