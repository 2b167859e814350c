"""The coordinator's end of a Unix socket: lines in, lines out, for this user's processes only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sharpen.wire.protocol import MAX_MESSAGE_BYTES, ProtocolError, encode_refusal
from sharpen.wire.unix_socket import bindable, is_trusted, peer_uid

# the name that the socket was bound by may be one of a descriptor: asyncio must not unlink it
_KEEP_THE_NAME: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class UnixServer:
    """Answers messages at a store's socket, from :meth:`start` to :meth:`close`.

    Args:
        home: The store's folder.
        answer: Returns the answer to a message.
    """

    def __init__(self, home: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._home = home
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer.

        Raises:
            OSError: The socket cannot be made.
        """
        self._server = await asyncio.start_unix_server(
            self._connected, sock=_listen(self._home), limit=MAX_MESSAGE_BYTES + 1, **_KEEP_THE_NAME
        )

    async def close(self) -> None:
        """End every connection, and take the socket away."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        with contextlib.suppress(OSError), bindable(self._home) as name:
            Path(name).unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection is served by a task
        self._connections.add(task)
        try:
            _refuse_strangers(writer)
            while message := await _next(reader, writer):
                writer.write(await self._answer(message) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the client has gone, does not speak JSON, or must find another host: drop it
        finally:
            self._connections.discard(task)
            writer.close()


async def _next(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the next message; none at the end, and none after one that is too large, which is answered."""
    try:
        return await reader.readline()
    except ValueError:
        problem = ProtocolError(f"a message of more than {MAX_MESSAGE_BYTES:,} bytes")
        writer.write(encode_refusal(problem) + b"\n")
        await writer.drain()
        return b""


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
