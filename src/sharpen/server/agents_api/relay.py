"""Carrying messages on to the process that holds the store, many at a time, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from sharpen.wire.protocol import MAX_MESSAGE_BYTES
from sharpen.wire.unix_socket import open_connection

PATIENCE_S = 20.0  # then the client, which has more of it, asks again
LONGEST_PAUSE_S = 0.5
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Exchanges messages with the coordinator of a store; each that waits has a connection of its own.

    Args:
        home: The store's folder.
        ensure: Returns when somebody hosts the store; this process may do it.
    """

    def __init__(self, home: Path, ensure: Callable[[], object]) -> None:
        self._home = home
        self._ensure = ensure
        self._ensuring = asyncio.Lock()
        self._idle: list[Connection] = []

    async def exchange(self, message: bytes) -> bytes:
        """Return the answer to a message, which is one line.

        Raises:
            OSError: Nobody answered.
            SharpenError: The store cannot be opened.
        """
        began, pause_s = time.monotonic(), 0.01
        while True:
            try:
                return await self._once(message)
            except OSError:
                if time.monotonic() - began > PATIENCE_S:
                    raise
            async with self._ensuring:
                await asyncio.to_thread(self._ensure)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _once(self, message: bytes) -> bytes:
        connection = self._idle.pop() if self._idle else await self._opened()
        reader, writer = connection
        is_whole = False
        try:
            writer.write(message + b"\n")
            await writer.drain()
            answer = await reader.readline()
            is_whole = answer.endswith(b"\n")
        finally:  # the one who asked may have left: nobody else must get the answer
            if not is_whole:
                writer.close()
        if not is_whole:
            raise ConnectionError("the host closed the connection")
        self._idle.append(connection)
        return answer

    async def _opened(self) -> Connection:
        socket = open_connection(self._home)
        socket.setblocking(False)
        return await asyncio.open_unix_connection(sock=socket, limit=MAX_MESSAGE_BYTES + 1)

    async def close(self) -> None:
        """Close every connection that is idle."""
        for _, writer in self._idle:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._idle.clear()
