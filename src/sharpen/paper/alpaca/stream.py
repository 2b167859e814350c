# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportPrivateUsage=false
"""Trade updates as they happen. They wake the trader, which then asks; what a stream loses, nobody misses."""

from __future__ import annotations

import threading
import time
from typing import Any

from alpaca.trading.stream import TradingStream

from sharpen.paper.alpaca.connection import AlpacaAccess

PING_S = 5.0
"""How often the other side must show that it lives, and how long it may take: alpaca-py waits 180 s."""


class TradeUpdates:
    """Listens in a thread of its own.

    Args:
        access: Address and keys.

    Attributes:
        heard: Is set when something happened.
    """

    def __init__(self, access: AlpacaAccess) -> None:
        self.heard = threading.Event()
        self._stream = TradingStream(
            access.key,
            access.secret,
            paper=True,
            raw_data=True,  # a status that alpaca-py does not know yet would be lost
            url_override=access.stream_url,
            websocket_params={"ping_interval": PING_S, "ping_timeout": PING_S, "max_queue": 1024},
        )
        self._stream.subscribe_trade_updates(self._take)
        self._thread = threading.Thread(target=self._stream.run, daemon=True)

    def start(self) -> None:
        """Begin to listen, and wait a moment until it does; it connects again by itself."""
        self._thread.start()
        deadline = time.monotonic() + PING_S
        while not self.is_connected() and time.monotonic() < deadline:
            time.sleep(0.05)

    def is_connected(self) -> bool:
        """Return whether it listens: a socket that answers no ping is closed within ten seconds."""
        socket = self._stream._ws
        return bool(self._stream._running and socket is not None and socket.open)

    def close(self) -> None:
        """Stop to listen."""
        if self._thread.is_alive() and self._stream._loop is not None:
            self._stream.stop()
            self._thread.join(PING_S + 6.0)

    async def _take(self, _update: Any) -> None:
        self.heard.set()
