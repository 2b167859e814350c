"""How much memory this process may still take, so that what does not fit is refused before it is read."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

from sharpen.errors import DataError

_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
"""Of version 2 and of version 1: the limit, what is used, and of what kinds."""


def available_bytes(meminfo: Path = Path("/proc/meminfo"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how much memory this process may still take: what only caches files counts as free.

    Args:
        meminfo: The kernel's file of free memory; where there is none, only idle pages count.
        cgroups: The folder that holds a container's own limit.
    """
    match = re.search(r"^MemAvailable:\s*(\d+) kB", _text(meminfo), re.MULTILINE)
    of_machine = int(match[1]) * 1024 if match else _idle_bytes()
    limits = [_free_of_group(cgroups, *names) for names in _CGROUP_FILES] + [_free_of_process()]
    return min([of_machine, *(free for free in limits if free is not None)])


def refuse_without_room(path: str, n_bytes: int) -> None:
    """Refuse what does not fit into the memory: the kernel would end the process without a word.

    Args:
        path: The file, for the message.
        n_bytes: How much reading it takes at least.

    Raises:
        DataError: Less is free.

    >>> refuse_without_room("bars.csv", 10**15)
    Traceback (most recent call last):
    sharpen.errors.DataError: bars.csv: reading it takes 1,000,000.0 GB of memory at least, and ... GB are ...
    """
    free = available_bytes()
    if n_bytes > free:
        raise DataError(
            f"{path}: reading it takes {n_bytes / 1e9:,.1f} GB of memory at least, and "
            f"{free / 1e9:,.1f} GB are free. Fix: keep the rows and columns that are needed"
        )


def _idle_bytes() -> int:
    """Return the bytes of idle pages; on a system that does not count them, more than there can be."""
    if "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return sys.maxsize
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_of_process() -> int | None:
    """Return how many bytes of addresses this process may still take; None where it has no limit."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = re.match(r"(\d+)", _text(Path("/proc/self/statm")))
    if most == resource.RLIM_INFINITY or used is None:
        return None
    return max(0, most - int(used[1]) * os.sysconf("SC_PAGE_SIZE"))


def _free_of_group(cgroups: Path, limit: str, used: str, kinds: str) -> int | None:
    """Return how much a control group may still take; None where there is no limit."""
    most, now = (_text(cgroups / name).strip() for name in (limit, used))
    if not (most.isdigit() and now.isdigit()):
        return None
    cached = re.search(r"^(?:total_)?inactive_file (\d+)", _text(cgroups / kinds), re.MULTILINE)
    return max(0, int(most) - int(now) + (int(cached[1]) if cached else 0))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
