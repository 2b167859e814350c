"""Telling whether a process of this machine is still the one that it was."""

from __future__ import annotations

import socket
from pathlib import Path


def hostname() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def born(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when it is dead.

    That is the kernel's start time in clock ticks since boot, with the boot's own identity.

    >>> import os
    >>> born(os.getpid()) == born(os.getpid()) != ""
    True
    """
    try:
        # the second field is the program's name in brackets and may hold anything
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    is_zombie = fields[0] == "Z"
    return "" if is_zombie else f"{boot}:{fields[19]}"
