"""Requests, transactions, replies."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from sharpen.coordinator import hostname, process_identity
from sharpen.coordinator.core import Coordinator
from sharpen.errors import InternalError, NotFound, Refused, SharpenError, SpecError, StoreError, UsageError
from sharpen.optimizers.random import RandomSearch
from sharpen.store.queries import Reader
from sharpen.store.schema import VERSION
from sharpen.sweep import SweepStatus
from sharpen.trial import Proposal, TrialState
from sharpen.wire.processes import machine_identity

from .harness import MINIMIZE, STOPPING, SWEEP, CoordinatorHarness, HandClock, unpack


def reader(harness: CoordinatorHarness) -> Reader:
    return Reader(harness.home, harness.coordinator._store.engine)


def same_on_disk(harness: CoordinatorHarness) -> None:
    assert harness.restarted() == harness.in_memory()


def test_a_sweep_from_its_creation_to_its_end(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(run_cap=1, seed=5)
    assert len(sweep_id) == 8
    harness.ask("join", sweep_id=sweep_id, agent_id="a", host="elsewhere", pid=1, born="b")
    run = harness.lease(sweep_id, "k1")["run"]
    assert (run["run_id"], run["token"], set(run["config"])) == (f"{sweep_id}-1", 1, {"x", "kind"})
    held = {"run_id": run["run_id"], "token": 1}
    assert harness.lease(sweep_id, "k2", "b") == {"wait": True}
    assert harness.report(held, 1, val_sharpe=0.5, other=2) == ""
    assert harness.ask("console", **held, first_line=0, text="hello\n") == {}
    assert harness.ask("summarize", **held, values={"a": 1}) == {}
    assert harness.ask("summarize", **held, values={"b": math.nan}) == {}
    same_on_disk(harness)
    assert harness.ask("exit", **held, exit_code=0, last_words="") == {}
    assert harness.lease(sweep_id, "k3") == {"over": "finished", "reason": ""}
    found, row = reader(harness).run(run["run_id"]), reader(harness).sweep(sweep_id)
    assert (found.state, found.score, found.exit_code) == ("finished", 0.5, 0)
    assert found.summary == {"a": 1, "b": "NaN"}
    assert (row.status, row.seed, row.run_cap, row.source, row.workdir) == ("finished", 5, 1, "s.yaml", "/")
    assert row.ended_at is not None
    assert reader(harness).console(run["run_id"]) == "hello\n"
    assert [r.metrics for r in reader(harness).reports(run_id=run["run_id"])] == [
        {"val/sharpe": 0.5, "other": 2}
    ]
    same_on_disk(harness)


def test_linear_algebra_has_one_thread_also_when_it_is_loaded_late(tmp_path: Path) -> None:
    """Which only a process shows that has not loaded it yet."""
    program = """
import sys
from pathlib import Path
from threadpoolctl import threadpool_info
from coordinator.harness import CoordinatorHarness, SWEEP

harness = CoordinatorHarness(Path(sys.argv[1]))
sweep_id = harness.create(SWEEP.replace("random", "gp"))
assert "scipy.linalg" not in sys.modules, "it came too early for this test"
for n in range(10):
    held = harness.held(sweep_id, f"k{n}")
    harness.report(held, 1, val_sharpe=n / 10)
    harness.ask("exit", **held, exit_code=0, last_words="")
assert "scipy.linalg" in sys.modules, "the model was not asked"
print({library["num_threads"] for library in threadpool_info()})
harness.close()
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    words = [sys.executable, "-c", program, str(tmp_path / "home")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{1}\n", "")


def test_a_seed_is_the_caller_s_then_the_file_s_then_zero(harness: CoordinatorHarness) -> None:
    seeded = SWEEP + "seed: 7\nrun_cap: 4\n"
    ids = [
        harness.create(SWEEP, "1"),
        harness.create(seeded, "2"),
        harness.create(seeded, "3", seed=0, run_cap=9),
    ]
    assert [harness.state(i).rules.seed for i in ids] == [0, 7, 0]
    assert [harness.state(i).rules.run_cap for i in ids] == [None, 4, 9]


def test_a_metric_to_minimise_is_shown_as_logged_and_judged_turned(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(MINIMIZE)
    held = harness.held(sweep_id)
    harness.report(held, 1, val_sharpe=0.25)
    harness.ask("exit", **held, exit_code=0, last_words="")
    assert harness.state(sweep_id).trials[0].score == -0.25
    assert reader(harness).run(held["run_id"]).score == 0.25
    same_on_disk(harness)


REPEATABLE: list[tuple[str, dict[str, Any]]] = [
    ("report", {"rows": [[1, {"val/sharpe": 0.5}], [2, {"val/sharpe": math.nan}]]}),
    ("console", {"first_line": 0, "text": "a\nb\n"}),
    ("summarize", {"values": {"a": 1}}),
    ("artifact", {"name": "m", "type": "model", "digest": "ab" * 32, "n_bytes": 3, "metadata": {"k": [1]}}),
]


@pytest.mark.parametrize(("op", "args"), REPEATABLE)
def test_the_same_words_twice_are_answered_and_kept_once(
    harness: CoordinatorHarness, op: str, args: dict[str, Any]
) -> None:
    held = harness.held(harness.create())
    first, before = harness.ask(op, **held, **args), dump(harness)
    assert harness.ask(op, **held, **args) == first
    assert dump(harness) == before
    same_on_disk(harness)


def dump(harness: CoordinatorHarness) -> dict[str, list[Any]]:
    """Return every row of every table, without times."""
    with harness.coordinator._store.engine.connect() as connection:
        names = (
            connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        )
        return {
            name: [
                {k: v for k, v in row.items() if not k.endswith("at")}
                for row in connection.exec_driver_sql(f"SELECT * FROM {name}").mappings()
            ]
            for name in names
        }


def test_creating_joining_and_leasing_twice_is_once(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    assert harness.create(key="key") == sweep_id
    assert harness.create(key="other") != sweep_id
    place = {"sweep_id": sweep_id, "agent_id": "a", "host": "h", "pid": 1, "born": ""}
    assert harness.ask("join", **place) == harness.ask("join", **place) == {}
    assert harness.lease(sweep_id, "k") == harness.lease(sweep_id, "k")
    assert [run.number for run in reader(harness).runs(sweep_id)] == [1]
    same_on_disk(harness)


def test_an_agent_asks_for_a_sweep_by_any_of_its_names(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    row = reader(harness).sweep(sweep_id)
    expected = {"id": sweep_id, "spec": row.spec, "source": row.source, "workdir": row.workdir}
    for word in (sweep_id, sweep_id[:5], "last"):
        assert harness.ask("sweep", word=word) == expected
    with pytest.raises(NotFound, match="no sweep 'zz'"):
        harness.ask("sweep", word="zz")


@pytest.mark.parametrize("op", ["exit", "release"])
def test_ending_a_lease_twice_is_refused_and_harmless(harness: CoordinatorHarness, op: str) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    args = {"exit_code": 1, "last_words": "boom"} if op == "exit" else {}
    harness.ask(op, **held, **args)
    before = dump(harness)
    with pytest.raises(Refused) as refusal:
        harness.ask(op, **held, **args)
    assert refusal.value.facts["why"] == ("ended" if op == "exit" else "stale")
    assert dump(harness) == before


def test_a_lease_key_outlives_the_coordinator(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    first = harness.lease(sweep_id, "k")
    again = CoordinatorHarness(harness.home, harness.clock)
    assert again.lease(sweep_id, "k") == first
    assert again.create(key="key") == sweep_id
    again.close()


STALE_WORDS = [
    ("report", {"rows": [[1, {"val/sharpe": 9.0}]]}),
    ("console", {"first_line": 0, "text": "late\n"}),
    ("summarize", {"values": {"late": 1}}),
    ("artifact", {"name": "late", "type": "t", "digest": "d", "n_bytes": 1, "metadata": {}}),
    ("exit", {"exit_code": 0, "last_words": ""}),
    ("release", {}),
]


@pytest.mark.parametrize(("op", "args"), STALE_WORDS)
def test_words_of_a_lease_that_was_given_on_are_refused(
    harness: CoordinatorHarness, op: str, args: dict[str, Any]
) -> None:
    sweep_id = harness.create()
    old = harness.held(sweep_id, "k1")
    harness.ask("release", **old)
    new = harness.held(sweep_id, "k2", "b")
    assert (new["run_id"], new["token"]) == (old["run_id"], 2)
    before = dump(harness)
    with pytest.raises(Refused, match="no longer leased under token 1") as refusal:
        harness.ask(op, **old, **args)
    assert refusal.value.facts == {"why": "stale"}
    assert dump(harness) == before


def test_two_logs_of_a_step_are_laid_over_each_other(harness: CoordinatorHarness) -> None:
    held = harness.held(harness.create())
    for step, metrics in (
        (1, {"a": 1, "b": 1}),
        (1, {"b": 2, "val/sharpe": 0.5}),
        (1, {"val/sharpe": 9.0, "c": 3}),
    ):
        harness.ask("report", **held, rows=[[step, metrics]])
    (row,) = reader(harness).reports(run_id=held["run_id"])
    assert row.metrics == {"a": 1, "b": 2, "val/sharpe": 0.5, "c": 3}
    assert (row.has_metric, row.value) == (True, 0.5)
    same_on_disk(harness)


def test_steps_out_of_order_are_kept_but_do_not_count(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    for step, value in ((5, 0.5), (3, 9.0), (7, 0.7)):
        harness.report(held, step, val_sharpe=value)
    rows = reader(harness).reports(run_id=held["run_id"])
    assert [(r.step, r.has_metric, r.metrics["val/sharpe"]) for r in rows] == [
        (3, False, 9.0),
        (5, True, 0.5),
        (7, True, 0.7),
    ]
    assert [r.value for r in harness.state(sweep_id).live[1].trial.reports] == [0.5, 0.7]
    same_on_disk(harness)
    with pytest.raises(UsageError, match="a step is a whole number from 0"):
        harness.report(held, -1, val_sharpe=0.0)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", math.nan, -math.inf, "fast", None, [1], {}]
)
def test_a_metric_that_is_no_finite_number_is_infeasible(harness: CoordinatorHarness, value: Any) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    harness.report(held, 1, val_sharpe=value, other=math.nan)
    (row,) = reader(harness).reports(run_id=held["run_id"])
    assert math.isnan(row.value)
    assert row.has_metric
    assert row.metrics["other"] == "NaN"
    harness.ask("exit", **held, exit_code=0, last_words="")
    assert harness.state(sweep_id).trials[0].is_infeasible
    same_on_disk(harness)


def test_hyperband_stops_a_run_and_a_restart_remembers_it(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create(STOPPING)
    good, bad = harness.held(sweep_id, "k1"), harness.held(sweep_id, "k2")
    for step, value in ((1, 0.4), (2, 0.5)):
        harness.report(good, step, val_sharpe=value)
    assert harness.report(bad, 1, val_sharpe=0.1) == ""
    why = harness.report(bad, 2, val_sharpe=0.2)
    assert "0.2 at iteration 2 is below the top third's" in why
    assert harness.report(bad, 3, val_sharpe=9.0) == why
    beat = harness.ask(
        "beat",
        sweep_id=sweep_id,
        agent_id="a",
        held=[[bad["run_id"], 1], [good["run_id"], 1], [good["run_id"], 9]],
    )
    assert beat == {"stop": {bad["run_id"]: why}, "cancel": {}, "lost": [(good["run_id"], 9)]}
    same_on_disk(harness)
    harness.ask("exit", **bad, exit_code=-15, last_words="Terminated")
    run = reader(harness).run(bad["run_id"])
    assert (run.state, run.score, run.reason, run.exit_code) == ("stopped", 0.2, why, -15)
    same_on_disk(harness)


def test_five_failures_alike_end_a_sweep_also_across_a_restart_and_a_reopening(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()

    def fail(who: CoordinatorHarness, n: int) -> None:
        for i in range(n):
            held = who.held(sweep_id, f"f{who.clock.now}-{i}")
            who.ask("exit", **held, exit_code=1, last_words="ImportError: torch")

    fail(harness, 3)
    second = CoordinatorHarness(harness.home, harness.clock)
    fail(second, 2)
    assert second.lease(sweep_id, "over") == {
        "over": "failed",
        "reason": "5 runs in a row failed alike: ImportError: torch",
    }
    assert second.ask("reopen", sweep_id=sweep_id)["status"] is SweepStatus.RUNNING
    fail(second, 1)
    assert second.restarted() == second.in_memory()
    second.close()
    third = CoordinatorHarness(harness.home, harness.clock)
    fail(third, 3)
    assert third.state(sweep_id).status is SweepStatus.RUNNING
    fail(third, 1)
    assert third.state(sweep_id).status is SweepStatus.FAILED
    third.close()


def test_an_end_without_the_metric_names_what_was_logged_also_in_the_same_transaction(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    rows = [[0, {"val/sharp": 1.0}], [1, {"train/loss": 0.5}]]
    replies = harness.coordinator.answer(
        [
            {"op": "report", "args": held | {"rows": rows}},
            {"op": "exit", "args": held | {"exit_code": 0, "last_words": ""}},
        ]
    )
    assert all("ok" in reply for reply in replies)
    run = reader(harness).run(held["run_id"])
    assert (run.state, run.exit_code) == ("failed", 0)
    assert run.reason == (
        "the program ended without logging val/sharpe, the sweep's metric; "
        "it logged train/loss, val/sharp; did you mean 'val/sharp'?"
    )
    same_on_disk(harness)


def test_failures_without_the_metric_are_alike_across_a_restart(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    for i in range(3):
        held = harness.held(sweep_id, f"k{i}")
        harness.ask("report", **held, rows=[[0, {f"loss_{i}": 1.0}]])
        harness.ask("exit", **held, exit_code=0, last_words="")
    same_on_disk(harness)
    assert harness.state(sweep_id).n_same_failures == 3


BAD: list[tuple[str, dict[str, Any], type[SharpenError], str]] = [
    ("fly", {}, UsageError, "no request 'fly'; there are: create_sweep"),
    ("lease", {"sweep_id": "nowhere", "agent_id": "a", "key": "k"}, NotFound, "no sweep 'nowhere'"),
    ("join", {"sweep_id": "nowhere", "agent_id": "a", "host": "", "pid": 1, "born": ""}, NotFound, "nowhere"),
    ("reopen", {"sweep_id": ""}, NotFound, "no sweep ''"),
    (
        "exit",
        {"run_id": "rubbish", "token": 1, "exit_code": 0, "last_words": ""},
        NotFound,
        "no run 'rubbish'",
    ),
    ("release", {"run_id": "a-b", "token": 1}, NotFound, "no run 'a-b'"),
    ("look", {"look_id": "l", "run_id": "a-1", "who": "me"}, NotFound, "no run 'a-1'"),
    ("looked", {"look_id": "l", "result": {}}, NotFound, "no look 'l'"),
    ("ping", {"extra": 1}, UsageError, "request ping: got an unexpected keyword argument 'extra'"),
    ("lease", {}, UsageError, "request lease: missing a required argument: 'sweep_id'"),
]


@pytest.mark.parametrize(("op", "args", "kind", "words"), BAD)
def test_a_bad_request_is_answered_with_what_is_wrong(
    harness: CoordinatorHarness, op: str, args: dict[str, Any], kind: type[SharpenError], words: str
) -> None:
    before = dump(harness)
    with pytest.raises(kind, match=words) as problem:
        harness.ask(op, **args)
    assert type(problem.value) is kind
    assert dump(harness) == before


@pytest.mark.parametrize("request_", [{}, {"op": None}, [], None, 3, "ping", {"op": "ping", "args": [1]}])
def test_a_request_of_another_shape_is_answered_too(harness: CoordinatorHarness, request_: Any) -> None:
    good, bad = harness.coordinator.answer([{"op": "ping"}, request_])
    assert good == {"ok": {"schema": VERSION}}
    assert "error" in bad


def test_a_prefix_of_an_id_is_not_a_sweep_to_the_coordinator(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    fresh = CoordinatorHarness(harness.home, harness.clock)
    fresh.coordinator._session.open.clear()
    with pytest.raises(NotFound):
        fresh.lease(sweep_id[:4], "k")
    with pytest.raises(NotFound):
        fresh.lease("last", "k")
    fresh.close()


def test_a_sweep_file_with_problems_is_refused_with_all_of_them(harness: CoordinatorHarness) -> None:
    with pytest.raises(SpecError) as problem:
        harness.create("program: 1\nmethod: rando\n")
    assert len(problem.value.facts["problems"]) >= 3
    assert reader(harness).sweeps() == []


@pytest.mark.parametrize(
    "bad",
    [("fly", {}), ("lease", {}), ("exit", {"run_id": "x-1", "token": "?", "exit_code": 0, "last_words": ""})],
)
def test_a_bad_request_in_a_batch_does_not_hurt_the_others(
    harness: CoordinatorHarness, bad: tuple[str, dict[str, Any]]
) -> None:
    sweep_id = harness.create(run_cap=2)
    requests = [
        {"op": "lease", "args": {"sweep_id": sweep_id, "agent_id": "a", "key": "k1"}},
        {"op": bad[0], "args": bad[1]},
        {"op": "lease", "args": {"sweep_id": sweep_id, "agent_id": "a", "key": "k2"}},
        {"op": "lease", "args": {"sweep_id": sweep_id, "agent_id": "a", "key": "k1"}},
    ]
    first, wrong, second, again = harness.coordinator.answer(requests)
    assert [unpack(r)["run"]["run_id"] for r in (first, second, again)] == [
        f"{sweep_id}-{n}" for n in (1, 2, 1)
    ]
    assert "error" in wrong
    same_on_disk(harness)


def break_commits(harness: CoordinatorHarness) -> Any:
    def fail(connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, sa.exc.DBAPIError("x", {}, Exception("disk I/O error")))

    writing = harness.coordinator._store.connection
    event.listen(writing, "commit", fail)
    return lambda: event.remove(writing, "commit", fail)


def test_a_commit_that_fails_changes_nothing_and_the_request_may_be_repeated(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    before, states = dump(harness), harness.in_memory()
    mend = break_commits(harness)
    requests = [
        {"op": "lease", "args": {"sweep_id": sweep_id, "agent_id": "a", "key": "k2"}},
        {"op": "report", "args": {**held, "rows": [[1, {"val/sharpe": 1.0}]]}},
        {"op": "exit", "args": {**held, "exit_code": 0, "last_words": ""}},
        {"op": "join", "args": {"sweep_id": sweep_id, "agent_id": "a", "host": "h", "pid": 1, "born": ""}},
    ]
    replies = harness.coordinator.answer(requests)
    assert [reply["error"]["kind"] for reply in replies] == ["StoreError"] * 4
    assert "the store cannot be written" in replies[0]["error"]["message"]
    mend()
    assert dump(harness) == before
    assert harness.in_memory() == states
    assert harness.coordinator._session.agents == {}
    assert all("ok" in reply for reply in harness.coordinator.answer(requests))
    assert harness.state(sweep_id).trials[0].score == 1.0
    same_on_disk(harness)


def test_a_tick_that_cannot_be_written_changes_nothing(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.held(sweep_id)
    states = harness.in_memory()
    harness.clock.now += 1000
    mend = break_commits(harness)
    with pytest.raises(StoreError, match="cannot be written"):
        harness.coordinator.tick()
    assert harness.in_memory() == states
    mend()
    harness.coordinator.tick()
    assert harness.state(sweep_id).live[1].lease is None
    same_on_disk(harness)


def limit_pages(harness: CoordinatorHarness, more: int | None) -> None:
    """Let the database grow by so many pages only; None lifts the limit."""
    driver = harness.coordinator._store.connection.connection.driver_connection
    (n_pages,) = driver.execute("PRAGMA page_count").fetchone()
    driver.execute(f"PRAGMA max_page_count = {1 << 30 if more is None else n_pages + more}")


def test_a_full_disk_refuses_what_does_not_fit_and_goes_on_when_there_is_room(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    limit_pages(harness, 1)
    big = {"first_line": 0, "text": "x" * 200_000}
    states = harness.in_memory()
    with pytest.raises(StoreError, match="full"):
        harness.ask("console", **held, **big)
    with pytest.raises(StoreError, match="full"):
        harness.ask("report", **held, rows=[[1, {"text": big["text"]}]])
    replies = harness.coordinator.answer(
        [
            {"op": "console", "args": {**held, **big}},
            {"op": "report", "args": {**held, "rows": [[1, {"val/sharpe": 1.0}]]}},
        ]
    )
    assert [("error" in reply) for reply in replies] == [True, False], "a small one still fits"
    assert harness.in_memory() != states
    same_on_disk(harness)
    limit_pages(harness, None)
    assert harness.ask("console", **held, **big) == {}
    with harness.coordinator._store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


def test_a_constraint_that_fails_is_not_taken_for_a_full_disk(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    with pytest.raises(SharpenError, match="IntegrityError") as problem:
        harness.ask("join", sweep_id=sweep_id, agent_id="a", host=None, pid=1, born="")
    assert type(problem.value) is InternalError  # so that nobody tries again


def dead_process() -> tuple[int, str]:
    """Return the number and birth of a process that has died since."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        birth = process_identity(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        assert birth
    return process.pid, birth


def test_the_run_of_a_dead_agent_goes_back_at_the_next_tick(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    pid, birth = dead_process()
    for name, number, birth_of in (
        ("dead", pid, birth),
        ("alive", os.getpid(), process_identity(os.getpid())),
    ):
        harness.ask("join", sweep_id=sweep_id, agent_id=name, host=hostname(), pid=number, born=birth_of)
    harness.ask(
        "join", sweep_id=sweep_id, agent_id="far", host=hostname(), pid=pid, born=f"another-boot/1:{birth}"
    )
    leases = {name: harness.held(sweep_id, name, name) for name in ("dead", "alive", "far", "unknown")}
    fresh = CoordinatorHarness(harness.home, harness.clock)  # a new host knows the agents from the store
    for each in (harness, fresh):
        each.coordinator.tick()
        live = each.state(sweep_id).live
        assert [n for n, run in live.items() if run.lease is None] == [1]
    assert reader(harness).run(leases["dead"]["run_id"]).reason == "agent dead died"
    fresh.close()


def test_a_process_that_took_over_a_dead_agent_s_number_is_not_the_agent(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.ask(
        "join",
        sweep_id=sweep_id,
        agent_id="a",
        host=hostname(),
        pid=os.getpid(),
        born=f"{machine_identity()}:1",
    )
    harness.held(sweep_id)
    harness.coordinator.tick()
    assert harness.state(sweep_id).live[1].lease is None


def test_an_agent_silent_for_too_long_loses_its_run_and_a_beat_prevents_it(
    harness: CoordinatorHarness,
) -> None:
    sweep_id = harness.create()
    quiet, loud = harness.held(sweep_id, "k1", "quiet"), harness.held(sweep_id, "k2", "loud")
    harness.clock.now += 29
    harness.coordinator.tick()
    assert all(run.lease for run in harness.state(sweep_id).live.values())
    harness.ask("beat", sweep_id=sweep_id, agent_id="loud", held=[[loud["run_id"], 1]])
    harness.clock.now += 2
    harness.coordinator.tick()
    assert [run.lease is None for run in harness.state(sweep_id).live.values()] == [True, False]
    row = reader(harness).run(quiet["run_id"])
    assert (row.state, row.lost, row.agent_id, row.reason) == (
        "pending",
        1,
        None,
        "agent quiet was silent for 30 s",
    )
    same_on_disk(harness)


def test_a_restart_gives_every_lease_its_full_time_again(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.held(sweep_id)
    harness.clock.now += 1000
    fresh = CoordinatorHarness(harness.home, harness.clock)
    fresh.coordinator.tick()
    assert fresh.state(sweep_id).live[1].lease is not None
    fresh.clock.now += 31
    fresh.coordinator.tick()
    assert fresh.state(sweep_id).live[1].lease is None
    fresh.close()


def test_a_sweep_that_cannot_be_had_does_not_lock_up_the_store(harness: CoordinatorHarness) -> None:
    broken, good = harness.create(key="1"), harness.create(key="2")
    with harness.coordinator._store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sweeps SET spec = 'method: unheard-of' WHERE key = '1'")
    fresh = CoordinatorHarness(harness.home, HandClock())
    assert "run" in fresh.lease(good, "k")
    with pytest.raises(SpecError):
        fresh.lease(broken, "k")
    fresh.close()


def test_looks_at_the_lockbox_are_kept_once_each(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    held = harness.held(sweep_id)
    for look in ("l1", "l1", "l2"):
        harness.ask("look", look_id=look, run_id=held["run_id"], who="me")
    harness.ask("looked", look_id="l2", result={"sharpe": math.nan})
    assert [(row.id, row.who, row.result) for row in reader(harness).lockbox_openings(sweep_id)] == [
        ("l1", "me", None),
        ("l2", "me", {"sharpe": "NaN"}),
    ]


def test_an_artifact_under_the_same_name_replaces_the_first(harness: CoordinatorHarness) -> None:
    held = harness.held(harness.create())
    for digest in ("aa" * 32, "bb" * 32):
        about = {"name": "m", "type": "model", "digest": digest, "n_bytes": 3, "metadata": {"n": 1}}
        harness.ask("artifact", **held, **about)
    (row,) = reader(harness).artifacts(run_id=held["run_id"])
    assert (row.digest, row.metadata) == ("bb" * 32, {"n": 1})
    assert row.path == harness.home / "blobs" / "bb" / ("bb" * 31)


def test_the_identity_of_a_process_is_empty_for_the_dead_and_for_zombies() -> None:
    pid, birth = dead_process()
    assert process_identity(pid) != birth
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
    assert process_identity(child) == ""
    os.waitpid(child, 0)


def test_replies_can_be_written_as_json(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    for reply in (harness.lease(sweep_id, "k"), harness.ask("reopen", sweep_id=sweep_id)):
        assert json.loads(json.dumps(reply)) == reply


def test_a_home_that_is_a_file_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(StoreError, match="cannot open the store"):
        Coordinator(tmp_path / "home", HandClock())


def test_run_states_in_the_store_are_the_trial_s(harness: CoordinatorHarness) -> None:
    sweep_id = harness.create()
    harness.held(sweep_id)
    assert {run.state for run in reader(harness).runs(sweep_id)} == {TrialState.RUNNING}


def test_the_optimizer_is_told_of_failed_runs_what_the_file_says(
    harness: CoordinatorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[tuple[TrialState, float | None]]] = []

    class Listening(RandomSearch):
        def ask(self, space: Any, history: Any, n: int, rng: Any) -> list[Proposal]:
            told.append([(trial.state, trial.score) for trial in history])
            return super().ask(space, history, n, rng)

    monkeypatch.setattr("sharpen.optimizers.make", lambda *_, **__: Listening())
    metric = "metric: {name: val/sharpe, goal: minimize, impute: latest}"
    sweep_id = harness.create(SWEEP.replace("metric: {name: val/sharpe, goal: maximize}", metric))
    for n, (value, exit_code) in enumerate([(3.0, 0), (0.5, 1), (1.0, 0)]):
        held = harness.held(sweep_id, f"k{n}")
        harness.ask("report", **held, rows=[[1, {"val/sharpe": value}]])
        harness.ask("exit", **held, exit_code=exit_code, last_words="")
    assert told[-1] == [(TrialState.FINISHED, -3.0), (TrialState.FINISHED, -0.5)]
    assert [run.state for run in Reader(harness.home).runs(sweep_id)] == ["finished", "failed", "finished"]


def test_an_error_that_nobody_foresaw_is_logged_with_where_it_was_and_answered_with_an_id(
    harness: CoordinatorHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InternalError, match=r"'summarize'.*TypeError") as problem:
        harness.ask("summarize", **harness.held(harness.create(), "k"), values=3)
    [record] = caplog.records
    assert problem.value.facts["id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is TypeError
    assert harness.create()  # and the coordinator goes on


def test_what_was_foreseen_is_not_logged(
    harness: CoordinatorHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotFound):
        harness.ask("pause", sweep_id="none")
    assert not caplog.records
