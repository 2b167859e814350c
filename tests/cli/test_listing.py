"""ls, info, best, runs, logs, report: for people and as JSON."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest

from cli.programs.strategy import N_FOLDS, mean
from sharpen.store.queries import Reader
from sharpen.wire.processes import machine_identity


def sql(home, query, *values):
    with contextlib.closing(sqlite3.connect(home / "store.db")) as connection, connection:
        connection.execute(query, values)


def sweep_id(home):
    return Reader(home).sweep("last").id


def json_of(said):
    """Return the JSON that is all of stdout, from a command that had nothing else to say."""
    assert (said.exit_code, said.stderr) == (0, "")
    return json.loads(said.stdout)


def test_ls(sharpen, store):
    [row] = json_of(sharpen("ls", "--json", home=store))
    assert row.pop("created").startswith("20")
    assert row == {
        "sweep": sweep_id(store),
        "name": "tilts",
        "status": "finished",
        "done": 4,
        "cap": 4,
        "best": mean(3, N_FOLDS),
    }
    table = sharpen("ls", home=store)
    assert (table.exit_code, table.stderr) == (0, "")
    head, line = table.stdout.splitlines()
    assert head.split() == ["sweep", "name", "status", "done", "cap", "best", "created"]
    assert line.split()[:5] == [sweep_id(store), "tilts", "finished", "4", "4"]


def test_info(sharpen, store):
    facts = json_of(sharpen("info", "last", "--json", home=store))
    assert facts["sweep"] == sweep_id(store)
    assert (facts["status"], facts["seed"], facts["run_cap"]) == ("finished", 3, 4)
    assert (facts["runs"], facts["lockbox_looks"]) == ({"finished": 4}, 0)
    assert "tilt: {values: [0, 1, 2, 3]}" in facts["spec"]
    text = sharpen("info", "last", home=store)
    assert (text.exit_code, text.stderr) == (0, "")
    assert "tilt: {values: [0, 1, 2, 3]}" in text.stdout
    assert str(store) in text.stdout
    names = [line.split()[0] for line in text.stdout.partition("\n\n")[0].splitlines()]
    assert not {"reason", "max", "time", "tags", "note", "permuted", "deleted"} & set(names)
    sql(store, "update sweeps set elapsed_s = 83.7, note = 'odd', time_cap_s = 5400")
    text = sharpen("info", "last", home=store).stdout
    pairs = [line.split() for line in text.partition("\n\n")[0].splitlines()]
    assert ["elapsed", "1m24s"] in pairs
    assert ["time", "cap", "1h30m"] in pairs
    assert ["note", "odd"] in pairs


def test_a_run_of_a_dead_agent_waits_in_every_listing(sharpen, store):
    sql(store, "update runs set state = 'running', score = null where number = 2")
    sql(store, "update sweeps set status = 'paused'")
    sql(store, "update agents set pid = 0, born = ?", f"{machine_identity()}:1")
    facts = json_of(sharpen("info", "last", "--json", home=store))
    assert facts["runs"] == {"finished": 3, "pending": 1}
    queue = sharpen("queue", "last", "--json", home=store)
    [row] = json.loads(queue.stdout)
    assert row["run"] == f"{sweep_id(store)}-2"
    assert row["why"].endswith(" died")
    assert [row["state"] for row in json_of(sharpen("runs", "last", "--json", home=store))] == [
        *("finished", "pending", "finished", "finished")
    ]


def test_the_queue_of_a_finished_sweep_names_the_cap(sharpen, store):
    said = sharpen("queue", "last", home=store).stderr.splitlines()[-1]
    assert said == (
        f"sweep {sweep_id(store)} is finished: nothing begins until 'sharpen --home {store} resume "
        f"{sweep_id(store)} --trials N', where N is above its run cap of 4, which is reached"
    )


def test_deleted_runs_have_the_steps_that_they_logged(sharpen, store):
    sql(store, "update runs set deleted_at = 1.0 where number = 2")
    [row] = json_of(sharpen("runs", "last", "--deleted", "--json", home=store))
    assert (row["number"], row["steps"]) == (2, N_FOLDS)


def test_info_of_a_run_that_did_not_finish(sharpen, store):
    why = "exit code 1: KeyError"
    sql(store, "update runs set state = 'failed', reason = ?, score = null where number = 2", why)
    facts = json_of(sharpen("info", "last-2", "--json", home=store))
    assert facts["run"] == f"{sweep_id(store)}-2"
    assert (facts["state"], facts["reason"], facts["score"], facts["seed"]) == ("failed", why, None, 3)
    assert (facts["config"], facts["attempts"], facts["steps"]) == ({"tilt": 1}, 1, N_FOLDS)
    assert facts["metrics"] == {"score": mean(1, N_FOLDS), "n": N_FOLDS}
    assert set(facts["artifacts"]) == {"returns"}
    assert facts["host"] in facts["agent"]
    assert facts["time_s"] > 0
    text = sharpen("info", "last-2", home=store)
    assert (text.exit_code, text.stderr) == (
        0,
        f"\nwhat it printed: sharpen --home {store} logs {facts['run']}\n",
    )
    lines = [line.rstrip().split(maxsplit=1) for line in text.stdout.splitlines()]
    assert ["state", "failed"] in lines
    assert ["reason", why] in lines
    assert ["tilt", "1"] in lines
    assert not any(line[:1] in (["score"], ["note"], ["tags"]) for line in lines[: lines.index([])])


def test_runs_of_some_states(sharpen, store):
    sql(store, "update runs set state = 'failed' where number = 2")
    sql(store, "update runs set state = 'crashed' where number = 3")
    words = ("runs", "last", "--state", "failed", "--state", "crashed")
    assert [row["number"] for row in json_of(sharpen(*words, "--json", home=store))] == [2, 3]
    none = sharpen("runs", "last", "--state", "stopped", home=store)
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == f"sweep {sweep_id(store)} has no runs that are stopped\n"
    assert sharpen("runs", "last", "--state", "gone", home=store).exit_code == 2


def test_best(sharpen, store):
    facts = json_of(sharpen("best", "last", "--json", home=store))
    assert facts["run"] == f"{sweep_id(store)}-4"
    assert (facts["metric"], facts["score"]) == ("score", mean(3, N_FOLDS))
    assert facts["config"] == {"tilt": 3}
    assert facts["metrics"] == {"score": mean(3, N_FOLDS), "n": N_FOLDS}
    about = '{"seed": 3, "config": {"tilt": 3}}'
    assert facts["command"] == f"SHARPEN_RUN='{about}' python strategy.py --tilt=3"
    assert os.path.getsize(facts["artifacts"]["returns"]) > 0  # noqa: PTH202 - a path as text
    text = sharpen("best", "last", home=store)
    assert text.exit_code == 0
    assert f"repeat it alone: {facts['command']}" in text.stdout
    assert f"sharpen --home {store} validate" in text.stderr
    assert " validate " not in text.stdout


def test_a_run_without_returns_is_not_recommended_to_other_bars(sharpen, store):
    sql(store, "delete from artifacts")
    said = sharpen("best", "last", home=store)
    assert said.stderr == f"is it real?      sharpen --home {store} report {sweep_id(store)}\n"


def test_runs(sharpen, store):
    rows = json_of(sharpen("runs", "last", "--json", home=store))
    assert [row["config"] for row in rows] == [{"tilt": tilt} for tilt in range(4)]
    assert [row["score"] for row in rows] == [mean(tilt, N_FOLDS) for tilt in range(4)]
    files = rows[0]["summary"]["program/files"]
    assert list(files) == ["strategy.py"]
    expected = [{"tilted": tilt > 1, "program/files": files} for tilt in range(4)]
    assert [row["summary"] for row in rows] == expected
    assert {(row["state"], row["steps"], row["exit_code"]) for row in rows} == {("finished", N_FOLDS, 0)}
    table = sharpen("runs", "last", home=store)
    assert (table.exit_code, table.stderr) == (0, "")
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == [row["id"] for row in rows]
    assert table.stdout.count("★") == 1


def test_an_infeasible_run_says_why_it_cannot_be_chosen(sharpen, store):
    summary = json.dumps({"infeasible": "2 trades"})
    sql(store, "update runs set score = null, summary = ? where number = 4", summary)
    *others, row = sharpen("runs", "last", home=store).stdout.splitlines()[1:]
    assert row.rstrip().endswith("2 trades")
    assert not any("trades" in other for other in others)


def test_logs(sharpen, store):
    said = sharpen("logs", "last-3", home=store)
    assert (said.exit_code, said.stdout, said.stderr) == (0, "tilt is 2 ['--tilt=2']\ndone\n", "")
    assert sharpen("logs", f"{sweep_id(store)}-3", "--follow", home=store).stdout == said.stdout


def test_report(sharpen, store, tmp_path):
    said = sharpen("report", "last", "-o", tmp_path / "r.html", home=store)
    assert said.exit_code == 0
    assert said.stderr.split() == ["report:", str(tmp_path / "r.html")]
    assert "deflated Sharpe" in said.stdout
    first = said.stdout.splitlines()[1].split()
    assert (first[0], first[-1]) == ("4", "finished")
    page = (tmp_path / "r.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "tilts" in page


def test_report_as_json(sharpen, store, tmp_path):
    said = sharpen("report", "last", "--json", "-o", tmp_path / "r.html", home=store)
    found = json.loads(said.stdout)
    assert (said.exit_code, found["sweep"], found["best"]["run"][-2:]) == (0, sweep_id(store), "-4")
    assert (found["verdict"], found["headline"]) != ("", "")
    assert {check["outcome"] for check in found["checks"]} <= {"passed", "failed", "caution", "not tested"}
    assert "NaN" not in said.stdout


@pytest.mark.parametrize("verb", ["info", "best", "runs", "report"])
def test_a_sweep_goes_by_its_start_or_by_last(sharpen, store, tmp_path, verb):
    options = ["-o", tmp_path / "r.html"] if verb == "report" else ["--json"]
    whole = sweep_id(store)
    said = {sharpen(verb, name, *options, home=store).stdout for name in (whole, whole[:3], "last")}
    assert len(said) == 1
    assert said != {""}


def test_an_ambiguous_start_is_refused_with_the_candidates(sharpen, store):
    columns = "name, status, reason, spec, source, workdir, seed, created_at"
    for new in ("zz1", "zz2"):
        values = f"select '{new}', '{new}', 0, {columns} from sweeps limit 1"
        sql(store, f"insert into sweeps (id, key, n_forgiven, {columns}) {values}")
    said = sharpen("info", "zz", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "zz1, zz2" in said.stderr


@pytest.mark.parametrize("verb", ["info", "best", "runs", "report", "agent", "resume"])
def test_an_unknown_sweep_ends_with_2(sharpen, store, verb):
    said = sharpen(verb, "nosuch", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == f"sharpen: no sweep 'nosuch' in {store}: 'sharpen ls' lists them\n"


@pytest.mark.parametrize("verb", ["logs", "validate"])
def test_an_unknown_run_ends_with_2(sharpen, store, verb):
    said = sharpen(verb, "last-77", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "no run" in said.stderr


@pytest.mark.parametrize(
    "words",
    ["ls", "info last", "best last", "runs last", "logs last-1", "report last", "agent last", "resume last"],
)
def test_without_a_store_reading_ends_with_2_and_makes_none(sharpen, tmp_path, words):
    said = sharpen(*words.split(), home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr.startswith(f"sharpen: no store in {tmp_path / 'none'}: ")
    assert not (tmp_path / "none").exists()


def test_the_store_is_named_by_option_then_environment_then_folder(sharpen, store, tmp_path, monkeypatch):
    assert sharpen("ls", SHARPEN_HOME=str(store)).exit_code == 0
    assert sharpen("ls", home=store, SHARPEN_HOME=str(tmp_path / "none")).exit_code == 0
    assert sharpen("ls", home=tmp_path / "none", SHARPEN_HOME=str(store)).exit_code == 2
    monkeypatch.chdir(tmp_path)
    assert sharpen("ls").exit_code == 2
    store.rename(tmp_path / ".sharpen")
    assert sharpen("ls").exit_code == 0


def test_a_store_of_a_newer_version_is_left_alone(sharpen, store):
    sql(store, "pragma user_version = 99")
    said = sharpen("ls", home=store)
    assert (said.exit_code, said.stdout) == (1, "")
    assert "upgrade sharpen" in said.stderr


def test_a_sweep_without_runs(sharpen, store, tmp_path):
    sql(store, "delete from artifacts")
    sql(store, "delete from reports")
    sql(store, "delete from console")
    sql(store, "delete from runs")
    assert json_of(sharpen("runs", "last", "--json", home=store)) == []
    said = sharpen("runs", "last", home=store)
    assert (said.exit_code, said.stdout) == (0, "")
    assert "has no runs yet" in said.stderr
    assert sharpen("best", "last", home=store).exit_code == 2
    assert sharpen("ls", home=store).exit_code == 0
    assert sharpen("report", "last", "-o", tmp_path / "r.html", home=store).exit_code == 0


def test_words_in_brackets_are_shown_as_they_are(sharpen, store):
    odd = "KeyError: [red] and [/closed]"
    sql(store, "update runs set state = 'failed', reason = ? where number = 1", odd)
    sql(store, "update runs set config = ? where number = 4", json.dumps({"tilt": "[bold]x[/y]"}))
    assert odd in sharpen("runs", "last", home=store).stdout
    assert "[bold]x[/y]" in sharpen("best", "last", home=store).stdout


def test_a_score_that_is_no_number_is_null_in_json(sharpen, store):
    sql(store, 'update runs set score = null, summary = \'{"f1":"NaN"}\' where number = 4')
    rows = json_of(sharpen("runs", "last", "--json", home=store))
    assert rows[3]["score"] is None
    assert json_of(sharpen("best", "last", "--json", home=store))["config"] == {"tilt": 2}


@pytest.mark.parametrize("words", ["runs last", "runs last --json", "info last", "logs last-1"])
def test_a_reader_who_leaves_early_ends_it_in_silence(store, words):
    """As in ``sharpen runs last | head -0``."""
    command = [sys.executable, "-m", "sharpen", "--home", str(store), *words.split()]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_best_run_has_a_name_of_its_own(sharpen, store):
    names = ["last-best", f"{sweep_id(store)[:4]}-best"]
    assert [Reader(store).run(name).number for name in names] == [4, 4]
    words = [sharpen("logs", name, home=store).stdout for name in ("last-best", "last-4")]
    assert words[0] == words[1] != ""
    said = sharpen("logs", "nothing-best", home=store)
    assert (said.exit_code, "no sweep 'nothing'" in said.stderr) == (2, True)
