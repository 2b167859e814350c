"""A copy of a store in use, brought back; and the removal of what nothing names."""

import json
import os
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import StoreError, UsageError
from sharpen.store import references, schema
from sharpen.store.backup import back_up
from sharpen.store.blobs import blob_path, checked_path, put_file
from sharpen.store.location import FILE, database_url, link
from sharpen.store.queries import Reader
from sharpen.store.references import remove, unreferenced

SPEC = """
program: train.py
method: random
run_cap: 5000
metric: {name: loss}
parameters: {x: {min: 0.0, max: 1.0}}
"""


class Work:
    """A sweep whose runs each keep a file of their own."""

    def __init__(self, home, client):
        self.home, self.client = home, client
        place = {"source": "s.yaml", "workdir": "/"}
        self.sweep = client.call("create_sweep", key="k", text=SPEC, place=place, seed=1, run_cap=None)[
            "sweep_id"
        ]
        client.call("join", sweep_id=self.sweep, agent_id="a", host="h", pid=1, born="")
        self.n = 0

    def one(self):
        self.n += 1
        run = self.client.call("lease", sweep_id=self.sweep, agent_id="a", key=f"l{self.n}")["run"]
        lease = {"run_id": run["run_id"], "token": run["token"]}
        source = self.home / f"model-{self.n}.txt"
        source.write_text(f"weights of {self.n}")
        digest, n_bytes = put_file(self.home, source)
        source.unlink()
        about = {"name": "model", "type": "model", "digest": digest, "n_bytes": n_bytes, "metadata": {}}
        self.client.call("artifact", **lease, **about)
        self.client.call("report", **lease, rows=[(1, {"loss": float(self.n)})])
        self.client.call("exit", **lease, exit_code=0, last_words="")
        return digest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def home(request, tmp_path):
    """Give the folder of a store in a file, and of one in a database."""
    home = tmp_path / "store"
    if request.param == "postgres":
        link(home, request.getfixturevalue("postgres").new_database())
    return home


@pytest.fixture
def work(home):
    with connect(home) as client:
        yield Work(home, client)


@pytest.fixture
def note_a_digest(home):
    """Return what writes a digest into the store behind the back of whoever holds it."""

    def write(digest):
        url = database_url(home)
        engine = sa.create_engine(
            url.replace("postgresql:", "postgresql+psycopg:") if url else f"sqlite:///{home / FILE}"
        )
        with engine.begin() as connection:
            connection.execute(schema.sweeps.update().values(note=f"see {digest}"))
        engine.dispose()

    return write


def unpacked(file, folder):
    folder.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", folder], check=True)
    return folder


def test_a_copy_made_under_load_holds_every_file_that_it_names(work, tmp_path):
    for _ in range(5):
        work.one()
    stop = threading.Event()

    def load():
        while not stop.is_set():
            work.one()

    writer = threading.Thread(target=load)
    writer.start()
    try:
        copies = [back_up(work.home, tmp_path / f"{k}.tar") for k in range(2)]
    finally:
        stop.set()
        writer.join()
    assert all(not copy.damaged for copy in copies)
    for k, copy in enumerate(copies):
        home = unpacked(tmp_path / f"{k}.tar", tmp_path / f"restored-{k}")
        reader = Reader(home)
        files = reader.artifacts(sweep_id=work.sweep)
        assert len(files) == copy.n_blobs >= 5
        for file in files:
            number = reader.run(file.run_id).number
            assert checked_path(home, file.digest).read_text() == f"weights of {number}"
        for run in reader.runs(work.sweep):
            if run.state == "finished":
                assert run.score == run.number
    assert not list(tmp_path.glob(".sharpen-backup-*"))


def test_a_file_that_goes_while_it_is_being_copied_is_left_out(work, tmp_path, monkeypatch):
    work.one()
    (work.home / "passing.txt").write_text("soon gone")

    def looked_at(path):
        if path.name == "passing.txt":
            path.unlink()
        return False

    monkeypatch.setattr("sharpen.store.backup.is_database", looked_at)
    back_up(work.home, tmp_path / "copy.tar")
    home = unpacked(tmp_path / "copy.tar", tmp_path / "restored")
    assert not (home / "passing.txt").exists()
    assert len(Reader(home).artifacts(sweep_id=work.sweep)) == 1


def test_what_was_brought_back_goes_on(work, tmp_path):
    work.one()
    (work.home / "keys.json").write_text("{}")
    (work.home / "permuted" / work.sweep).mkdir(parents=True)
    (work.home / "permuted" / work.sweep / "winners.jsonl").write_text("{}\n")
    back_up(work.home, tmp_path / "copy.tar")
    home = unpacked(tmp_path / "copy.tar", tmp_path / "restored")
    assert (tmp_path / "copy.tar").stat().st_mode & 0o777 == 0o600
    assert (home / "keys.json").read_text() == "{}"
    assert (home / "permuted" / work.sweep / "winners.jsonl").exists()
    assert not (home / "lock").exists()
    command = [sys.executable, "-m", "sharpen", "--home", str(home), "pause", work.sweep]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert Reader(home).sweep(work.sweep).status == "paused"
    assert Reader(work.home).sweep(work.sweep).status == "running"


def test_a_damaged_file_is_named_and_the_rest_is_copied(work, tmp_path):
    first, second, third = (work.one() for _ in range(3))
    blob_path(work.home, first).write_text("other")
    blob_path(work.home, second).unlink()
    done = CliRunner().invoke(
        main, ["--home", str(work.home), "backup", str(tmp_path / "copy.tar"), "--json"]
    )
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["damaged"]) == 2
    home = unpacked(tmp_path / "copy.tar", tmp_path / "restored")
    assert checked_path(home, third)


def test_no_file_is_written_over(work, tmp_path):
    (tmp_path / "copy.tar").write_text("precious")
    done = CliRunner().invoke(main, ["--home", str(work.home), "backup", str(tmp_path / "copy.tar")])
    assert done.exit_code == 2
    assert (tmp_path / "copy.tar").read_text() == "precious"
    done = CliRunner().invoke(main, ["--home", str(work.home), "backup", str(tmp_path / "no" / "copy.tar")])
    assert done.exit_code == 2
    assert (
        CliRunner().invoke(main, ["--home", str(tmp_path / "none"), "backup", str(tmp_path / "x")]).exit_code
        == 2
    )


def test_only_what_nothing_names_is_removed(work, tmp_path, note_a_digest):
    kept = work.one()
    orphan, inner = tmp_path / "orphan", tmp_path / "inner"
    orphan.write_text("nobody's")
    inner.write_text("listed by a list")
    lost, _ = put_file(work.home, orphan)
    listed, _ = put_file(work.home, inner)
    manifest = tmp_path / "list.json"
    manifest.write_text(json.dumps({"files": {"a": listed}}))
    of_list, _ = put_file(work.home, manifest)
    note_a_digest(of_list)
    broken = work.home / "blobs" / ".incoming-x"
    broken.write_text("half of a file")
    now = broken.stat().st_mtime
    assert unreferenced(work.home, now) == []  # all too young
    found = unreferenced(work.home, now + 86_401.0)
    assert {one.path for one in found} == {blob_path(work.home, lost), broken}

    shown = CliRunner().invoke(main, ["--home", str(work.home), "gc", "--older-than", "0"])
    assert "2 files" in shown.stderr
    assert broken.exists()
    done = CliRunner().invoke(main, ["--home", str(work.home), "gc", "--older-than", "0", "--yes"])
    assert done.exit_code == 0, done.output
    assert not broken.exists()
    assert not blob_path(work.home, lost).exists()
    assert all(blob_path(work.home, digest).exists() for digest in (kept, listed, of_list))
    again = CliRunner().invoke(main, ["--home", str(work.home), "gc", "--older-than", "0", "--json"])
    assert json.loads(again.stdout)["unreferenced"] == []


def test_a_file_that_is_named_meanwhile_is_brought_back(work, tmp_path, note_a_digest):
    work.one()
    source = tmp_path / "late"
    source.write_text("named late")
    late, _ = put_file(work.home, source)
    os.utime(blob_path(work.home, late), (0, 0))
    found = unreferenced(work.home, 1e6)
    note_a_digest(late)
    assert remove(work.home, found) == (0, 0)
    assert checked_path(work.home, late).read_text() == "named late"


def orphaned(work, tmp_path, text="nobody's"):
    (tmp_path / "orphan").write_text(text)
    digest, _ = put_file(work.home, tmp_path / "orphan")
    os.utime(blob_path(work.home, digest), (0, 0))
    return digest


def test_what_was_put_aside_is_back_when_the_store_cannot_be_read(work, tmp_path, monkeypatch):
    orphan = orphaned(work, tmp_path)
    found = unreferenced(work.home, 1e6)

    def unreadable(_connection):
        raise StoreError("the database is away")

    monkeypatch.setattr(references, "named", unreadable)
    with pytest.raises(StoreError, match="is away"):
        remove(work.home, found)
    assert checked_path(work.home, orphan).read_text() == "nobody's"


def test_what_somebody_put_aside_and_died_is_brought_back(work, tmp_path):
    kept = work.one()
    trash = work.home / "blobs" / references.TRASH
    trash.mkdir()
    blob_path(work.home, kept).replace(trash / kept)
    (trash / ".incoming-x").write_text("half")
    assert remove(work.home, []) == (0, 0)
    assert checked_path(work.home, kept)
    assert (work.home / "blobs" / ".incoming-x").exists()


def test_only_one_clears_a_store_at_a_time(work, tmp_path, monkeypatch):
    orphaned(work, tmp_path)
    found = unreferenced(work.home, 1e6)
    named, told = references.named, []

    def meanwhile(connection):
        with pytest.raises(UsageError, match="another 'sharpen gc --yes' clears") as refused:
            remove(work.home, found)
        told.append(refused)
        return named(connection)

    monkeypatch.setattr(references, "named", meanwhile)
    assert remove(work.home, found)[0] == 1
    assert len(told) == 1


@pytest.mark.postgres
def test_a_backup_of_a_database_goes_back_to_one(postgres, tmp_path):
    home, url = tmp_path / "store", postgres.new_database()
    link(home, url)
    with connect(home) as client:
        work = Work(home, client)
        for _ in range(3):
            work.one()
    (home / "store.db.copied").write_text("what it was before it went to the database")
    assert back_up(home, tmp_path / "all.tar").damaged == ()
    restored = unpacked(tmp_path / "all.tar", tmp_path / "restored")
    assert database_url(restored) is None, "the address may hold a password, and is of another store"
    assert not (restored / "store.db.copied").exists()
    told = [
        CliRunner().invoke(main, ["--home", str(home), "store", "copy", str(source), target, "--json"])
        for source, target in ((restored, postgres.new_database()), (url, str(tmp_path / "beside")))
    ]
    assert [done.exit_code for done in told] == [0, 0], told[0].output + told[1].output
    there, beside = (json.loads(done.stdout) for done in told)
    assert (there["digest"], there["n_files"]) == (beside["digest"], 3)


@pytest.mark.postgres
def test_a_user_who_may_not_read_all_is_told(postgres, tmp_path):
    home, url = tmp_path / "store", postgres.new_database()
    link(home, url)
    with connect(home) as client:
        Work(home, client).one()
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    reader = f"reader_{url.rpartition('/')[2]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {reader} LOGIN")
        connection.exec_driver_sql(f"GRANT SELECT ON store_state, store_files, runs TO {reader}")
    engine.dispose()
    link(tmp_path / "other", url.replace("sharpen@", f"{reader}@"))
    for words in (["gc"], ["backup", str(tmp_path / "all.tar")]):
        done = CliRunner().invoke(main, ["--home", str(tmp_path / "other"), *words])
        assert (done.exit_code, "permission denied for table" in done.stderr) == (1, True), done.output
    assert not (tmp_path / "all.tar").exists()
