"""Agents in a real Ray cluster of this machine: shipped files, shared GPUs, and programs that use Ray."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.store.queries import Reader

from .ray_node import RayNode, working_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SWEEP = f"""
program: train.py
command: [{sys.executable}, "${{program}}", "${{args}}"]
method: grid
metric: {{name: loss}}
parameters: {{x: {{values: [1, 2, 3, 4]}}}}
"""
MEET = """
import os, pathlib, time
from sharpen import tracking

def meet(place, who, n):
    # Come to a place, and wait until so many are there: these run at once.
    place = pathlib.Path(place)
    (place / who).touch()
    until = time.monotonic() + 120
    while len(list(place.iterdir())) < n:
        assert time.monotonic() < until, "the others did not come"
        time.sleep(0.05)
"""


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """Give a folder, and be in one below it."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sharpen[ray]'")
    top = tmp_path_factory.mktemp("r")
    for name in ("work", "meeting", "store"):
        (top / name).mkdir()
    monkeypatch.chdir(top / "work")
    monkeypatch.setenv("SHARPEN_HOME", str(top / "store"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a token that Ray has left in ~/.ray is for heads alone
    return top


@pytest.fixture
def start():
    """Yield what starts a node, which ends with the test."""
    started = []

    def start(*given, **named):
        node = RayNode(*given, **named)
        started.append(node)
        node.start()
        return node

    yield start
    for node in reversed(started):
        node.lose()


def write(program, sweep=SWEEP):
    Path("train.py").write_text(program)
    Path("sweep.yaml").write_text(sweep)


def said(*words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output + done.stderr
    return done.stdout.strip()


def finished(folder, sweep_id, n_runs):
    """Return the summaries of a sweep's runs, all of which have finished; nothing works on it any more."""
    runs = Reader(folder / "store").runs(sweep_id)
    assert [run.state for run in runs] == ["finished"] * n_runs, [run.reason for run in runs]
    assert not working_on(sweep_id)
    return [run.summary for run in runs]


def test_a_bundle_is_the_same_on_every_node_and_is_fetched_once(folder, start):
    program = (
        MEET + f"with tracking.init({{'x': 0}}) as run:\n"
        f"    meet({str(folder / 'meeting')!r}, os.environ['SHARPEN_CACHE'].rpartition('/')[2], 2)\n"
        "    run.summary.update({'where': os.getcwd(), 'data': open('bars.csv').read()})\n"
        "    run.log({'loss': run.config.x})\n"
    )
    write(program, SWEEP.replace("{x:", "{bars: {value: bars.csv}, x:"))
    Path("bars.csv").write_text("first")
    git("init", "-q")
    git("add", "train.py")
    git("commit", "-q", "-m", "first")
    sweep_id = said("sweep", "sweep.yaml", "--ship", "--trials", "2")
    head = start(folder, n_cpus=1, SHARPEN_CACHE=str(folder / "one"))
    start(folder, "127.0.0.3", head.address, n_cpus=1, SHARPEN_CACHE=str(folder / "two"))
    Path("train.py").write_text("raise SystemExit('these are other files')")
    Path("bars.csv").write_text("second")
    ray = ("--ray", head.address, "--agents", "2", "--serve-host", "127.0.0.1", "--ship")
    said("agent", sweep_id, *ray)
    (digest,) = {Path(one["where"]).name for one in finished(folder, sweep_id, 2)}
    kept = [file.stat() for file in files_of(folder / "one" / "bundles" / digest)]
    shutil.rmtree(folder / "two")
    for file in (folder / "meeting").iterdir():
        file.unlink()
    said("resume", sweep_id, "--trials", "4", *ray)
    ran = finished(folder, sweep_id, 4)
    places = [str(folder / cache / "bundles" / digest) for cache in ("one", "two")]
    assert {one["where"] for one in ran} == set(places)
    assert {one["data"] for one in ran} == {"first"}
    again = [file.stat() for file in files_of(Path(places[0]))]
    assert [(one.st_ino, one.st_mtime_ns) for one in again] == [(one.st_ino, one.st_mtime_ns) for one in kept]


def files_of(folder):
    return [folder / "bars.csv", folder / "train.py"]


def git(*words):
    about = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", *about, *words], check=True, capture_output=True)


def test_four_agents_share_a_gpu_at_once(folder, start):
    write(
        MEET + f"with tracking.init({{'x': 0}}) as run:\n"
        f"    meet({str(folder / 'meeting')!r}, str(run.config.x), 4)\n"
        "    run.summary['gpu'] = os.environ['CUDA_VISIBLE_DEVICES']\n"
        "    run.log({'loss': run.config.x})\n"
    )
    head = start(folder, n_cpus=4, n_gpus=1)
    sweep_id = said("sweep", "sweep.yaml")
    share = ("--cpus-per-agent", "1", "--gpus-per-agent", "0.25", "--serve-host", "127.0.0.1")
    said("agent", sweep_id, "--ray", head.address, "--agents", "4", *share)
    assert [one["gpu"] for one in finished(folder, sweep_id, 4)] == ["0"] * 4


def test_populations_share_a_gpu(folder, start):
    """Two agents with half of a GPU each, and two runs in each one's program."""
    write(
        MEET + "runs = tracking.init_all({'x': 0})\n"
        f"meet({str(folder / 'meeting')!r}, str(os.getpid()), 2)\n"
        "gpu = os.environ['CUDA_VISIBLE_DEVICES']\n"
        "for run in runs:\n"
        "    run.summary.update({'gpu': gpu, 'n_runs': len(runs), 'pid': os.getpid()})\n"
        "    run.log({'loss': run.config.x})\n"
        "    run.finish()\n"
    )
    head = start(folder, n_cpus=2, n_gpus=1)
    sweep_id = said("sweep", "sweep.yaml")
    share = ("--gpus-per-agent", "0.5", "--population", "2", "--serve-host", "127.0.0.1")
    said("agent", sweep_id, "--ray", head.address, "--agents", "2", *share)
    ran = finished(folder, sweep_id, 4)
    assert {(one["gpu"], one["n_runs"]) for one in ran} == {("0", 2)}
    assert len({one["pid"] for one in ran}) == 2


def test_a_program_may_use_the_cluster_that_it_runs_in(folder, start):
    write(
        "import os, ray\n"
        "from sharpen import tracking\n"
        "with tracking.init({'x': 0}) as run:\n"
        "    ray.init(log_to_driver=False)\n"
        "    double = ray.remote(num_cpus=1)(lambda x: 2 * x)\n"
        "    run.summary['node'] = ray.get_runtime_context().gcs_address\n"
        "    run.log({'loss': ray.get(double.remote(run.config.x))})\n"
        "    ray.shutdown()\n"
    )
    head = start(folder, n_cpus=2)
    sweep_id = said("sweep", "sweep.yaml", "--trials", "2")
    said("agent", sweep_id, "--ray", head.address, "--serve-host", "127.0.0.1")
    ran = finished(folder, sweep_id, 2)
    assert [one["node"] for one in ran] == [head.address] * 2
    assert [run.score for run in Reader(folder / "store").runs(sweep_id)] == [2, 4]


@pytest.mark.parametrize("token", ["", "b" * 64])
def test_a_cluster_that_wants_a_token_says_how_to_get_in(folder, start, monkeypatch, capfd, token):
    write(
        "import os\n"
        "from sharpen import tracking\n"
        "with tracking.init({'x': 0}) as run:\n"
        "    run.log({'loss': os.environ['RAY_AUTH_MODE'] == 'token'})\n"
    )
    shown = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
    head = start(folder, **shown)
    sweep_id = said("sweep", "sweep.yaml", "--trials", "1")
    words = ("agent", sweep_id, "--ray", head.address, "--serve-host", "127.0.0.1")
    if token:
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    assert CliRunner().invoke(main, words).exit_code == 2
    way_in = f"{head.address} lets nobody in without its token: set RAY_AUTH_MODE=token"
    assert way_in in capfd.readouterr().err
    for name, value in shown.items():
        monkeypatch.setenv(name, value)
    said(*words)
    assert [run.score for run in Reader(folder / "store").runs(sweep_id)] == [1]
