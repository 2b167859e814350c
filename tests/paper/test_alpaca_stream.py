"""The stream of trade updates: a real socket that tells, that dies, and that goes mute."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("alpaca")

from websockets.asyncio.server import ServerConnection, serve

from sharpen.paper.alpaca import stream as module
from sharpen.paper.alpaca.connection import AlpacaAccess
from sharpen.paper.alpaca.stream import TradeUpdates

from .alpaca_stand_in import KEY, SECRET


class StreamStandIn:
    """Alpaca's stream: it answers in binary frames, as the paper account does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.sockets: list[ServerConnection] = []
        self.listened: list[Any] = []
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)

        async def main() -> None:
            self.server = await serve(self._talk, "127.0.0.1", 0)
            self.port = next(iter(self.server.sockets)).getsockname()[1]
            ready.set()

        self.loop.run_until_complete(main())
        self.loop.run_forever()

    async def _talk(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for text in socket:
            asked = json.loads(text)
            if asked["action"] == "authenticate":
                good = asked["data"] == {"key_id": KEY, "secret_key": SECRET}
                status = {"status": "authorized" if good else "unauthorized"}
                await socket.send(json.dumps({"stream": "authorization", "data": status}).encode())
            else:
                self.listened.append(asked["data"])
                await socket.send(json.dumps({"stream": "listening", "data": asked["data"]}).encode())

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def tell(self, event: str) -> None:
        data = {"event": event, "execution_id": "e1", "order": {"status": "a_status_of_tomorrow"}}
        self._do(self.sockets[-1].send(json.dumps({"stream": "trade_updates", "data": data}).encode()))

    def drop(self) -> None:
        self._do(self.sockets[-1].close())

    def go_mute(self) -> None:
        self.loop.call_soon_threadsafe(self.sockets[-1].transport.pause_reading)

    def close(self) -> None:
        async def end() -> None:
            self.server.close()
            for socket in self.sockets:
                socket.transport.abort()
            await self.server.wait_closed()

        self._do(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def stand_in() -> Iterator[StreamStandIn]:
    found = StreamStandIn()
    yield found
    found.close()


def until(what: Callable[[], bool], seconds: float = 200.0) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


@pytest.mark.slow
def test_it_wakes_the_trader_connects_again_and_notices_a_mute_socket(
    stand_in: StreamStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_S", 0.5)
    url = f"ws://127.0.0.1:{stand_in.port}/stream"
    updates = TradeUpdates(AlpacaAccess(KEY, SECRET, "http://127.0.0.1", "http://127.0.0.1", url))
    assert not updates.is_connected()
    updates.start()
    try:
        assert until(updates.is_connected)
        assert until(lambda: stand_in.listened == [{"streams": ["trade_updates"]}])
        stand_in.tell("fill")
        assert updates.heard.wait(10), "an unknown status is no reason not to wake"
        stand_in.drop()
        assert until(lambda: len(stand_in.sockets) == 2 and updates.is_connected())
        stand_in.go_mute()
        assert until(lambda: not updates.is_connected()), "no answer to a ping"
    finally:
        updates.close()
