"""kill -9 in the middle of an exploit: the population goes on as if nothing had happened."""

import contextlib
import os

import psutil
import pytest

from .bench import PROGRAMS, Bench, until

LR = "parameters:\n  lr: {min: 0.0, max: 1.0}\n"
METHOD = "optimizer: {{type: {}, population: 4, interval: 3, max_fidelity: 9, budget_variable: budget}}\n"
MORE = METHOD + "resume: true\nseed: 5\n"


def plan(bench):
    return [(run.number, run.parent, run.fidelity, run.config, run.origin) for run in bench.runs()]


def runs_after_a_kill(folder, database, program, file, origin, n_agents=2, **environment):
    """Return, by number, the runs of a search that was killed while one of an origin was at work.

    They are the same as those of a search that nobody killed, on two agents and in a store of its own folder.
    """
    with Bench(folder / "calm", program=program, **environment) as calm:
        done = calm.call("run", calm.write_sweep(99, **file), "--agents", "2")
        assert done.returncode == 0, done.stderr
        expected = plan(calm)
    with Bench(folder / "killed", program, database, **environment) as bench:
        driver = bench.start("run", bench.write_sweep(99, **file), "--agents", str(n_agents))
        bench.sweep_id()

        def is_amid():
            return any(run.state == "running" and run.origin == origin for run in bench.runs())

        until(is_amid, f"a run by {origin} to be at work")
        for process in bench.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        driver.wait(15)
        bench.assert_nothing_left()
        done = bench.call("resume", "last", "--agents", str(n_agents))
        assert done.returncode == 0, done.stderr
        assert plan(bench) == expected, "whoever asks, and with however many agents"
        return {run.number: run for run in bench.runs()}


@pytest.mark.parametrize("method", ["pbt", "pb2"])
def test_a_kill_in_the_middle_of_an_exploit_changes_nothing(tmp_path, database, method):
    file = {"space": LR, "more": MORE.format(method)}
    program = PROGRAMS / "rates.py"
    runs = runs_after_a_kill(tmp_path, database, program, file, f"{method}-exploit")
    assert len(runs) == 12
    assert sum(run.origin == f"{method}-exploit" for run in runs.values()) >= 1
    for run in runs.values():
        before = runs[run.parent].summary["rates"] if run.parent else []
        assert run.state == "finished"
        assert run.summary["rates"] == before + [run.config["lr"]] * 3, (
            "weights of the parent, rates of its own"
        )


MEMBER = """
import json, time
from sharpen import tracking

with tracking.init() as run:
    steps = [] if run.checkpoint is None else json.loads(run.checkpoint.path.read_text())
    n_before = len(steps)
    while len(steps) < n_before + 3:
        time.sleep(0.02)
        steps.append(run.config["lr"])
        run.log({"score": -abs(sum(steps) / len(steps) - 0.3)}, step=len(steps))
    (run.dir / "state").write_text(json.dumps(steps))
    run.save_checkpoint(run.dir / "state", step=len(steps))
    run.summary["rates"] = steps
"""
PLUGINS = """
[sharpen.optimizers]
generations = sharpen.testing:Generations
exploit-explore = sharpen.testing:ExploitExplore
"""


def plugged_in(folder):
    """Install the smallest methods of generations and of populations, as a package of somebody's would be."""
    about = folder / "toys-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(PLUGINS)
    return {"PYTHONPATH": str(folder)}


GENERATIONS = [("exploit-explore", "exploit"), ("generations", "generation-1")]
N_TRIED = 2 if os.environ.get("SHARPEN_TEST_EVERY_METHOD") else 1


@pytest.mark.slow
@pytest.mark.parametrize(("method", "origin"), GENERATIONS[:N_TRIED])
def test_a_kill_in_the_middle_of_a_generation_changes_nothing(tmp_path, database, method, origin):
    (tmp_path / "member.py").write_text(MEMBER)
    environment = plugged_in(tmp_path / "plugins")
    file = {"space": LR, "more": f"optimizer: {{type: {method}}}\nseed: 5\n"}
    program = tmp_path / "member.py"
    runs = runs_after_a_kill(tmp_path, database, program, file, origin, n_agents=3, **environment)
    assert len(runs) == {"generations": 9, "exploit-explore": 6}[method]
    for run in runs.values():
        before = runs[run.parent].summary["rates"] if run.parent else []
        assert (run.state, run.summary["rates"]) == ("finished", before + [run.config["lr"]] * 3)
