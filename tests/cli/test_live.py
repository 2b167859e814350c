"""What the live view reads and works out at each refresh, and that it comes to the same as a fresh look."""

import pytest

from coordinator.harness import CoordinatorHarness
from sharpen.cli import live
from sharpen.cli.best_run import _metrics
from sharpen.cli.live import headline
from sharpen.store.queries import Reader
from sharpen.views import snapshot
from sharpen.views.snapshot import Snapshot

SPEC = """
program: train.py
method: random
run_cap: 40
metrics: [{name: score, goal: maximize}, {name: cost, goal: minimize}]
parameters: {x: {min: 0.0, max: 1.0}}
"""


@pytest.fixture
def harness(tmp_path):
    made = CoordinatorHarness(tmp_path)
    yield made
    made.coordinator.close()


def end(harness, held, score, cost):
    harness.ask("report", **held, rows=[[0, {"score": score, "cost": cost}]])
    harness.ask("exit", **held, exit_code=0, last_words="")


@pytest.mark.parametrize(("cap", "n"), [("", 12), ("run_cap: 5\n", 5)])
def test_a_grid_s_size_is_how_many_runs_there_will_be(harness, cap, n):
    grid = SPEC.replace("random", "grid").replace("run_cap: 40\n", cap + "repeats: 4\n")
    sweep_id = harness.create(grid.replace("{min: 0.0, max: 1.0}", "{values: [1, 2, 3]}"))
    now = Snapshot.read(Reader(harness.home), sweep_id)
    assert now.n_in_all == n
    assert f": 0/{n} runs done" in headline(now, 1)


def test_time_is_left_only_while_runs_are_to_come(harness):
    sweep_id = harness.create(SPEC.replace("run_cap: 40", "run_cap: 2"))
    for is_last in (False, True):
        held = harness.held(sweep_id)
        harness.clock.now += 4.0
        end(harness, held, 0.5, 1.0)
        said = headline(Snapshot.read(Reader(harness.home), sweep_id), 1)
        assert ("left" in said) != is_last, said


def test_what_a_run_logged_last_is_of_all_its_steps(harness):
    sweep_id = harness.create(SPEC)
    held = harness.held(sweep_id)
    harness.ask(
        "report", **held, rows=[[1, {"score": 0.5, "cost": 1.0}], [2, {"score": 0.7}], [3, {"note": 1}]]
    )
    reader = Reader(harness.home)
    assert _metrics(reader, [reader.run(held["run_id"])]) == {"score": 0.7, "cost": 1.0, "note": 1}


def seen(now):
    return now.runs, now.progress, now.done, now.front, now.chosen, headline(now, 1)


def test_a_refresh_comes_to_the_same_as_a_fresh_look(harness):
    sweep_id = harness.create(SPEC)
    harness.ask("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
    harness.ask("add", sweep_id=sweep_id, key="add", points=[{"x": n / 10} for n in range(6)])
    reader = Reader(harness.home)
    now = Snapshot.read(reader, sweep_id)
    for n in range(4):
        held = harness.held(sweep_id, key=f"lease-{n}")
        now = now.refreshed(reader)
        assert seen(now) == seen(Snapshot.read(reader, sweep_id))
        end(harness, held, float(n), float(n % 2))
        now = now.refreshed(reader)
        assert seen(now) == seen(Snapshot.read(reader, sweep_id))
    harness.ask("delete", target=f"{sweep_id}-4")
    now = now.refreshed(reader)
    assert seen(now) == seen(Snapshot.read(reader, sweep_id))
    assert [row.number for row in now.front] == [3]


def test_the_front_is_worked_out_when_a_run_has_ended_and_not_before(harness, monkeypatch):
    sweep_id = harness.create(SPEC)
    harness.ask("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
    reader = Reader(harness.home)
    asked = []
    front = snapshot.pareto_front
    monkeypatch.setattr(snapshot, "pareto_front", lambda *given: asked.append(1) or front(*given))
    end(harness, harness.held(sweep_id, key="one"), 1.0, 1.0)
    now = Snapshot.read(reader, sweep_id)
    assert [row.number for row in now.front] == [1]
    held = harness.held(sweep_id, key="two")
    for _ in range(3):
        now = now.refreshed(reader)
        assert [row.number for row in now.front] == [1]
    assert len(asked) == 1
    end(harness, held, 2.0, 2.0)
    now = now.refreshed(reader)
    assert [row.number for row in now.front] == [1, 2]
    assert len(asked) == 2


def test_a_run_that_logged_nothing_has_no_label_without_a_value(harness):
    sweep_id = harness.create(SPEC)
    harness.ask("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
    harness.ask("exit", **harness.held(sweep_id), exit_code=1, last_words="KeyError: 'x'")
    now = Snapshot.read(Reader(harness.home), sweep_id)
    [run] = now.runs
    line = live.line_of(run, now.spec.metrics, now.progress.get(run.id))
    assert line == f"run   1  failed    0 steps  0s  {run.reason}"
    assert "KeyError" in run.reason
