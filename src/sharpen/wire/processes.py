"""Telling whether a process of this machine is still the one that it was."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path


def hostname() -> str:
    """Return this machine's name, for people: two machines may have the same."""
    return socket.gethostname()


@cache
def machine_identity() -> str:
    """Return what tells this machine from others: the kernel's boot, and its namespace of process ids.

    Containers of one kernel share the boot, and not the numbers. Empty where the kernel tells neither.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def process_identity(pid: int) -> str:
    """Return what tells a process from every other, also of another machine; empty when it is dead.

    That is the machine's identity and the process's start, in the kernel's clock ticks since boot.

    >>> import os
    >>> process_identity(os.getpid()) == process_identity(os.getpid()) != ""
    True
    """
    try:
        # the second field is the program's name in brackets and may hold anything
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    is_zombie = fields[0] == "Z"
    return "" if is_zombie or not machine_identity() else f"{machine_identity()}:{fields[19]}"


def is_here(identity: str) -> bool:
    """Return whether a process is one of this machine, alive or not.

    >>> is_here("another machine:77")
    False
    """
    machine, _, start = identity.rpartition(":")
    return bool(start) and machine == machine_identity()


def is_dead(pid: int, identity: str) -> bool:
    """Return whether a process of this machine has ended; False for one of another machine.

    >>> is_dead(1, "another machine:77")
    False
    """
    return is_here(identity) and process_identity(pid) != identity
