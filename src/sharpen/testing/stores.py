"""What every backend of the store must do: a contract suite.

Each function takes a store that is open to write and empty; ``CONTRACT`` names them all. A backend
passes when none raises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from sharpen.testing.stored_collections import COLLECTIONS

SWEEP = {"id": "s", "key": "k", "name": "n", "status": "running", "spec": "", "source": "", "workdir": "/"}
RUN: dict[str, Any] = {
    "sweep_id": "s",
    "state": "pending",
    "reason": "",
    "config": "{}",
    "origin": "",
    "token": 0,
    "lost": 0,
    "stop": "",
    "summary": "{}",
    "parent": None,
    "repeat": 0,
    "repeat_of": None,
    "fidelity": None,
}
TRACKED: dict[str, Any] = {
    "id": "mine",
    "project": "p",
    "state": "running",
    "reason": "",
    "config": "{}",
    "program_config": '{"lr":0.1}',
    "token": 1,
    "lost": 0,
    "lease_key": "w",
    "summary": "{}",
    "stop": "",
    "created_at": 1.0,
}
LEASE: dict[str, Any] = {
    "state": "running",
    "agent_id": "a",
    "lease_key": "l",
    "started_at": 1.0,
    "stop": "",
    "is_canceled": False,
    "reason": "",
    "resumed": None,
}
REPORT: dict[str, Any] = {"run_id": "s-1", "metrics": "{}", "has_metric": True, "at": 1.0}
END: dict[str, Any] = {
    "state": "finished",
    "score": 0.5,
    "scores": "[0.5]",
    "violation": 0.0,
    "cost": None,
    "exit_code": 0,
    "reason": "",
    "cause": "",
    "ended_at": 2.0,
}


def _fill(store: Any, n_runs: int = 1) -> None:
    with store.transaction() as writer:
        writer.create_sweep(SWEEP | {"seed": 1, "run_cap": None, "created_at": 1.0})
        rows = [
            RUN | {"id": f"s-{n}", "number": n, "created_at": 1.0, "key": f"q/{n - 1}"}
            for n in range(1, n_runs + 1)
        ]
        writer.create_runs(rows)


def what_a_block_writes_is_there_when_it_ends(store: Any) -> None:
    """A transaction shows its own writes at once, and everybody when it has ended."""
    with store.transaction() as writer:
        writer.create_sweep(SWEEP | {"seed": 1, "run_cap": None, "created_at": 1.0})
        assert writer.sweep_of_request("k") == "s"
        assert writer.sweep_of_request("other") is None
        assert store.reader().sweeps() == []
        writer.set_sweep("s", {"name": "new"})
    assert store.reader().sweep("s").name == "new"


def a_block_that_raises_writes_nothing(store: Any) -> None:
    """All of a transaction or none of it."""
    with contextlib.suppress(ZeroDivisionError), store.transaction() as writer:
        writer.create_sweep(SWEEP | {"seed": 1, "run_cap": None, "created_at": 1.0})
        raise ZeroDivisionError
    assert store.reader().sweeps() == []


def runs_of_a_request_come_by_number(store: Any) -> None:
    """Keys begin with the request's; a key that only looks alike is another's."""
    _fill(store, 12)
    with store.transaction() as writer:
        assert writer.runs_of_request("s", "q") == [f"s-{n}" for n in range(1, 13)]
        assert writer.runs_of_request("s", "Q") == writer.runs_of_request("s", "q/1") == []


def a_report_takes_the_place_of_one_of_its_step(store: Any) -> None:
    """One row for each run, token and step; not-a-number is null."""
    _fill(store)
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        for value in (0.25, None):
            writer.put_report(REPORT | {"token": 1, "step": 3, "value": value})
        assert writer.report("s-1", 1, 3)["value"] is None
        assert writer.report("s-1", 1, 2) is None
        writer.keep_last("s-1", [(3, {"loss": 0.5, "acc": 1}), (4, {"loss": 0.25}), (2, {"loss": 9.0})])
        writer.keep_last("s-1", [(3, {"loss": 8.0}), (3, {"acc": 2})])
        assert writer.names_logged("s-1") == ["acc", "loss"]
        assert writer.n_names_logged("s-1", {"acc", *(f"m{n}" for n in range(1500))}) == 1
    assert store.reader().tracked.last_values("s-1") == {"acc": 2, "loss": 0.25}
    assert store.reader().takeover.last_logged(["s-1"]) == {"s-1": {"acc": (3, 2), "loss": (4, 0.25)}}
    assert store.reader().long_runs.last_metrics("s-1") == {"acc": 2, "loss": 0.25}
    [report] = store.reader().reports(run_id="s-1")
    assert report.value != report.value


def a_long_run_is_read_thinned(store: Any) -> None:
    """Evenly over its steps, the first and the last among them; a short run is read whole."""
    _fill(store, 2)
    with store.transaction() as writer:
        for run_id, steps in (("s-1", range(0, 900, 3)), ("s-2", range(5))):
            writer.lease_run(run_id, LEASE | {"token": 1}, None)
            for step in steps:
                writer.put_report(REPORT | {"run_id": run_id, "token": 1, "step": step, "value": 1.0})
            writer.count_reports(run_id, len(steps), len(steps))
    reader = store.reader()
    rows, long = reader.long_runs.thinned_reports("s", most=10)
    steps = {run_id: [row.step for row in rows if row.run_id == run_id] for run_id in ("s-1", "s-2")}
    assert long == {"s-1"}
    assert steps == {"s-1": [0, 99, 201, 300, 399, 498, 600, 699, 798, 897], "s-2": [0, 1, 2, 3, 4]}
    assert reader.long_runs.thinned_reports("s", most=300) == (reader.reports(sweep_id="s"), set())
    thinned, n = reader.long_runs.thinned("s-1", most=4)
    assert ([row.step for row in thinned], n) == ([0, 300, 600, 897], 300)
    assert [row.step for row in reader.long_runs.thinned("s-1", 3, first=1, end=897)[0]] == [3, 450, 894]
    assert [row.step for row in reader.long_runs.thinned("s-1", 9, first=1, end=9)[0]] == [3, 6]
    assert reader.long_runs.thinned("s-1", 9, first=898) == ([], 300)
    assert [row.step for row in reader.long_runs.between("s-1", 100, 110, 2)] == [102, 105]
    assert [row.step for row in reader.long_runs.between("s-1", 0, None, 2, n_before=298)] == [894, 897]
    assert reader.long_runs.last("s-2").step == 4
    assert reader.long_runs.last("s-3") is None
    reports = reader.long_runs.each_report(["s-2", "s-1"])
    assert [row.step for row in reports] == [*range(5), *range(0, 900, 3)]
    assert reader.takeover.last_value("s-1", 1) == (897, 897, 1.0)
    assert reader.takeover.last_value("s-1", 1, up_to=896) == (897, 894, 1.0)
    assert reader.takeover.last_value("s-3", 1) == (None, None, None)
    rows = zip(*reader.takeover.values("s-1", 1, up_to=896), strict=True)
    assert [*rows] == [(step, 1.0) for step in range(0, 897, 3)]
    metrics = reader.takeover.metrics("s-2", 1, list)
    assert [tuple(row) for batch in metrics for row in batch] == [(step, "{}") for step in range(5)]


def the_reports_of_the_newest_lease_are_counted(store: Any) -> None:
    """All of them, and those of the sweep's metric; a lease counts what it goes on from."""
    _fill(store, 2)

    def counts() -> tuple[int, Mapping[str, tuple[int, float | None]]]:
        return store.reader().tracked.run("s-1").n_reports, store.reader().progress("s")

    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        for step in (1, 2, 3):
            has_metric = step > 1
            row = REPORT | {"token": 1, "step": step, "has_metric": has_metric, "value": float(step)}
            writer.put_report(row)
            writer.count_reports("s-1", 1, int(has_metric))
    assert counts() == (3, {"s-1": (2, 3.0)})
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 2}, 2)
    assert counts() == (2, {"s-1": (1, 2.0)})
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 3}, None)
    assert counts() == (0, {})


def a_lease_goes_on_from_the_reports_before_its_checkpoint(store: Any) -> None:
    """Those up to a step count for the next lease; no other lease's do."""
    _fill(store)
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        for step in (1, 2, 3):
            writer.put_report(REPORT | {"token": 1, "step": step, "value": float(step)})
        writer.lease_run("s-1", LEASE | {"token": 2}, 2)
    assert [report.step for report in store.reader().reports(run_id="s-1")] == [1, 2]
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 3}, None)
    assert store.reader().reports(run_id="s-1") == []


def a_run_ends_with_its_scores(store: Any) -> None:
    """What ended is found by a restart, with the values that counted."""
    _fill(store)
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        writer.put_report(REPORT | {"token": 1, "step": 1, "value": 0.5})
        writer.end_run("s-1", END)
    reader = store.reader()
    assert (reader.run("s-1").score, reader.run("s-1").scores) == (0.5, (0.5,))
    assert [row[:2] for row in reader.takeover.ended_runs("s")] == [(1, "finished")]
    assert [[*column] for column in reader.takeover.ended_values("s", resume=True)] == [[1], [1], [0.5]]


def a_run_that_ended_while_it_waited_keeps_what_its_checkpoint_holds(store: Any) -> None:
    """Later reports were lost with its agent."""
    _fill(store)
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        for step in (1, 2):
            writer.put_report(REPORT | {"token": 1, "step": step, "value": 0.5})
        writer.set_run("s-1", {"agent_id": None, "checkpoint": '{"digest":"d","step":1}'})
        writer.end_run("s-1", END)
    reader = store.reader()
    assert [*reader.takeover.ended_values("s", resume=True)[1]] == [1]
    assert [len(column) for column in reader.takeover.ended_values("s", resume=False)] == [0, 0, 0]


def a_run_keeps_its_fidelity(store: Any) -> None:
    """And its parent: both are what an optimizer proposed."""
    with store.transaction() as writer:
        writer.create_sweep(SWEEP | {"seed": 1, "run_cap": None, "created_at": 1.0})
        row = RUN | {"id": "s-1", "number": 1, "created_at": 1.0, "key": None}
        writer.create_runs([row | {"fidelity": 2.5, "parent": 1}])
    run = store.reader().run("s-1")
    assert (run.fidelity, run.parent) == (2.5, 1)


def a_run_needs_no_sweep(store: Any) -> None:
    """It has a project, and what its program says of its configuration."""
    with store.transaction() as writer:
        writer.create_run(TRACKED)
        writer.create_run(TRACKED | {"id": "other", "state": "finished", "created_at": 2.0})
        writer.merge_config("mine", {"depth": 3})
        assert writer.run("mine")["token"] == 1
        assert writer.run("nobody") is None
    tracked = store.reader().tracked
    tracked_run = tracked.run("mine")
    assert (tracked_run.sweep_id, tracked_run.number, tracked_run.config) == (
        None,
        None,
        {"lr": 0.1, "depth": 3},
    )
    assert [run.id for run in tracked.runs("p")] == ["mine", "other"]
    assert [run.id for run in tracked.running()] == ["mine"]
    assert [(one.name, one.n_runs) for one in tracked.projects()] == [("p", 2)]
    assert store.reader().sweeps() == []


def a_history_grows_by_lines(store: Any) -> None:
    """From one grant to the next; what each metric was last is kept, and few rows stand for many."""
    with store.transaction() as writer:
        writer.create_run(TRACKED)
        writer.append_history("mine", 1, [(n, n, {"a": n, "b": "x"}) for n in range(60)], at=1.0)
        writer.set_run("mine", {"token": 2})
        writer.append_history("mine", 2, [(n, n, {"a": n}) for n in range(60, 101)], at=2.0)
    tracked = store.reader().tracked
    assert tracked.run("mine").n_lines == 101
    assert tracked.last_values("mine") == {"a": 100, "b": "x"}
    assert [row.step for row in tracked.history("mine")] == list(range(101))
    assert [row.line for row in tracked.history("mine", 98)] == [98, 99, 100]
    assert [row.line for row in tracked.history("mine", 50, n_lines=2)] == [50, 51]
    assert [row.line for row in tracked.history("mine", n_points=5)] == [0, 25, 50, 75, 100]
    assert tracked.history("nobody") == []


def a_history_goes_on_from_a_checkpoint(store: Any) -> None:
    """What a lost lease logged behind it does not count, nor anything when there is none."""
    _fill(store)
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        writer.append_history("s-1", 1, [(n, n + 1, {"a": n + 1}) for n in range(4)], at=1.0)
        writer.lease_run("s-1", LEASE | {"token": 2}, 2)
    tracked = store.reader().tracked
    assert [row.step for row in tracked.history("s-1")] == [1, 2]
    assert tracked.last_values("s-1") == {"a": 2}
    with store.transaction() as writer:
        writer.append_history("s-1", 2, [(2, 3, {"a": 30})], at=1.0)
    assert [row.metrics["a"] for row in tracked.history("s-1")] == [1, 2, 30]
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 3}, None)
        writer.append_history("s-1", 3, [(0, 1, {"b": 1})], at=1.0)
    assert [row.metrics for row in tracked.history("s-1")] == [{"b": 1}]
    assert tracked.last_values("s-1") == {"b": 1}


def files_and_lines_of_one_name_replace_each_other(store: Any) -> None:
    """Artifacts by run and name, console by run, token and first line; a summary is merged."""
    _fill(store)
    file = {"run_id": "s-1", "name": "model", "type": "model", "n_bytes": 1, "metadata": "{}", "at": 1.0}
    with store.transaction() as writer:
        writer.lease_run("s-1", LEASE | {"token": 1}, None)
        for text in ("a", "b"):
            writer.put_artifact(file | {"digest": text * 64})
            row = {"run_id": "s-1", "token": 1, "first_line": 0, "text": f"{text}\n", "at": 1.0}
            writer.put_console(row)
            writer.merge_summary("s-1", {text: 1})
    reader = store.reader()
    assert [artifact.digest for artifact in reader.artifacts(run_id="s-1")] == ["b" * 64]
    assert reader.console("s-1") == "b\n"
    assert reader.run("s-1").summary == {"a": 1, "b": 1}


def what_the_machine_did_is_kept_by_line(store: Any) -> None:
    """From one grant to the next; the newest lease of a run of a sweep begins anew."""
    _fill(store)
    row = {"metrics": '{"cpu":1}', "at": 1.0}
    with store.transaction() as writer:
        writer.create_run(TRACKED)
        writer.set_run("mine", {"token": 2})
        writer.lease_run("s-1", LEASE | {"token": 2}, None)
        for run in ("mine", "s-1"):
            writer.put_machine_metrics([row | {"run_id": run, "token": 1, "line": n} for n in range(9)])
            writer.put_machine_metrics([row | {"run_id": run, "token": 2, "line": 9, "at": 2.0}])
            writer.put_machine_metrics([row | {"run_id": run, "token": 2, "line": 9, "at": 3.0}])
    machine = store.reader().machine
    assert [row.line for row in machine.thinned("mine", 100)] == [*range(10)]
    assert [row.line for row in machine.thinned("mine", 2)] == [4, 9]
    assert [row.line for row in machine.thinned("s-1", 100)] == [9]
    assert (machine.n_lines("mine"), machine.n_lines("nobody"), machine.last("s-1").at) == (10, 0, 3.0)


def labels_are_of_what_is_there(store: Any) -> None:
    """Tags of a sweep or run; none of one that is deleted or never was."""
    _fill(store)
    with store.transaction() as writer:
        writer.set_sweep("s", {"tags": '["x"]'})
        assert (writer.tags("sweep", "s"), writer.tags("run", "s-1")) == (["x"], [])
        writer.set_run("s-1", {"deleted_at": 1.0})
        assert (writer.tags("run", "s-1"), writer.tags("run", "s-2")) == (None, None)


def a_look_begins_once_and_ends_with_a_result(store: Any) -> None:
    """A second beginning changes nothing; the end of one that never began is told."""
    _fill(store)
    look = {"id": "look", "sweep_id": "s", "run_id": "s-1", "at": 1.0}
    with store.transaction() as writer:
        for who in ("ann", "bob"):
            writer.begin_look(look | {"who": who})
        assert writer.end_look("look", '{"a":{}}')
        assert not writer.end_look("other", "{}")
    assert [(one.who, one.result) for one in store.reader().lockbox_openings("s")] == [("ann", {"a": {}})]


def every_row_comes_back_in_the_order_of_its_bytes(store: Any) -> None:
    """What copies need: rows as they were, and one order for all backends, whatever the language is."""
    names = ("B", "_", "a", "z", "é")
    rows = [{"name": name, "type": "model", "created_at": 0.1} for name in names]
    with store.transaction() as writer:
        writer.add_rows("collections", list(reversed(rows)))
        assert list(writer.every_row("collections")) == rows


CONTRACT: Mapping[str, Callable[[Any], None]] = COLLECTIONS | {
    check.__name__: check
    for check in (
        what_a_block_writes_is_there_when_it_ends,
        every_row_comes_back_in_the_order_of_its_bytes,
        a_block_that_raises_writes_nothing,
        runs_of_a_request_come_by_number,
        a_report_takes_the_place_of_one_of_its_step,
        a_long_run_is_read_thinned,
        the_reports_of_the_newest_lease_are_counted,
        a_lease_goes_on_from_the_reports_before_its_checkpoint,
        a_run_keeps_its_fidelity,
        a_run_needs_no_sweep,
        a_history_grows_by_lines,
        a_history_goes_on_from_a_checkpoint,
        a_run_ends_with_its_scores,
        a_run_that_ended_while_it_waited_keeps_what_its_checkpoint_holds,
        files_and_lines_of_one_name_replace_each_other,
        what_the_machine_did_is_kept_by_line,
        labels_are_of_what_is_there,
        a_look_begins_once_and_ends_with_a_result,
    )
}
