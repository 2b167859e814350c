"""Several metrics and constraints in the report: the front, what broke a bound, and what nobody kept."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from sharpen.report import front, leaderboard, verdict
from sharpen.report.figures import figures
from sharpen.report.html import render
from sharpen.report.tradeoff import front_table

TWO = """
name: trade-offs
program: train.py
method: random
metrics:
  - {name: val/sharpe, goal: maximize}
  - {name: val/drawdown, goal: minimize}
constraints:
  val/n_trades: ">= 30"
run_cap: 60
parameters:
  depth: {min: 3, max: 8}
  seed: {value: 1}
"""
THREE = TWO.replace("constraints:", "  - {name: val/turnover, goal: minimize}\nconstraints:")
ONE = TWO[: TWO.index("metrics:")] + "metric: {name: val/sharpe, goal: maximize}\n" + TWO[TWO.index("cons") :]


def run(lab, sharpe: float, drawdown: float, n_trades: float = 40, **more: float) -> None:
    metrics = {"val/sharpe": sharpe, "val/drawdown": drawdown, "val/n_trades": n_trades}
    lab.run([(1, metrics | {f"val/{name}": value for name, value in more.items()})])


def printed(*parts) -> str:
    console = Console(width=1000, file=io.StringIO())
    for part in parts:
        console.print(part, markup=False)
    return console.file.getvalue()


@pytest.fixture
def traded(lab):
    """Runs 1, 3 and 4 are the front; 2 is beaten, 5 broke the constraint, 6 has no second metric."""
    lab.sweep(TWO)
    run(lab, 1.0, 0.30)
    run(lab, 0.9, 0.31)
    run(lab, 0.5, 0.10)
    run(lab, 0.8, 0.20)
    run(lab, 9.0, 0.01, n_trades=24)
    lab.run([(1, {"val/sharpe": 5.0, "val/n_trades": 40})])
    return lab


def test_the_front_is_what_no_run_beats_in_every_metric(traded) -> None:
    found = traded.analysis()
    assert [entry.number for entry in found.front] == [1, 4, 3]
    assert [entry.number for entry in found.broken] == [5]
    assert found.broke == {5: "val/n_trades 24, needs >= 30"}
    assert found.n_runs == 6
    table = front_table(found)
    assert [row.metrics for row in table.rows] == [("1.000", "0.300"), ("0.800", "0.200"), ("0.500", "0.100")]
    assert "seed" not in table.parameters


def test_a_run_that_broke_a_constraint_never_wins_and_is_never_the_best_so_far(lab) -> None:
    lab.sweep(ONE)
    for sharpe, n_trades in ((0.4, 30), (9.0, 29), (0.6, 31)):
        run(lab, sharpe, 0.0, n_trades)
    found = lab.analysis()
    assert found.best is not None
    assert found.best.number == 3
    assert [entry.number for entry in found.ranked] == [3, 1]
    assert [(point.best, point.broke) for point in found.history] == [(0.4, False), (0.4, True), (0.6, False)]
    (caution,) = [c for c in found.cautions if c.topic == "Constraints"]
    assert caution.sentence.startswith("1 of 3 finished runs broke val/n_trades >= 30.")
    assert "1 broke a constraint" in printed(leaderboard(found))


def test_the_terminal_lists_the_front_and_says_how_selected_it_is(traded) -> None:
    found = traded.analysis()
    lines = printed(front(found)).splitlines()
    assert lines[0].split()[:3] == ["front", "val/sharpe", "val/drawdown"]
    assert [line.split()[0] for line in lines[1:4]] == ["1", "4", "3"]
    assert "broke a constraint" in lines[4]
    assert "as selected as a single best is" in printed(*verdict(found))


def test_when_no_run_kept_the_constraints_the_nearest_miss_is_named(lab) -> None:
    lab.sweep(ONE)
    for n_trades in (3, 24, math.nan):
        run(lab, 1.0, 0.0, n_trades)
    found = lab.analysis()
    said = (
        "No run kept the constraints: 3 of 3 finished runs broke val/n_trades >= 30 (nearest: run 2 with 24)."
    )
    assert found.judgement.kind == "none"
    assert said == found.judgement.headline
    assert found.broke[3] == "val/n_trades not a number, needs >= 30"
    page = render(found)
    assert "nearest: run 2 with 24" in page
    assert page.index("Broke a constraint") < page.index("val/n_trades 3, needs &gt;= 30")


def test_a_constraint_on_a_name_that_nobody_logs_is_said_to_be_one(lab) -> None:
    lab.sweep(ONE)
    lab.run([(1, {"val/sharpe": 1.0})])
    found = lab.analysis()
    assert found.broke[1] == "val/n_trades never logged, needs >= 30"
    assert "broke val/n_trades >= 30 (none logged it)." in found.judgement.headline


def test_two_metrics_are_a_plane_with_the_front_joined(traded) -> None:
    found = traded.analysis()
    chart = figures(found)["front"]
    finished, broke, joined = chart["data"]
    assert (finished["x"], finished["y"]) == ([0.9], [0.31])  # run 6 has no place in the plane
    assert (broke["x"], broke["y"]) == ([9.0], [0.01])
    assert (joined["x"], joined["y"]) == ([1.0, 0.8, 0.5], [0.3, 0.2, 0.1])
    assert joined["mode"] == "lines+markers"
    assert joined["text"][0] == f"run {traded.sweep_id}-1<br>val/sharpe 1<br>val/drawdown 0.3"
    assert broke["text"][0].endswith("broke: val/n_trades 24, needs >= 30")
    page = render(found)
    assert 'id="front"' in page
    assert f"sharpen best {traded.sweep_id} --run 1" in page
    assert "as selected as a single best is" in page


def test_three_metrics_are_parallel_axes_with_the_better_end_on_top(lab) -> None:
    lab.sweep(THREE)
    run(lab, 1.0, 0.3, turnover=0.5)
    run(lab, 0.5, 0.1, turnover=0.7)
    run(lab, 0.4, 0.3, turnover=0.8)
    chart = figures(lab.analysis())["front"]
    behind, before = chart["data"]
    assert before["x"] == [0, 1, 2, None] * 2
    assert before["y"] == [1.0, 0.0, 1.0, None, 0.1667, 1.0, 0.3333, None]
    assert behind["y"] == [0.0, 0.0, 0.0, None]
    ends = {(note["x"], note["y"]): note["text"] for note in chart["layout"]["annotations"]}
    assert (ends[0, 1], ends[1, 1], ends[2, 1]) == ("1", "0.1", "0.5")


def test_a_single_metric_has_no_front(lab) -> None:
    lab.sweep(ONE)
    run(lab, 1.0, 0.1)
    found = lab.analysis()
    assert (found.front, found.selection) == ((), "")
    assert "front" not in figures(found)
    assert 'id="tradeoff"' not in render(found)


def test_a_front_of_one_run_is_drawn_with_those_behind_it(lab) -> None:
    lab.sweep(TWO)
    run(lab, 1.0, 0.1)
    assert "front" not in figures(lab.analysis())
    run(lab, 0.5, 0.3)
    run(lab, 0.4, 0.2)
    found = lab.analysis()
    assert len(found.front) == 1
    behind, before = figures(found)["front"]["data"]
    assert (sorted(behind["x"]), before["x"]) == ([0.4, 0.5], [1.0])
    assert 'id="front"' in render(found)
