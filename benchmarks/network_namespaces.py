"""Machines for benchmarks: network namespaces on a switch, each with a host name of its own. Root makes them.

The benchmark itself is at :data:`OBSERVER` on the same switch, so that it reaches every machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

SWITCH = "sharpen-switch"
OBSERVER = "10.77.0.1"
NOBODY = "02:00:00:00:00:99"  # a hardware address that no machine has
SWEEP = """\
program: train.py
project: machines
method: random
run_cap: %d
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}}
"""


def ip(arguments: str) -> None:
    """Run a command of iproute2."""
    subprocess.run(["ip", *arguments.split()], check=True)


def address(n: int) -> str:
    """Return the address of a machine by its number."""
    return f"10.77.0.{10 + n}"


@contextlib.contextmanager
def machines(names: Sequence[str]) -> Generator[None]:
    """Make machines on a switch, and take them away with whatever runs there."""
    made: list[str] = []
    try:
        for machine in (SWITCH, *names):
            ip(f"netns add {machine}")
            made.append(machine)
            ip(f"-n {machine} link set lo up")
        ip(f"-n {SWITCH} link add hub type bridge")
        ip(f"-n {SWITCH} link set hub up")
        ip(f"link add watch netns {SWITCH} type veth peer name sharpen-watch")
        ip(f"-n {SWITCH} link set watch master hub up")
        ip(f"addr add {OBSERVER}/24 dev sharpen-watch")
        ip("link set sharpen-watch up")
        for n, machine in enumerate(names):
            ip(f"link add port{n} netns {SWITCH} type veth peer name cable netns {machine}")
            ip(f"-n {SWITCH} link set port{n} master hub up")
            ip(f"-n {machine} addr add {address(n)}/24 dev cable")
            ip(f"-n {machine} link set cable up")
        yield
    finally:
        for machine in made:
            for pid in pids(machine):
                os.kill(pid, signal.SIGKILL)
            ip(f"netns del {machine}")


def pull_cable(n: int) -> None:
    """Cut a machine off from all others."""
    ip(f"-n {SWITCH} link set port{n} down")


def plug_in_cable(n: int) -> None:
    """End what :func:`pull_cable` began."""
    ip(f"-n {SWITCH} link set port{n} up")


def cut(machine: str, towards: int) -> None:
    """Lose what a machine sends to another, without a word to either; the other direction stays as it is."""
    ip(f"-n {machine} neigh replace {address(towards)} lladdr {NOBODY} dev cable nud permanent")


def heal(machine: str, towards: int) -> None:
    """End what :func:`cut` began."""
    ip(f"-n {machine} neigh del {address(towards)} dev cable")


def pids(machine: str) -> list[int]:
    """Return the processes of a machine."""
    listing = subprocess.run(["ip", "netns", "pids", machine], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listing.stdout.split()]


def on(machine: str, *command: str) -> list[str]:
    """Return the command that runs another on a machine, under its host name."""
    script = 'hostname "$0"; exec "$@"'
    return ["ip", "netns", "exec", machine, "unshare", "--uts", "sh", "-c", script, machine, *command]


def sharpen_on(machine: str, folder: Path, *arguments: str, start: Sequence[str] = ()) -> list[str]:
    """Return the command that runs sharpen on a machine, with a cache of its own; ``start`` starts it."""
    about = [f"SHARPEN_CACHE={folder / machine}", f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"]
    return on(machine, "env", *about, *start, sys.executable, "-m", "sharpen", *arguments)
