"""Waiting for room on a disk that is full."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from sharpen.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT)
PATIENCE_S = 60.0
LONGEST_PAUSE_S = 5.0
Result = TypeVar("Result")


def retry_when_full(write: Callable[[], Result], name: str, patience_s: float = PATIENCE_S) -> Result:
    """Return what a write returns, which is tried again for as long as the disk is full.

    Args:
        write: May be called several times.
        name: Its name in the error.
        patience_s: For how long to try.

    Raises:
        StoreError: There was no room for so long.
        OSError: Something else is wrong.

    >>> retry_when_full(lambda: 7, "a number")
    7
    """
    deadline = time.monotonic() + patience_s
    pause_s = 0.1
    while True:
        try:
            return write()
        except OSError as problem:
            if problem.errno not in FULL:
                raise
            if time.monotonic() > deadline:
                message = f"{name} cannot be written, for {patience_s:g} s now: {problem}"
                raise StoreError(message) from problem
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
