"""What people ask of the coordinator: on the disk when it answers, done once however often it is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sharpen import spec
from sharpen.coordinator.core import Coordinator
from sharpen.coordinator.restore import Assess, rules_for
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.seeds import repeat_seed
from sharpen.store.queries import Reader
from sharpen.store.statements import Statement
from sharpen.store.takeover import TakeoverReader
from sharpen.sweep import Assessment, StoredCheckpoint
from sharpen.trial import TrialState

from .harness import STOPPING, SWEEP, CoordinatorHarness, HandClock


def reader(harness: CoordinatorHarness) -> Reader:
    return Reader(harness.home, harness.coordinator._store.engine)


def same_on_disk(harness: CoordinatorHarness) -> None:
    assert harness.restarted() == harness.in_memory()


def finish(harness: CoordinatorHarness, sweep_id: str, key: str, value: float = 0.5) -> str:
    held = harness.held(sweep_id, key)
    harness.report(held, 1, val_sharpe=value)
    harness.ask("exit", **held, exit_code=0, last_words="")
    return str(held["run_id"])


OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("pause", {}),
    ("stop", {}),
    ("cancel", {"reason": "enough"}),
    ("reopen", {}),
    ("edit", {"changes": {"name": "new", "run_cap": 7, "max_failures": 3, "time_cap_s": 60.0}}),
    ("add", {"key": "k", "points": [{"x": 0.25}, {"kind": "b"}]}),
]


@pytest.mark.parametrize(("op", "args"), OPERATIONS)
def test_what_is_asked_is_on_the_disk_and_done_once(
    harness: CoordinatorHarness, op: str, args: dict[str, Any]
) -> None:
    sweep_id = harness.create(run_cap=5)
    harness.held(sweep_id)
    first = harness.ask(op, sweep_id=sweep_id, **args)
    same_on_disk(harness)
    before = harness.in_memory()
    second = harness.ask(op, sweep_id=sweep_id, **args)
    assert harness.in_memory() == before
    assert second == first
    same_on_disk(harness)


def test_a_pause_makes_agents_wait_and_outlives_the_host(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    assert harness.ask("pause", sweep_id=sweep_id) == {"status": "paused", "run_cap": None, "n_running": 0}
    second = CoordinatorHarness(harness.home, harness.clock)
    assert second.lease(sweep_id, "k") == {"wait": True, "paused": True}
    assert reader(harness).sweep(sweep_id).ended_at is None
    second.ask("reopen", sweep_id=sweep_id)
    assert "run" in second.lease(sweep_id, "k")
    second.close()


def test_a_canceled_run_s_agent_is_told_also_by_the_next_host(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    run_id = held["run_id"]
    answer = harness.ask("cancel_run", run_id=run_id, reason=" no good ")
    assert (answer["state"], answer["n_running"]) == ("running", 1)
    second = CoordinatorHarness(harness.home, harness.clock)
    for who in (harness, second):
        beat = who.ask("beat", sweep_id=sweep_id, agent_id="a", held=[[run_id, 1]])
        assert beat == {"stop": {run_id: "no good"}, "cancel": {run_id: "no good"}, "lost": []}
        assert who.report(held, 1, val_sharpe=0.5) == "no good"
    second.close()
    harness.ask("exit", **held, exit_code=-15, last_words="")
    row = reader(harness).run(run_id)
    assert (row.state, row.reason, row.score) == ("canceled", "no good", None)
    assert harness.ask("cancel_run", run_id=run_id, reason="")["state"] == "canceled"
    same_on_disk(harness)


def test_a_reason_is_never_empty(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    harness.ask("cancel", sweep_id=sweep_id, reason="  ")
    assert harness.report(held, 1, val_sharpe=0.5) == "canceled"


@pytest.mark.parametrize("op", ["pause", "stop", "cancel"])
def test_what_means_nothing_any_more_is_refused(harness: CoordinatorHarness, op: str) -> None:
    sweep_id = harness.create(run_cap=1)
    finish(harness, sweep_id, "k")
    args = {"reason": "x"} if op == "cancel" else {}
    with pytest.raises(
        Refused, match=f"sweep {sweep_id}: the sweep has finished: there is nothing to"
    ) as refusal:
        harness.ask(op, sweep_id=sweep_id, **args)
    assert refusal.value.facts == {"why": "illegal"}


def test_points_are_checked_all_at_once_and_none_is_added_when_one_is_wrong(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    with pytest.raises(UsageError) as problem:
        harness.ask("add", sweep_id=sweep_id, key="k", points=[{"x": 0.5}, {"x": 2.0, "knd": "a"}])
    assert problem.value.message.splitlines() == [
        "nothing was added:",
        "  point 2: $.x: cannot be 2.0: the parameter goes from 0 to 1",
        "  point 2: $.knd: there is no parameter 'knd'; did you mean 'kind'?",
    ]
    assert harness.state(sweep_id).n_created == 0


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *(("run_cap", value, "a whole number") for value in (True, 2.5, "3", 0, -1, math.nan, math.inf, [3])),
        *(("max_failures", value, "a whole number") for value in (True, 1.0, "3", 0)),
        *(("time_cap_s", value, "a number") for value in (True, math.inf, math.nan, "3", 0, -1.0)),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_name(
    harness: CoordinatorHarness, name: str, value: Any, kind: str
) -> None:
    sweep_id = harness.create(run_cap=5)
    before = harness.in_memory()
    words = re.escape(f"{name} must be {kind} above 0, not {value!r}")
    with pytest.raises(UsageError, match=words):
        harness.ask("edit", sweep_id=sweep_id, changes={name: value})
    if name == "run_cap":
        with pytest.raises(UsageError, match=words):
            harness.ask("reopen", sweep_id=sweep_id, run_cap=value)
    assert harness.in_memory() == before
    same_on_disk(harness)


@pytest.mark.parametrize("name", ["run_cap", "max_failures", "time_cap_s"])
def test_a_limit_that_no_database_holds_is_refused(harness: CoordinatorHarness, name: str) -> None:
    sweep_id = harness.create(run_cap=5)
    with pytest.raises(UsageError, match=f"{name} is at most 9007199254740992, not 1000"):
        harness.ask("edit", sweep_id=sweep_id, changes={name: 10**400})
    harness.ask("edit", sweep_id=sweep_id, changes={name: 2**53})
    same_on_disk(harness)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([2**63, {"loss": 1.0}], "a step is a whole number from 0 to 9223372036854775807"),
        ([1, ["oops"]], "metrics are a mapping of names to values, not a list"),
    ],
)
def test_a_report_that_cannot_be_kept_is_refused(
    harness: CoordinatorHarness, row: list[Any], words: str
) -> None:
    held = harness.held(harness.create())
    with pytest.raises(UsageError, match=words):
        harness.ask("report", **held, rows=[row])
    harness.ask("report", **held, rows=[[2**63 - 1, {"val/sharpe": 1.0}]])


GRID = "program: t.py\nmethod: grid\nmetric: {name: loss}\nparameters: {k: {values: [0, 1, 2, 3, 4]}}\n"


def work_off(harness: CoordinatorHarness, sweep_id: str, fails: tuple[int, ...] = ()) -> list[int]:
    """Carry out what there is to run, one after the other, and return the configurations; some fail once."""
    seen: list[int] = []
    for n in range(20):
        answer = harness.lease(sweep_id, f"{len(harness.state(sweep_id).trials)} {n}")
        if "run" not in answer:
            assert answer == {"over": "finished", "reason": "every point has been tried"}
            return seen
        held = {"run_id": answer["run"]["run_id"], "token": answer["run"]["token"]}
        seen.append(answer["run"]["config"]["k"])
        if seen[-1] in fails and seen.count(seen[-1]) == 1:
            harness.ask("exit", **held, exit_code=1, last_words="no")
        else:
            harness.ask("report", **held, rows=[[1, {"loss": 1.0}]])
            harness.ask("exit", **held, exit_code=0, last_words="")
    raise AssertionError(f"a grid without an end: {seen}")


def test_a_grid_loses_no_point_to_what_else_is_run_and_runs_none_twice(harness: CoordinatorHarness) -> None:
    assert work_off(harness, harness.create(GRID + "prior: [{k: 3}]\n", key="prior")) == [3, 0, 1, 2, 4]
    queued = harness.create(GRID, key="queued")
    harness.ask("add", sweep_id=queued, key="add", points=[{"k": 4}, {"k": 1}])
    assert work_off(harness, queued) == [4, 1, 0, 2, 3]
    canceled = harness.create(GRID, key="canceled")
    harness.ask("add", sweep_id=canceled, key="more", points=[{"k": 4}])
    harness.ask("cancel_run", run_id=f"{canceled}-1", reason="")
    assert work_off(harness, canceled) == [0, 1, 2, 3, 4], "what was canceled has not been tried"
    again = harness.create(GRID, key="again")
    finish(harness, again, "k1")
    harness.ask("rerun", run_id=f"{again}-1", key="rerun")
    assert work_off(harness, again) == [0, 1, 2, 3, 4]


def test_a_grid_tries_what_failed_again_at_its_end(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(GRID + "optimizer: {type: grid, retries: 1}\n")
    assert work_off(harness, sweep_id, fails=(2, 4)) == [0, 1, 2, 3, 4, 2, 4]


def test_a_grid_may_be_larger_than_what_a_database_can_count(harness: CoordinatorHarness) -> None:
    names = ", ".join(f"p{n}: {{min: 0, max: 49}}" for n in range(12))
    sweep_id = harness.create(GRID.partition("parameters")[0] + f"parameters: {{{names}}}\n")
    assert set(harness.lease(sweep_id, "k1")["run"]["config"].values()) == {0}
    same_on_disk(harness)


def test_many_points_are_added_with_few_words_to_the_database(
    harness: CoordinatorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_id = harness.create(run_cap=5)
    said: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(statement.split(maxsplit=1)[0])

    def executed(statement: Statement, cursor: Any, values: Any, how: Any) -> None:
        said.append(statement._text)
        how(statement, cursor, values)

    for name in ("execute", "execute_all"):
        monkeypatch.setattr(Statement, name, partialmethod(executed, how=getattr(Statement, name)))
    points = [{"x": n / 900} for n in range(900)]
    event.listen(harness.coordinator._store.connection, "before_cursor_execute", heard)
    answer = harness.ask("add", sweep_id=sweep_id, key="k", points=points)
    event.remove(harness.coordinator._store.connection, "before_cursor_execute", heard)
    assert 2 < len(said) < 10, "not some for each point"
    assert answer["runs"] == [f"{sweep_id}-{n}" for n in range(1, 901)]
    assert answer["run_cap"] == 900
    rows = reader(harness).runs(sweep_id)
    assert [(row.config["x"], row.key) for row in rows] == [(n / 900, f"k/{n}") for n in range(900)]
    assert len({row.created_at for row in rows}) == 900
    same_on_disk(harness)
    other = harness.ask("add", sweep_id=sweep_id, key="k0", points=points[:2])
    assert other["runs"] == [f"{sweep_id}-901", f"{sweep_id}-902"], "another key, though it begins alike"
    assert harness.ask("add", sweep_id=sweep_id, key="k", points=points)["runs"] == answer["runs"]
    assert harness.state(sweep_id).n_created == 902


def test_points_that_are_added_are_leased_in_order_before_new_ones(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(run_cap=1)
    answer = harness.ask("add", sweep_id=sweep_id, key="k", points=[{"x": 0.25}, {"x": 0.75, "kind": None}])
    assert answer["runs"] == [f"{sweep_id}-1", f"{sweep_id}-2"]
    assert answer["run_cap"] == 2
    assert harness.lease(sweep_id, "a")["run"]["config"] == {"x": 0.25, "kind": "b"}
    assert harness.lease(sweep_id, "b")["run"]["config"] == {"x": 0.75, "kind": None}
    assert harness.lease(sweep_id, "c") == {"wait": True}
    assert [run.origin for run in reader(harness).runs(sweep_id)] == ["queued", "queued"]
    same_on_disk(harness)


def test_a_rerun_is_a_run_of_its_own_with_a_parent(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(run_cap=1)
    old = finish(harness, sweep_id, "k")
    answer = harness.ask("rerun", run_id=old, key="again")
    assert answer["runs"] == [f"{sweep_id}-2"]
    assert answer["status"] == "running"
    assert harness.ask("rerun", run_id=old, key="again")["runs"] == answer["runs"], "the same request"
    run = harness.lease(sweep_id, "l")["run"]
    assert run == {
        "run_id": f"{sweep_id}-2",
        "token": 1,
        "config": reader(harness).run(old).config,
        "seed": 0,
        "parent": old,
        "n_left": 0,
    }
    row = reader(harness).run(run["run_id"])
    assert (row.origin, row.parent) == ("rerun", 1)
    assert harness.ask("rerun", run_id=old, key="another")["runs"] == [f"{sweep_id}-3"]
    same_on_disk(harness)


def test_limits_outlive_the_host_and_end_the_sweep(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.ask("edit", sweep_id=sweep_id, changes={"max_failures": 2, "name": "better"})
    assert reader(harness).sweep(sweep_id).name == "better"
    second = CoordinatorHarness(harness.home, harness.clock)
    for n in range(2):
        held = second.held(sweep_id, f"k{n}")
        second.ask("exit", **held, exit_code=1, last_words=f"problem {n}")
    assert second.lease(sweep_id, "k9") == {
        "over": "failed",
        "reason": "2 runs failed, and max_failures is 2",
    }
    assert second.restarted() == second.in_memory()
    second.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run_cap": 0}, "run_cap must be a whole number above 0, not 0"),
        ({"time_cap_s": -1.0}, "time_cap_s must be a number above 0"),
        (
            {"method": "grid"},
            "a sweep has no 'method' to edit; it has: name, run_cap, max_failures, time_cap_s",
        ),
    ],
)
def test_an_edit_that_is_off_changes_nothing(
    harness: CoordinatorHarness, changes: dict[str, Any], words: str
) -> None:
    sweep_id = harness.create()
    before = harness.in_memory()
    with pytest.raises(UsageError, match=words):
        harness.ask("edit", sweep_id=sweep_id, changes=changes)
    assert harness.in_memory() == before


def test_working_time_is_counted_by_ticks_and_not_reset_by_a_restart(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.ask("edit", sweep_id=sweep_id, changes={"time_cap_s": 30.0})
    harness.held(sweep_id)
    for _ in range(25):
        harness.clock.now += 1.0
        harness.coordinator.tick()
    counted = harness.state(sweep_id).elapsed_s
    assert 20.0 <= counted <= 25.1
    second = CoordinatorHarness(harness.home, harness.clock)
    assert second.state(sweep_id).elapsed_s == counted == reader(harness).sweep(sweep_id).elapsed_s
    for _ in range(12):
        second.clock.now += 1.0
        second.coordinator.tick()
    assert second.lease(sweep_id, "more") == {
        "over": "stopped",
        "reason": "the time cap of 30 s of work is used up",
    }
    with pytest.raises(Refused, match="give it more with 'sharpen edit --time-cap'"):
        second.ask("reopen", sweep_id=sweep_id)
    second.close()


def test_the_last_stretch_of_work_is_counted_when_nothing_is_at_work_any_more(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    harness.clock.now += 4.0
    harness.ask("exit", **held, exit_code=1, last_words="boom")
    harness.coordinator.tick()
    assert reader(harness).sweep(sweep_id).elapsed_s == pytest.approx(4.0, abs=0.1)


def test_notes_and_tags(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    run_id = harness.held(sweep_id)["run_id"]
    for target in (sweep_id, run_id):
        assert harness.ask("note", target=target, text="why not") == {"note": "why not"}
        assert harness.ask("tag", target=target, add=["b", "a"], remove=[]) == {"tags": ["a", "b"]}
        assert harness.ask("tag", target=target, add=["b", "c"], remove=["a", "z"]) == {"tags": ["b", "c"]}
    rows = reader(harness).sweep(sweep_id), reader(harness).run(run_id)
    assert [(row.note, row.tags) for row in rows] == [("why not", ("b", "c"))] * 2
    with pytest.raises(UsageError, match="no name of a tag: it is blank"):
        harness.ask("tag", target=run_id, add=[" "], remove=[])
    for target in (f"{sweep_id}-9", "nowhere"):
        with pytest.raises(NotFound):
            harness.ask("note", target=target, text="x")


def test_a_deleted_run_is_hidden_from_all_but_its_number(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(STOPPING, run_cap=3)
    gone, kept = finish(harness, sweep_id, "k1", 0.9), finish(harness, sweep_id, "k2", 0.1)
    row = {"name": "m", "type": "model", "digest": "ab" * 32, "n_bytes": 3, "metadata": {}}
    held = harness.held(sweep_id, "k3")
    harness.ask("artifact", **held, **row)
    harness.ask("exit", **held, exit_code=0, last_words="")
    assert len(reader(harness).artifacts(sweep_id=sweep_id)) == 1
    for target in (gone, held["run_id"]):
        assert harness.ask("delete", target=target) == harness.ask("delete", target=target)
    found = reader(harness)
    assert [run.id for run in found.runs(sweep_id)] == [kept]
    assert [run.number for run in found.runs(sweep_id, deleted=True)] == [1, 2, 3]
    assert {report.run_id for report in found.reports(sweep_id=sweep_id)} == {kept}
    assert set(found.progress(sweep_id)) == {kept}
    assert found.artifacts(sweep_id=sweep_id) == []
    sweep = found.sweep(sweep_id)
    assert (sweep.n_runs, sweep.n_deleted) == ({"finished": 1}, 2)
    for ask in (
        lambda: found.run(gone),
        lambda: harness.ask("rerun", run_id=gone, key="x"),
        lambda: harness.ask("note", target=gone, text="x"),
        lambda: harness.ask("cancel_run", run_id=gone, reason="x"),
    ):
        with pytest.raises(NotFound):
            ask()
    shown = harness.state(sweep_id).trials
    assert [(t.state, t.score, len(t.reports)) for t in shown] == [
        (TrialState.CANCELED, None, 0),
        (TrialState.FINISHED, 0.1, 1),
        (TrialState.CANCELED, None, 0),
    ]
    same_on_disk(harness)


def test_a_deleted_sweep_is_hidden_and_cannot_go_on(harness: CoordinatorHarness) -> None:
    sweep_id, other = harness.create(key="1"), harness.create(key="2")
    harness.ask("pause", sweep_id=sweep_id)
    harness.ask("delete", target=sweep_id)
    harness.ask("delete", target=sweep_id)
    assert [row.id for row in reader(harness).sweeps()] == [other]
    assert reader(harness).deleted_kind(sweep_id) == "sweep"
    assert reader(harness).deleted_kind(other) is None
    with pytest.raises(NotFound):
        reader(harness).sweep(sweep_id)
    second = CoordinatorHarness(harness.home, harness.clock)
    assert second.lease(sweep_id, "k") == {"over": "canceled", "reason": "deleted"}
    with pytest.raises(Refused, match="has been deleted"):
        second.ask("reopen", sweep_id=sweep_id)
    second.close()
    same_on_disk(harness)


def test_runs_of_a_deleted_sweep_cannot_be_labelled(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    run_id = finish(harness, sweep_id, "k")
    harness.ask("delete", target=sweep_id)
    with pytest.raises(NotFound, match=f"no run '{run_id}': its sweep has been deleted"):
        harness.ask("note", target=run_id, text="x")
    with pytest.raises(NotFound, match=f"no run '{run_id}': its sweep has been deleted"):
        harness.ask("tag", target=run_id, add=["x"], remove=[])


def test_what_is_at_work_cannot_be_deleted(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    run_id = harness.held(sweep_id)["run_id"]
    for target in (sweep_id, run_id):
        with pytest.raises(Refused, match="cancel"):
            harness.ask("delete", target=target)
    with pytest.raises(NotFound):
        harness.ask("delete", target=f"{sweep_id}-2")


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CoordinatorHarness]:
    """Yield an harness where every sweep has two metrics, a constraint, two priors, and can resume."""
    parse = spec.parse

    def more(text: str, where: str) -> spec.Sweep:
        read = parse(text, where=where)
        return replace(
            read,
            metrics=(read.metric, spec.Metric("loss")),
            constraints=(spec.Constraint("trades", ">=", 30.0),),
            cost_metric="nodes",
            prior=({"x": 0.125, "kind": "a"}, {"x": 0.25, "kind": "b"}),
            resume=True,
            max_failures=4,
            time_cap_s=3600.0,
        )

    monkeypatch.setattr(spec, "parse", more)
    found = CoordinatorHarness(tmp_path / "rich", HandClock())
    yield found
    found.close()


def test_a_sweep_file_s_limits_priors_and_metrics_count(rich: CoordinatorHarness) -> None:
    sweep_id = rich.create()
    row = reader(rich).sweep(sweep_id)
    assert (row.max_failures, row.time_cap_s) == (4, 3600.0)
    held = rich.held(sweep_id)
    rich.ask("report", **held, rows=[[1, {"val/sharpe": 0.5, "loss": 0.25, "trades": 24, "nodes": 90}]])
    rich.ask("report", **held, rows=[[2, {"val/sharpe": 0.75, "nodes": 70}]])
    same_on_disk(rich)
    rich.ask("exit", **held, exit_code=0, last_words="")
    trial = rich.state(sweep_id).trials[0]
    assert (trial.config, trial.origin) == ({"x": 0.125, "kind": "a"}, "prior")
    assert (trial.score, trial.scores, trial.violation) == (0.75, (0.75, -0.25), pytest.approx(0.2))
    run = reader(rich).run(held["run_id"])
    assert (run.score, run.scores, run.violation) == (0.75, (0.75, 0.25), pytest.approx(0.2))
    assert trial.cost == run.cost == 70.0
    same_on_disk(rich)
    second = CoordinatorHarness(rich.home, rich.clock)
    assert second.lease(sweep_id, "p2")["run"]["config"] == {"x": 0.25, "kind": "b"}
    assert second.lease(sweep_id, "p3")["run"]["config"]["x"] not in (0.125, 0.25)
    second.close()


def test_a_metric_that_was_never_logged_is_not_a_number(rich: CoordinatorHarness) -> None:
    sweep_id = rich.create()
    finish(rich, sweep_id, "k")
    trial = rich.state(sweep_id).trials[0]
    assert trial.scores[0] == 0.5
    assert math.isnan(trial.scores[1])
    assert trial.violation == math.inf
    same_on_disk(rich)


def checkpoint(harness: CoordinatorHarness, held: dict[str, Any], digest: str, **metadata: Any) -> None:
    row = {"name": "state", "type": "checkpoint", "digest": digest, "n_bytes": 3, "metadata": metadata}
    harness.ask("artifact", **held, **row)


def test_a_run_cut_off_goes_on_from_its_newest_checkpoint(rich: CoordinatorHarness) -> None:
    sweep_id = rich.create()
    held = rich.held(sweep_id, "k1")
    run_id = held["run_id"]
    for n in (1, 2, 3, 4):
        rich.ask("report", **held, rows=[[n, {"val/sharpe": n / 10, "loss": float(n)}]])
        if n == 3:
            checkpoint(rich, held, "three")  # without a step of its own it holds what was logged
    checkpoint(rich, held, "two", step=2)
    checkpoint(rich, held, "three")
    assert rich.state(sweep_id).live[1].trial.checkpoint == StoredCheckpoint("three", 4)
    checkpoint(rich, held, "two", step=2)
    rich.ask("release", **held)
    same_on_disk(rich)
    second = CoordinatorHarness(rich.home, rich.clock)
    again = second.lease(sweep_id, "k2")["run"]
    assert again["checkpoint"] == {"digest": "two", "step": 2}
    assert second.lease(sweep_id, "k2")["run"] == again
    assert [(r.step, r.value) for r in reader(rich).reports(run_id=run_id)] == [(1, 0.1), (2, 0.2)]
    assert second.restarted() == second.in_memory()
    held = {"run_id": run_id, "token": 2}
    second.ask("report", **held, rows=[[3, {"val/sharpe": 0.9}]])
    second.ask("exit", **held, exit_code=0, last_words="")
    trial = second.state(sweep_id).trials[0]
    assert ([r.value for r in trial.reports], trial.scores) == ([0.1, 0.2, 0.9], (0.9, -2.0))
    assert second.restarted() == second.in_memory()
    second.close()


def test_without_resume_a_checkpoint_is_a_file_like_any_other(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    harness.report(held, 1, val_sharpe=0.5)
    checkpoint(harness, held, "one")
    harness.ask("release", **held)
    assert "checkpoint" not in harness.lease(sweep_id, "k2")["run"]
    assert reader(harness).reports(run_id=held["run_id"]) == []
    same_on_disk(harness)


def test_one_metric_without_constraints_is_not_watched() -> None:
    rules = rules_for(spec.parse(SWEEP, where="s"), 0, None)
    assert (rules.watched, rules.assess({})) == ((), Assessment())


def test_a_constraint_alone_gives_no_scores() -> None:
    assess = Assess((), (spec.Constraint("trades", ">=", 10.0),))
    assert assess({"trades": 5.0}) == Assessment((), 0.5)


@pytest.mark.parametrize(
    "nodes", [{}, {"nodes": math.nan}, {"nodes": 0.0}, {"nodes": -3.0}, {"nodes": math.inf}]
)
def test_what_is_no_number_above_0_is_no_cost(nodes: dict[str, float]) -> None:
    assert Assess((), (), "nodes")(nodes).cost is None
    assert Assess((), (), "nodes")({"nodes": 7.0}).cost == 7.0


def test_reports_of_ended_runs_are_read_when_a_stop_rule_wants_them(
    harness: CoordinatorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = {name: harness.create(text, key=name) for name, text in (("plain", SWEEP), ("stops", STOPPING))}
    for sweep_id in sweeps.values():
        finish(harness, sweep_id, f"{sweep_id}1")
    asked: list[str] = []
    ended_values = TakeoverReader.ended_values

    def noted(self: TakeoverReader, sweep_id: str, resume: bool) -> Any:
        asked.append(sweep_id)
        return ended_values(self, sweep_id, resume)

    monkeypatch.setattr(TakeoverReader, "ended_values", noted)
    second = CoordinatorHarness(harness.home, harness.clock)
    for sweep_id in sweeps.values():
        held = second.held(sweep_id, f"{sweep_id}2")
        for n in (1, 2, 3):
            second.report(held, n, val_sharpe=0.5)
    assert asked == [sweeps["stops"]]
    reports = second.state(sweeps["plain"]).trials[0].reports
    assert (len(reports), reports[-1].value, reports[:1], [r.step for r in reports]) == (
        1,
        0.5,
        tuple(reports),
        [1],
    )
    assert reports == harness.state(sweeps["plain"]).trials[0].reports
    second.close()


@pytest.mark.parametrize("text", [SWEEP, SWEEP + 'constraints: {loss: "<= 1.0"}\n'])
def test_what_a_run_at_work_has_logged_is_not_read_by_a_new_host(
    harness: CoordinatorHarness, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """However many steps they are: the run goes on and ends as if nothing had happened."""
    sweep_id = harness.create(text)
    held = harness.held(sweep_id)
    for step in (1, 2, 3):
        harness.report(held, step, val_sharpe=step / 10, loss=2.0)
    second = CoordinatorHarness(harness.home, harness.clock)
    with monkeypatch.context() as patch:
        for name in ("values", "metrics", "ended_values"):
            patch.setattr(TakeoverReader, name, None)  # whoever calls it fails
        second.report(held, 4, val_sharpe=0.2, loss=0.5)
        second.ask("exit", run_id=held["run_id"], token=held["token"], exit_code=0, last_words="")
    ended = second.state(sweep_id).trials[0]
    assert (ended.state, ended.score, ended.violation) == (TrialState.FINISHED, 0.2, 0.0)
    assert [(r.step, r.value) for r in ended.reports] == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.2)]
    second.close()


@pytest.mark.parametrize(("more", "kept"), [("", []), ("resume: true\n", [1, 2])])
@pytest.mark.parametrize("verb", ["cancel_run", "delete"])
def test_reports_of_a_lost_lease_stay_lost_when_the_run_ends_while_it_waits(
    harness: CoordinatorHarness, verb: str, more: str, kept: list[int]
) -> None:
    sweep_id = harness.create(STOPPING + more)
    held = harness.held(sweep_id)
    for n in (1, 2, 3):
        harness.report(held, n, val_sharpe=0.5)
    row = {"name": "c", "type": "checkpoint", "digest": "ab" * 32, "n_bytes": 3}
    harness.ask("artifact", **held, **row, metadata={"step": 2})
    harness.ask("release", **held)
    args = {"target": held["run_id"]} if verb == "delete" else {"run_id": held["run_id"], "reason": "no"}
    harness.ask(verb, **args)
    expected = [] if verb == "delete" else kept
    assert [r.step for r in harness.state(sweep_id).trials[0].reports] == expected
    same_on_disk(harness)


def test_a_new_host_watches_over_runs_of_sweeps_that_are_over(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    harness.ask("stop", sweep_id=sweep_id)
    second = Coordinator(harness.home, harness.clock)
    harness.clock.now += 31
    second.tick()
    assert reader(harness).run(held["run_id"]).state == "pending"
    second.close()


def test_a_new_host_goes_on_with_the_repeats_that_are_left(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(SWEEP + "repeats: 3\n", run_cap=6, seed=7)
    seeds = [7, repeat_seed(7, 1), repeat_seed(7, 2)]
    assert [harness.lease(sweep_id, f"k{n}")["run"]["seed"] for n in range(2)] == seeds[:2]
    same_on_disk(harness)
    harness.close()
    new = CoordinatorHarness(harness.home, harness.clock)
    runs = [new.lease(sweep_id, f"n{n}")["run"] for n in range(2)]
    assert [run["seed"] for run in runs] == [seeds[2], seeds[0]]
    rows = reader(new).runs(sweep_id)
    assert [(row.repeat, row.repeat_of) for row in rows] == [(0, None), (1, 1), (2, 1), (0, None)]
    assert rows[0].config == rows[1].config == rows[2].config != rows[3].config
    again = new.ask("rerun", run_id=f"{sweep_id}-2", key="again")["runs"]
    assert new.lease(sweep_id, "r")["run"]["seed"] == seeds[1], again
    same_on_disk(new)
    new.close()


def test_permuted_histories_are_kept_with_a_run_that_is_over_and_replaced(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create(run_cap=5)
    held = harness.held(sweep_id, "k1")
    with pytest.raises(Refused, match="is not over"):
        harness.ask("permuted", run_id=held["run_id"], summary={"x": 1})
    harness.ask("summarize", **held, values={"data/hash": "abc"})
    harness.report(held, 1, val_sharpe=0.5)
    harness.ask("exit", **held, exit_code=0, last_words="")
    before = reader(harness).run(held["run_id"])
    for value in (1, 2):
        harness.ask("permuted", run_id=held["run_id"], summary={"x": value})
        same_on_disk(harness)
    expected = replace(before, summary={"data/hash": "abc", "x": 2})
    assert reader(harness).run(held["run_id"]) == expected
    with pytest.raises(NotFound):
        harness.ask("permuted", run_id=f"{sweep_id}-9", summary={})
    harness.ask("delete", target=held["run_id"])
    with pytest.raises(NotFound):
        harness.ask("permuted", run_id=held["run_id"], summary={})
