"""Ctrl-C where it can be answered: at a point of one's own choice."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any


@contextlib.contextmanager
def interrupts() -> Generator[Sequence[int]]:
    """Collect SIGINT and SIGTERM in place of dying of them; when there was one, ignore them from then on.

    An exception from a signal can come up anywhere, also where Python drops it, such as in a destructor.
    """
    signals: list[int] = []

    def collect(number: int, frame: Any) -> None:
        signals.append(number)

    before = {number: signal.signal(number, collect) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if signals else handler)


@contextlib.contextmanager
def handling(handlers: Mapping[signal.Signals, Callable[[int, Any], None]]) -> Generator[None]:
    """Let functions answer signals while the block lasts; what did before does so again afterwards."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def wakeup_sockets() -> Generator[tuple[socket.socket, socket.socket]]:
    """Give a socket to wait at, and one whose every byte wakes up who waits there; each signal writes one."""
    wakeup_end, signal_end = socket.socketpair()
    with wakeup_end, signal_end:
        wakeup_end.setblocking(False)
        signal_end.setblocking(False)
        before = signal.set_wakeup_fd(signal_end.fileno(), warn_on_full_buffer=False)
        try:
            yield wakeup_end, signal_end
        finally:
            signal.set_wakeup_fd(before)
