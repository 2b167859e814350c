"""What a program prints, on its way to the store: whole lines, in batches, up to a limit."""

from __future__ import annotations

import re
from collections import deque

KEPT_BYTES = 4 << 20
MAX_LINE_BYTES = 16 << 10
KEPT_TAIL_LINES = 200
MAX_LAST_WORDS = 300


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
        self.last_line = ""
        self._partial = b""
        self._ready: list[str] = []
        self._n_taken = 0
        self._n_bytes = 0
        self._n_left_out = 0
        self._tail: deque[str] = deque(maxlen=KEPT_TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take in what was read."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            for start in range(0, len(line) or 1, MAX_LINE_BYTES):
                self._add(line[start : start + MAX_LINE_BYTES])
        while len(rest) > MAX_LINE_BYTES:  # a line without end
            self._add(rest[:MAX_LINE_BYTES])
            rest = rest[MAX_LINE_BYTES:]
        self._partial = rest

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

    def take(self) -> tuple[int, str]:
        """Return the number of the first line not taken yet, and those lines; ``""`` when there are none."""
        first, text = self._n_taken, "".join(f"{line}\n" for line in self._ready)
        self._n_taken += len(self._ready)
        self._ready.clear()
        return first, text

    def _add(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        self.last_line = line if line.strip() else self.last_line
        self._n_bytes += len(raw) + 1
        if self._n_bytes <= KEPT_BYTES:
            self._ready.append(line)
        else:
            self._n_left_out += 1
            self._tail.append(line)


def last_words(line: str) -> str:
    """Return what tells one failure from another: the last line, without what changes from run to run.

    >>> last_words("KeyError: <object at 0x7f3a>")
    'KeyError: <object at 0x…>'
    """
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", line.strip())[:MAX_LAST_WORDS]
