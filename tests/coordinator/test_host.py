"""Who hosts, and what happens when the host dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sharpen.coordinator import connect
from sharpen.coordinator.agent_ops import OPERATIONS
from sharpen.coordinator.core import Coordinator
from sharpen.coordinator.host import try_host
from sharpen.coordinator.unix_server import UnixServer
from sharpen.errors import InternalError, NotFound, Refused, StoreError, Unreachable
from sharpen.store.queries import Reader
from sharpen.store.schema import VERSION
from sharpen.sweep import SweepRules
from sharpen.wire import Client, UnixChannel, socket_path
from sharpen.wire.protocol import encode_requests
from sharpen.wire.unix_socket import bindable

from .harness import SWEEP

WaitUntil = Callable[..., None]
PLACE = {"source": "s.yaml", "workdir": "/"}

# A process that connects, says whether it hosts, then does what it is told until its input ends.
MEMBER = """
import sys, threading
from pathlib import Path
from sharpen.coordinator import connect
home, key = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
with connect(home) as client:
    hosts = any(t.name == "sharpen-host" for t in threading.enumerate())
    print(hosts, flush=True)
    for line in sys.stdin:
        print(client.call("create_sweep", key=key + line, text=sys.argv[3],
              place={"source": "s", "workdir": "/"})["sweep_id"], flush=True)
"""


class Member:
    def __init__(self, home: Path, key: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(home), key, SWEEP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, with_signal: int | None = None) -> int:
        if with_signal is not None:
            self.process.send_signal(with_signal)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def members() -> Iterator[Callable[[Path, str], Member]]:
    made: list[Member] = []

    def make(home: Path, key: str) -> Member:
        made.append(Member(home, key))
        return made[-1]

    yield make
    for member in made:
        if member.process.poll() is None:
            member.end(signal.SIGKILL)
        assert member.process.stdin is not None
        assert member.process.stdout is not None
        member.process.stdin.close()
        member.process.stdout.close()


def test_of_eight_processes_that_race_one_hosts_and_all_are_served(
    tmp_path: Path, members: Callable[[Path, str], Member]
) -> None:
    crowd = [members(tmp_path / "home", str(n)) for n in range(8)]
    for member in crowd:
        member.say("go")
    hosts = [member.hear() for member in crowd]
    assert sorted(hosts) == ["False"] * 7 + ["True"]
    for member in crowd:
        member.say("x")
    made = {member.hear() for member in crowd}
    assert made == {row.id for row in Reader(tmp_path / "home").sweeps()}
    assert len(made) == 8
    assert [member.end() for member in crowd] == [0] * 8


def test_when_the_host_is_killed_another_takes_over_and_calls_go_on(
    tmp_path: Path, members: Callable[[Path, str], Member]
) -> None:
    home = tmp_path / "home"
    first = members(home, "first")
    first.say("go")
    assert first.hear() == "True"
    second = members(home, "second")
    second.say("go")
    assert second.hear() == "False"
    client = Client(UnixChannel(home), patience_s=30.0)  # a training script: it never hosts
    made = client.call("create_sweep", key="mine", text=SWEEP, place=PLACE)
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    calls: list[Any] = []
    pending = threading.Thread(
        target=lambda: calls.append(client.call("create_sweep", key="mine", text=SWEEP, place=PLACE))
    )
    pending.start()
    second.say("x")
    assert len(second.hear()) == 8
    pending.join(30)
    assert calls == [made], "the same key was answered as before, by the new host"
    client.close()
    assert len(Reader(home).sweeps()) == 2


def test_requests_that_come_together_are_answered_in_order_and_one_that_breaks_does_not_undo_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(session: object) -> dict[str, Any]:
        raise ZeroDivisionError("a plugin's")

    monkeypatch.setattr("sharpen.coordinator.core.OPERATIONS", {**OPERATIONS, "burst": burst})
    with connect(tmp_path) as client:
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=PLACE)["sweep_id"]
        lease = {"sweep_id": sweep_id, "agent_id": "a"}
        first, second = client.call_all([("lease", lease | {"key": "1"}), ("lease", lease | {"key": "2"})])
        assert [each["run"]["run_id"] for each in (first, second)] == [f"{sweep_id}-1", f"{sweep_id}-2"]
        held = {"run_id": f"{sweep_id}-1", "token": 1}
        end = {"exit_code": 3, "last_words": "no data"}
        answers = client.call_all([("exit", held | end), ("burst", {}), ("exit", held | end), ("ping", {})])
        assert [type(answer) for answer in answers] == [dict, InternalError, Refused, dict]
        run = Reader(tmp_path).run(f"{sweep_id}-1")
        assert (run.state, run.reason) == ("failed", "no data")


def test_a_host_that_leaves_in_an_orderly_way_is_replaced_too(tmp_path: Path) -> None:
    with connect(tmp_path) as one, connect(tmp_path) as other:
        sweep_id = one.call("create_sweep", key="k", text=SWEEP, place=PLACE)["sweep_id"]
        host = try_host(tmp_path)
        assert host is None, "the first connection hosts"
        del host
        assert other.call("lease", sweep_id=sweep_id, agent_id="a", key="k")["run"]["token"] == 1
    assert not socket_path(tmp_path).exists()
    with connect(tmp_path) as third:
        assert third.call("lease", sweep_id=sweep_id, agent_id="a", key="k")["run"]["token"] == 1


def test_a_client_survives_a_host_that_closed_between_two_calls(tmp_path: Path) -> None:
    host = try_host(tmp_path)
    assert host is not None
    client = Client(UnixChannel(tmp_path), patience_s=30.0)
    assert client.call("ping") == {"schema": VERSION}
    host.close()
    with connect(tmp_path):
        assert client.call("ping") == {"schema": VERSION}
        client.close()
        assert client.call("ping") == {"schema": VERSION}
        client.close()


def test_closing_a_host_with_clients_is_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    host = try_host(tmp_path)
    assert host is not None
    clients = [Client(UnixChannel(tmp_path)) for _ in range(3)]
    for client in clients:
        client.call("ping")
    host.close()
    for client in clients:
        client.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_letters", [40, 200])
def test_a_home_with_a_long_path_is_served_at_a_socket_of_its_own(tmp_path: Path, n_letters: int) -> None:
    home = tmp_path / ("h" * n_letters) / ("o" * n_letters)
    path = socket_path(home)
    assert path == socket_path(home / ".." / home.name)
    assert path.parent == home.resolve(), "nowhere outside of the store, where others could be first"
    with connect(home) as client:
        assert client.call("ping") == {"schema": VERSION}
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_two_long_homes_have_two_sockets(tmp_path: Path) -> None:
    homes = [tmp_path / ("h" * 120) / name for name in ("a", "b")]
    assert len({socket_path(home) for home in homes}) == 2


def test_nobody_there_is_unreachable_after_patience(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no coordinator answered for .* within 0\.2 s"):
        Client(UnixChannel(tmp_path), patience_s=0.2).call("ping")


def test_a_stale_socket_of_a_killed_host_is_no_obstacle(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as dead, bindable(tmp_path) as name:
        dead.bind(name)
    with pytest.raises(Unreachable, match="refused"):
        Client(UnixChannel(tmp_path), patience_s=0.1).call("ping")
    with connect(tmp_path) as client:
        assert client.call("ping") == {"schema": VERSION}


def test_a_host_that_accepts_and_never_answers_is_unreachable(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as mute:
        with bindable(tmp_path) as name:
            mute.bind(name)
        mute.listen()
        with pytest.raises(Unreachable, match="timed out"):
            Client(UnixChannel(tmp_path), patience_s=0.2).call("ping")


def test_rubbish_on_the_socket_does_not_hurt_others(tmp_path: Path) -> None:
    with connect(tmp_path) as client:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as rude:
            with bindable(tmp_path) as name:
                rude.connect(name)
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert rude.recv(100) == b""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as odd:
            with bindable(tmp_path) as name:
                odd.connect(name)
            odd.sendall(b"[1, 2]\n")
            assert b"error" in odd.recv(1000)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as rash:  # gone before its answer
            with bindable(tmp_path) as name:
                rash.connect(name)
            rash.sendall(b'{"op":"ping"}\n' * 50)
        assert client.call("ping") == {"schema": VERSION}


def test_many_threads_are_answered_each_with_its_own(tmp_path: Path) -> None:
    with connect(tmp_path) as client:
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=PLACE)["sweep_id"]
        runs: list[str] = []

        def work(name: str) -> None:
            mine = Client(UnixChannel(tmp_path))
            for n in range(10):
                key = f"{name}-{n}"
                run = mine.call("lease", sweep_id=sweep_id, agent_id=name, key=key)["run"]
                assert mine.call("lease", sweep_id=sweep_id, agent_id=name, key=key)["run"] == run
                runs.append(run["run_id"])
            mine.close()

        threads = [threading.Thread(target=work, args=(str(n),)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(runs) == sorted(f"{sweep_id}-{n}" for n in range(1, 81))


def test_errors_come_through_with_their_class(tmp_path: Path) -> None:
    with connect(tmp_path) as client, pytest.raises(NotFound, match="no sweep 'nowhere'"):
        client.call("lease", sweep_id="nowhere", agent_id="a", key="k")


@contextlib.contextmanager
def as_nobody() -> Iterator[Path]:
    """Give a folder that this process, no longer root if it was, may read and not write."""
    folder = Path(tempfile.mkdtemp())
    was_root = os.geteuid() == 0
    folder.chmod(0o555)
    if was_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_home_is_a_store_error_at_once() -> None:
    with (
        as_nobody() as folder,
        pytest.raises(StoreError, match=r"for writing.*Permission denied"),
        connect(folder / "home"),
    ):
        pass
    with as_nobody() as folder, pytest.raises(StoreError, match="Permission denied"), connect(folder):
        pass


def test_a_socket_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "socket").mkdir()
    for _ in range(2):  # the lock is free again after the first failure
        with pytest.raises(StoreError, match="socket"):
            try_host(tmp_path)


def test_a_newer_store_is_refused_and_the_lock_given_up(tmp_path: Path) -> None:
    with connect(tmp_path):
        pass
    import sqlite3

    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("PRAGMA user_version = 99")
    for _ in range(2):
        with pytest.raises(StoreError, match="schema version 99"), connect(tmp_path):
            pass


# A process that makes a sweep, or finds the one of the same key, holds a run of it, and is killed.
AGENT = """
import json, os, sys
from pathlib import Path
from sharpen.coordinator import connect, hostname, process_identity
with connect(Path(sys.argv[1])) as client:
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = client.call("create_sweep", key="k", text=sys.argv[2], place=place)["sweep_id"]
    process = {"host": hostname(), "pid": os.getpid(), "born": process_identity(os.getpid())}
    client.call("join", sweep_id=sweep_id, agent_id="x", **process)
    print(client.call("lease", sweep_id=sweep_id, agent_id="x", key="x")["run"]["run_id"], flush=True)
    input()
"""


def killed_agent(home: Path) -> str:
    """Return the run that an agent held when it was killed."""
    words = [sys.executable, "-c", AGENT, str(home), SWEEP]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        process.kill()
    return run_id


def test_a_tick_of_the_host_takes_back_the_run_of_an_agent_killed_elsewhere(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    with connect(tmp_path):
        run_id = killed_agent(tmp_path)
        reader = Reader(tmp_path)
        wait_until(lambda: reader.run(run_id).state == "pending", "the run to go back")
        assert reader.run(run_id).reason == "agent x died"


def test_a_host_of_one_request_does_not_take_a_dead_agent_s_run_for_one_at_work(tmp_path: Path) -> None:
    run_id = killed_agent(tmp_path)
    sweep_id = run_id.rpartition("-")[0]
    with connect(tmp_path) as client:
        assert client.call("cancel", sweep_id=sweep_id, reason="enough")["n_running"] == 0
    assert Reader(tmp_path).run(run_id).state == "canceled"


def test_agents_that_beat_during_a_long_request_keep_their_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, sent, tick_s = threading.Event(), threading.Event(), 1.0

    def last(_session: object) -> dict[str, Any]:
        began.set()
        sent.wait(30)
        time.sleep(3 * tick_s)  # a tick is overdue when it ends, and so is the lease
        return {}

    monkeypatch.setattr("sharpen.coordinator.committer.TICK_S", tick_s)
    monkeypatch.setattr("sharpen.coordinator.restore.SweepRules", partial(SweepRules, lease_s=tick_s))
    monkeypatch.setattr("sharpen.coordinator.core.OPERATIONS", {**OPERATIONS, "last": last})
    with connect(tmp_path) as client:
        grid = SWEEP.replace("random", "grid").replace("{min: 0.0, max: 1.0}", "{values: [1, 2]}")
        sweep_id = client.call("create_sweep", key="k", text=grid, place=PLACE)["sweep_id"]
        with contextlib.closing(Client(UnixChannel(tmp_path))) as other:
            long = threading.Thread(target=lambda: other.call("last"))
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as agent:
                with bindable(tmp_path) as name:
                    agent.connect(name)
                run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="k")["run"]
                long.start()
                assert began.wait(30)
                held = [[run["run_id"], run["token"]]]
                args = {"sweep_id": sweep_id, "agent_id": "a", "held": held}
                agent.sendall(encode_requests([{"op": "beat", "args": args}]) + b"\n")
                sent.set()
                assert json.loads(agent.makefile().readline())["replies"][0]["ok"]["lost"] == []
            long.join(30)


def test_a_tick_that_fails_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    ticks = []

    def fail(_coordinator: Coordinator) -> None:
        ticks.append(1)
        if len(ticks) <= 3:
            raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("sharpen.coordinator.committer.TICK_S", 0.01)
    monkeypatch.setattr(Coordinator, "tick", fail)
    with connect(tmp_path) as client:
        wait_until(lambda: len(ticks) > 4, "ticks after those that failed")
        assert client.call("ping") == {"schema": VERSION}
    (told,) = caplog.records
    assert str(tmp_path) in told.getMessage() or str(socket_path(tmp_path)) in told.getMessage()
    assert "nobody foresaw this" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_host_that_cannot_go_on_gives_up_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = Coordinator.answer, []

    def break_once(coordinator: Coordinator, requests: Any) -> Any:
        asked.append(requests)
        return None if len(asked) == 1 else answer(coordinator, requests)

    monkeypatch.setattr(Coordinator, "answer", break_once)
    with connect(tmp_path) as client:  # asks once in vain, and then becomes the next host itself
        assert client.call("ping") == {"schema": VERSION}
    assert len(asked) > 2


class ClosedMeanwhile(socket.socket):
    """A connection whose channel another thread closes just after the message was sent."""

    channel: UnixChannel

    def sendall(self, *message: Any) -> None:
        super().sendall(*message)
        self.channel.close()


def test_a_channel_that_another_thread_closes_meanwhile_says_so(tmp_path, monkeypatch):
    ours, other = socket.socketpair()
    connection = ClosedMeanwhile(fileno=ours.detach())
    connection.channel = UnixChannel(tmp_path)
    monkeypatch.setattr("sharpen.wire.unix_socket.open_connection", lambda *_: connection)
    with other, pytest.raises((OSError, ValueError)):
        connection.channel.exchange(b"{}", 1.0)


def test_who_connects_as_a_host_ends_is_not_left_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task has not begun when the others are ended, so the host does not know of it yet."""
    late: list[asyncio.Task[Any]] = []
    close = UnixServer.close

    async def close_and_be_late(server: UnixServer) -> None:
        await close(server)
        late.append(asyncio.create_task(asyncio.Event().wait()))

    monkeypatch.setattr(UnixServer, "close", close_and_be_late)
    host = try_host(tmp_path)
    assert host is not None
    host.close()
    assert [task.cancelled() for task in late] == [True]
