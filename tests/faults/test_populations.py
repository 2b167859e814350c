"""kill -9 in the middle of an exploit: the population goes on as if nothing had happened."""

import contextlib

import psutil
import pytest

from .bench import PROGRAMS, Bench, until

LR = "parameters:\n  lr: {min: 0.0, max: 1.0}\n"
METHOD = "optimizer: {{type: {}, population: 4, interval: 3, max_fidelity: 9, budget_variable: budget}}\n"
MORE = METHOD + "resume: true\nseed: 5\n"


def plan(bench):
    return [(run.number, run.parent, run.fidelity, run.config, run.origin) for run in bench.runs()]


@pytest.mark.parametrize("method", ["pbt", "pb2"])
def test_a_kill_in_the_middle_of_an_exploit_changes_nothing(tmp_path, method):
    file = {"space": LR, "more": MORE.format(method)}
    with Bench(tmp_path / "calm", program=PROGRAMS / "rates.py") as calm:
        done = calm.call("run", calm.write_sweep(99, **file), "--agents", "2")
        assert done.returncode == 0, done.stderr
        expected = plan(calm)
    with Bench(tmp_path / "killed", program=PROGRAMS / "rates.py") as bench:
        driver = bench.start("run", bench.write_sweep(99, **file), "--agents", "2")
        bench.sweep_id()

        def exploits():
            return any(r.state == "running" and r.origin == f"{method}-exploit" for r in bench.runs())

        until(exploits, "an exploit to be at work")
        for process in bench.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        driver.wait(15)
        bench.assert_nothing_left()
        done = bench.call("resume", "last", "--agents", "2")
        assert done.returncode == 0, done.stderr
        assert plan(bench) == expected
        runs = {run.number: run for run in bench.runs()}
    assert len(runs) == 12
    assert sum(run.origin == f"{method}-exploit" for run in runs.values()) >= 1
    for run in runs.values():
        before = runs[run.parent].summary["rates"] if run.parent else []
        assert run.state == "finished"
        assert run.summary["rates"] == before + [run.config["lr"]] * 3, (
            "weights of the parent, rates of its own"
        )
