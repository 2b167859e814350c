"""A disk that is full: what was acknowledged stays, everybody waits, and goes on when there is room."""

import hashlib
import os
import time

import pytest

from faults.bench import PROGRAMS, Bench, until
from faults.disks import disk, enter
from faults.judge import assert_sound
from sharpen.agents import LocalAgent, program_starter
from sharpen.coordinator import connect
from sharpen.errors import StoreError
from sharpen.store.blobs import put_file
from sharpen.wire import Client, UnixChannel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="disks are mounted as on Linux")
NEEDS_FILE = 'command: [bash, -c, "exit 3", bash, "${args_json_file}"]\n'


def test_a_sweep_waits_for_room_and_loses_nothing(tmp_path, request):
    if not enter(request, tmp_path):
        return
    with disk(tmp_path / "disk", "size=8m") as small, Bench(tmp_path, TOY_STEP_S="0.02") as bench:
        bench.home = small.place / "store"
        words = ("--agents", "2", "--report", str(tmp_path / "report.html"))
        driver = bench.start("run", bench.write_sweep(8), *words)
        until(bench.acknowledged, "a step")
        small.fill()
        client = Client(UnixChannel(bench.home), patience_s=0.5)

        def refusal():
            """Return why no note can be made; notes use up the pages that the log still has."""
            try:
                client.call("note", target=bench.sweep_id(), text="x" * 4000 + str(time.monotonic()))
            except StoreError as problem:
                return problem.message

        assert until(refusal, "the disk to be full") in {
            "the store cannot be written: database or disk is full",
            "the store cannot be written: disk I/O error",
        }
        client.close()
        stored = len(bench.sql("select * from reports"))
        assert stored >= len(bench.acknowledged()), "readers are not held up"
        assert driver.poll() is None
        small.free()
        assert driver.wait(120) == 0, bench.said()[-2000:]
        bench.assert_nothing_left()
        assert_sound(bench, 8, seed=0)
        assert [(run.state, run.lost) for run in bench.runs()] == [("finished", 0)] * 8


def test_a_file_that_a_program_keeps_waits_for_room(tmp_path, request):
    if not enter(request, tmp_path):
        return
    with disk(tmp_path / "disk", "size=8m") as small, Bench(tmp_path, PROGRAMS / "keeper.py") as bench:
        bench.home = small.place / "store"
        sweep_id = bench.create(1)
        agent = bench.start("agent", sweep_id)
        until((bench.work / "ready").exists, "the program to be about to keep a file")
        small.fill(leave_bytes=1_000_000)
        blobs = bench.home / "blobs"
        (bench.work / "go").touch()
        until(blobs.exists, "a copy to begin")
        changed_at = blobs.stat().st_mtime_ns
        until(lambda: blobs.stat().st_mtime_ns > changed_at, "the copy to fail, or to be tried again")
        until(lambda: not list(blobs.iterdir()), "it to leave nothing")
        assert bench.states() == {"running": 1}
        small.free()
        assert agent.wait(60) == 0, bench.said()
        (kept,) = bench.reader().artifacts(sweep_id)
        data = (bench.work / "model.bin").read_bytes()
        assert (kept.digest, kept.n_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        assert kept.path.read_bytes() == data
        assert [(run.state, run.token, run.score) for run in bench.runs()] == [("finished", 1, 2.0)]
        bench.assert_nothing_left()


def test_a_copy_that_waits_in_vain_says_what_and_where_and_leaves_nothing(tmp_path, request):
    if not enter(request, tmp_path):
        return
    source = tmp_path / "model.bin"
    source.write_bytes(bytes(200_000))
    with disk(tmp_path / "disk", "size=64k") as small:
        words = (
            rf"the copy of {source} in {small.place}/blobs cannot be written, for 0\.2 s now: .*No space left"
        )
        with pytest.raises(StoreError, match=words):
            put_file(small.place, source, patience_s=0.2)
        assert [file for file in small.place.rglob("*") if file.is_file()] == []


def test_the_file_of_a_configuration_waits_for_room(tmp_path, request):
    if not enter(request, tmp_path):
        return
    with Bench(tmp_path) as bench, disk(bench.home / "configs", "size=8k") as small:
        small.fill()
        sweep_id = bench.create(1, more=NEEDS_FILE)
        agent = bench.start("agent", sweep_id)
        file = small.place / f"{sweep_id}-1-1.json"
        until(file.exists, "the agent to write the file, in vain")
        assert bench.states() == {"running": 1}
        assert file.stat().st_size == 0
        small.free()
        assert agent.wait(60) == 0, bench.said()
        assert [(run.state, run.exit_code, run.token) for run in bench.runs()] == [("failed", 3, 1)]
        assert '"depth"' in file.read_text()
        bench.assert_nothing_left()


def test_an_agent_without_room_for_a_configuration_gives_the_run_back(tmp_path, request, monkeypatch):
    if not enter(request, tmp_path):
        return
    monkeypatch.setattr(program_starter, "FULL_DISK_PATIENCE_S", 0.1)
    with Bench(tmp_path) as bench, disk(bench.home / "configs", "size=8k") as small:
        small.fill()
        sweep_id = bench.create(1, more=NEEDS_FILE)
        with (
            connect(bench.home) as client,
            pytest.raises(StoreError, match=r"configs.*No space left on device"),
        ):
            LocalAgent(client, bench.reader().sweep(sweep_id)).work()
        assert [(run.state, run.lost) for run in bench.runs()] == [("pending", 0)]


def test_agents_work_on_when_their_logs_have_no_room(tmp_path, request):
    """This one has something to say: its command is not one that can be forked."""
    if not enter(request, tmp_path):
        return
    command = 'command: [bash, -c, "$PYTHON toy.py --x=1"]\n'.replace("toy.py", "plain.py")
    with Bench(tmp_path) as bench, disk(bench.home / "logs", "size=4k") as small:
        (bench.work / "plain.py").write_text(
            "from sharpen import tracking\ntracking.init().log({'score': 1.0})\n"
        )
        bench.environment["PYTHON"] = os.sys.executable
        small.fill()
        words = ("--agents", "1", "--report", str(tmp_path / "report.html"))
        done = bench.call("run", bench.write_sweep(2, more=command), *words)
        assert done.returncode == 0, done.stderr
        assert [(run.state, run.lost) for run in bench.runs()] == [("finished", 0)] * 2
        (log,) = small.place.glob("*.log")
        assert log.read_bytes() == b""


def test_a_log_that_cannot_be_made_is_named(tmp_path, request):
    if not enter(request, tmp_path):
        return
    with Bench(tmp_path) as bench, disk(bench.home / "logs", "size=64k,nr_inodes=1") as small:
        done = bench.call("run", bench.write_sweep(1), "--agents", "1")
        assert done.returncode == 1
        assert f"cannot write the log of an agent, {small.place}/" in done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        bench.assert_nothing_left()


def test_a_store_on_a_full_disk_that_nobody_hosts_can_be_read_and_says_why_it_is_not_written(
    tmp_path, request
):
    if not enter(request, tmp_path):
        return
    with disk(tmp_path / "disk", "size=4m") as small, Bench(tmp_path) as bench:
        bench.home = small.place / "store"
        sweep_id = bench.create(2)
        small.fill()
        for words in (("ls",), ("runs", "last"), ("info", "last"), ("export", "last"), ("gc",)):
            done = bench.call(*words)
            assert (done.returncode, "cannot" in done.stderr) == (0, False), (words, done.stderr)
        assert sweep_id in bench.call("ls").stdout
        assert bench.call("backup", tmp_path / "copy.db").returncode == 0
        done = bench.call("backup", small.place / "copy.db")
        assert (done.returncode, "the disk is full" in done.stderr) == (1, True), done.stderr
        assert not (small.place / "copy.db").exists()
        assert bench.call("gc", "--yes").returncode == 0
        done = bench.call("note", "last", "hello")
        assert done.returncode == 1
        assert "the disk is full: make room" in done.stderr
        small.free()
        assert bench.call("note", "last", "hello").returncode == 0
        assert bench.call("note", "last").stdout == "hello\n"
