"""A program that is run once, up to where it asks for its run: from there a process is forked for each.

Such a program is started by the same words for every run, and does nothing before it asks that one run does
otherwise than another. The fork server says so of itself by putting its loop here.
"""

from __future__ import annotations

from collections.abc import Callable

VARIABLE = "SHARPEN_AHEAD"
"""Set for programs that may be run so."""
_loops: list[Callable[[], None]] = []


def set_loop(loop: Callable[[], None]) -> None:
    """Let :func:`wait_for_run` carry on here: it returns in each process that is forked for a run."""
    _loops[:] = [loop]


def is_ahead() -> bool:
    """Return whether this process runs a program ahead of any run."""
    return bool(_loops)


def wait_for_run() -> None:
    """Return when this process has a run to carry out: at once, but in a fork server."""
    while _loops:
        _loops.pop()()
