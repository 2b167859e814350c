"""The words between clients and the coordinator: numbers that JSON lacks, and retries."""

from __future__ import annotations

import json
import math
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.errors import Refused, StoreError, Unreachable
from sharpen.wire import Client, dumps, number, socket_path

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def strict(text: str) -> Any:
    """Parse JSON without the constants that JSON lacks."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def with_words(value: Any) -> Any:
    """Put words in the place of numbers that are not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, dict):
        return {k: with_words(v) for k, v in value.items()}
    return [with_words(v) for v in value] if isinstance(value, list) else value


@given(VALUES)
def test_what_is_written_is_one_line_of_strict_json_and_reads_back(value: Any) -> None:
    text = dumps(value)
    assert "\n" not in text
    assert strict(text) == with_words(value)


@given(st.floats())
def test_a_float_comes_back_exactly(value: float) -> None:
    back = number(strict(dumps(value)))
    assert back is not None
    assert np.array_equal([back], [value], equal_nan=True)
    assert math.copysign(1, back) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.float64("nan"), '"NaN"'),
        (np.float32("-inf"), '"-Infinity"'),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.array(0.25), "0.25"),
        (np.array([np.nan]), '"NaN"'),
        (np.array([1, 2]), '"[1 2]"'),
        (Path("a/b"), '"a/b"'),
        ((1, math.inf), '[1,"Infinity"]'),
        ({"a": np.float32("nan"), "b": [np.int8(1), {"c": math.nan}]}, '{"a":"NaN","b":[1,{"c":"NaN"}]}'),
        ({1: math.nan}, '{"1":"NaN"}'),
    ],
)
def test_numbers_of_other_libraries_are_numbers(value: Any, text: str) -> None:
    assert dumps(value) == text
    assert dumps([math.nan, value]) == f'["NaN",{text}]'


@pytest.mark.parametrize(
    "value", ["fast", "nan", "inf", "1.0", "", None, [1], {}, np.array([1.0, 2.0]), b"NaN"]
)
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None


@pytest.mark.parametrize(
    ("value", "found"), [(10**400, math.inf), (-(10**400), -math.inf), (True, 1.0), (2, 2.0)]
)
def test_whole_numbers_of_any_size_are_floats(value: int, found: float) -> None:
    assert number(value) == found


class Answering:
    """A socket that answers each connection with the next of a list of raw replies."""

    def __init__(self, home: Path, replies: list[bytes]) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(socket_path(home)))
        self._socket.listen()
        self._replies = replies
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        for reply in self._replies:
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rb") as lines:
                self.heard.append(lines.readline())
                connection.sendall(reply)

    def close(self) -> None:
        self._thread.join()
        self._socket.close()


def test_a_reply_that_was_cut_off_is_asked_for_again_in_the_same_words(tmp_path: Path) -> None:
    there = Answering(tmp_path, [b"", b'{"ok":', b'{"ok":{"a":1}}\n'])
    client = Client(tmp_path, patience_s=30.0)
    assert client.call("lease", key="k") == {"a": 1}
    client.close()
    there.close()
    assert there.heard == [b'{"op":"lease","args":{"key":"k"}}\n'] * 3


def test_a_refusal_is_raised_and_not_repeated(tmp_path: Path) -> None:
    error = {"kind": "Refused", "message": "run a-1 has ended", "facts": {"why": "ended"}}
    there = Answering(tmp_path, [dumps({"error": error}).encode() + b"\n"])
    client = Client(tmp_path)
    with pytest.raises(Refused, match="run a-1 has ended") as refusal:
        client.call("exit")
    assert refusal.value.facts == {"why": "ended"}
    client.close()
    there.close()
    assert len(there.heard) == 1


def test_of_several_requests_each_has_its_answer_and_all_are_asked_again_when_one_was_not_kept(
    tmp_path: Path,
) -> None:
    full = {"error": {"kind": "StoreError", "message": "disk full", "facts": {}}}
    ended = {"error": {"kind": "Refused", "message": "run a-1 has ended", "facts": {"why": "ended"}}}
    replies = [[{"ok": 1}, full], [ended, {"ok": {"b": 2}}]]
    there = Answering(tmp_path, [dumps(reply).encode() + b"\n" for reply in replies])
    client = Client(tmp_path, patience_s=30.0)
    refusal, answer = client.call_all([("exit", {"run_id": "a-1"}), ("lease", {})])
    assert (type(refusal), refusal.message, answer) == (Refused, "run a-1 has ended", {"b": 2})
    client.close()
    there.close()
    asked = b'[{"op":"exit","args":{"run_id":"a-1"}},{"op":"lease","args":{}}]\n'
    assert there.heard == [asked, asked]


def test_a_store_that_cannot_be_written_for_long_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"kind": "StoreError", "message": "disk full", "facts": {}}
    answers = [[{"error": error}], [{"error": error}], [{"ok": 1}]]
    client = Client(tmp_path, patience_s=30.0)
    monkeypatch.setattr(client, "_exchange", lambda line: answers.pop(0))
    assert client.call("report") == 1, "there was room again in time"
    client = Client(tmp_path, patience_s=0.02)
    monkeypatch.setattr(client, "_exchange", lambda line: [{"error": error}])
    with pytest.raises(StoreError, match="disk full"):
        client.call("report")


def test_who_may_host_is_asked_to_when_nobody_answers(tmp_path: Path) -> None:
    asked: list[int] = []
    client = Client(tmp_path, lambda: asked.append(1), patience_s=0.05)
    with pytest.raises(Unreachable):
        client.call("ping")
    assert asked
    client.close()
    client.close()
