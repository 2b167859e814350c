"""A program's output: numbered whole lines, however they were cut on the way."""

from __future__ import annotations

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
    assert found.last_line == f"{9 + n_over:03d}"


def test_blank_lines_are_not_last_words() -> None:
    found = Output()
    found.feed(b"ValueError: bad\n\n   \n")
    found.close()
    assert last_words(found.last_line) == "ValueError: bad"
    assert len(last_words("x" * 5000)) == 300
