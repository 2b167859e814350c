"""Giving up a connection whose server does not answer, although nothing says that it is gone.

A machine that is gone is found out by the kernel. A firewall or a balancer between may take what is sent and
let nothing arrive: then a question would wait for ever, and the store's lock with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event


class SilenceWatch:
    """Shuts a connection down when an answer is overdue; the caller that waits gets an error then.

    Args:
        connection: What is asked through.
        longest_s: How long an answer may take.
    """

    def __init__(self, connection: sa.Connection, longest_s: float) -> None:
        driver: Any = connection.connection.dbapi_connection
        # one of our own: the number of a socket that is closed may be another's a moment later
        self._line = socket.socket(fileno=os.dup(driver.fileno()))
        self._longest_s = longest_s
        self._asked_at: float | None = None
        self._is_over = threading.Event()
        event.listen(connection, "before_cursor_execute", self._ask)
        event.listen(connection, "after_cursor_execute", self._hear)
        threading.Thread(target=self._watch, name="sharpen-silence", daemon=True).start()

    @contextlib.contextmanager
    def asking(self) -> Generator[None]:
        """Count the time until the block ends, as for a commit."""
        self._ask()
        try:
            yield
        finally:
            self._hear()

    @contextlib.contextmanager
    def until_heard(self) -> Generator[None]:
        """Count nothing any more once the block has ended, however that was."""
        try:
            yield
        finally:
            self._hear()

    def close(self) -> None:
        """Watch no more."""
        self._is_over.set()
        self._line.close()

    def _ask(self, *_about: Any) -> None:
        self._asked_at = time.monotonic()

    def _hear(self, *_about: Any) -> None:
        self._asked_at = None

    def _watch(self) -> None:
        while not self._is_over.wait(self._longest_s / 10):
            asked_at = self._asked_at
            if asked_at is not None and time.monotonic() - asked_at > self._longest_s:
                with contextlib.suppress(OSError):  # it has been closed this moment
                    self._line.shutdown(socket.SHUT_RDWR)
                return
