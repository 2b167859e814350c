"""A program's output: numbered whole lines, however they were cut on the way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.agents import output
from sharpen.agents.output import MAX_LINE_BYTES, Output, last_words


@given(
    st.binary(max_size=200),
    st.lists(st.integers(0, 200), max_size=8),
    st.lists(st.booleans(), min_size=9, max_size=9),
)
def test_lines_are_the_same_however_they_come_and_are_taken(
    data: bytes, cuts: list[int], takes: list[bool]
) -> None:
    found = Output()
    texts: list[str] = []
    n_lines = 0
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop, take in zip(edges, edges[1:], takes, strict=False):
        found.feed(data[start:stop])
        if take:
            first, text = found.take()
            assert first == n_lines
            n_lines += text.count("\n")
            texts.append(text)
    found.close()
    texts.append(found.take()[1])
    lines = data.split(b"\n")
    expected = lines[:-1] if lines[-1] == b"" else lines
    assert "".join(texts) == "".join(line.decode(errors="replace").rstrip("\r") + "\n" for line in expected)
    assert found.take()[1] == ""


@pytest.mark.parametrize(
    "n_bytes", [0, 1, MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES]
)
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_long_line_becomes_several_and_none_is_lost(n_bytes: int, end: bytes) -> None:
    found = Output()
    found.feed(b"x" * n_bytes)
    found.feed(end)
    found.close()
    lines = found.take()[1].splitlines()
    assert "".join(lines) == "x" * n_bytes
    assert all(len(line) <= MAX_LINE_BYTES for line in lines)
    assert len(lines) == max(-(-n_bytes // MAX_LINE_BYTES), len(end))


@pytest.mark.parametrize("n_over", [0, 1, 3, 4, 100])
def test_over_the_limit_the_tail_is_kept_and_the_gap_counted(
    monkeypatch: pytest.MonkeyPatch, n_over: int
) -> None:
    monkeypatch.setattr(output, "KEPT_BYTES", 40)
    monkeypatch.setattr(output, "KEPT_TAIL_LINES", 3)
    found = Output()
    found.feed(b"".join(b"%03d\n" % i for i in range(10 + n_over)))
    found.close()
    lines = found.take()[1].splitlines()
    assert lines[:10] == [f"{i:03d}" for i in range(10)]
    tail = [f"{i:03d}" for i in range(10, 10 + n_over)][-3:]
    gap = [f"[… {n_over - 3} lines over the limit of 0 MiB were not kept …]"] if n_over > 3 else []
    assert lines[10:] == gap + tail
    assert found.last_words() == f"{9 + n_over:03d}"


def test_blank_lines_are_not_last_words() -> None:
    found = Output()
    assert found.last_words() == ""
    found.feed(b"ValueError: bad\n\n   \n")
    found.close()
    assert found.last_words() == "ValueError: bad"
    assert len(last_words(["x" * 5000])) == 300


def words_of(text: str) -> str:
    found = Output()
    found.feed(text.encode())
    found.close()
    return found.last_words()


def words_of_program(text: str) -> str:
    """Return the last words of a Python program, as this Python shows its exceptions."""
    done = subprocess.run([sys.executable, "-c", text], stderr=subprocess.PIPE, check=False)
    assert done.returncode
    return words_of("step 1\n" + done.stderr.decode())


SEVERAL = (
    "x.csv: X: 1 row. Fix: drop it. All 2 problems:\n  X\nHint: none\n\n      row 5 (2020-01-06): open=1"
)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise ValueError('x')", "ValueError: x"),
        ("raise ValueError", "ValueError"),
        ("assert 0", "AssertionError"),
        (f"raise ValueError({SEVERAL!r})", f"ValueError: {SEVERAL.splitlines()[0]}"),
        ("raise ValueError('\\n  two problems:\\n  - one')", "ValueError: two problems:"),
        ("raise ValueError('one:\\n  two')", "ValueError: one:"),
        (
            "from sharpen.errors import DataError\nraise DataError('x.csv: bad:\\n  y')",
            "sharpen.errors.DataError: x.csv: bad:",
        ),
        ("try:\n  1 / 0\nexcept Exception as e:\n  raise KeyError('a\\nb') from e", "KeyError: 'a\\nb'"),
        ("try:\n  1 / 0\nexcept Exception:\n  raise OSError('a\\nb: c')", "OSError: a"),
        ("e = ValueError('x\\ny')\ne.add_note('note: z')\nraise e", "ValueError: x"),
        (
            "raise ExceptionGroup('two', [OSError('a\\nb'), ValueError('c')])",
            "ExceptionGroup: two (2 sub-exceptions)",
        ),
        (
            "try:\n  1 / 0\nexcept Exception as e:\n  raise ExceptionGroup('g', [e])",
            "ZeroDivisionError: division by zero",
        ),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("class A:\n  def __del__(self): 1 / 0\na = A()\nraise ValueError('x')", "ValueError: x"),
        (
            "import traceback\ntry:\n  1 / 0\nexcept Exception:\n  traceback.print_exc()\n  exit('failed')",
            "ZeroDivisionError: division by zero",
        ),
        ("import sys; sys.exit('x.csv: no rows. Fix: bring some')", "x.csv: no rows. Fix: bring some"),
        (f"import sys; sys.exit({SEVERAL!r})", "Hint: none"),
        ("import sys; sys.exit('x.csv: two problems:\\n  one\\n  two')", "x.csv: two problems:"),
        (
            "import argparse as a; p = a.ArgumentParser(prog='x'); p.add_argument('--n', type=int); "
            "p.parse_args(['--n', 'z'])",
            "x: error: argument --n: invalid int value: 'z'",
        ),
    ],
)
def test_the_reason_is_the_line_at_which_the_last_exception_begins(program: str, words: str) -> None:
    assert words_of_program(program) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'Exception in thread "main" java.lang.Error: bad\n\tat a.b(C.java:1)\n\tat a.c(C.java:2)\n',
            'Exception in thread "main" java.lang.Error: bad',
        ),
        (
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad\n",
            "what():  bad",
        ),
        ("  all\n  indented: yes\n", "indented: yes"),
        (
            "(pid=7) Traceback (most recent call last):\nother\n(pid=7)   File 'x'\n"
            "(pid=7) ValueError: a\n(pid=7) b\n",
            "ValueError: a",
        ),
        ("Traceback (most recent call last):\n  File 'x', line 1\n", "File 'x', line 1"),
        ("[12:30:59] x.cc:3: Check failed: [09:00:01] y at 0xff\n", "x.cc:3: Check failed: y at 0x…"),
    ],
    ids=range(6),
)
def test_what_others_print_is_read_as_well(text: str, words: str) -> None:
    assert words_of(text) == words


def test_what_is_printed_after_an_exception_does_not_hide_it() -> None:
    shown = "Traceback (most recent call last):\n  File 'x', line 1\nValueError: a\n"
    assert words_of(shown + "saved\n" * 190) == "ValueError: a"
    assert words_of(shown + "saved\n" * 200) == "saved"
