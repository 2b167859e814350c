"""The verbs that steer, queue, label and delete: what they print, how they end, and agents that obey."""

import contextlib
import json
import time

import pytest
import sqlalchemy as sa

from faults.bench import Bench, until
from sharpen.coordinator import connect
from sharpen.errors import StoreError
from sharpen.store.location import FILE
from sharpen.store.migrations import STEPS, migrate
from sharpen.store.queries import Reader
from sharpen.wire import Client

from .test_listing import json_of


@pytest.fixture
def bench(tmp_path):
    with Bench(tmp_path / "bench") as bench:
        yield bench


def states(home):
    reader = Reader(home)
    return {run.number: run.state for run in reader.runs(reader.sweep("last").id)}


def status(home):
    return Reader(home).sweep("last").status


def sweep_of(bench, sharpen, run_cap, **more):
    """Create a sweep in the bench's store, without anybody to work on it."""
    bench.write_sweep(run_cap, **more)
    with contextlib.chdir(bench.work):
        said = sharpen("sweep", "sweep.yaml", home=bench.home)
    assert said.exit_code == 0, said.stderr
    return said.stdout.strip()


@pytest.mark.parametrize("verb", ["pause", "stop", "cancel"])
def test_what_means_nothing_any_more_ends_with_1_and_the_reason(sharpen, store, verb):
    said = sharpen(verb, "last", home=store)
    assert (said.exit_code, said.stdout) == (1, "")
    assert f"the sweep has finished: there is nothing to {verb}" in said.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("pause", "nowhere"),
        ("cancel", "last-99"),
        ("cancel", "last-x"),
        ("edit", "last"),
        ("edit", "last", "--run-cap", "0"),
        ("edit", "last", "--run-cap", "1"),
        ("edit", "last", "--run-cap", "1.5"),
        ("edit", "last", "--time-cap", "soon"),
        ("edit", "last", "--time-cap", "-5"),
        ("edit", "last", "--time-cap", "101d 99999h 36500d"),
        ("queue", "last", "--add", "{tilt: 1}"),
        ("queue", "last", "--add", "[1]"),
        ("queue", "last", "--add", '{"tlit": 1}'),
        ("queue", "last", "--add", '{"tilt": 9}'),
        ("queue", "last", "--add", '{"tilt": 1, "tilt": 2}'),
        ("rerun", "last"),
        ("tag", "last-1", "add"),
        ("tag", "last-1", "add", " "),
        ("tag", "last-1", "put", "x"),
        ("note", "last-99", "x"),
        ("delete", "last-1"),
    ],
)
def test_calls_that_are_off_end_with_2(sharpen, store, words):
    said = sharpen(*words, home=store)
    assert (said.exit_code, said.stdout) == (2, ""), said.stderr
    assert said.stderr
    assert states(store) == dict.fromkeys((1, 2, 3, 4), "finished")


@pytest.mark.parametrize(
    "verb", ["pause", "stop", "cancel", "queue", "rerun", "tag", "note", "delete", "resume"]
)
def test_no_verb_makes_a_store(sharpen, tmp_path, verb):
    said = sharpen(verb, "last", home=tmp_path / "none")
    assert said.exit_code == 2
    assert "no store in" in said.stderr
    assert not (tmp_path / "none").exists()


def test_pause_and_resume_without_agents(bench, sharpen):
    sweep_id = sweep_of(bench, sharpen, 3)
    for _ in range(2):
        said = sharpen("pause", sweep_id, home=bench.home)
        assert (said.exit_code, said.stdout) == (0, "")
        assert (
            said.stderr
            == f"sweep {sweep_id} is paused; go on: sharpen --home {bench.home} resume {sweep_id}\n"
        )
    [row] = json_of(sharpen("ls", "--json", home=bench.home))
    assert row["status"] == "paused"
    said = sharpen("resume", "last", "--agents", "0", home=bench.home)
    assert (said.exit_code, said.stderr) == (0, f"sweep {sweep_id} is running\n")
    assert status(bench.home) == "running"


def test_stop_then_cancel(bench, sharpen):
    sweep_id = sweep_of(bench, sharpen, 3)
    assert sharpen("queue", "last", "--add", '{"x": 0.5}', home=bench.home).exit_code == 0
    assert sharpen("stop", "last", home=bench.home).stderr == f"sweep {sweep_id} is stopped\n"
    assert states(bench.home) == {1: "pending"}
    assert sharpen("cancel", "last", home=bench.home).stderr == f"sweep {sweep_id} is canceled\n"
    assert states(bench.home) == {1: "canceled"}
    assert status(bench.home) == "canceled"


def test_queue_shows_what_waits_and_what_comes_next(bench, sharpen, tmp_path):
    sweep_id = sweep_of(bench, sharpen, 5)
    said = sharpen("queue", "last", home=bench.home)
    assert (said.exit_code, said.stdout) == (0, "")
    assert said.stderr.splitlines() == [
        f"no run of sweep {sweep_id} waits",
        "next: whatever method random proposes, 5 more under the run cap of 5",
    ]
    (tmp_path / "points.jsonl").write_text('{"x": 0.25}\n\n{"x": 0.75, "depth": 1}\n')
    (tmp_path / "points.yaml").write_text("- {x: 0.5}\n- {depth: 3}\n")
    said = sharpen("queue", "last", "--add", '{"x": 1}', "--file", tmp_path / "points.jsonl", home=bench.home)
    assert said.stdout.split() == [f"{sweep_id}-{n}" for n in (1, 2, 3)]
    said = sharpen("queue", "last", "--file", tmp_path / "points.yaml", "--json", home=bench.home)
    assert json.loads(said.stdout) == [f"{sweep_id}-{n}" for n in (4, 5)]
    said = sharpen("queue", "last", "--add", '{"depth": 2}', home=bench.home)
    assert "the run cap grew from 5 to 6" in said.stderr
    said = sharpen("queue", "last", "--json", home=bench.home)
    rows = json.loads(said.stdout)
    assert [row["config"]["x"] for row in rows] == [1, 0.25, 0.75, 0.5, 0.5, 0.5]
    assert [row["config"]["depth"] for row in rows] == [2, 2, 1, 2, 3, 2]
    assert {row["origin"] for row in rows} == {"queued"}
    assert said.stderr == "then: nothing, the run cap of 6 is reached\n"
    table = sharpen("queue", "last", home=bench.home).stdout.splitlines()
    assert table[0].split()[:2] == ["run", "origin"]
    assert len(table) == 7


def points_file(folder, n, last='{"x": 1.0}'):
    rows = [json.dumps({"x": i / n}) for i in range(n - 1)]
    (folder / "points.jsonl").write_text("\n".join([*rows, last]))
    return folder / "points.jsonl"


def test_many_points_go_in_portions_under_one_key(bench, sharpen, tmp_path, monkeypatch):
    sweep_id = sweep_of(bench, sharpen, 3)
    asked = []
    call = Client.call

    def twice(client, op, **args):
        if op == "add":
            asked.append((args["key"], len(args["points"])))
            call(client, op, **args)  # as if the answer to the first had been lost
        return call(client, op, **args)

    monkeypatch.setattr(Client, "call", twice)
    said = sharpen("queue", "last", "--file", points_file(tmp_path, 1201), home=bench.home)
    assert said.exit_code == 0, said.stderr
    assert said.stdout.split() == [f"{sweep_id}-{n}" for n in range(1, 1202)]
    assert "the run cap grew from 3 to 1201" in said.stderr
    assert [n for _, n in asked] == [500, 500, 201]
    assert len({key for key, _ in asked}) == 3
    assert len({key.split("-")[0] for key, _ in asked}) == 1
    assert [run.config["x"] for run in Reader(bench.home).runs(sweep_id)] == [
        *(i / 1201 for i in range(1200)),
        1.0,
    ]


def test_a_wrong_point_far_down_keeps_all_out(bench, sharpen, tmp_path):
    sweep_id = sweep_of(bench, sharpen, 3)
    file = points_file(tmp_path, 1201, '{"x": 7}')
    said = sharpen("queue", "last", "--file", file, home=bench.home)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "nothing was added:\n  point 1201: $.x: cannot be 7: the parameter goes from 0 to 1" in said.stderr
    assert Reader(bench.home).runs(sweep_id) == []


def test_what_was_added_before_a_refusal_is_said(bench, sharpen, tmp_path, monkeypatch):
    sweep_of(bench, sharpen, 3)
    call = Client.call

    def full(client, op, **args):
        if op == "add" and not args["key"].endswith("-0"):
            raise StoreError("the store cannot be written: the disk is full")
        return call(client, op, **args)

    monkeypatch.setattr(Client, "call", full)
    said = sharpen("queue", "last", "--file", points_file(tmp_path, 700), home=bench.home)
    assert said.exit_code != 0
    assert "500 of 700 points have been added before this" in said.stderr
    assert "the disk is full" in said.stderr


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", "{x: 1}", "is not JSON"),
        ("a.jsonl", "{}\n3", "line 2: a configuration is a mapping"),
        ("a.yaml", "- 3", "entry 1: a configuration is a mapping"),
        ("a.yaml", "[", "is not YAML: line 1"),
        ("a.yaml", "- {x: 0.1, x: 0.2}", "$[0].x: is written twice, on lines 1 and 1: keep one"),
        ("a.jsonl", '{"x": 0.1, "x": 0.2}', "'x' is given twice"),
        ("a.yaml", "[]", "there is no configuration in it"),
        ("a.json", '[{"x": 0.5}, {"x": 5}]', "point 2: $.x: cannot be 5: the parameter goes from 0 to 1"),
    ],
)
def test_a_file_of_points_that_is_off_adds_none(bench, sharpen, tmp_path, name, text, words):
    sweep_of(bench, sharpen, 5)
    (tmp_path / name).write_text(text)
    said = sharpen("queue", "last", "--file", tmp_path / name, home=bench.home)
    assert (said.exit_code, said.stdout) == (2, "")
    assert words in said.stderr
    assert states(bench.home) == {}


def test_a_finished_sweep_is_rerun_extended_and_resumed(bench, sharpen):
    bench.write_sweep(1)
    assert bench.call("run", "sweep.yaml", "--agents", "1").returncode == 0
    sweep_id, here = Reader(bench.home).sweep("last").id, f"sharpen --home {bench.home}"
    said = sharpen("rerun", "last-1", home=bench.home)
    assert said.stdout == f"{sweep_id}-2\n"
    assert said.stderr.splitlines() == [
        "the run cap grew from 1 to 2",
        f"sweep {sweep_id} is idle; an agent would take it: {here} agent {sweep_id}",
    ]
    assert sharpen("edit", "last", "--run-cap", "3", "--name", "more", home=bench.home).exit_code == 0
    assert bench.call("resume", "last", "--agents", "1").returncode == 0
    runs = json_of(sharpen("runs", "last", "--json", home=bench.home))
    assert [(run["origin"], run["parent"], run["state"]) for run in runs] == [
        ("random", None, "finished"),
        ("rerun", 1, "finished"),
        ("random", None, "finished"),
    ]
    assert (runs[0]["config"], runs[0]["score"]) == (runs[1]["config"], runs[1]["score"])
    facts = json_of(sharpen("info", "last", "--json", home=bench.home))
    assert (facts["name"], facts["run_cap"], facts["status"]) == ("more", 3, "finished")
    said = sharpen(
        "edit", "last", "--run-cap", "9", "--time-cap", "90m", "--max-failures", "none", home=bench.home
    )
    assert said.stderr.splitlines() == [
        f"sweep {sweep_id}: run cap 9, max failures none, time cap 5400.0",
        f"sweep {sweep_id} was finished and is running now; work on it: {here} resume {sweep_id}",
    ]


def test_runs_that_failed_are_run_again_each_once(bench, sharpen):
    (bench.work / bench.program).write_text("import sys\nsys.exit('no luck')\n")
    bench.write_sweep(2)
    assert bench.call("run", "sweep.yaml", "--agents", "1").returncode == 1
    sweep_id = Reader(bench.home).sweep("last").id
    said = sharpen("rerun", "last", "--failed", home=bench.home)
    assert said.stdout.split() == [f"{sweep_id}-3", f"{sweep_id}-4"]
    assert sharpen("rerun", "last", "--failed", home=bench.home).stderr.strip() == (
        f"no run of sweep {sweep_id} has failed and was not run again"
    )
    assert bench.call("resume", "last", "--agents", "1").returncode == 1
    assert sharpen("rerun", "last", "--failed", "--json", home=bench.home).exit_code == 0
    runs = json_of(sharpen("runs", "last", "--json", home=bench.home))
    assert [run["parent"] for run in runs] == [None, None, 1, 2, 3, 4]
    assert [run["state"] for run in runs] == ["failed"] * 4 + ["pending"] * 2


def test_notes_and_tags(sharpen, store):
    sweep_id = Reader(store).sweep("last").id
    assert sharpen("note", "last-2", "holds cash", home=store).exit_code == 0
    assert sharpen("note", f"{sweep_id}-2", home=store).stdout == "holds cash\n"
    assert sharpen("note", "last", "the first try", home=store).exit_code == 0
    assert sharpen("tag", "last-2", "add", "keep", "base", home=store).stdout == "base\nkeep\n"
    assert sharpen("tag", "last-3", "add", "keep", home=store).exit_code == 0
    assert json_of(sharpen("tag", "last-2", "rm", "base", "--json", home=store)) == ["keep"]
    assert sharpen("tag", "last-1", home=store).stdout == ""
    kept = json_of(sharpen("runs", "last", "--tag", "keep", "--json", home=store))
    assert [(run["number"], run["note"], run["tags"]) for run in kept] == [
        (2, "holds cash", ["keep"]),
        (3, "", ["keep"]),
    ]
    assert "no runs tagged 'x'" in sharpen("runs", "last", "--tag", "x", home=store).stderr
    head = sharpen("runs", "last", home=store).stdout.splitlines()[0].split()
    assert head[-1] == "tags"
    assert json_of(sharpen("info", "last", "--json", home=store))["note"] == "the first try"
    assert sharpen("note", "last-2", "", home=store).exit_code == 0
    assert sharpen("note", "last-2", home=store).stdout == "\n"


def test_a_deleted_run_is_shown_nowhere_but_among_the_deleted(sharpen, store):
    best = json_of(sharpen("best", "last", "--json", home=store))["run"]
    for _ in range(2):
        said = sharpen("delete", best, "--yes", home=store)
        assert (said.exit_code, said.stderr) == (0, f"run {best} is deleted\n")
    assert json_of(sharpen("best", "last", "--json", home=store))["run"] != best
    assert best not in sharpen("runs", "last", home=store).stdout
    [gone] = json_of(sharpen("runs", "last", "--deleted", "--json", home=store))
    assert gone["id"] == best
    for verb in ("logs", "rerun", "cancel", "note"):
        said = sharpen(verb, best, home=store)
        assert said.exit_code == 2
        assert "has been deleted" in said.stderr
    facts = json_of(sharpen("info", "last", "--json", home=store))
    assert (facts["runs"], facts["deleted"], facts["run_cap"]) == ({"finished": 3}, 1, 4)
    assert sharpen("report", "last", "-o", store / "r.html", home=store).exit_code == 0


def test_a_deleted_sweep_is_shown_nowhere(sharpen, store):
    sweep_id = Reader(store).sweep("last").id
    for _ in range(2):
        assert sharpen("delete", sweep_id, "--yes", home=store).exit_code == 0
    said = sharpen("ls", home=store)
    assert (said.exit_code, said.stdout) == (0, "")
    for verb in ("info", "resume", "pause"):
        assert sharpen(verb, sweep_id, home=store).exit_code == 2


def test_a_run_at_work_ends_when_it_is_canceled_and_the_sweep_goes_on(bench):
    bench.write_sweep(2)
    bench.environment["TOY_STEP_S"] = "100"
    run = bench.start("run", "sweep.yaml", "--agents", "1")
    until(lambda: states_or_none(bench.home).get(1) == "running", "run 1 to begin")
    assert bench.call("cancel", "last-1", "--reason", "no good").returncode == 0
    until(lambda: states(bench.home).get(1) == "canceled", "run 1 to end")
    row = Reader(bench.home).run("last-1")
    assert row.reason == "no good"
    assert bench.call("cancel", "last").returncode == 0
    assert run.wait(60) == 0
    assert status(bench.home) == "canceled"
    assert set(states(bench.home).values()) == {"canceled"}


def states_or_none(home):
    try:
        return states(home)
    except Exception:
        return {}


def test_agents_wait_while_a_sweep_is_paused(bench):
    bench.write_sweep(400)
    run = bench.start("run", "sweep.yaml", "--agents", "1")
    until(lambda: "finished" in states_or_none(bench.home).values(), "a run to finish")
    assert bench.call("pause", "last").returncode == 0
    until(lambda: "running" not in states(bench.home).values(), "the runs at work to end")
    n = len(states(bench.home))
    time.sleep(1.0)
    assert (len(states(bench.home)), run.poll()) == (n, None)
    said = bench.call("resume", "last")
    assert (said.returncode, said.stdout) == (0, "")
    assert "is running" in said.stderr
    until(lambda: len(states(bench.home)) > n, "another run")
    assert bench.call("stop", "last").returncode == 0
    assert run.wait(60) == 0
    assert status(bench.home) == "stopped"
    assert set(states(bench.home).values()) <= {"finished", "stopped", "pending"}


def test_a_sweep_of_an_older_store_is_resumed(bench, sharpen):
    sweep_of(bench, sharpen, 1)
    bench.home.rename(bench.home.with_name("new"))
    bench.home.mkdir()
    engine = sa.create_engine(f"sqlite:///{bench.home / FILE}")
    migrate(engine, bench.home / FILE, {1: STEPS[1]})
    text = (bench.work / "sweep.yaml").read_text()
    row = ("old1", "k", "old", "running", "", text, "sweep.yaml", str(bench.work), 7, 1, 0, 1.0, None)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO sweeps VALUES ({', '.join('?' * len(row))})", row)
    engine.dispose()
    said = sharpen("ls", home=bench.home)
    assert said.exit_code == 1
    assert "run 'sharpen resume SWEEP --agents 0' once" in said.stderr
    assert bench.call("resume", "old1", "--agents", "1").returncode == 0
    assert (bench.home / f"{FILE}.v1.backup").exists()
    assert states(bench.home) == {1: "finished"}


@pytest.mark.parametrize("run_id", ["nodash", "with-dash", "with-7", "7"])
def test_a_run_of_no_sweep_is_a_run_whatever_its_id(sharpen, store, run_id):
    with connect(store) as client:
        client.call("create_run", run_id=run_id, project="p", key=run_id, config={})
        client.call("finish_run", run_id=run_id, token=1, exit_code=0)
    assert sharpen("note", run_id, "mine", home=store).exit_code == 0
    for _ in range(2):
        said = sharpen("delete", run_id, "--yes", home=store)
        assert (said.exit_code, said.stderr) == (0, f"run {run_id} is deleted\n")
    assert json_of(sharpen("info", "last", "--json", home=store))["runs"] == {"finished": 4}


@pytest.mark.parametrize("word", ["nothing", "no-thing", "nothing-7"])
def test_what_names_neither_run_nor_sweep_is_not_deleted(sharpen, store, word):
    said = sharpen("delete", word, "--yes", home=store)
    assert said.exit_code == 2
    assert f"'{word}'" in said.stderr
