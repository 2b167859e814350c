"""Clients and the coordinator: retries, refusals, who may host."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from sharpen.errors import Refused, StoreError, Unreachable
from sharpen.jsonable import dumps
from sharpen.wire import Client, socket_path


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
