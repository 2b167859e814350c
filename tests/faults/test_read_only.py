"""A store that can be read and not written: on a mounted snapshot, or in somebody else's folder."""

import json
import signal

import pytest

from faults.bench import Bench, ask
from faults.disks import enter, read_only

READERS = (
    ["ls", "--json"],
    ["info", "last", "--json"],
    ["best", "last", "--json"],
    ["runs", "last", "--json"],
    ["logs", "last-1"],
    ["report", "last"],
    ["gc", "--json"],
)
WRITERS = (["note", "last", "hi"], ["resume", "last"], ["agent", "last"], ["sweep", "sweep.yaml"])


@pytest.mark.parametrize("left", ["closed", "killed"])
def test_readers_read_and_writers_say_what_cannot_be_written(tmp_path, request, monkeypatch, database, left):
    """The host has gone in order, and the database is all there is; or it was killed, and left its log.

    A folder whose store is in Postgres cannot be written either: a writer keeps its lock there.
    """
    if not enter(request, tmp_path):
        return
    with Bench(tmp_path, database=database, TOY_STEP_S="0") as bench:
        sweep_id = bench.create(2)
        assert bench.call("agent", sweep_id).returncode == 0
        if left == "killed":
            doomed = bench.start_program("doomed_agent.py", sweep_id, "after", "lease")
            assert doomed.wait(30) == -signal.SIGKILL
        assert (bench.home / "store.db-wal").exists() == (left == "killed" and database is None)
        monkeypatch.chdir(bench.work)
        before = {verb: ask(bench, verb, *words) for verb, *words in READERS}
        files = sorted(bench.home.rglob("*"))
        with read_only(bench.home):
            for verb, *words in READERS:
                done = ask(bench, verb, *words)
                assert (done.exit_code, done.stdout) == (0, before[verb].stdout), (verb, done.stderr)
            assert json.loads(before["ls"].stdout)[0]["done"] == 2
            done = ask(bench, "backup", str(tmp_path / "copy.db"))
            assert done.exit_code == 0, done.output
            done = ask(bench, "gc", "--yes")
            assert (done.exit_code, "Read-only file system" in done.stderr) == (1, True), done.output
            for verb, *words in WRITERS:
                done = ask(bench, verb, *words)
                assert done.exit_code == 1, (verb, done.stdout, done.stderr)
                assert f"cannot open the store in {bench.home} for writing: " in done.stderr
                assert "Read-only file system" in done.stderr
                assert "Traceback" not in done.stderr
        assert sorted(bench.home.rglob("*")) == files
        assert ask(bench, "note", "last", "hi").exit_code == 0, "and it is none the worse for it"
        bench.assert_nothing_left()


def test_a_log_without_its_index_is_said_to_need_a_copy(tmp_path, request):
    if not enter(request, tmp_path):
        return
    with Bench(tmp_path) as bench:
        sweep_id = bench.create(1)
        doomed = bench.start_program("doomed_agent.py", sweep_id, "after", "lease")
        assert doomed.wait(30) == -signal.SIGKILL
        (bench.home / "store.db-shm").unlink()
        with read_only(bench.home):
            done = ask(bench, "ls")
        words = f"{bench.home} cannot be written, and store.db-wal can only be read where it can: copy it"
        assert (done.exit_code, words in done.stderr) == (1, True), done.stderr
        assert ask(bench, "ls").exit_code == 0
