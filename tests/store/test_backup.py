"""A copy of a store in use, brought back; and the removal of what nothing names."""

import json
import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.store.backup import back_up
from sharpen.store.blobs import blob_path, checked_path, put_file
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


@pytest.fixture
def work(tmp_path):
    with connect(tmp_path / "store") as client:
        yield Work(tmp_path / "store", client)


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


def test_only_what_nothing_names_is_removed(work, tmp_path):
    kept = work.one()
    orphan, inner = tmp_path / "orphan", tmp_path / "inner"
    orphan.write_text("nobody's")
    inner.write_text("listed by a list")
    lost, _ = put_file(work.home, orphan)
    listed, _ = put_file(work.home, inner)
    manifest = tmp_path / "list.json"
    manifest.write_text(json.dumps({"files": {"a": listed}}))
    of_list, _ = put_file(work.home, manifest)
    database = sqlite3.connect(work.home / "store.db")
    with database:
        database.execute("UPDATE sweeps SET note = ?", (f"see {of_list}",))
    database.close()
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


def test_a_file_that_is_named_meanwhile_is_brought_back(work, tmp_path):
    work.one()
    source = tmp_path / "late"
    source.write_text("named late")
    late, _ = put_file(work.home, source)
    os.utime(blob_path(work.home, late), (0, 0))
    found = unreferenced(work.home, 1e6)
    database = sqlite3.connect(work.home / "store.db")
    with database:
        database.execute("UPDATE sweeps SET note = ?", (late,))
    database.close()
    assert remove(work.home, found) == (0, 0)
    assert checked_path(work.home, late).read_text() == "named late"
