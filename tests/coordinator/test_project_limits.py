"""Limits of a project: at the lease, at the making of runs, and of their files; also among many processes."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from coordinator.harness import SWEEP, CoordinatorHarness
from faults.bench import Bench, kill, until
from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import Refused, UsageError
from sharpen.store.backends import backend
from sharpen.store.location import link
from sharpen.store.project_use import project_uses
from sharpen.store.queries import Reader
from sharpen.testing.stores import RUN, TRACKED
from sharpen.testing.stores import SWEEP as SWEEP_ROW

MINE = f"project: momentum\n{SWEEP}"
THEIRS = f"project: value\n{SWEEP}"


@pytest.fixture
def harness(tmp_path: Path):
    found = CoordinatorHarness(tmp_path)
    yield found
    found.close()


def limit(harness: CoordinatorHarness, **limits: int | None) -> dict[str, int | None]:
    return harness.ask("limit_project", project="momentum", limits=limits)


def made(harness: CoordinatorHarness, run_id: str, project: str = "momentum") -> dict:
    return harness.ask("create_run", run_id=run_id, key=run_id, project=project)


def end(harness: CoordinatorHarness, run: dict) -> None:
    names = {"run_id": run["run_id"], "token": run["token"]}
    harness.ask("report", **names, rows=[[1, {"val/sharpe": 1.0}]])
    harness.ask("exit", **names, exit_code=0, last_words="")


def test_all_sweeps_of_a_project_share_the_runs_at_once(harness):
    one, two, other = harness.create(MINE, "1"), harness.create(MINE, "2"), harness.create(THEIRS, "3")
    limit(harness, runs_at_once=2)
    first = harness.lease(one, "k1")["run"]
    assert "run" in harness.lease(two, "k2")
    assert harness.lease(one, "k3") == harness.lease(two, "k4") == {"wait": True}
    assert harness.lease(one, "k1")["run"] == first  # the same question gets the same answer
    assert "run" in harness.lease(other, "k5")
    before = harness.coordinator.mark(two)
    end(harness, first)
    assert harness.coordinator.mark(two) != before  # whoever waits there is told
    assert "run" in harness.lease(two, "k4")
    assert harness.lease(one, "k3") == {"wait": True}


def test_a_run_that_waits_again_counts_for_nothing(harness):
    sweep = harness.create(MINE)
    limit(harness, runs_at_once=1)
    run = harness.lease(sweep, "k1")["run"]
    harness.ask("release", run_id=run["run_id"], token=run["token"])
    assert harness.lease(sweep, "k2")["run"]["run_id"] == run["run_id"]
    assert harness.lease(sweep, "k3") == {"wait": True}


def test_plain_runs_count_and_are_refused(harness):
    sweep = harness.create(MINE)
    limit(harness, runs_at_once=2)
    one = made(harness, "one")
    assert "run" in harness.lease(sweep, "k1")
    with pytest.raises(Refused, match="has 2 runs at work, and its limit is 2: wait for one") as refused:
        made(harness, "two")
    assert "'sharpen project limit momentum --runs-at-once 3'" in refused.value.message
    assert made(harness, "one") == one
    made(harness, "elsewhere", "value")
    harness.ask("finish_run", run_id="one", token=one["token"])
    made(harness, "two")


def test_agents_leave_when_all_runs_have_been_made(harness):
    sweep = harness.create(MINE)
    limit(harness, runs=2)
    run = harness.lease(sweep, "k1")["run"]
    made(harness, "plain")
    assert harness.lease(sweep, "k2") == {"wait": True}  # the run at work may come back
    end(harness, run)
    answer = harness.lease(sweep, "k2")
    assert answer["over"] == "running"
    assert answer["reason"].startswith("project 'momentum' has made 2 runs, and its limit is 2; 'sharpen")
    with pytest.raises(Refused, match="has made 2 runs"):
        made(harness, "more")
    with pytest.raises(Refused, match="has made 2 runs"):
        harness.ask("add", sweep_id=sweep, key="a", points=[{"x": 0.5, "kind": "a"}])
    assert limit(harness, runs=None) == {"runs_at_once": None, "runs": None, "n_bytes": None}
    assert "run" in harness.lease(sweep, "k4")


def test_a_run_that_comes_back_is_taken_although_all_have_been_made(harness):
    sweep = harness.create(MINE)
    limit(harness, runs=1)
    run = harness.lease(sweep, "k1")["run"]
    harness.ask("release", run_id=run["run_id"], token=run["token"])
    assert harness.lease(sweep, "k2")["run"]["run_id"] == run["run_id"]


def test_deleted_runs_count(harness):
    limit(harness, runs=1)
    run = made(harness, "one")
    harness.ask("finish_run", run_id="one", token=run["token"])
    harness.ask("delete", target="one")
    with pytest.raises(Refused, match="has made 1 runs"):
        made(harness, "two")


def test_files_are_refused_beyond_the_bytes(harness):
    sweep = harness.create(MINE)
    limit(harness, n_bytes=100)
    run = harness.lease(sweep, "k1")["run"]
    plain = made(harness, "plain")

    def keep(of: dict, name: str, n_bytes: int) -> None:
        about = {"type": "model", "digest": "0" * 64, "n_bytes": n_bytes, "metadata": {}}
        harness.ask("artifact", run_id=of["run_id"], token=of["token"], name=name, **about)

    keep(run, "m", 60)
    keep(plain, "m", 40)
    with pytest.raises(Refused, match=r"'n' of 1 bytes is not kept: .* has 100 bytes beside it, .* is 100"):
        keep(run, "n", 1)
    with pytest.raises(Refused, match="has 60 bytes beside it"):
        harness.ask("attach", run_id="plain", name="m", type="t", digest="", n_bytes=41, metadata={})
    keep(run, "m", 50)  # in place of the one before
    keep(run, "n", 10)


def test_limits_outlive_the_coordinator_and_count_what_was_there(tmp_path):
    harness = CoordinatorHarness(tmp_path)
    sweep = harness.create(MINE)
    limit(harness, runs=2, runs_at_once=1)
    harness.lease(sweep, "k1")
    harness.close()
    harness = CoordinatorHarness(tmp_path)
    assert harness.lease(sweep, "k2") == {"wait": True}
    limit(harness, runs_at_once=None)
    assert "run" in harness.lease(sweep, "k2")
    assert harness.lease(sweep, "k3") == {"wait": True}  # all have been made, and are at work
    harness.close()


def test_a_transaction_that_fails_makes_no_run(harness, monkeypatch):
    sweep = harness.create(MINE)
    limit(harness, runs=1)
    monkeypatch.setattr(harness.coordinator._session, "clock", None)
    with pytest.raises(Exception, match="internal error"):
        harness.lease(sweep, "k1")
    monkeypatch.undo()
    assert "run" in harness.lease(sweep, "k1")


@pytest.mark.parametrize(
    ("project", "limits", "words"),
    [
        (" ", {"runs": 1}, "is no name of a project"),
        ("p", {"run": 1}, "no limit 'run'; there are: runs_at_once, runs, n_bytes"),
        ("p", {"runs": -1}, "runs: -1 is no number from 0"),
        ("p", {"runs": True}, "runs: True is no number"),
        ("p", {"runs": 1 << 70}, "is no number from 0"),
    ],
)
def test_what_is_no_limit_is_refused(harness, project, limits, words):
    with pytest.raises(UsageError, match=words):
        harness.ask("limit_project", project=project, limits=limits)


@pytest.mark.parametrize("name", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_backends_count_runs_and_bytes(name, tmp_path, request):
    if name == "postgres":
        link(tmp_path, request.getfixturevalue("postgres").new_database())
    store = backend(name).open_store(tmp_path)
    with store.transaction() as writer:
        writer.create_sweep(SWEEP_ROW | {"seed": 1, "run_cap": None, "created_at": 1.0, "project": "p"})
        rows = [RUN | {"id": f"s-{n}", "number": n, "key": None, "created_at": 1.0} for n in (1, 2)]
        writer.create_runs(rows)
        writer.set_run("s-2", {"project": "q"})  # a label: the run is its sweep's
        writer.create_run(TRACKED)
        file = {"type": "t", "digest": "", "metadata": "{}", "at": 1.0}
        writer.put_artifact(file | {"run_id": "s-1", "name": "m", "n_bytes": 3 << 40})
        writer.put_artifact(file | {"run_id": "mine", "name": "m", "n_bytes": 4})
        assert (writer.n_runs_of("p"), writer.n_runs_of("q")) == (3, 0)
        assert writer.n_bytes_of("p", "mine", "m") == 3 << 40
        assert writer.n_bytes_of("p", "mine", "n") == (3 << 40) + 4
        writer.set_limits("p", {"runs_at_once": None, "runs": 5, "n_bytes": 4 << 40})
        writer.set_limits("p", {"runs_at_once": 2, "runs": None, "n_bytes": 4 << 40})
    (use,) = project_uses(store.reader())
    assert (use.n_at_work, use.n_runs, use.n_bytes) == (1, 3, (3 << 40) + 4)
    assert (use.limits.runs_at_once, use.limits.runs, use.limits.n_bytes) == (2, None, 4 << 40)
    store.close()


def type_(home, *words):
    return CliRunner().invoke(main, ["--home", str(home), *words])


def test_by_the_command_line(tmp_path):
    with connect(tmp_path) as client:
        client.call("create_sweep", key="k", text=MINE, place={"source": "s.yaml", "workdir": "/"})
        words = ("--runs-at-once", "8", "--runs", "10000", "--bytes", "1.5G")
        done = type_(tmp_path, "project", "limit", "momentum", *words)
        said = "project momentum: runs at once at most 8, runs at most 10,000, bytes at most 1.5 GiB\n"
        assert (done.exit_code, done.stderr) == (0, said)
        assert type_(tmp_path, "project", "limit", "momentum", "--runs", "none").exit_code == 0
        (row,) = json.loads(type_(tmp_path, "project", "ls", "--json").stdout)
        assert row["limits"] == {"runs_at_once": 8, "runs": None, "bytes": 3 << 29}
        assert "0 of 8" in type_(tmp_path, "project", "ls").stdout
        found = {row["what"]: row for row in json.loads(type_(tmp_path, "doctor", "--json").stdout)}
        assert found["limits"]["words"] == "project momentum: 0 of 8 runs at work, 0 of 1,610,612,736 bytes"
        assert type_(tmp_path, "project", "limit", "momentum", "--bytes", "0").exit_code == 0
        found = {row["what"]: row for row in json.loads(type_(tmp_path, "doctor", "--json").stdout)}
        assert (found["limits"]["is"], "raises it" in found["limits"]["words"]) == ("warning", True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say --runs-at-once, --runs or --bytes"),
        (("--runs", "5G"), "--runs: '5G' is not a whole number, or none"),
        (("--runs-at-once", "-1"), "--runs-at-once: '-1' is not a whole number, or none"),
        (("--bytes", "much"), "--bytes: 'much' is not a size, such as 50G, or none"),
    ],
)
def test_slips_of_the_pen(tmp_path, words, said):
    done = type_(tmp_path, "project", "limit", "p", *words)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_sixteen_processes_of_which_some_are_killed_never_go_beyond(name, tmp_path, request):
    most, n_runs, n_members = 3, 32, 16
    with Bench(tmp_path) as bench:
        if name == "postgres":
            link(bench.home, request.getfixturevalue("postgres").new_database())
        with connect(bench.home) as client:
            place = {"source": "s.yaml", "workdir": "/"}
            sweeps = [client.call("create_sweep", key=k, text=MINE, place=place)["sweep_id"] for k in "ab"]
            limits = {"runs_at_once": most, "runs": n_runs}
            client.call("limit_project", project="momentum", limits=limits)
        go = bench.work / "go"
        crowd = [
            bench.start_program("limited.py", sweeps[n % 2], str(bench.acks), str(go))
            for n in range(n_members)
        ]
        for member in crowd:
            assert member.stdout.readline() == "up\n"
        go.touch()
        rng, left = random.Random(3), list(crowd)
        for _ in range(4):
            before = len(lines(bench.acks))
            until(lambda n=before: len(lines(bench.acks)) > n + 4, "runs to begin and end")
            victim = left.pop(rng.randrange(len(left)))
            assert kill(victim)
            assert victim.wait(10) == -signal.SIGKILL
        assert [member.wait(60) for member in left] == [0] * len(left), bench.said()
        reader = Reader(bench.home)
        runs = [run for sweep in sweeps for run in reader.runs(sweep)]
        assert len(runs) == n_runs
        assert all(run.state == "finished" for run in runs)
    seen = [json.loads(line) for line in lines(bench.acks)]
    assert 1 <= max(n for n, _ in seen) <= most  # how many are at work at once is up to the machine


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
