"""The address of a Ray cluster: whether it is one, and whether somebody answers there; Ray is not loaded."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sharpen.errors import UsageError

ANSWER_S = 2.0
DEFAULT_PORT = 6379
AUTO = "auto"  # Ray finds one of this machine
LOCAL = "local"  # Ray starts one here
PROCESSES = Path("/proc")


def checked_address(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of a cluster, where somebody answers.

    Raises:
        UsageError: It is none, or nobody does; or no node of a cluster runs on this machine.

    >>> checked_address("local")
    'local'
    >>> checked_address("ray://head:10001")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --ray: 'ray://head:10001' is no address of a head: give HOST:PORT, as in \
head.lab:6379, or 'auto' on a node of the cluster
    """
    if address == AUTO:
        _check_here(environment)
    elif address != LOCAL:
        _check(address)
    return address


def _check_here(environment: Mapping[str, str]) -> None:
    if environment.get("RAY_ADDRESS", "") == LOCAL:
        return
    found = address_here(environment)
    if not found:
        raise UsageError(
            "--ray auto: no node of a Ray cluster runs on this machine: start one with 'ray start "
            f"--address=HEAD:{DEFAULT_PORT}', or a cluster of its own with 'ray start --head'"
        )
    try:
        _check(found)
    except UsageError as problem:
        raise UsageError(f"--ray auto is {found} on this machine; {problem.message}") from None


def _check(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"--ray: {address!r} is no address of a head: give HOST:PORT, as in head.lab:{DEFAULT_PORT}, "
            "or 'auto' on a node of the cluster"
        )
    if problem := why_silent(address):
        raise UsageError(
            f"--ray: nobody answers at {address} ({problem}): start the head there with 'ray start --head "
            f"--port={port}', or give the address of another"
        )
    if PROCESSES.is_dir() and not _heads_of_nodes():
        raise UsageError(
            f"--ray: this machine is no node of the cluster at {address}, as those who give it tasks "
            f"must be: type 'ray start --address={address} --num-cpus=0' here first, which gets no agents"
        )


def address_here(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address for which ``auto`` stands, as Ray finds it; empty where there is none.

    It is what RAY_ADDRESS names, or the head of this machine's node, or the last one that was started here.

    >>> address_here({"RAY_ADDRESS": "head.lab:6379"})
    'head.lab:6379'
    """
    if (named := environment.get("RAY_ADDRESS", "")) not in ("", AUTO):
        return named
    heads, last = _heads_of_nodes(), _last_started(environment)
    return last if last and len(heads) != 1 else "".join(heads[:1])


def _heads_of_nodes() -> Sequence[str]:
    """Return the addresses of the heads that the nodes of this machine belong to."""
    found: dict[str, None] = {}
    for file in PROCESSES.glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended, or is somebody else's
            words = os.fsdecode(file.read_bytes()).split("\0")
            if Path(words[0]).name == "raylet":
                flag = "--gcs-address="
                found |= dict.fromkeys(word.removeprefix(flag) for word in words if word.startswith(flag))
    return list(found)


def _last_started(environment: Mapping[str, str]) -> str:
    folder = environment.get("RAY_TMPDIR") or environment.get("TMPDIR") or "/tmp"  # noqa: S108 - it is Ray's
    try:
        return (Path(folder) / "ray" / "ray_current_cluster").read_text().strip()
    except OSError:
        return ""


def why_silent(address: str) -> str:
    """Return why nobody answers at an address; empty where somebody does.

    >>> why_silent("127.0.0.1:nothing")
    "invalid literal for int() with base 10: 'nothing'"
    """
    host, _, port = address.rpartition("://")[2].partition("]:" if "]" in address else ":")
    try:
        with socket.create_connection((host.lstrip("["), int(port or DEFAULT_PORT)), ANSWER_S):
            return ""
    except OSError as problem:
        return problem.strerror or f"{problem}" or type(problem).__name__
    except (ValueError, OverflowError) as problem:
        return f"{problem}"
