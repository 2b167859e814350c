"""Being told that there may be a run, in place of asking again and again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from sharpen.errors import SharpenError
from sharpen.wire import Channel, Client, open_channel
from sharpen.wire.protocol import decode_replies, encode_requests

WAIT_S = 30.0
ANSWER_S = 10.0  # beyond that, the coordinator is not there
PAUSE_S = 0.2  # after a wait that failed, so that nobody asks in a hurry


class Watcher:
    """Waits, in a thread, until a sweep has changed, and wakes its agent up then.

    A look at the sweep comes before the question for a run, and the wait is for a change from that look. So
    nothing is missed that changes between the two.

    Args:
        address: Of the coordinator.
        sweep_id: The sweep.
        wake: Is written a byte to when a wait is over.
    """

    def __init__(self, address: str, sweep_id: str, wake: socket.socket) -> None:
        self._sweep_id, self._wake = sweep_id, wake
        self._channel: Channel = open_channel(address)
        self._thread: threading.Thread | None = None
        self._seen: Any = None
        self._is_closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is known to have changed yet."""
        return self._thread is not None and self._thread.is_alive()

    def wait_for_a_change(self, client: Client) -> None:
        """Begin to wait, after a question for a run in vain; the first time the sweep is only looked at."""
        if self._seen is None:
            self._seen = client.call("watch", sweep_id=self._sweep_id, seen=None, wait_s=0)
            return
        self._thread = threading.Thread(target=self._wait, name="sharpen-watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait no more."""
        self._is_closed = True
        self._channel.close()
        if self._thread is not None:
            self._thread.join(ANSWER_S)

    def _wait(self) -> None:
        args = {"sweep_id": self._sweep_id, "seen": self._seen, "wait_s": WAIT_S}
        try:
            message = encode_requests([{"op": "watch", "args": args}])
            (reply,) = decode_replies(self._channel.exchange(message, WAIT_S + ANSWER_S), 1)
            self._seen = reply.get("ok")
        except (OSError, ValueError, SharpenError):  # the next question for a run will say what is wrong
            self._channel.close()
            self._seen = None
            if self._is_closed:
                return
            time.sleep(PAUSE_S)
        with contextlib.suppress(OSError):
            self._wake.send(b".")
