"""Copies of a store, from a folder to another, to a database and back."""

import json

import psycopg
import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.location import database_url
from sharpen.store.queries import Reader
from sharpen.store.sql_writer import SqlWriter

SWEEP = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"


def ask(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "store"
    with connect(home) as client:
        place = {"source": "s.yaml", "workdir": "/"}
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
        for n in range(3):
            run = client.call("lease", sweep_id=sweep_id, agent_id="a", key=str(n))["run"]
            lease = {"run_id": run["run_id"], "token": run["token"]}
            client.call("report", **lease, rows=[[1, {"loss": 0.1 + n}]])
            client.call("console", **lease, first_line=0, text="a\0b é\n")
            (tmp_path / "model").write_text(f"model {n}")
            digest, n_bytes = put_file(home, tmp_path / "model")
            kept = {"name": "model", "type": "model", "digest": digest, "n_bytes": n_bytes, "metadata": {}}
            client.call("artifact", **lease, **kept)
            client.call("exit", **lease, exit_code=0, last_words="")
    (home / "keys.json").write_text("[]")
    return home


def everything(home):
    reader = Reader(home)
    (row,) = reader.sweeps()
    runs = reader.runs(row.id)
    return [row, runs, reader.reports(row.id), [reader.console(run.id) for run in runs]]


def test_a_folder_is_copied_with_its_files(home, tmp_path):
    done = ask("store", "copy", home, tmp_path / "copy", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {row["table"]: row["rows"] for row in told["tables"]}["runs"] == 3
    assert told["n_files"] == 3
    assert everything(tmp_path / "copy") == everything(home)
    assert (tmp_path / "copy" / "keys.json").read_text() == "[]"
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "copy").iterdir())
    with connect(tmp_path / "copy") as client:  # and it goes on
        answer = client.call("lease", sweep_id=Reader(home).sweep("last").id, agent_id="a", key="next")
    assert answer["run"]["run_id"].endswith("-4")


@pytest.mark.postgres
def test_a_store_goes_to_a_database_and_comes_back_with_the_same_digest(home, tmp_path, postgres):
    url = postgres.new_database()
    before = everything(home)
    there = ask("store", "copy", home, url, "--switch", "--json")
    assert there.exit_code == 0, there.output
    assert "3 rows had the character NUL" in there.stderr
    assert database_url(home) == url
    assert everything(home)[:3] == before[:3]
    assert everything(home)[3] == [text.replace("\0", "\ufffd") for text in before[3]]
    back = ask("--home", home, "store", "copy", url, tmp_path / "back", "--json")
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout)["digest"] == json.loads(there.stdout)["digest"]
    assert everything(tmp_path / "back") == everything(home)
    again = ask("store", "copy", tmp_path / "back", url)
    assert again.exit_code == 2
    assert "is not empty" in again.stderr


@pytest.mark.postgres
def test_a_row_that_is_not_there_as_it_was_leaves_no_copy(home, tmp_path, postgres, monkeypatch):
    url = postgres.new_database()
    add_rows = SqlWriter.add_rows

    def add_fewer(writer, table, rows):
        add_rows(writer, table, rows[:-1] if table == "reports" else rows)

    monkeypatch.setattr(SqlWriter, "add_rows", add_fewer)
    done = ask("store", "copy", home, url, "--files", tmp_path / "files")
    assert done.exit_code == 1
    assert "reports (run_id" in done.stderr
    assert "not in the copy as it was" in done.stderr
    assert database_url(tmp_path / "files") is None
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_file_that_is_damaged_is_named(home, tmp_path):
    digest = Reader(home).artifacts(run_id=Reader(home).run("last-1").id)[0].digest
    blob_path(home, digest).chmod(0o600)
    blob_path(home, digest).write_text("changed")
    done = ask("store", "copy", home, tmp_path / "copy")
    assert done.exit_code == 1
    assert f"blob {digest[:12]} is damaged" in done.stderr
    assert not blob_path(tmp_path / "copy", digest).exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere", "copy"], "no store in"),
        (["store", "mysql://db.lab/x"], "store copy mysql://db.lab/x: a store is at postgresql://"),
        (["store", "copy", "--switch"], "--switch: for a folder's store that goes to a database"),
        (["store", "store"], "are the same"),
    ],
)
def test_what_cannot_be_copied_is_refused(home, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done = ask("store", "copy", *words)
    assert done.exit_code in (1, 2)
    assert told in done.stderr


@pytest.mark.postgres
def test_a_store_at_work_is_not_switched(home, postgres):
    url = postgres.new_database()
    with connect(home):
        done = ask("store", "copy", home, url, "--switch")
    assert done.exit_code == 2
    assert "works with the store" in done.stderr
    assert database_url(home) is None


@pytest.mark.postgres
def test_a_copy_whose_files_were_damaged_is_taken_up_again_once_they_are_mended(home, tmp_path, postgres):
    url = postgres.new_database()
    (blob,) = [path for path in (home / "blobs").glob("??/*") if path.read_text() == "model 1"]
    blob.chmod(0o600)
    blob.write_text("damaged")
    first = ask("store", "copy", home, url, "--switch")
    assert first.exit_code == 1
    assert f"{home} keeps its own store: mend what is named above and type the same again" in first.stderr
    assert database_url(home) is None
    before = everything(home)
    with connect(home) as client:
        client.call("note", target=before[0].id, text="another")
    assert "is not empty" in ask("store", "copy", home, url, "--switch").stderr
    with connect(home) as client:
        client.call("note", target=before[0].id, text=before[0].note)
    blob.write_text("model 1")
    again = ask("store", "copy", home, url, "--switch")
    assert again.exit_code == 0, again.stderr
    assert database_url(home) == url
    assert everything(home)[:3] == before[:3]


@pytest.mark.postgres
def test_a_database_plans_by_what_was_copied_there(home, postgres):
    url = postgres.new_database()
    assert ask("store", "copy", home, url).exit_code == 0
    with psycopg.connect(url) as connection:
        counted = "SELECT reltuples FROM pg_class WHERE relname = 'runs'"
        assert connection.execute(counted).fetchone() == (3.0,)
