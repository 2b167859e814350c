"""Removes replaced checkpoints now and then, in a thread of its own, so that nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from sharpen.errors import SharpenError
from sharpen.store.queries import Reader
from sharpen.store.replaced_checkpoints import are_noted, remove_replaced

LOG = logging.getLogger(__name__)
PAUSE_S = 5.0
SHARE = 0.01
"""The most of the time that it is at work."""


class CheckpointCleanup:
    """Removes what is noted as replaced, whenever :meth:`start_when_due` is called and it is time.

    Args:
        home: The store's folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._due_at = time.monotonic() + PAUSE_S
        self._thread: threading.Thread | None = None

    def start_when_due(self) -> None:
        """Begin, unless it is too early, it is at work, or there is nothing to do."""
        is_at_work = self._thread is not None and self._thread.is_alive()
        if is_at_work or time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + PAUSE_S
        if are_noted(self._home):
            self._thread = threading.Thread(target=self._clear, name="sharpen-clearing", daemon=True)
            self._thread.start()

    def _clear(self) -> None:
        began = time.monotonic()
        try:
            remove_replaced(Reader(self._home))
        except (OSError, SharpenError) as problem:
            LOG.warning("replaced checkpoints of %s stay where they are: %s", self._home, problem)
        self._due_at = time.monotonic() + max(PAUSE_S, (time.monotonic() - began) / SHARE)
