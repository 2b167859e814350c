"""Hosting a store: the process that holds its lock answers on its socket.

The first process that opens a store takes the lock and hosts; later ones connect. The kernel drops the
lock when the holder dies, however it dies, and the next client that finds nobody at the socket takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Any

from sharpen.coordinator.committer import Committer
from sharpen.coordinator.core import Coordinator
from sharpen.coordinator.unix_server import UnixServer
from sharpen.errors import SharpenError, StoreError
from sharpen.store.permissions import own_folder, tighten
from sharpen.wire import socket_path
from sharpen.wire.protocol import ProtocolError, Reply, decode_requests, encode_refusal, encode_replies

NEEDED_FOR_S = 10.0  # after the last question


async def answer(message: bytes, committer: Committer) -> bytes:
    """Return the answer to a message, whatever carried it."""
    try:
        requests = decode_requests(message)
    except ProtocolError as problem:
        return encode_refusal(problem)
    if [request.get("op") for request in requests] == ["watch"]:
        return encode_replies([await _watch(requests[0].get("args"), committer)])
    return encode_replies(await committer.submit(requests))


async def _watch(args: Any, committer: Committer) -> Reply:
    """Return the reply to a request that waits; it writes nothing, so it shares no commit."""
    match args:
        case {"sweep_id": str(sweep_id), "wait_s": int() | float() as wait_s}:
            try:
                return {"ok": await committer.watch(sweep_id, args.get("seen"), wait_s)}
            except SharpenError as problem:
                error = {"kind": type(problem).__name__, "message": problem.message, "facts": problem.facts}
                return {"error": error}
        case _:
            message = "watch needs sweep_id, wait_s and seen, which is what the last answer was, or null"
            return {"error": {"kind": "UsageError", "message": message, "facts": {}}}


class Host:
    """A coordinator on a socket, in a thread of this process, until :meth:`close`.

    Args:
        home: The store's folder.
        lock: The descriptor that holds the store's lock; :meth:`close` closes it.

    Raises:
        StoreError: The database cannot be opened, or the socket cannot be made.
    """

    def __init__(self, home: Path, lock: int) -> None:
        self._home = home
        self._lock = lock
        self._coordinator = Coordinator(home, time)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="sharpen-host", daemon=True)
        self._problem: OSError | None = None
        self._heard_at = time.monotonic()
        self._thread.start()
        started.wait()
        if self._problem is not None:
            raise StoreError(f"cannot listen on {socket_path(home)}: {self._problem}")

    @property
    def is_needed(self) -> bool:
        """Whether runs are at work, or somebody asked a short while ago."""
        return self._coordinator.has_writers or time.monotonic() - self._heard_at < NEEDED_FOR_S

    async def _answer(self, message: bytes, committer: Committer) -> bytes:
        self._heard_at = time.monotonic()
        return await answer(message, committer)

    def close(self) -> None:
        """Answer what has been asked, close the store and give up the lock."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        os.close(self._lock)

    def _serve(self, started: threading.Event) -> None:
        try:
            # the runner ends every task that is left, as of who has connected at the last moment
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main(started))
        finally:
            self._coordinator.close()
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # however this ended, another may host now
            started.set()

    async def _main(self, started: threading.Event) -> None:
        committer = Committer(self._coordinator, str(socket_path(self._home)))
        server = UnixServer(self._home, lambda message: self._answer(message, committer))
        try:
            await server.start()
        except OSError as problem:
            self._problem = problem
            return
        started.set()
        work = (self._stop.wait(), committer.commit_groups(), committer.tick())
        chores = [asyncio.create_task(chore) for chore in work]
        (first, *_), _ = await asyncio.wait(chores, return_when=asyncio.FIRST_COMPLETED)
        for task in chores:
            task.cancel()
        await server.close()
        await asyncio.gather(*chores, return_exceptions=True)
        with contextlib.suppress(StoreError):  # for the time at work since the last tick
            self._coordinator.tick()
        first.result()  # raises what ended a chore: they end by themselves when another process may write


def try_host(home: Path) -> Host | None:
    """Return a host of a store in this process, or None when another process of this machine has it.

    Raises:
        StoreError: The store cannot be opened.
        StoreHeld: A process of another machine has it.
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
