"""validate: the lockbox is opened, scored, and every look is written down."""

import contextlib
import json
import sqlite3

import numpy as np
import pytest

from cli.conftest import PROGRAMS, TILTS
from cli.programs.strategy import FOLD_BARS, mean, returns
from faults.bench import Bench
from sharpen.bars import bars_per_year
from sharpen.store.queries import Reader

CRASHES = """
from sharpen import tracking
with tracking.init() as run:
    run.log({"score": 1.0}, step=1)
    if run.stage == "lockbox":
        raise MemoryError("the lockbox is too large")
"""


def annual_sharpe(tilt):
    time, ret, _ = returns(tilt, 0)
    return ret.mean() / ret.std(ddof=1) * np.sqrt(bars_per_year(time))


def looks(home):
    reader = Reader(home)
    return reader.looks(reader.sweep("last").id)


def test_both_configurations_are_scored_on_the_lockbox(sharpen, store):
    said = sharpen("validate", "last-4", "--json", home=store)
    assert (said.exit_code, said.stderr) == (0, "")
    found = json.loads(said.stdout)
    assert (found["run"], found["looks"]) == (f"{Reader(store).sweep('last').id}-4", 1)
    for name, tilt in {"chosen": 3, "default": 0}.items():
        side = found[name]
        assert side["metrics"] == {"score": mean(tilt, 0), "n": 1}
        assert side["n_bars"] == FOLD_BARS
        assert side["sharpe"] == pytest.approx(annual_sharpe(tilt), rel=1e-6)
        assert side["interval"][0] < side["sharpe"] < side["interval"][1]
    [look] = looks(store)
    assert (look.run_id, look.result["chosen"]["metrics"]) == (found["run"], found["chosen"]["metrics"])


def test_looks_are_counted_and_said(sharpen, store):
    first = sharpen("validate", "last-4", home=store)
    assert first.exit_code == 0, first.stderr
    assert "This is the first look at this sweep's lockbox" in first.stdout
    head, row = (line.split() for line in first.stdout.splitlines()[:2])
    assert head == ["chosen", "default"]
    assert row == ["Sharpe", "ratio", *(f"{annual_sharpe(tilt):.4g}" for tilt in (3, 0))]
    assert "This is look 2 at this sweep's lockbox" in sharpen("validate", "last-3", home=store).stdout
    assert len(looks(store)) == 2
    assert json.loads(sharpen("info", "last", "--json", home=store).stdout)["lockbox looks"] == 2


def test_a_look_leaves_the_search_as_it_was(sharpen, store):
    before = Reader(store).runs(Reader(store).sweep("last").id)
    artifacts = Reader(store).artifacts(sweep_id=before[0].sweep_id)
    assert sharpen("validate", "last-4", home=store).exit_code == 0
    assert Reader(store).runs(before[0].sweep_id) == before
    assert Reader(store).artifacts(sweep_id=before[0].sweep_id) == artifacts


@pytest.mark.parametrize("state", ["running", "pending", "stopped", "failed"])
def test_only_a_finished_run_can_be_validated(sharpen, store, state):
    with contextlib.closing(sqlite3.connect(store / "store.db")) as connection, connection:
        connection.execute("update runs set state = ? where number = 4", [state])
    said = sharpen("validate", "last-4", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"is {state}: only a finished run can be validated" in said.stderr
    assert looks(store) == []


def test_a_program_that_never_asks_for_the_stage_is_refused(tmp_path):
    """Else the search's own figures would pass for those of the lockbox."""
    with Bench(tmp_path, program=PROGRAMS / "plain.py") as bench:
        bench.call("sweep", bench.write_sweep(1, space=TILTS))
        assert bench.call("agent", "last").returncode == 0
        said = bench.call("validate", "last-1", "--json")
        assert (said.returncode, said.stdout) == (1, "")
        assert "the program never looks at run.stage" in said.stderr
        assert "Traceback" not in said.stderr
        assert [look.result for look in looks(bench.home)] == [None]


def test_a_look_counts_even_when_the_program_crashes(tmp_path):
    program = tmp_path / "crashes.py"
    program.write_text(CRASHES.replace("run.log", "run.stage\n    run.log"))
    with Bench(tmp_path / "bench", program=program) as bench:
        bench.call("sweep", bench.write_sweep(1, space=TILTS))
        assert bench.call("agent", "last").returncode == 0
        for n in (1, 2):
            said = bench.call("validate", "last-1")
            assert (said.returncode, said.stdout) == (1, "")
            assert "the program failed on the lockbox: MemoryError: the lockbox is too large" in said.stderr
            assert [look.result for look in looks(bench.home)] == [None] * n
        assert json.loads(bench.call("info", "last", "--json").stdout)["lockbox looks"] == 2
        assert bench.call("report", "last").returncode == 0
        bench.assert_nothing_left()
