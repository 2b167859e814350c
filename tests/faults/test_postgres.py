"""A store in Postgres while its host, its server and the line between them are taken away under load."""

import contextlib
import os
import random
import secrets
import shutil
import signal
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import psycopg
import pytest

from faults.bench import Bench, kill, until
from faults.disks import disk
from faults.programs.crowd import N_STEPS
from faults.test_hosts import assert_all_there, gather, written_down
from postgres_server import PostgresServer
from proxy import Proxy
from sharpen.errors import StoreError, Unreachable
from sharpen.store.location import database_url, link
from sharpen.wire import Client, UnixChannel

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
N_RUNS, N_MEMBERS = 3, 3
FAILOVER_S = 5.0
REST_S = 0.01  # of `until`, between two looks


@pytest.fixture
def bench(tmp_path, postgres):
    with Bench(tmp_path) as bench:
        link(bench.home, postgres.new_database())
        yield bench


def test_the_leader_is_killed_three_times_under_load_and_another_leads_within_five_seconds(bench):
    """Looks are counted, with a rest between: on a busy machine a look takes longer, as all else does."""
    rng, n_kills, n_members = random.Random(2), 3, 5
    sweep_id = bench.create(N_RUNS)
    crowd, go = gather(bench, sweep_id, n_members)
    go.touch()
    by_pid = {member.pid: member for member in crowd}
    n_looks, said = [], []
    for n in range(1, n_kills + 1):
        until(lambda: len(written_down(bench)) >= 10, "reports")
        until(lambda: bench.host_pid() in by_pid, "the next to lead")
        time.sleep(rng.uniform(0.0, 0.05))  # a random moment of a transaction
        leader = by_pid.pop(bench.host_pid())
        assert kill(leader)
        assert leader.wait(10) == -signal.SIGKILL
        began, n_enough, looks = time.monotonic(), len(written_down(bench)) + len(by_pid) + 1, count(1)
        until(
            lambda looks=looks, enough=n_enough: next(looks) and len(written_down(bench)) >= enough, "reports"
        )
        n_looks.append(next(looks) - 1)  # each member may have had one answer of the old leader to write down
        said.append(f"failover {n}: {time.monotonic() - began:.2f} s, {n_looks[-1]} looks")
    assert [member.wait(60) for member in by_pid.values()] == [0] * len(by_pid), bench.said()
    bench.assert_nothing_left()
    assert_all_there(bench, N_RUNS)
    assert sum(run.lost for run in bench.runs()) <= n_kills
    print("; ".join(said))
    assert max(n_looks) * REST_S < FAILOVER_S, "; ".join(said)


def test_postgres_is_killed_under_load_and_nothing_acknowledged_is_lost(bench, postgres):
    sweep_id = bench.create(N_RUNS)
    crowd, go = gather(bench, sweep_id, N_MEMBERS)
    go.touch()
    until(lambda: len(written_down(bench)) >= N_RUNS * N_STEPS / 2, "reports")
    postgres.kill()
    postgres.start()
    assert [member.wait(60) for member in crowd] == [0] * N_MEMBERS, bench.said()
    bench.assert_nothing_left()
    assert_all_there(bench, N_RUNS)


def test_the_line_to_postgres_stalls_and_is_cut_under_load(tmp_path, postgres):
    n_runs = 6
    line = Proxy(postgres.port)
    with Bench(tmp_path) as bench:
        link(bench.home, postgres.new_database().replace(f":{postgres.port}/", f":{line.port}/"))
        crowd, go = gather(bench, bench.create(n_runs), N_MEMBERS)
        go.touch()
        for n, directions in enumerate([("there", "back"), ("back",), ("there",), ()], 1):
            enough = n * n_runs * N_STEPS // 6
            until(lambda n=enough: len(written_down(bench)) >= n, f"{enough} reports")
            if directions:
                line.stall(*directions)
                time.sleep(0.3)  # whoever asks waits for so long
            if len(directions) < 2:
                line.cut()
            line.mend()
        assert [member.wait(120) for member in crowd] == [0] * N_MEMBERS, bench.said()
        bench.assert_nothing_left()
        assert_all_there(bench, n_runs)
    line.close()


def test_deadlocks_under_load_are_asked_again(bench):
    """Somebody else locks two tables, one after the other, in either order."""
    sweep_id, url = bench.create(N_RUNS), database_url(bench.home)
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '5ms'")
    crowd, go = gather(bench, sweep_id, N_MEMBERS)
    is_over = threading.Event()

    def disturb():
        with psycopg.connect(url, options="-c deadlock_timeout=50ms") as connection:
            tables = ["reports", "runs"]
            while not is_over.wait(0.05):
                tables.reverse()
                with contextlib.suppress(psycopg.errors.DeadlockDetected), connection.transaction():
                    for table in tables:
                        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
                        time.sleep(0.01)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    go.touch()
    try:
        codes = [member.wait(120) for member in crowd]
    finally:
        is_over.set()
        disturber.join()
    assert codes == [0] * N_MEMBERS, bench.said()
    assert_all_there(bench, N_RUNS)
    assert [run.lost for run in bench.runs()] == [0] * N_RUNS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk that Postgres may write to")
def test_the_disk_of_postgres_is_full_for_a_while(tmp_path, monkeypatch):
    room = Path(tempfile.mkdtemp())  # not below a folder that only root may enter
    room.chmod(0o755)
    with disk(room, "size=112m,mode=755") as small, Bench(tmp_path) as bench:
        monkeypatch.setattr(tempfile, "tempdir", str(room))
        server = PostgresServer(
            "fsync=off", "shared_buffers=16MB", "unix_socket_directories=", "max_wal_size=32MB"
        )
        monkeypatch.undo()
        try:
            link(bench.home, server.start().new_database())
            crowd, go = gather(bench, bench.create(N_RUNS), N_MEMBERS)
            go.touch()
            until(lambda: len(written_down(bench)) >= N_STEPS / 2, "reports")
            small.fill()
            client = Client(UnixChannel(bench.home), patience_s=0.5)

            def is_full():
                try:
                    client.call("note", target=bench.sweep_id(), text=secrets.token_hex(25_000))
                except (StoreError, Unreachable):
                    return True
                return not server.is_up

            until(is_full, "the disk to be full")
            client.close()
            small.free()
            if not server.is_up:  # it ends when it cannot even write what it is about to do
                server.kill()
                server.start()
            assert [member.wait(120) for member in crowd] == [0] * N_MEMBERS, bench.said()
            bench.assert_nothing_left()
            assert_all_there(bench, N_RUNS)
        finally:
            server.close()
    shutil.rmtree(room, ignore_errors=True)
