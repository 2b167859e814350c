"""Rows that are logged faster than twice a second, sent together."""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sharpen.errors import Refused, SharpenError
from sharpen.jsonable import dumps

FLUSH_S = 0.5  # no row waits longer
MOST_ROWS = 500  # the host stores so many in a few hundredths of a second
MOST_CHARACTERS = 1 << 20  # of text, about
Row = tuple[int, Mapping[str, Any]]


class RowBuffer:
    """Keeps rows until there are enough, or half a second has passed; a thread sends the last ones.

    The first row after a pause is sent at once. So a program that logs seldom has each row stored when the
    call returns, and has no thread.

    A process that was forked off has every row stored at once: nobody tells it when it ends.

    Args:
        send: Stores rows, at least one, and returns why the run must end, or nothing.
    """

    def __init__(self, send: Callable[[list[Row]], str]) -> None:
        self._send = send
        self._pid = os.getpid()
        self._is_fork = False
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.RLock()
        self._rows: list[Row] = []
        self._n_characters = 0
        self._sent_at = -FLUSH_S
        self._stop = ""
        self._problem: SharpenError | None = None
        self._has_rows, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def is_forked(self) -> bool:
        """Return True once in a process that was forked off: it begins anew, without the other's rows."""
        if os.getpid() == self._pid:
            return False
        self._pid, self._is_fork = os.getpid(), True
        self._begin()
        return True

    def take(self, step: int, metrics: Mapping[str, Any], *, at_once: bool) -> str:
        """Take a row; return why the run must end, as the coordinator last said.

        Args:
            step: Its step.
            metrics: Names to values.
            at_once: Whether the row is to be stored when this returns.

        Raises:
            SharpenError: What came of this row, or of rows that a thread has sent.
        """
        metrics, n_characters = _frozen(metrics)
        with self.lock:
            self._raise_problem()
            if self._n_characters + n_characters > MOST_CHARACTERS:
                self.flush()  # so that one that is too large is refused alone
            self._rows.append((step, metrics))
            self._n_characters += n_characters
            is_due = time.monotonic() - self._sent_at >= FLUSH_S
            if at_once or is_due or self._is_fork or len(self._rows) >= MOST_ROWS:
                return self.flush()
            self._tell_thread()
            return self._stop

    def flush(self) -> str:
        """Send what waits; return why the run must end, as the coordinator last said.

        Raises:
            SharpenError: What came of it.
        """
        with self.lock:
            self._raise_problem()
            rows, self._rows, self._n_characters = self._rows, [], 0
            if rows:
                try:
                    self._stop = self._send(rows)
                except KeyboardInterrupt:  # they may be sent twice
                    self._rows = rows
                    raise
                self._sent_at = time.monotonic()
            return self._stop

    def ask(self, question: Callable[[], str]) -> None:
        """Ask the coordinator between rows, from another thread; what comes of it reaches the next row.

        Args:
            question: Returns why the run must end, or nothing.
        """
        try:
            with self.lock:
                self._stop = question()
        except SharpenError as problem:
            self._problem = problem

    def close(self) -> None:
        """Send what waits, and end the thread.

        Raises:
            SharpenError: What came of it, but for a run that is not this program's any more.
        """
        self._closing.set()
        self._has_rows.set()
        if self._thread is not None:
            atexit.unregister(self._at_exit)
            self._thread.join()
            self._thread = None
        try:
            self.flush()
        except Refused:  # it has ended, or another agent has it
            pass
        finally:
            self._problem = None  # it is said once

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _tell_thread(self) -> None:
        if self._thread is None:
            self._closing.clear()
            self._thread = threading.Thread(target=self._work, name="sharpen-rows", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)
        self._has_rows.set()

    def _work(self) -> None:
        while not self._closing.is_set() and self._problem is None:
            self._has_rows.wait()
            self._closing.wait(FLUSH_S)
            self._has_rows.clear()
            try:
                self.flush()
            except SharpenError as problem:
                self._problem = problem

    def _at_exit(self) -> None:
        """Send the last rows of a program that has not finished its run; without them it has failed."""
        if os.getpid() != self._pid:
            return
        try:
            self.close()
        except SharpenError as problem:
            print(f"sharpen: the last rows were not stored: {problem}", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(1)  # Python would end with 0


def _frozen(metrics: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """Return a copy of the metrics that later changes do not reach, and its rough size in characters."""
    n_characters = 0
    frozen: dict[str, Any] = {}
    for name, value in metrics.items():
        if not isinstance(value, int | float):
            text = dumps(value)
            n_characters += len(text)
            value = json.loads(text)  # noqa: PLW2901 - the same, as it will be stored
        frozen[name] = value
        n_characters += len(name) + 10
    return frozen, n_characters
