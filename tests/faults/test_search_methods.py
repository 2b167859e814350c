"""kill -9 in the middle of a search: whoever goes on asks as if nothing had happened, up to the same cap.

Two methods are tried each time, one of brackets and one of models; SHARPEN_TEST_EVERY_METHOD=1 tries all.
"""

import contextlib
import os

import psutil
import pytest

from .bench import Bench, until

CAP = 9
SPACE = """
parameters:
  x: {distribution: uniform, min: 0.0, max: 1.0}
  y: {distribution: uniform, min: 0.0, max: 1.0}
"""
BUDGET = "min_fidelity: 1, max_fidelity: 9, eta: 3"
METHODS = {
    "hyperband": BUDGET,
    "asha": BUDGET,
    "bohb": BUDGET,
    "dehb": BUDGET,
    "smac": "n_startup_trials: 4",
    "hebo": "n_startup_trials: 4",
}
TRIED = list(METHODS) if os.environ.get("SHARPEN_TEST_EVERY_METHOD") else ["dehb", "hebo"]
PROGRAM = """
from sharpen import tracking

with tracking.init() as run:
    run.log({"score": -abs(run.config["x"] - 0.3) - run.config["y"] / (run.fidelity or 1.0)})
"""


def plan(bench):
    return [
        (run.number, run.config, run.fidelity, run.parent, run.origin, run.state, run.score)
        for run in bench.runs()
    ]


def kill_all(bench):
    for process in bench.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("method", TRIED)
def test_a_search_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path, database, method):
    (tmp_path / "bowl.py").write_text(PROGRAM)
    more = f"seed: 5\noptimizer: {{type: {method}, {METHODS[method]}}}\n"
    with Bench(tmp_path / "calm", program=tmp_path / "bowl.py") as calm:
        done = calm.call("run", calm.write_sweep(CAP, space=SPACE, more=more), "--agents", "1")
        assert done.returncode == 0, done.stderr
        expected = plan(calm)
    assert len(expected) == CAP
    with Bench(tmp_path / "killed", tmp_path / "bowl.py", database) as bench:
        words = ("run", bench.write_sweep(CAP, space=SPACE, more=more), "--agents", "1")
        for n_ended in (2, 6):  # while it draws, and once it has a model or a bracket
            driver = bench.start(*words)
            bench.sweep_id()
            until(lambda n=n_ended: bench.states()["finished"] >= n, f"{n_ended} runs to end")
            kill_all(bench)
            driver.wait(15)
            bench.assert_nothing_left()
            words = ("resume", "last", "--agents", "1")
        done = bench.call(*words)
        assert done.returncode == 0, done.stderr
        assert plan(bench) == expected
