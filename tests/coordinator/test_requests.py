"""What people ask of the coordinator: on the disk when it answers, done once however often it is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sharpen import spec
from sharpen.coordinator.core import Coordinator
from sharpen.coordinator.restoring import Assess, rules_for
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.seeds import repeat_seed
from sharpen.store.queries import Reader
from sharpen.sweep import Assessment, Checkpoint
from sharpen.trial import TrialState

from .desks import STOPPING, SWEEP, HandClock, Office


def reader(office: Office) -> Reader:
    return Reader(office.home, office.coordinator._engine)


def same_on_disk(office: Office) -> None:
    assert office.restarted() == office.in_memory()


def finish(office: Office, sweep_id: str, key: str, value: float = 0.5) -> str:
    held = office.held(sweep_id, key)
    office.report(held, 1, val_sharpe=value)
    office.ask("exit", **held, exit_code=0, last_words="")
    return str(held["run_id"])


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("pause", {}),
    ("stop", {}),
    ("cancel", {"reason": "enough"}),
    ("reopen", {}),
    ("edit", {"changes": {"name": "new", "run_cap": 7, "max_failures": 3, "time_cap_s": 60.0}}),
    ("add", {"key": "k", "points": [{"x": 0.25}, {"kind": "b"}]}),
]


@pytest.mark.parametrize(("op", "args"), REQUESTS)
def test_what_is_asked_is_on_the_disk_and_done_once(office: Office, op: str, args: dict[str, Any]) -> None:
    sweep_id = office.create(run_cap=5)
    office.held(sweep_id)
    first = office.ask(op, sweep_id=sweep_id, **args)
    same_on_disk(office)
    before = office.in_memory()
    second = office.ask(op, sweep_id=sweep_id, **args)
    assert office.in_memory() == before
    assert second == first
    same_on_disk(office)


def test_a_pause_makes_agents_wait_and_outlives_the_host(office: Office) -> None:
    sweep_id = office.create()
    assert office.ask("pause", sweep_id=sweep_id) == {"status": "paused", "run_cap": None, "n_running": 0}
    second = Office(office.home, office.clock)
    assert second.lease(sweep_id, "k") == {"wait": True, "paused": True}
    assert reader(office).sweep(sweep_id).ended_at is None
    second.ask("reopen", sweep_id=sweep_id)
    assert "run" in second.lease(sweep_id, "k")
    second.close()


def test_a_canceled_run_s_agent_is_told_also_by_the_next_host(office: Office) -> None:
    sweep_id = office.create()
    held = office.held(sweep_id)
    run_id = held["run_id"]
    answer = office.ask("cancel_run", run_id=run_id, reason=" no good ")
    assert (answer["state"], answer["n_running"]) == ("running", 1)
    second = Office(office.home, office.clock)
    for who in (office, second):
        beat = who.ask("beat", sweep_id=sweep_id, agent_id="a", held=[[run_id, 1]])
        assert beat == {"stop": {run_id: "no good"}, "cancel": {run_id: "no good"}, "lost": []}
        assert who.report(held, 1, val_sharpe=0.5) == "no good"
    second.close()
    office.ask("exit", **held, exit_code=-15, last_words="")
    row = reader(office).run(run_id)
    assert (row.state, row.reason, row.score) == ("canceled", "no good", None)
    assert office.ask("cancel_run", run_id=run_id, reason="")["state"] == "canceled"
    same_on_disk(office)


def test_a_reason_is_never_empty(office: Office) -> None:
    sweep_id = office.create()
    held = office.held(sweep_id)
    office.ask("cancel", sweep_id=sweep_id, reason="  ")
    assert office.report(held, 1, val_sharpe=0.5) == "canceled"


@pytest.mark.parametrize("op", ["pause", "stop", "cancel"])
def test_what_means_nothing_any_more_is_refused(office: Office, op: str) -> None:
    sweep_id = office.create(run_cap=1)
    finish(office, sweep_id, "k")
    args = {"reason": "x"} if op == "cancel" else {}
    with pytest.raises(
        Refused, match=f"sweep {sweep_id}: the sweep has finished: there is nothing to"
    ) as refusal:
        office.ask(op, sweep_id=sweep_id, **args)
    assert refusal.value.facts == {"why": "illegal"}


def test_points_are_checked_all_at_once_and_none_is_added_when_one_is_wrong(office: Office) -> None:
    sweep_id = office.create()
    with pytest.raises(UsageError) as problem:
        office.ask("add", sweep_id=sweep_id, key="k", points=[{"x": 0.5}, {"x": 2.0, "knd": "a"}])
    assert problem.value.message.splitlines() == [
        "nothing was added:",
        "  point 2: $.x: cannot be 2.0: the parameter goes from 0 to 1",
        "  point 2: $.knd: there is no parameter 'knd'; did you mean 'kind'?",
    ]
    assert office.state(sweep_id).n_created == 0


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *(("run_cap", value, "a whole number") for value in (True, 2.5, "3", 0, -1, math.nan, math.inf, [3])),
        *(("max_failures", value, "a whole number") for value in (True, 1.0, "3", 0)),
        *(("time_cap_s", value, "a number") for value in (True, math.inf, math.nan, "3", 0, -1.0)),
    ],
)
def test_a_limit_that_is_none_is_refused_by_its_name(
    office: Office, name: str, value: Any, kind: str
) -> None:
    sweep_id = office.create(run_cap=5)
    before = office.in_memory()
    words = re.escape(f"{name} must be {kind} above 0, not {value!r}")
    with pytest.raises(UsageError, match=words):
        office.ask("edit", sweep_id=sweep_id, changes={name: value})
    if name == "run_cap":
        with pytest.raises(UsageError, match=words):
            office.ask("reopen", sweep_id=sweep_id, run_cap=value)
    assert office.in_memory() == before
    same_on_disk(office)


@pytest.mark.parametrize("name", ["run_cap", "max_failures", "time_cap_s"])
def test_a_limit_that_no_database_holds_is_refused(office: Office, name: str) -> None:
    sweep_id = office.create(run_cap=5)
    with pytest.raises(UsageError, match=f"{name} is at most 9007199254740992, not 1000"):
        office.ask("edit", sweep_id=sweep_id, changes={name: 10**400})
    office.ask("edit", sweep_id=sweep_id, changes={name: 2**53})
    same_on_disk(office)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([2**63, {"loss": 1.0}], "a step is a whole number from 0 to 9223372036854775807"),
        ([1, ["oops"]], r"metrics are a mapping of names to values, not \['oops'\]"),
    ],
)
def test_a_report_that_cannot_be_kept_is_refused(office: Office, row: list[Any], words: str) -> None:
    held = office.held(office.create())
    with pytest.raises(UsageError, match=words):
        office.ask("report", **held, rows=[row])
    office.ask("report", **held, rows=[[2**63 - 1, {"val/sharpe": 1.0}]])


GRID = "program: t.py\nmethod: grid\nmetric: {name: loss}\nparameters: {k: {values: [0, 1, 2, 3, 4]}}\n"


def work_off(office: Office, sweep_id: str, fails: tuple[int, ...] = ()) -> list[int]:
    """Carry out what there is to run, one after the other, and return the configurations; some fail once."""
    seen: list[int] = []
    for n in range(20):
        answer = office.lease(sweep_id, f"{len(office.state(sweep_id).trials)} {n}")
        if "run" not in answer:
            assert answer == {"over": "finished", "reason": "every point has been tried"}
            return seen
        held = {"run_id": answer["run"]["run_id"], "token": answer["run"]["token"]}
        seen.append(answer["run"]["config"]["k"])
        if seen[-1] in fails and seen.count(seen[-1]) == 1:
            office.ask("exit", **held, exit_code=1, last_words="no")
        else:
            office.ask("report", **held, rows=[[1, {"loss": 1.0}]])
            office.ask("exit", **held, exit_code=0, last_words="")
    raise AssertionError(f"a grid without an end: {seen}")


def test_a_grid_loses_no_point_to_what_else_is_run_and_runs_none_twice(office: Office) -> None:
    assert work_off(office, office.create(GRID + "prior: [{k: 3}]\n", key="prior")) == [3, 0, 1, 2, 4]
    queued = office.create(GRID, key="queued")
    office.ask("add", sweep_id=queued, key="add", points=[{"k": 4}, {"k": 1}])
    assert work_off(office, queued) == [4, 1, 0, 2, 3]
    canceled = office.create(GRID, key="canceled")
    office.ask("add", sweep_id=canceled, key="more", points=[{"k": 4}])
    office.ask("cancel_run", run_id=f"{canceled}-1", reason="")
    assert work_off(office, canceled) == [0, 1, 2, 3, 4], "what was canceled has not been tried"
    again = office.create(GRID, key="again")
    finish(office, again, "k1")
    office.ask("rerun", run_id=f"{again}-1", key="rerun")
    assert work_off(office, again) == [0, 1, 2, 3, 4]


def test_a_grid_tries_what_failed_again_at_its_end(office: Office) -> None:
    sweep_id = office.create(GRID + "optimizer: {type: grid, retries: 1}\n")
    assert work_off(office, sweep_id, fails=(2, 4)) == [0, 1, 2, 3, 4, 2, 4]


def test_a_grid_may_be_larger_than_what_a_database_can_count(office: Office) -> None:
    names = ", ".join(f"p{n}: {{min: 0, max: 49}}" for n in range(12))
    sweep_id = office.create(GRID.partition("parameters")[0] + f"parameters: {{{names}}}\n")
    assert set(office.lease(sweep_id, "k1")["run"]["config"].values()) == {0}
    same_on_disk(office)


def test_many_points_are_added_with_few_words_to_the_database(office: Office) -> None:
    sweep_id = office.create(run_cap=5)
    said: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(statement.split(maxsplit=1)[0])

    points = [{"x": n / 900} for n in range(900)]
    event.listen(office.coordinator._engine, "before_cursor_execute", heard)
    answer = office.ask("add", sweep_id=sweep_id, key="k", points=points)
    event.remove(office.coordinator._engine, "before_cursor_execute", heard)
    assert len(said) < 10, "not some for each point"
    assert answer["runs"] == [f"{sweep_id}-{n}" for n in range(1, 901)]
    assert answer["run_cap"] == 900
    rows = reader(office).runs(sweep_id)
    assert [(row.config["x"], row.key) for row in rows] == [(n / 900, f"k/{n}") for n in range(900)]
    assert len({row.created_at for row in rows}) == 900
    same_on_disk(office)
    other = office.ask("add", sweep_id=sweep_id, key="k0", points=points[:2])
    assert other["runs"] == [f"{sweep_id}-901", f"{sweep_id}-902"], "another key, though it begins alike"
    assert office.ask("add", sweep_id=sweep_id, key="k", points=points)["runs"] == answer["runs"]
    assert office.state(sweep_id).n_created == 902


def test_points_that_are_added_are_leased_in_order_before_new_ones(office: Office) -> None:
    sweep_id = office.create(run_cap=1)
    answer = office.ask("add", sweep_id=sweep_id, key="k", points=[{"x": 0.25}, {"x": 0.75, "kind": None}])
    assert answer["runs"] == [f"{sweep_id}-1", f"{sweep_id}-2"]
    assert answer["run_cap"] == 2
    assert office.lease(sweep_id, "a")["run"]["config"] == {"x": 0.25, "kind": "b"}
    assert office.lease(sweep_id, "b")["run"]["config"] == {"x": 0.75, "kind": None}
    assert office.lease(sweep_id, "c") == {"wait": True}
    assert [run.origin for run in reader(office).runs(sweep_id)] == ["queued", "queued"]
    same_on_disk(office)


def test_a_rerun_is_a_run_of_its_own_with_a_parent(office: Office) -> None:
    sweep_id = office.create(run_cap=1)
    old = finish(office, sweep_id, "k")
    answer = office.ask("rerun", run_id=old, key="again")
    assert answer["runs"] == [f"{sweep_id}-2"]
    assert answer["status"] == "running"
    assert office.ask("rerun", run_id=old, key="again")["runs"] == answer["runs"], "the same request"
    run = office.lease(sweep_id, "l")["run"]
    assert run == {
        "run_id": f"{sweep_id}-2",
        "token": 1,
        "config": reader(office).run(old).config,
        "seed": 0,
        "parent": old,
    }
    row = reader(office).run(run["run_id"])
    assert (row.origin, row.parent) == ("rerun", 1)
    assert office.ask("rerun", run_id=old, key="another")["runs"] == [f"{sweep_id}-3"]
    same_on_disk(office)


def test_limits_outlive_the_host_and_end_the_sweep(office: Office) -> None:
    sweep_id = office.create()
    office.ask("edit", sweep_id=sweep_id, changes={"max_failures": 2, "name": "better"})
    assert reader(office).sweep(sweep_id).name == "better"
    second = Office(office.home, office.clock)
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
def test_an_edit_that_is_off_changes_nothing(office: Office, changes: dict[str, Any], words: str) -> None:
    sweep_id = office.create()
    before = office.in_memory()
    with pytest.raises(UsageError, match=words):
        office.ask("edit", sweep_id=sweep_id, changes=changes)
    assert office.in_memory() == before


def test_working_time_is_counted_by_ticks_and_not_reset_by_a_restart(office: Office) -> None:
    sweep_id = office.create()
    office.ask("edit", sweep_id=sweep_id, changes={"time_cap_s": 30.0})
    office.held(sweep_id)
    for _ in range(25):
        office.clock.now += 1.0
        office.coordinator.tick()
    counted = office.state(sweep_id).elapsed_s
    assert 20.0 <= counted <= 25.1
    second = Office(office.home, office.clock)
    assert second.state(sweep_id).elapsed_s == counted == reader(office).sweep(sweep_id).elapsed_s
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


def test_the_last_stretch_of_work_is_counted_when_nothing_is_at_work_any_more(office: Office) -> None:
    sweep_id = office.create()
    held = office.held(sweep_id)
    office.clock.now += 4.0
    office.ask("exit", **held, exit_code=1, last_words="boom")
    office.coordinator.tick()
    assert reader(office).sweep(sweep_id).elapsed_s == pytest.approx(4.0, abs=0.1)


def test_notes_and_tags(office: Office) -> None:
    sweep_id = office.create()
    run_id = office.held(sweep_id)["run_id"]
    for target in (sweep_id, run_id):
        assert office.ask("note", target=target, text="why not") == {"note": "why not"}
        assert office.ask("tag", target=target, add=["b", "a"], remove=[]) == {"tags": ["a", "b"]}
        assert office.ask("tag", target=target, add=["b", "c"], remove=["a", "z"]) == {"tags": ["b", "c"]}
    rows = reader(office).sweep(sweep_id), reader(office).run(run_id)
    assert [(row.note, row.tags) for row in rows] == [("why not", ("b", "c"))] * 2
    with pytest.raises(UsageError, match="a tag is a word"):
        office.ask("tag", target=run_id, add=[" "], remove=[])
    for target in (f"{sweep_id}-9", "nowhere"):
        with pytest.raises(NotFound):
            office.ask("note", target=target, text="x")


def test_a_deleted_run_is_hidden_from_all_but_its_number(office: Office) -> None:
    sweep_id = office.create(STOPPING, run_cap=3)
    gone, kept = finish(office, sweep_id, "k1", 0.9), finish(office, sweep_id, "k2", 0.1)
    row = {"name": "m", "type": "model", "digest": "ab" * 32, "n_bytes": 3, "metadata": {}}
    held = office.held(sweep_id, "k3")
    office.ask("artifact", **held, **row)
    office.ask("exit", **held, exit_code=0, last_words="")
    assert len(reader(office).artifacts(sweep_id=sweep_id)) == 1
    for target in (gone, held["run_id"]):
        assert office.ask("delete", target=target) == office.ask("delete", target=target)
    found = reader(office)
    assert [run.id for run in found.runs(sweep_id)] == [kept]
    assert [run.number for run in found.runs(sweep_id, deleted=True)] == [1, 2, 3]
    assert {report.run_id for report in found.reports(sweep_id=sweep_id)} == {kept}
    assert set(found.progress(sweep_id)) == {kept}
    assert found.artifacts(sweep_id=sweep_id) == []
    sweep = found.sweep(sweep_id)
    assert (sweep.n_runs, sweep.n_deleted) == ({"finished": 1}, 2)
    for ask in (
        lambda: found.run(gone),
        lambda: office.ask("rerun", run_id=gone, key="x"),
        lambda: office.ask("note", target=gone, text="x"),
        lambda: office.ask("cancel_run", run_id=gone, reason="x"),
    ):
        with pytest.raises(NotFound):
            ask()
    shown = office.state(sweep_id).trials
    assert [(t.state, t.score, len(t.reports)) for t in shown] == [
        (TrialState.CANCELED, None, 0),
        (TrialState.FINISHED, 0.1, 1),
        (TrialState.CANCELED, None, 0),
    ]
    same_on_disk(office)


def test_a_deleted_sweep_is_hidden_and_cannot_go_on(office: Office) -> None:
    sweep_id, other = office.create(key="1"), office.create(key="2")
    office.ask("pause", sweep_id=sweep_id)
    office.ask("delete", target=sweep_id)
    office.ask("delete", target=sweep_id)
    assert [row.id for row in reader(office).sweeps()] == [other]
    assert reader(office).is_deleted(sweep_id)
    assert not reader(office).is_deleted(other)
    with pytest.raises(NotFound):
        reader(office).sweep(sweep_id)
    second = Office(office.home, office.clock)
    assert second.lease(sweep_id, "k") == {"over": "canceled", "reason": "deleted"}
    with pytest.raises(Refused, match="has been deleted"):
        second.ask("reopen", sweep_id=sweep_id)
    second.close()
    same_on_disk(office)


def test_runs_of_a_deleted_sweep_cannot_be_labelled(office: Office) -> None:
    sweep_id = office.create()
    run_id = finish(office, sweep_id, "k")
    office.ask("delete", target=sweep_id)
    with pytest.raises(NotFound, match=f"no run '{run_id}': its sweep has been deleted"):
        office.ask("note", target=run_id, text="x")
    with pytest.raises(NotFound, match=f"no run '{run_id}': its sweep has been deleted"):
        office.ask("tag", target=run_id, add=["x"], remove=[])


def test_what_is_at_work_cannot_be_deleted(office: Office) -> None:
    sweep_id = office.create()
    run_id = office.held(sweep_id)["run_id"]
    for target in (sweep_id, run_id):
        with pytest.raises(Refused, match="cancel"):
            office.ask("delete", target=target)
    with pytest.raises(NotFound):
        office.ask("delete", target=f"{sweep_id}-2")


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Office]:
    """Yield an office where every sweep has two metrics, a constraint, two priors, and can resume."""
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
    found = Office(tmp_path / "rich", HandClock())
    yield found
    found.close()


def test_a_sweep_file_s_limits_priors_and_metrics_count(rich: Office) -> None:
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
    second = Office(rich.home, rich.clock)
    assert second.lease(sweep_id, "p2")["run"]["config"] == {"x": 0.25, "kind": "b"}
    assert second.lease(sweep_id, "p3")["run"]["config"]["x"] not in (0.125, 0.25)
    second.close()


def test_a_metric_that_was_never_logged_is_not_a_number(rich: Office) -> None:
    sweep_id = rich.create()
    finish(rich, sweep_id, "k")
    trial = rich.state(sweep_id).trials[0]
    assert trial.scores[0] == 0.5
    assert math.isnan(trial.scores[1])
    assert trial.violation == math.inf
    same_on_disk(rich)


def checkpoint(office: Office, held: dict[str, Any], digest: str, **metadata: Any) -> None:
    row = {"name": "state", "type": "checkpoint", "digest": digest, "n_bytes": 3, "metadata": metadata}
    office.ask("artifact", **held, **row)


def test_a_run_cut_off_goes_on_from_its_newest_checkpoint(rich: Office) -> None:
    sweep_id = rich.create()
    held = rich.held(sweep_id, "k1")
    run_id = held["run_id"]
    for n in (1, 2, 3, 4):
        rich.ask("report", **held, rows=[[n, {"val/sharpe": n / 10, "loss": float(n)}]])
        if n == 3:
            checkpoint(rich, held, "three")  # without a step of its own it holds what was logged
    checkpoint(rich, held, "two", step=2)
    checkpoint(rich, held, "three")
    assert rich.state(sweep_id).live[1].trial.checkpoint == Checkpoint("three", 4)
    checkpoint(rich, held, "two", step=2)
    rich.ask("release", **held)
    same_on_disk(rich)
    second = Office(rich.home, rich.clock)
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


def test_without_resume_a_checkpoint_is_a_file_like_any_other(office: Office) -> None:
    sweep_id = office.create()
    held = office.held(sweep_id)
    office.report(held, 1, val_sharpe=0.5)
    checkpoint(office, held, "one")
    office.ask("release", **held)
    assert "checkpoint" not in office.lease(sweep_id, "k2")["run"]
    assert reader(office).reports(run_id=held["run_id"]) == []
    same_on_disk(office)


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
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = {name: office.create(text, key=name) for name, text in (("plain", SWEEP), ("stops", STOPPING))}
    for sweep_id in sweeps.values():
        finish(office, sweep_id, f"{sweep_id}1")
    asked: list[str] = []
    ended_values = Reader.ended_values

    def noted(self: Reader, sweep_id: str, resume: bool) -> Any:
        asked.append(sweep_id)
        return ended_values(self, sweep_id, resume)

    monkeypatch.setattr(Reader, "ended_values", noted)
    second = Office(office.home, office.clock)
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
    assert reports == office.state(sweeps["plain"]).trials[0].reports
    second.close()


@pytest.mark.parametrize(("more", "kept"), [("", []), ("resume: true\n", [1, 2])])
@pytest.mark.parametrize("verb", ["cancel_run", "delete"])
def test_reports_of_a_lost_lease_stay_lost_when_the_run_ends_while_it_waits(
    office: Office, verb: str, more: str, kept: list[int]
) -> None:
    sweep_id = office.create(STOPPING + more)
    held = office.held(sweep_id)
    for n in (1, 2, 3):
        office.report(held, n, val_sharpe=0.5)
    row = {"name": "c", "type": "checkpoint", "digest": "ab" * 32, "n_bytes": 3}
    office.ask("artifact", **held, **row, metadata={"step": 2})
    office.ask("release", **held)
    args = {"target": held["run_id"]} if verb == "delete" else {"run_id": held["run_id"], "reason": "no"}
    office.ask(verb, **args)
    expected = [] if verb == "delete" else kept
    assert [r.step for r in office.state(sweep_id).trials[0].reports] == expected
    same_on_disk(office)


def test_a_new_host_watches_over_runs_of_sweeps_that_are_over(office: Office) -> None:
    sweep_id = office.create()
    held = office.held(sweep_id)
    office.ask("stop", sweep_id=sweep_id)
    second = Coordinator(office.home, office.clock)
    office.clock.now += 31
    second.tick()
    assert reader(office).run(held["run_id"]).state == "pending"
    second.close()


def test_a_new_host_goes_on_with_the_repeats_that_are_left(office: Office) -> None:
    sweep_id = office.create(SWEEP + "repeats: 3\n", run_cap=6, seed=7)
    seeds = [7, repeat_seed(7, 1), repeat_seed(7, 2)]
    assert [office.lease(sweep_id, f"k{n}")["run"]["seed"] for n in range(2)] == seeds[:2]
    same_on_disk(office)
    office.close()
    new = Office(office.home, office.clock)
    runs = [new.lease(sweep_id, f"n{n}")["run"] for n in range(2)]
    assert [run["seed"] for run in runs] == [seeds[2], seeds[0]]
    rows = reader(new).runs(sweep_id)
    assert [(row.repeat, row.repeat_of) for row in rows] == [(0, None), (1, 1), (2, 1), (0, None)]
    assert rows[0].config == rows[1].config == rows[2].config != rows[3].config
    again = new.ask("rerun", run_id=f"{sweep_id}-2", key="again")["runs"]
    assert new.lease(sweep_id, "r")["run"]["seed"] == seeds[1], again
    same_on_disk(new)
    new.close()


def test_permuted_histories_are_kept_with_a_run_that_is_over_and_replaced(office: Office) -> None:
    sweep_id = office.create(run_cap=5)
    held = office.held(sweep_id, "k1")
    with pytest.raises(Refused, match="is not over"):
        office.ask("permuted", run_id=held["run_id"], summary={"x": 1})
    office.ask("summarize", **held, values={"data/hash": "abc"})
    office.report(held, 1, val_sharpe=0.5)
    office.ask("exit", **held, exit_code=0, last_words="")
    before = reader(office).run(held["run_id"])
    for value in (1, 2):
        office.ask("permuted", run_id=held["run_id"], summary={"x": value})
        same_on_disk(office)
    expected = replace(before, summary={"data/hash": "abc", "x": 2})
    assert reader(office).run(held["run_id"]) == expected
    with pytest.raises(NotFound):
        office.ask("permuted", run_id=f"{sweep_id}-9", summary={})
    office.ask("delete", target=held["run_id"])
    with pytest.raises(NotFound):
        office.ask("permuted", run_id=held["run_id"], summary={})
