"""A store that is none, has lost its content, or has a row that cannot be read."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import StoreDamaged, StoreError
from sharpen.store.location import FILE
from sharpen.store.queries import Reader
from sharpen.store.sqlite import open_reader, open_writer
from sharpen.views.run_lines import run_lines
from sharpen.wire import Client

SWEEP = "{program: t.py, method: random, metric: {name: s}, parameters: {x: {min: 0.0, max: 1.0}}}"


def change(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / FILE)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def sweep_runs(client: Client, name: str, *scores: float) -> None:
    """Make a sweep with a run a score, each with a model, that have ended."""
    text = SWEEP.replace("{program", f"{{name: {name}, program", 1)
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = client.call("create_sweep", key=name, text=text, place=place)["sweep_id"]
    client.call("join", sweep_id=sweep_id, agent_id=name, host="h", pid=1, born="")
    for n, score in enumerate(scores):
        run = client.call("lease", sweep_id=sweep_id, agent_id=name, key=f"{name}-{n}")["run"]
        lease = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **lease, rows=[[1, {"s": score}]])
        about = {"name": "m", "type": "model", "digest": "ab" * 32, "n_bytes": 1, "metadata": {}}
        client.call("artifact", **lease, **about)
        client.call("exit", **lease, exit_code=0, last_words="")


@pytest.mark.parametrize("open_it", [open_writer, open_reader])
def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path, open_it) -> None:
    change(tmp_path, "CREATE TABLE moz_places (url TEXT)")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match=r"database of another program \(tables: moz_places\)"):
        open_it(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_an_empty_database_beside_files_of_runs_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    open_writer(tmp_path).dispose()  # whoever began it was killed
    for file in tmp_path.glob(f"{FILE}*"):
        file.unlink()
    (tmp_path / FILE).touch()
    (tmp_path / "blobs" / "ab").mkdir(parents=True)
    (tmp_path / "blobs" / "ab" / ("c" * 62)).touch()
    for open_it in (open_writer, open_reader):
        with pytest.raises(StoreError, match="its history is gone"):
            open_it(tmp_path)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE sweeps SET spec = '{' WHERE name = 'one'", "is not YAML"),
        ("UPDATE sweeps SET tags = '{' WHERE name = 'one'", "cannot be read"),
        ("UPDATE sweeps SET created_at = 1e300 WHERE name = 'one'", "created_at 1e+300 is no date"),
        ("UPDATE sweeps SET status = 'zzz' WHERE name = 'one'", "status 'zzz' is none"),
        ("UPDATE sweeps SET elapsed_s = 'zzz' WHERE name = 'one'", "elapsed_s 'zzz' is no number"),
        ("UPDATE sweeps SET source = x'ff' WHERE name = 'one'", r"source b'\xff' is no text"),
    ],
)
def test_one_row_that_cannot_be_read_hides_no_other(tmp_path: Path, statement: str, why: str) -> None:
    with connect(tmp_path) as client:
        for name in ("one", "two"):
            sweep_runs(client, name, 0.5)
    change(tmp_path, statement)
    said = CliRunner().invoke(main, ["--home", str(tmp_path), "ls", "--json"])
    assert said.exit_code == 0, said.output
    assert [row["name"] for row in json.loads(said.stdout)] == ["two"]
    assert "left out: " in said.stderr
    assert why in said.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a store with a sweep of three runs that have ended."""
    home = tmp_path / "home"
    with connect(home) as client:
        sweep_runs(client, "s", 3.0, 2.0, 1.0)
    return home


def say(home: Path, *words: str) -> tuple[int, str, str]:
    said = CliRunner().invoke(main, ["--home", str(home), *words])
    assert said.exception is None or isinstance(said.exception, SystemExit), said.output
    return said.exit_code, said.stdout, said.stderr


BROKEN = [
    ("config = '{bad'", "config is no JSON: '{bad'"),
    ("config = '[]'", "config is no dict"),
    ("state = 'zzz'", "state 'zzz' is none"),
    ("created_at = 1e300", "created_at 1e+300 is no date"),
    ("ended_at = 'soon'", "ended_at 'soon' is no date"),
    ("summary = ''", "summary is no JSON"),
    ("score = 'zzz'", "score 'zzz' is no number"),
    ("violation = 'zzz'", "violation 'zzz' is no number"),
    ("fidelity = 'zzz'", "fidelity 'zzz' is no number"),
    ("scores = '[null]'", ""),
]


@pytest.mark.parametrize(("column", "why"), BROKEN)
def test_one_broken_run_is_shown_beside_the_others(home: Path, tmp_path: Path, column: str, why: str) -> None:
    change(home, f"UPDATE runs SET {column} WHERE number = 3")  # the best of them
    code, out, err = say(home, "runs", "last", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert [row["state"] for row in rows] == ["finished", "finished", "broken"]
    assert "its row in the store is broken: " in rows[2]["reason"]
    assert why in rows[2]["reason"]
    [sweep] = json.loads(say(home, "ls", "--json")[1])
    assert (sweep["done"], sweep["best"]) == (3, 2.0)
    assert json.loads(say(home, "info", "last", "--json")[1])["runs"] == {"finished": 2, "broken": 1}
    assert json.loads(say(home, "info", "last-1", "--json")[1])["state"] == "finished"
    assert json.loads(say(home, "info", "last-3", "--json")[1])["state"] == "broken"
    assert json.loads(say(home, "best", "last", "--json")[1])["score"] == 2.0
    for words in (("runs", "last"), ("ls",), ("info", "last"), ("logs", "last-1"), ("best", "last")):
        assert say(home, *words)[0] == 0
    assert say(home, "export", "last", "-o", str(tmp_path / "runs.csv"))[0] == 0
    [line, *_] = [one for one in run_lines(Reader(home), sweep["sweep"]) if one.number == 3]
    assert line.config == {} or column.startswith(("summary", "scores"))


@pytest.mark.parametrize(("column", "why"), BROKEN[:-1])
def test_a_copy_says_which_row_is_broken(home: Path, tmp_path: Path, column: str, why: str) -> None:
    change(home, f"UPDATE runs SET {column} WHERE number = 3")
    run_id = Reader(home).runs(Reader(home).sweep("last").id)[2].id
    for words in (("backup", str(tmp_path / "b.tar")), ("store", "copy", str(home), str(tmp_path / "copy"))):
        code, _, err = say(home, *words)
        assert code == 1
        assert f"runs ({run_id}): {why}" in err


def test_a_store_with_a_broken_run_goes_on_with_others(home: Path) -> None:
    change(home, "UPDATE runs SET config = '{bad', created_at = 1e300 WHERE number = 3")
    sweep_id = Reader(home).sweep("last").id
    with connect(home) as client:
        asked_at = time.monotonic()
        with pytest.raises(StoreDamaged, match="can be read and cannot go on: the row of its run 3"):
            client.call("lease", sweep_id=sweep_id, agent_id="s", key="x")
        assert time.monotonic() - asked_at < client.patience_s  # it does not ask again and again
        place = {"source": "s.yaml", "workdir": "/"}
        other = client.call("create_sweep", key="o", text=SWEEP, place=place)["sweep_id"]
    assert Reader(home).sweep(other).created_at < 1e11  # the broken date is nobody else's


@pytest.mark.parametrize(
    ("statement", "which"),
    [
        ("UPDATE runs SET id = x'ff'", r"a row of runs has b'\xff' for its id"),
        ("UPDATE runs SET number = 'zzz'", "a row of runs has 'zzz' for its number"),
        ("UPDATE artifacts SET digest = x'ff'", r"a row of artifacts has b'\xff' for its digest"),
    ],
)
def test_a_row_without_a_name_is_said_in_every_verb_that_meets_it(
    tmp_path: Path, statement: str, which: str
) -> None:
    with connect(tmp_path) as client:
        sweep_runs(client, "k", 0.5)
    change(tmp_path, "PRAGMA foreign_keys = OFF", statement)
    n_said = 0
    for words in (["runs"], ["runs", "--json"], ["best"], ["info"], ["report"], ["export"], ["ls"]):
        name = [] if words == ["ls"] else ["last"]
        done = CliRunner().invoke(main, ["--home", str(tmp_path), words[0], *name, *words[1:]])
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        n_said += "the store is damaged: " + which in done.stderr
        assert done.exit_code == 0 or which in done.stderr, (words, done.output, done.stderr)
    assert n_said >= 1
