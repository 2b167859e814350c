"""Hosting a store: whoever holds its lock answers on its socket.

The first process that opens a store takes the lock and hosts; later ones connect. The kernel drops the
lock when the holder dies, however it dies, and the next client that finds nobody at the socket takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

from sharpen.coordinator.core import Coordinator
from sharpen.coordinator.desk import Reply
from sharpen.errors import StoreError
from sharpen.jsonable import dumps
from sharpen.store.permissions import own_folder, tighten
from sharpen.wire import as_list, bindable, is_trusted, peer_uid, socket_path

LOG = logging.getLogger(__name__)
TICK_S = 0.5
AWAY_S = 15.0  # half a lease
LONGEST_GATHERING_S = 0.004
MAX_LINE_BYTES = 64 << 20
# the name that the socket was bound by may be one of a descriptor: asyncio must not unlink it
_KEEP_THE_NAME: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class Host:
    """A coordinator on a socket, in a thread of this process, until :meth:`close`.

    Args:
        home: The store's folder.
        lock: The descriptor that holds the store's lock; :meth:`close` closes it.

    Raises:
        StoreError: The database cannot be opened, or the socket cannot be made.
    """

    def __init__(self, home: Path, lock: int) -> None:
        self._lock = lock
        self._home = home
        self._path = socket_path(home)
        self._coordinator = Coordinator(home, time)
        self._asked: list[tuple[list[Any], asyncio.Future[list[Reply]]]] = []
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._n_expected = 1
        self._stop = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="sharpen-host", daemon=True)
        self._problem: OSError | None = None
        self._thread.start()
        started.wait()
        if self._problem is not None:
            raise StoreError(f"cannot listen on {self._path}: {self._problem}")

    def close(self) -> None:
        """Answer what has been asked, close the store and give up the lock."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        os.close(self._lock)

    def _serve(self, started: threading.Event) -> None:
        try:
            self._loop.run_until_complete(self._main(started))
        finally:
            self._coordinator.close()
            self._loop.close()
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # however this ended, another may host now
            started.set()

    async def _main(self, started: threading.Event) -> None:
        try:
            listening = _listen(self._home)
            server = await asyncio.start_unix_server(
                self._connected, sock=listening, limit=MAX_LINE_BYTES, **_KEEP_THE_NAME
            )
        except OSError as problem:
            self._problem = problem
            return
        started.set()
        chores = [asyncio.create_task(work) for work in (self._stop.wait(), self._write(), self._tick())]
        (first, *_), _ = await asyncio.wait(chores, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for task in (*chores, *self._connections):
            task.cancel()
        await asyncio.gather(*chores, *self._connections, return_exceptions=True)
        with contextlib.suppress(StoreError):  # for the time at work since the last tick
            self._coordinator.tick()
        self._path.unlink(missing_ok=True)
        first.result()  # raises what ended a chore: neither ends by itself

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection is served by a task
        self._connections.add(task)
        try:
            _refuse_strangers(writer)
            while line := await reader.readline():
                words = json.loads(line)
                answered: asyncio.Future[list[Reply]] = self._loop.create_future()
                self._asked.append((as_list(words), answered))
                self._wake.set()
                if len(self._asked) >= self._n_expected:
                    self._enough.set()
                replies = await answered
                writer.write(dumps(replies if isinstance(words, list) else replies[0]).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the client has gone, does not speak the protocol, or must find another host: drop it
        finally:
            self._connections.discard(task)
            writer.close()

    async def _write(self) -> None:
        """Commit in groups: what arrives while one transaction is written goes into the next.

        Those who have just been answered are about to ask again. To wait for them, for less time than the
        disk takes anyway, lets all agents share a commit where they would take turns.
        """
        commit_s = 0.0
        sizes = deque([1], maxlen=4)
        while True:
            await self._wake.wait()
            self._n_expected = max(sizes)
            await self._gather(min(commit_s / 2, LONGEST_GATHERING_S))
            self._wake.clear()
            asked, self._asked = self._asked, []
            began = time.monotonic()
            replies = iter(self._coordinator.answer([each for requests, _ in asked for each in requests]))
            commit_s = time.monotonic() - began
            for requests, answered in asked:
                own = list(islice(replies, len(requests)))
                if not answered.done():
                    answered.set_result(own)
            await asyncio.sleep(0)  # what has arrived meanwhile was asked by others: they count, too
            sizes.append(len(asked) + len(self._asked))

    async def _gather(self, seconds: float) -> None:
        """Wait until as many have asked as did lately, or for so long."""
        if len(self._asked) < self._n_expected and seconds > 0:
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), seconds)

    async def _tick(self) -> None:
        slept_s = 0.0
        said = ""
        while True:  # the first time at once: agents that died while nobody hosted are no longer at work
            try:
                if slept_s > AWAY_S:  # Ctrl-Z, a debugger: agents have waited in vain
                    self._coordinator.wake_up()
                else:
                    self._coordinator.tick()
            except StoreError:
                pass  # the disk may be full for a while; whoever writes hears of it
            except Exception as problem:  # one that nobody foresaw must not end the ticks of all sweeps
                if repr(problem) != said:
                    said = repr(problem)
                    LOG.exception("sharpen cannot look after the runs of %s; it tries again", self._path)
            slept_s = await _sleep()
            if slept_s > 2 * TICK_S:  # a long request: first answer who has asked meanwhile, beats among them
                slept_s = max(slept_s, await _sleep())


def _listen(home: Path) -> socket.socket:
    """Return a socket that only this user's processes can reach, in the place of what a dead host left."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with bindable(home) as name:
            path = Path(name)
            path.unlink(missing_ok=True)
            listening.bind(name)
            path.chmod(0o600)  # before anybody can connect, for that takes a socket that listens
    except BaseException:
        listening.close()
        raise
    return listening


def _refuse_strangers(writer: asyncio.StreamWriter) -> None:
    """Raise ConnectionError for a client of another user, whom the socket's mode should have kept out."""
    uid = peer_uid(writer.get_extra_info("socket"))
    if not is_trusted(uid):
        raise ConnectionError(f"user {uid} has no business here")


async def _sleep() -> float:
    """Sleep until the next tick is due, and return how many seconds that took."""
    began = time.monotonic()
    await asyncio.sleep(TICK_S)
    return time.monotonic() - began


def try_host(home: Path) -> Host | None:
    """Return a host of a store in this process, or None when another process has it.

    Raises:
        StoreError: The store cannot be opened.
    """
    try:
        own_folder(home)
        lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise StoreError(f"cannot open the store in {home} for writing: {problem}") from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError as problem:
        os.close(lock)
        raise StoreError(f"cannot lock the store in {home}: {problem}") from problem
    try:
        with contextlib.suppress(OSError):  # who it is, for errors of clients: a full disk is no obstacle
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        host = Host(home, lock)
    except BaseException:
        os.close(lock)
        raise
    tighten(home)
    return host
