"""Other users of the machine: they cannot stand in for the coordinator, ask it, or read its store."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from faults.bench import Bench, until
from sharpen.coordinator import connect
from sharpen.errors import StoreError
from sharpen.store.sqlite import open_writer
from sharpen.wire import Client, UnixChannel, socket_path
from sharpen.wire.unix_socket import bindable

NOBODY = 65534
EVIL = b'{"ok":{"id":"x","spec":"command: [/bin/sh, -c, id]","source":"s","workdir":"/"}}\n'

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process of another user"),
    pytest.mark.skipif(os.name != "posix", reason="users and sockets are those of Linux"),
]


@contextlib.contextmanager
def another_user(act):
    """Run a function in a process of user nobody, which is killed at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def shared():
    """Give a folder where everybody may write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def squatter(home, heard):
    """Return what answers at a store's socket, and writes down what it was asked."""

    def act():
        with socket.socket(socket.AF_UNIX) as listening:
            with bindable(home) as name:
                listening.bind(name)
                Path(name).chmod(0o777)
            listening.listen()
            heard.with_name("ready").touch()
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    heard.write_bytes(connection.recv(4096))
                    connection.sendall(EVIL)

    return act


@pytest.mark.parametrize("n_letters", [1, 120])
def test_a_socket_of_another_user_is_not_spoken_to(shared, n_letters):
    home = shared / ("h" * n_letters)
    home.mkdir()
    home.chmod(0o777)
    with another_user(squatter(home, shared / "heard")):
        until((shared / "ready").exists, "the other user's socket")
        with pytest.raises(
            StoreError, match=r"belongs to user 65534, and you are user 0: .*--home"
        ) as refusal:
            Client(UnixChannel(home), patience_s=1.0).call("sweep", word="last")
        assert str(socket_path(home)) in refusal.value.message
    assert not (shared / "heard").exists() or (shared / "heard").read_bytes() == b""


def test_no_verb_hands_a_note_or_itself_to_another_user(shared):
    with Bench(shared / "bench") as bench:
        bench.home = shared / ("h" * 120)
        bench.create(1)
        for folder in (shared / "bench", bench.home):
            folder.chmod(0o777)
        with another_user(squatter(bench.home, shared / "heard")):
            until((shared / "ready").exists, "the other user's socket")
            for words in (("note", "last", "secret"), ("agent", "last"), ("pause", "last")):
                done = bench.call(*words)
                assert done.returncode == 1
                assert "belongs to user 65534" in done.stderr, done.stderr
                assert "Traceback" not in done.stderr
        assert not (shared / "heard").exists() or (shared / "heard").read_bytes() == b""


def test_another_user_who_reaches_the_socket_is_not_answered(shared):
    home = shared / "home"
    said = shared / "said"

    def ask():
        with socket.socket(socket.AF_UNIX) as connection:
            with bindable(home) as name:
                connection.connect(name)
            answer = b""
            with contextlib.suppress(OSError):
                connection.sendall(b'{"op":"ping","args":{}}\n')
                answer = connection.recv(4096)
            said.write_bytes(b"answer: " + answer)

    with connect(home) as client:
        home.chmod(0o777)
        socket_path(home).chmod(0o777)
        with another_user(ask):
            until(said.exists, "the other user to hear")
            until(said.read_bytes, "it to be written")
        assert said.read_bytes() == b"answer: "
        assert "schema" in client.call("ping")


def modes(home):
    return {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in (home, *home.iterdir())
        if path.name != "socket"
    }


def test_a_store_is_closed_to_others_also_one_that_an_older_sharpen_left_open(tmp_path):
    home = tmp_path / "home"
    before = os.umask(0o022)
    try:
        home.mkdir()
        open_writer(home).dispose()
        for name in ("blobs", "logs", "configs", "gpus", "scratch"):
            (home / name).mkdir()
        assert modes(home)["store.db"] == "0o644"
        with connect(home):
            found = modes(home)
    finally:
        os.umask(before)
    assert {name: mode for name, mode in found.items() if mode not in ("0o600", "0o700")} == {}
    assert {"home", "store.db", "lock", "blobs", "logs", "configs"} <= found.keys()


def test_a_folder_with_other_things_in_it_stays_as_open_as_it_was(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "notes.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    with connect(tmp_path):
        found = modes(tmp_path)
    assert (found[tmp_path.name], found["notes.txt"], found["store.db"]) == ("0o755", "0o644", "0o600")
