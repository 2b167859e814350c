"""A bound on the copies that a folder keeps of files which are somewhere else: in a bucket, or at a server.

Without one they fill the disk in time. What was wanted longest ago goes first, and is fetched again when it
is wanted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from sharpen.errors import UsageError

VARIABLE = "SHARPEN_COPIES_GB"
DEFAULT_GB = 20.0
GB = 10**9
IN_USE_S = 3600.0
"""Whoever has fetched a file may still read it."""
PAUSE_S = 60.0
"""How often a folder is looked through."""
STAMP = ".bounded"


def most_bytes() -> float:
    """Return how many bytes of copies a folder may keep.

    Raises:
        UsageError: The variable is no size.

    >>> most_bytes()
    20000000000.0
    """
    text = os.environ.get(VARIABLE) or DEFAULT_GB
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0.0 <= gigabytes < float("inf"):
        raise UsageError(f"{VARIABLE}={text}: give a number of gigabytes, like {VARIABLE}={DEFAULT_GB:g}")
    return gigabytes * GB


def note_use(path: Path) -> None:
    """Remember that a copy is wanted now."""
    with contextlib.suppress(OSError):  # of a folder that can only be read
        os.utime(path)


def bound(blobs: Path, is_elsewhere: Callable[[str], bool], now: float | None = None) -> None:
    """Remove the copies that were wanted longest ago, until the others are no more than there may be.

    A file that was wanted in the last hour stays, and so does one that is nowhere else. A folder is looked
    through once a minute at most.

    Args:
        blobs: The folder with the copies, each at its digest.
        is_elsewhere: Returns whether a file can be fetched again, given its digest.
        now: Unix seconds.
    """
    most, now = most_bytes(), time.time() if now is None else now
    stamp = blobs / STAMP
    with contextlib.suppress(OSError):
        if 0.0 <= now - stamp.stat().st_mtime < PAUSE_S:
            return
    stamp.touch()
    os.utime(stamp, (now, now))
    copies = sorted(_copies(blobs))
    n_bytes = sum(size for _, size, _ in copies)
    for used_at, size, path in copies:
        if n_bytes <= most or used_at > now - IN_USE_S:
            return
        if is_elsewhere(path.parent.name + path.name):
            path.unlink(missing_ok=True)
            n_bytes -= size


def _copies(blobs: Path) -> list[tuple[float, int, Path]]:
    """Return when each was wanted last, its bytes, and where it is."""
    found: list[tuple[float, int, Path]] = []
    for path in blobs.glob("[0-9a-f][0-9a-f]/[0-9a-f]*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    return found
