"""An agent as a child of whatever a cluster runs: it dies with that, and gives its runs back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TypeVar

from sharpen.agents.program import die_with_parent, end_process

POLL_S = 0.2
END_GRACE_S = 15.0
LEAVING_S = END_GRACE_S + 5.0
"""By then an agent that was told to end, and what started it, have ended."""
LONGEST_WORDS_BYTES = 4096
KILLED = 137
"""The exit code of a process that was killed."""
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an agent has ended.

    Attributes:
        code: Its exit code.
        words: The last line that it said.
        lived_s: For how long it was there; None where only whoever started it can guess.
    """

    code: int
    words: str
    lived_s: float | None = None


def carry_out(
    argv: Sequence[str],
    environment: Mapping[str, str],
    is_over: Callable[[], bool] = lambda: False,
    without: Collection[str] = (),
) -> Ending:
    """Run an agent to its end; return how that was.

    It gets a session of its own, so that it can end its programs in peace when this process is told to end;
    and a SIGTERM from the kernel when this process dies.

    Args:
        argv: What follows ``sharpen``.
        environment: Variables to set.
        is_over: Whether it is to give its runs back and end.
        without: Variables of this process that it does not get.
    """
    began = time.monotonic()
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sharpen", *argv],
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes two system calls
        )
        try:
            while process.poll() is None and not is_over():  # not wait(), in which nothing can be raised
                time.sleep(POLL_S)
        finally:
            end_process(process, END_GRACE_S)
        last_line = "".join(last_lines(output)[-1:])
        return Ending(process.returncode, last_line, time.monotonic() - began)


def wait_for_some(look: Callable[[], Sequence[Found]], wait_s: float) -> Sequence[Found]:
    """Look again and again until something is found, or for so long; return what was found last."""
    until = time.monotonic() + wait_s
    while not (items := look()) and time.monotonic() < until:
        time.sleep(POLL_S)
    return items


def last_lines(output: IO[bytes]) -> Sequence[str]:
    """Return the last lines of a file that are not empty, without space around each."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - LONGEST_WORDS_BYTES))
    lines = output.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]
