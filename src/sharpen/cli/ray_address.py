"""The address of a Ray cluster: whether it is one, and whether somebody answers there; Ray is not loaded."""

from __future__ import annotations

import socket

from sharpen.errors import UsageError

ANSWER_S = 2.0
DEFAULT_PORT = 6379
HERE = ("auto", "local")  # Ray finds one on this machine, or starts one here


def checked_address(address: str) -> str:
    """Return the address of a cluster, where somebody answers.

    Raises:
        UsageError: It is none, or nobody does.

    >>> checked_address("auto")
    'auto'
    >>> checked_address("ray://head:10001")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --ray: 'ray://head:10001' is no address of a head: give HOST:PORT, as in \
head.lab:6379, or 'auto' on a node of the cluster
    """
    if address in HERE:
        return address
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
    return address


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
