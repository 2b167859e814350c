"""What doctor says of a store that is well, and of ones that are not."""

import json
import re
import time

import pytest
from click.testing import CliRunner

from faults.bench import Bench, until
from sharpen.cli import doctor, doctor_agents, main
from sharpen.coordinator import connect
from sharpen.store.queries import Reader

SWEEP = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"


def look(home):
    done = CliRunner().invoke(main, ["--home", str(home), "doctor", "--json"])
    return done.exit_code, {row["what"]: (row["is"], row["words"]) for row in json.loads(done.stdout)}


@pytest.fixture
def home(tmp_path):
    with connect(tmp_path) as client:
        client.call("create_sweep", key="k", text=SWEEP, place={"source": "s.yaml", "workdir": "/"})
    return tmp_path


def test_a_store_that_is_well(home):
    with connect(home):
        code, found = look(home)
    assert code == 0
    assert found["store"][1].endswith("1 sweep, 0 runs")
    assert "answers in" in found["writer"][1]
    assert found["agents"][0] == "warning"
    assert f"start one with 'sharpen --home {home} agent" in found["agents"][1]


def test_nobody_is_made_the_writer(home):
    _, found = look(home)
    assert found["writer"] == ("ok", "nobody writes just now; the next command does")


def test_an_agent_elsewhere_is_said_with_when_it_was_heard_and_since_when_it_is_silent(home, monkeypatch):
    with connect(home) as client:
        (sweep_id,) = [row.id for row in Reader(home).sweeps()]
        client.call("join", sweep_id=sweep_id, agent_id="gpu1-7", host="gpu1", pid=7, born="gpu1:boot:7")
        assert client.call("lease", sweep_id=sweep_id, agent_id="gpu1-7", key="one")["run"]
        is_well, words = look(home)[1]["agents"]
        assert is_well == "ok"
        assert re.search(r": 0 agents here, 1 elsewhere at work \(heard \ds ago\), 1 run running$", words)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)  # nobody writes any more, and nobody was heard
    verdict, words = look(home)[1]["agents"]
    assert verdict == "warning"
    assert re.search(r"0 elsewhere at work, 1 run running; gpu1-7 silent since 20\S+ \S+ \(1h00m\)", words), (
        words
    )


def test_an_agent_that_a_new_writer_has_not_heard_yet_is_not_said_to_be_heard(home, monkeypatch):
    with connect(home) as client:
        (sweep_id,) = [row.id for row in Reader(home).sweeps()]
        client.call("join", sweep_id=sweep_id, agent_id="gpu1-7", host="gpu1", pid=7, born="gpu1:boot:7")
        run = client.call("lease", sweep_id=sweep_id, agent_id="gpu1-7", key="one")["run"]
    now = time.time()
    monkeypatch.setattr(doctor_agents.time, "time", lambda: now + 600)
    with connect(home) as client:  # another process would lead now
        words = look(home)[1]["agents"][1]
        told = "0 elsewhere at work, 1 not heard yet by who writes now (last sign 10m00s ago), 1 run running"
        assert told in words
        client.call("beat", sweep_id=sweep_id, agent_id="gpu1-7", held=[[run["run_id"], run["token"]]])
        assert re.search(r" 1 elsewhere at work \(heard \ds ago\), 1 run", look(home)[1]["agents"][1])


def test_no_store_is_no_problem(tmp_path):
    code, found = look(tmp_path / "none")
    assert code == 0
    assert found["store"][0] == "warning"


def test_a_store_that_cannot_be_read_is_a_problem(tmp_path):
    (tmp_path / "store.db").write_text("this is no database, though it is long enough to be one")
    code, found = look(tmp_path)
    assert code == 1
    assert found["store"][0] == "problem"


def test_a_full_disk_an_open_store_and_a_clock_that_is_behind_are_said(home, monkeypatch):
    home.chmod(0o755)
    assert "other users can read" in look(home)[1]["disk"][1]
    home.chmod(0o700)
    monkeypatch.setattr(doctor, "TOO_LITTLE_BYTES", 1 << 60)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    code, found = look(home)
    assert code == 1
    assert "make room" in found["disk"][1]
    assert "behind the newest date" in found["clock"][1]


@pytest.mark.postgres
def test_a_database_is_looked_at(tmp_path, postgres):
    from sharpen.store.location import link

    link(tmp_path / "store", postgres.new_database())
    with connect(tmp_path / "store"):
        code, found = look(tmp_path / "store")
    assert code == 0
    assert found["store"][1].startswith("Postgres, postgresql://")
    assert found["clock"][0] == "ok"


@pytest.mark.slow
def test_an_agent_that_is_drained_ends_its_run_and_takes_no_more(tmp_path):
    with Bench(tmp_path, TOY_STEP_S="0.2") as bench:
        sweep_id = bench.create(5)
        agent = bench.start("agent", sweep_id)
        until(bench.acknowledged, "a step")
        said = CliRunner().invoke(main, ["--home", str(bench.home), "agent", sweep_id, "--drain"]).stderr
        assert said == f"agent {agent.pid} takes no more runs, and leaves when its own are over\n"
        assert agent.wait(60) == 0, bench.said()
        assert [(run.state, run.token) for run in bench.runs() if run.token] == [("finished", 1)]
        assert "as it was asked to" in bench.said()
        bench.assert_nothing_left()
