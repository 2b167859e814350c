"""Runs that nobody leased: grants, resumption, silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.harness import CoordinatorHarness
from sharpen.coordinator.session import SILENCE_S
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun
from sharpen.wire.processes import process_identity


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CoordinatorHarness]:
    house = CoordinatorHarness(tmp_path)
    yield house
    house.close()


def create(house: CoordinatorHarness, run_id: str = "mine", key: str = "k", **more: Any) -> dict[str, Any]:
    made = house.ask("create_run", run_id=run_id, key=key, project="p", **more)
    return {"run_id": made["run_id"], "token": made["token"]}


def stored(house: CoordinatorHarness, run_id: str = "mine") -> TrackedRun:
    found = house.coordinator._session.reader.tracked.run(run_id)
    assert found is not None
    return found


def test_a_line_of_a_long_history_is_found_without_reading_the_others(house: CoordinatorHarness) -> None:
    grant = create(house)
    rows = [[step, {"loss": 1.0}] for step in range(10_000)]
    house.ask("append_history", **grant, first_line=0, rows=rows)
    house.ask("finish_run", **grant)
    grant = create(house, key="again", resume="must")  # under another token
    house.ask("append_history", **grant, first_line=10_000, rows=[[10_000, {"loss": 2.0}]])
    steps: list[int] = []

    def counted(connection: Any, _record: Any) -> None:
        connection.set_progress_handler(lambda: steps.append(100), 100)  # each 100 steps of SQLite's machine

    engine = sa.create_engine(f"sqlite:///{house.home / 'store.db'}")
    sa.event.listen(engine, "connect", counted)
    reader = Reader(house.home, engine)
    assert [row.step for row in reader.tracked.history("mine", 9_999)] == [9_999, 10_000]
    assert reader.tracked.line_of_step("mine", 7_000) == 7_000
    engine.dispose()
    assert sum(steps) < 10_000


def test_a_run_of_no_sweep_is_made_written_and_ended(house: CoordinatorHarness) -> None:
    labels = {"group_name": "g", "job_type": "train", "display_name": "first try", "note": "why"}
    grant = create(house, config={"lr": 0.1}, tags=["b", "a"], **labels)
    house.ask("append_history", **grant, first_line=0, rows=[[1, {"loss": 2.0}], [2, {"loss": 1.0}]])
    house.ask("summarize", **grant, values={"best": 1.0})
    house.ask("configure", **grant, values={"depth": 3})
    house.ask("console", **grant, first_line=0, text="hello\n")
    house.ask("artifact", **grant, name="model", type="model", digest="d" * 64, n_bytes=1, metadata={})
    house.ask("finish_run", **grant)
    run = stored(house)
    assert (run.state, run.exit_code, run.project, run.config) == (
        "finished",
        0,
        "p",
        {"lr": 0.1, "depth": 3},
    )
    assert (run.summary, run.tags, run.n_lines) == ({"best": 1.0}, ("a", "b"), 2)
    assert (run.group_name, run.job_type, run.display_name, run.note) == ("g", "train", "first try", "why")
    reader = house.coordinator._session.reader
    assert reader.tracked.last_values("mine") == {"loss": 1.0}
    assert reader.console("mine") == "hello\n"
    assert [file.name for file in reader.artifacts(run_id="mine")] == ["model"]
    with pytest.raises(Refused, match="has ended"):
        house.ask("append_history", **grant, first_line=2, rows=[[3, {}]])


def test_the_same_request_is_granted_once(house: CoordinatorHarness) -> None:
    assert create(house) == create(house) == {"run_id": "mine", "token": 1}


def test_a_known_id_is_taken_up_only_when_that_is_asked_for(house: CoordinatorHarness) -> None:
    old = create(house)
    house.ask("append_history", **old, first_line=0, rows=[[1, {"a": 1}]])
    with pytest.raises(UsageError, match="resume='allow'"):
        create(house, key="k2")
    new = create(house, key="k3", resume="allow", config={"x": 1})
    assert new["token"] == 2
    with pytest.raises(Refused, match="taken it up") as refusal:
        house.ask("append_history", **old, first_line=1, rows=[[2, {"a": 2}]])
    assert refusal.value.facts["why"] == "stale"
    house.ask("append_history", **new, first_line=1, rows=[[2, {"a": 2}]])
    rows = house.coordinator._session.reader.tracked.history("mine")
    assert [(row.line, row.step) for row in rows] == [(0, 1), (1, 2)]
    assert stored(house).config == {"x": 1}


def test_what_must_be_there_is(house: CoordinatorHarness) -> None:
    with pytest.raises(NotFound, match="to resume"):
        create(house, resume="must")
    house.ask("finish_run", **create(house), exit_code=3, reason="boom")
    assert (stored(house).state, stored(house).reason) == ("failed", "boom")
    create(house, key="k2", resume="must")
    assert (stored(house).state, stored(house).reason, stored(house).ended_at) == ("running", "", None)


def test_lines_that_are_there_are_passed_over(house: CoordinatorHarness) -> None:
    grant = create(house)
    rows = [[step, {"a": step}] for step in range(5)]
    assert house.ask("append_history", **grant, first_line=0, rows=rows[:3])["n_lines"] == 3
    for _ in range(2):
        assert house.ask("append_history", **grant, first_line=1, rows=rows[1:])["n_lines"] == 5
    found = house.coordinator._session.reader.tracked.history("mine")
    assert [row.metrics["a"] for row in found] == list(range(5))
    with pytest.raises(UsageError, match="cannot be line 9"):
        house.ask("append_history", **grant, first_line=9, rows=rows)


def test_who_is_silent_has_crashed(house: CoordinatorHarness) -> None:
    loud, quiet = create(house, "loud"), create(house, "quiet")
    house.clock.now += SILENCE_S - 1
    assert house.ask("beat_run", **loud) == {"stop": ""}
    house.clock.now += 2
    house.coordinator.tick()
    assert (stored(house, "loud").state, stored(house, "quiet").state) == ("running", "crashed")
    assert "nothing was heard of it" in stored(house, "quiet").reason
    with pytest.raises(Refused, match="has ended"):
        house.ask("beat_run", **quiet)


def test_a_process_that_is_no_more_has_crashed_at_once(house: CoordinatorHarness) -> None:
    here = process_identity(os.getpid())
    create(house, "lives", process={"pid": os.getpid(), "born": here})
    create(house, "died", process={"pid": os.getpid(), "born": f"{here}0"})
    house.coordinator.tick()
    assert (stored(house, "lives").state, stored(house, "died").state) == ("running", "crashed")


def test_another_host_goes_on_with_the_grant(house: CoordinatorHarness) -> None:
    grant = create(house)
    house.coordinator.close()
    house.clock.now += 2 * SILENCE_S
    again = CoordinatorHarness(house.home, house.clock)
    again.coordinator.tick()
    again.ask("append_history", **grant, first_line=0, rows=[[1, {"a": 1}]])
    assert stored(again).n_lines == 1
    again.close()


def test_a_run_is_canceled_by_its_next_question(house: CoordinatorHarness) -> None:
    grant = create(house)
    house.ask("cancel_run", run_id="mine", reason="too slow")
    assert house.ask("append_history", **grant, first_line=0, rows=[[1, {}]])["stop"] == "too slow"
    assert house.ask("beat_run", **grant) == {"stop": "too slow"}
    house.ask("finish_run", **grant, exit_code=1)
    assert (stored(house).state, stored(house).reason) == ("canceled", "too slow")


def test_labels_and_deletion(house: CoordinatorHarness) -> None:
    grant = create(house, "with-a-dash")
    house.ask("tag", target="with-a-dash", add=["keep"], remove=[])
    house.ask("note", target="with-a-dash", text="good")
    house.ask("describe_run", **grant, display_name="new")
    run = stored(house, "with-a-dash")
    assert (run.tags, run.note, run.display_name) == (("keep",), "good", "new")
    with pytest.raises(Refused, match="at work"):
        house.ask("delete", target="with-a-dash")
    house.ask("finish_run", **grant)
    house.ask("delete", target="with-a-dash")
    assert house.coordinator._session.reader.tracked.run("with-a-dash") is None
    with pytest.raises(NotFound, match="deleted"):
        create(house, "with-a-dash", key="k2", resume="allow")


@pytest.mark.parametrize("run_id", ["", "a b", "a/b", ".a", "last", "x" * 129, "a\n", 7, None])
def test_an_id_that_is_none_is_refused(house: CoordinatorHarness, run_id: Any) -> None:
    with pytest.raises(UsageError, match="no id of a run"):
        create(house, run_id)


def test_an_id_of_a_sweep_s_is_refused(house: CoordinatorHarness) -> None:
    sweep_id = house.create()
    with pytest.raises(UsageError, match="the id of a sweep"):
        create(house, sweep_id)
    with pytest.raises(UsageError, match="of a run of sweep"):
        create(house, f"{sweep_id}-7")
    lease = house.held(sweep_id)
    with pytest.raises(UsageError, match=r"only its agents|belongs to sweep"):
        create(house, lease["run_id"], resume="allow")


def test_a_leased_run_has_a_history_and_a_configuration_of_its_own(house: CoordinatorHarness) -> None:
    sweep_id = house.create()
    lease = house.held(sweep_id)
    house.ask("append_history", **lease, first_line=0, rows=[[1, {"loss": 2.0}]])
    house.ask("configure", **lease, values={"x": 99.0, "workers": 4})
    house.ask("describe_run", **lease, project="p", display_name="one")
    run = stored(house, lease["run_id"])
    assert run.config["workers"] == 4
    assert run.config["x"] != 99.0  # the sweep chose it
    assert (run.project, run.display_name, run.sweep_id, run.n_lines) == ("p", "one", sweep_id, 1)
    house.report(lease, 1, val_sharpe=0.5)
    house.ask("exit", **lease, exit_code=0, last_words="")
    assert house.coordinator._session.reader.tracked.last_values(lease["run_id"]) == {
        "loss": 2.0,
        "val/sharpe": 0.5,
    }


def log_ten(house: CoordinatorHarness, grant: dict[str, Any]) -> None:
    house.ask("append_history", **grant, first_line=0, rows=[(n, {"a": n}) for n in range(10)])


def logged(house: CoordinatorHarness, run_id: str) -> list[tuple[int, int]]:
    rows = house.coordinator._session.reader.tracked.history(run_id)
    return [(row.step, row.metrics["a"]) for row in rows]


def test_a_run_is_rewound_to_a_step_and_goes_on_from_there(house: CoordinatorHarness) -> None:
    grant = create(house)
    log_ten(house, grant)
    house.ask("summarize", **grant, values={"a": 9})
    house.ask("rewind", **grant, step=3)
    assert (stored(house).n_lines, stored(house).summary) == (4, {})
    assert house.coordinator._session.reader.tracked.last_values("mine") == {"a": 3}
    house.ask("append_history", **grant, first_line=4, rows=[(4, {"a": 40})])
    assert logged(house, "mine") == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 40)]


def test_a_fork_begins_with_what_the_other_had_logged_up_to_a_step(house: CoordinatorHarness) -> None:
    log_ten(house, create(house, config={"lr": 1, "own": 0}))
    about = {"config": {"own": 1}, "fork": {"run_id": "mine", "step": 2}}
    grant = create(house, "fork", "k2", **about)
    assert create(house, "fork", "k2", **about) == grant  # asked twice, made once
    assert (stored(house, "fork").n_lines, stored(house, "fork").config) == (3, {"lr": 1, "own": 1})
    house.ask("append_history", **grant, first_line=3, rows=[(3, {"a": 30})])
    assert logged(house, "fork") == [(0, 0), (1, 1), (2, 2), (3, 30)]
    assert len(logged(house, "mine")) == 10
    again = create(house, "fork", "k3", resume="must")
    house.ask("append_history", **again, first_line=4, rows=[(4, {"a": 40})])
    house.ask("rewind", **again, step=1)
    assert logged(house, "fork") == [(0, 0), (1, 1)]


def test_a_fork_of_nothing_makes_nothing(house: CoordinatorHarness) -> None:
    with pytest.raises(NotFound, match="no run 'none' to fork from"):
        create(house, "fork", fork={"run_id": "none", "step": 2})
    assert house.coordinator._session.reader.tracked.run("fork") is None
