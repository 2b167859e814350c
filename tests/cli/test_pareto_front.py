"""Several metrics, constraints, and names that no program logs: what run, best, runs and info show."""

import json

import pytest

from cli.conftest import PROGRAMS, TILTS
from faults.bench import Bench

METRICS = "metrics: [{name: score, goal: maximize}, {name: drawdown, goal: minimize}]\n"
ENOUGH = 'constraints: {n_trades: ">= 30"}\n'


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench whose grid of four has been run: tilts 0, 1 and 2 trade off, tilt 3 breaks the constraint."""
    with Bench(tmp_path_factory.mktemp("front"), program=PROGRAMS / "trading.py") as bench:
        file = bench.write_sweep(4, method="grid", space=TILTS, metric=METRICS, more=ENOUGH)
        bench.ran = bench.call("run", file, "--agents", "1")
        assert bench.ran.returncode == 0, bench.ran.stderr
        yield bench


def test_the_end_of_a_run_lists_the_front(bench):
    lines = bench.ran.stdout.splitlines()
    assert lines[0].split() == ["front", "score", "drawdown", "tilt"]
    assert [line.split() for line in lines[1:4]] == [
        ["3", "1.000", "0.200", "2"],
        ["2", "0.500", "0.100", "1"],
        ["1", "0.000", "0.000", "0"],
    ]
    assert lines[4].strip() == "and 1 broke a constraint"
    assert "1 of 4 finished runs broke n_trades >= 30." in bench.ran.stdout
    assert "as selected as a single best is" in bench.ran.stdout
    assert "score 0.5  drawdown 0.1" in bench.ran.stderr
    assert "broke n_trades 25, needs >= 30" in bench.ran.stderr
    assert "warning" not in bench.ran.stderr


def test_best_shows_the_front_and_one_of_it_in_full(sharpen, bench):
    sweep_id = bench.sweep_id()
    listed = json.loads(sharpen("best", "last", "--json", home=bench.home).stdout)
    assert [row["run"] for row in listed] == [f"{sweep_id}-{n}" for n in (3, 2, 1)]
    assert listed[0]["scores"] == {"score": 1.0, "drawdown": pytest.approx(0.2)}
    assert listed[0]["config"] == {"tilt": 2}
    assert listed[0]["command"].endswith("trading.py --tilt=2")
    table = sharpen("best", "last", home=bench.home).stdout
    assert table.splitlines()[0].split() == ["run", "score", "drawdown", "tilt"]
    command = table.splitlines()[-1].partition(": sharpen ")[2]
    one = sharpen(*command.split(), home=bench.home)
    assert one.stdout.startswith(f"run {sweep_id}-3: score 1, drawdown 0.2\n")
    assert "--tilt=2" in one.stdout
    for word in ("2", "last-2", f"{sweep_id}-2"):
        facts = json.loads(sharpen("best", "last", "--run", word, "--json", home=bench.home).stdout)
        assert (facts["run"], facts["scores"]["score"]) == (f"{sweep_id}-2", 0.5)
    assert "(broke n_trades 25, needs >= 30)" in sharpen("best", "last", "--run", "4", home=bench.home).stdout
    assert sharpen("best", "last", "--run", "9", home=bench.home).exit_code == 2


def test_ls_shows_the_size_of_the_front(sharpen, bench):
    (row,) = json.loads(sharpen("ls", "--json", home=bench.home).stdout)
    assert (row["best"], row["front"]) == (None, 3)
    assert "front of 3" in sharpen("ls", home=bench.home).stdout


def test_runs_and_info_show_every_metric_and_what_was_broken(sharpen, bench):
    head, *rows = sharpen("runs", "last", home=bench.home).stdout.splitlines()
    assert head.split() == ["run", "state", "steps", "score", "drawdown", "front", "broke", "time", "why"]
    assert ["★" in row for row in rows] == [True, True, True, False]
    assert "n_trades 25, needs >= 30" in rows[3]
    broke = [row["broke"] for row in json.loads(sharpen("runs", "last", "--json", home=bench.home).stdout)]
    assert broke == [[], [], [], ["n_trades 25, needs >= 30"]]
    assert "n_trades >= 30: 1 of 4 finished" in sharpen("info", "last", home=bench.home).stdout
    facts = json.loads(sharpen("info", "last", "--json", home=bench.home).stdout)
    assert facts["broke"] == {"n_trades >= 30": 1}


def test_a_sweep_of_one_metric_without_constraints_has_no_such_columns(sharpen, store):
    head = sharpen("runs", "last", home=store).stdout.splitlines()[0]
    assert head.split() == ["run", "state", "steps", "score", "best", "time", "why"]
    assert "broke" not in json.loads(sharpen("info", "last", "--json", home=store).stdout)


def test_when_no_run_keeps_the_constraints_the_nearest_miss_is_named(tmp_path, sharpen):
    said = "no run kept the constraints: 2 of 2 finished runs broke n_trades >= 99 (nearest: run 1 with 40)"
    with Bench(tmp_path, program=PROGRAMS / "trading.py") as bench:
        bounds = 'constraints: {n_trades: ">= 99"}\n'
        file = bench.write_sweep(
            2, method="grid", space="parameters: {tilt: {values: [0, 1]}}\n", more=bounds
        )
        ran = bench.call("run", file, "--agents", "1")
        assert ran.returncode == 1
        assert said in ran.stderr
        assert f"N{said[1:]}." in ran.stdout
        asked = sharpen("best", "last", home=bench.home)
        assert asked.exit_code == 2
        assert said in asked.stderr


def test_a_metric_that_is_never_logged_is_taught_after_the_first_run(tmp_path):
    with Bench(tmp_path, program=PROGRAMS / "trading.py") as bench:
        file = bench.write_sweep(4, method="grid", space=TILTS, metric="metric: {name: scores}\n")
        ran = bench.call("run", file, "--agents", "1")
        assert ran.returncode == 1
        reason = (
            "the program ended without logging scores, the sweep's metric; "
            "it logged drawdown, n_trades, score; did you mean 'score'?"
        )
        assert [run.reason for run in bench.runs()] == [reason] * 4
        warnings = [line for line in ran.stderr.splitlines() if line.startswith("warning")]
        assert warnings == [f"warning: run 1 failed: {reason}"]


def test_a_cost_that_is_none_is_warned_of_once(tmp_path):
    with Bench(tmp_path, program=PROGRAMS / "trading.py") as bench:
        cost = "cost_metric: drawdown\n"
        file = bench.write_sweep(4, method="grid", space=TILTS, metric=METRICS, more=cost)
        ran = bench.call("run", file, "--agents", "1")
        assert [line for line in ran.stderr.splitlines() if line.startswith("warning")] == [
            "warning: run 1 finished, but drawdown, which cost_metric names, was no number above 0: "
            "its cost is not known"
        ]


def test_other_names_that_are_never_logged_are_warned_of_once(tmp_path):
    with Bench(tmp_path, program=PROGRAMS / "trading.py") as bench:
        metrics = METRICS.replace("drawdown", "drawdwn")
        bounds = 'constraints: {trades: ">= 30", n_trades: ">= 30"}\ncost_metric: nodes\n'
        file = bench.write_sweep(4, method="grid", space=TILTS, metric=metrics, more=bounds)
        ran = bench.call("run", file, "--agents", "1")
        assert bench.states() == {"finished": 4}
        warnings = [line for line in ran.stderr.splitlines() if line.startswith("warning")]
        logged = "it logged drawdown, n_trades, score; did you mean"
        first = "warning: run 1 finished, but it never logged"
        assert warnings == [
            f"{first} nodes, which cost_metric names; {logged} 'n_trades'?",
            f"{first} trades, which constraints bounds; {logged} 'n_trades'?",
            f"{first} drawdwn, which metrics names; {logged} 'drawdown'?",
        ]
