"""What a program prints, on its way to the store: whole lines, in batches, up to a limit."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import dropwhile

KEPT_BYTES = 4 << 20
MAX_LINE_BYTES = 16 << 10
KEPT_TAIL_LINES = 200
MAX_LAST_WORDS = 300
_TRACEBACK = re.compile(r"(.*?)(?:Exception Group )?Traceback \(most recent call last\):$")
_NAME_ALONE = re.compile(r"[\w.]+:$")  # its message begins on the next line
_OF_HYDRA = "Set the environment variable HYDRA_FULL_ERROR=1"  # what it prints after every error
_ANNOUNCES = re.compile(r":(\s|$)")


class Output:
    r"""Turns bytes as they come into numbered whole lines.

    The first ``KEPT_BYTES`` are kept, and of what follows the last ``KEPT_TAIL_LINES`` lines, with a line
    between them that says how much is missing. A line longer than ``MAX_LINE_BYTES`` becomes several.

    >>> output = Output()
    >>> output.feed(b"one\ntw"); output.take()
    (0, 'one\n')
    >>> output.feed(b"o\n\xff\n"); output.close(); output.take()
    (1, 'two\n\ufffd\n')
    """

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=KEPT_TAIL_LINES)
        self._partial = b""
        self._ready: list[str] = []
        self._n_taken = 0
        self._n_bytes = 0
        self._n_left_out = 0
        self._tail: deque[str] = deque(maxlen=KEPT_TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        *lines, partial = (self._partial + data).split(b"\n")
        for line in lines:
            for start in range(0, len(line) or 1, MAX_LINE_BYTES):
                self._add(line[start : start + MAX_LINE_BYTES])
        while len(partial) > MAX_LINE_BYTES:  # a line without end
            self._add(partial[:MAX_LINE_BYTES])
            partial = partial[MAX_LINE_BYTES:]
        self._partial = partial

    def close(self) -> None:
        """Take in the last line, and the tail of what was over the limit."""
        if self._partial:
            self._add(self._partial)
            self._partial = b""
        if self._n_left_out > len(self._tail):
            n_lines = self._n_left_out - len(self._tail)
            self._ready.append(
                f"[… {n_lines} lines over the limit of {KEPT_BYTES >> 20} MiB were not kept …]"
            )
        self._ready += self._tail
        self._tail.clear()

    def last_words(self) -> str:
        """Return what says best why the program failed; empty when it printed nothing."""
        return last_words(self._recent)

    def take(self) -> tuple[int, str]:
        """Return the number of the first line not taken yet, and those lines; ``""`` when there are none."""
        first, text = self._n_taken, "".join(f"{line}\n" for line in self._ready)
        self._n_taken += len(self._ready)
        self._ready.clear()
        return first, text

    def _add(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        self._recent.append(line)
        self._n_bytes += len(raw) + 1
        if self._n_bytes <= KEPT_BYTES:
            self._ready.append(line)
        else:
            self._n_left_out += 1
            self._tail.append(line)


def last_words(lines: Iterable[str]) -> str:
    r"""Return the line that says why a program failed, without what changes from run to run.

    That is the line at which the last exception begins, whatever lines its message has and whatever is
    printed after it; without a traceback the last line, or the one that the last is indented under.

    Args:
        lines: The last of what it printed.

    >>> last_words(["Traceback (most recent call last):", "  File 'x.py', line 1", "OSError: a", "b"])
    'OSError: a'
    >>> last_words(["x.csv: two problems:", "  one", "  two"])
    'x.csv: two problems:'
    >>> last_words(["no such key", "Set the environment variable HYDRA_FULL_ERROR=1 for more."])
    'no such key'
    >>> last_words(["[09:30:00] no such thing: <object at 0x7f3a>", ""])
    'no such thing: <object at 0x…>'
    """
    printed = [line for line in lines if line.strip() and not line.startswith(_OF_HYDRA)]
    line = _exception(printed) or _paragraph(printed)
    line = re.sub(r"0x[0-9a-fA-F]+", "0x…", line.strip())
    return re.sub(r"\[\d\d:\d\d:\d\d\] *", "", line)[:MAX_LAST_WORDS]


def _exception(printed: Sequence[str]) -> str:
    """Return the line with the name of the last exception that was shown; empty when there is none."""
    for index in reversed(range(len(printed))):
        header = _TRACEBACK.match(printed[index])
        if header and not (index and printed[index - 1].startswith("Exception ignored")):
            return _beginning(printed[index + 1 :], header[1].replace("+ ", "| "))
    return ""


def _beginning(lines: Sequence[str], margin: str) -> str:
    """Return the line after a traceback's frames; empty when it was cut off.

    Args:
        lines: What follows the traceback's first line.
        margin: What stands before each of its lines: that of a group of exceptions, or of who passes it on.
    """
    inside = [line.removeprefix(margin).rstrip() for line in lines if line.startswith(margin)]
    unindented = dropwhile(lambda line: line[:1].isspace(), filter(None, inside))
    first = next(unindented, "")
    return f"{first} {next(unindented, '').strip()}" if _NAME_ALONE.match(first) else first


def _paragraph(printed: Sequence[str]) -> str:
    """Return the last line, or the one that announces it and that it is indented under; empty for none."""
    if not printed or not printed[-1][0].isspace():
        return printed[-1] if printed else ""
    above = next((line for line in reversed(printed) if not line[0].isspace()), "")
    return above if _ANNOUNCES.search(above) and not _TRACEBACK.match(above) else printed[-1]
