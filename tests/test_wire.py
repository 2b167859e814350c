"""Clients and the coordinator: messages and their limits, versions, retries, refusals, who may host."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from sharpen.errors import Refused, StoreError, Unreachable, UsageError
from sharpen.wire import Client, UnixChannel, open_channel
from sharpen.wire.protocol import (
    MAX_REQUESTS,
    PROTOCOL,
    ProtocolError,
    decode_replies,
    decode_requests,
    encode_refusal,
    encode_replies,
    encode_requests,
)
from sharpen.wire.unix_socket import bindable


class Answering:
    """A socket that answers each connection with the next of a list of raw replies."""

    def __init__(self, home: Path, replies: list[bytes]) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        with bindable(home) as name:
            self._socket.bind(name)
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
    there = Answering(tmp_path, [b"", b'{"protocol":2,', encode_replies([{"ok": {"a": 1}}]) + b"\n"])
    client = Client(UnixChannel(tmp_path), patience_s=30.0)
    assert client.call("lease", key="k") == {"a": 1}
    client.close()
    there.close()
    assert there.heard == [encode_requests([{"op": "lease", "args": {"key": "k"}}]) + b"\n"] * 3


def test_a_refusal_is_raised_and_not_repeated(tmp_path: Path) -> None:
    error = {"kind": "Refused", "message": "run a-1 has ended", "facts": {"why": "ended"}}
    there = Answering(tmp_path, [encode_replies([{"error": error}]) + b"\n"])
    client = Client(UnixChannel(tmp_path))
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
    there = Answering(tmp_path, [encode_replies(each) + b"\n" for each in replies])
    client = Client(UnixChannel(tmp_path), patience_s=30.0)
    refusal, answer = client.call_all([("exit", {"run_id": "a-1"}), ("lease", {})])
    assert (type(refusal), refusal.message, answer) == (Refused, "run a-1 has ended", {"b": 2})
    client.close()
    there.close()
    requests = [{"op": "exit", "args": {"run_id": "a-1"}}, {"op": "lease", "args": {}}]
    asked = encode_requests(requests) + b"\n"
    assert there.heard == [asked, asked]


def test_a_store_that_cannot_be_written_for_long_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"kind": "StoreError", "message": "disk full", "facts": {}}
    answers = [[{"error": error}], [{"error": error}], [{"ok": 1}]]
    client = Client(UnixChannel(tmp_path), patience_s=30.0)
    monkeypatch.setattr(client.channel, "exchange", lambda *_: encode_replies(answers.pop(0)))
    assert client.call("report") == 1, "there was room again in time"
    client = Client(UnixChannel(tmp_path), patience_s=0.02)
    monkeypatch.setattr(client.channel, "exchange", lambda *_: encode_replies([{"error": error}]))
    with pytest.raises(StoreError, match="disk full"):
        client.call("report")


def test_who_may_host_is_asked_to_when_nobody_answers(tmp_path: Path) -> None:
    asked: list[int] = []
    client = Client(UnixChannel(tmp_path), lambda: asked.append(1), patience_s=0.05)
    with pytest.raises(Unreachable):
        client.call("ping")
    assert asked
    client.close()
    client.close()


def test_a_message_says_its_version_and_comes_back_as_it_went() -> None:
    requests = [{"op": "note", "args": {"text": "a\nb"}}, {"op": "ping", "args": {}}]
    message = encode_requests(requests)
    assert json.loads(message) == {"protocol": PROTOCOL, "requests": requests}
    assert b"\n" not in message
    assert decode_requests(message) == requests
    assert decode_replies(encode_replies([{"ok": 1}, {"ok": 2}]), 2) == [{"ok": 1}, {"ok": 2}]


@pytest.mark.parametrize(
    ("message", "n_replies"),
    [
        (b'{"op":"join","args":{}}', None),
        (b'[{"op":"exit","args":{}},{"op":"lease","args":{}}]', 2),
    ],
)
def test_an_agent_of_before_versions_is_refused_in_the_shape_that_it_reads(
    message: bytes, n_replies: int | None
) -> None:
    with pytest.raises(
        ProtocolError, match=r"speaks version 1 of sharpen's protocol.*End the older"
    ) as refusal:
        decode_requests(message)
    said = json.loads(encode_refusal(refusal.value))
    replies = [said] if n_replies is None else said
    assert len(replies) == (n_replies or 1)
    assert all(reply["error"]["kind"] == "UsageError" for reply in replies)


def test_a_host_of_before_versions_and_one_of_a_later_are_named() -> None:
    old = b'{"error":{"kind":"UsageError","message":"no request None","facts":{}}}'
    with pytest.raises(UsageError, match="the one that holds the store speaks 1"):
        decode_replies(old, 1)
    with pytest.raises(ProtocolError, match=r"speaks version 3 .* speaks 2"):
        decode_requests(b'{"protocol":3,"requests":[]}')


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nests too deep"),
        (b'{"protocol":2,"requests":7}', "a list of requests"),
        (b'{"protocol":2,"requests":[7]}', "a list of requests"),
        (b'{"protocol":2}', "a list of requests"),
        (encode_requests([{"op": "ping", "args": {}}] * (MAX_REQUESTS + 1)), "10,001 requests at once"),
    ],
    ids=["nest", "number", "numbers", "nothing", "many"],
)
def test_a_message_that_cannot_be_answered_is_refused_with_its_fault(message: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words) as refusal:
        decode_requests(message)
    assert words in encode_refusal(refusal.value).decode()


def test_a_request_above_the_limit_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharpen.wire.protocol.MAX_MESSAGE_BYTES", 1000)
    client = Client(UnixChannel(tmp_path), patience_s=30.0)
    began = time.monotonic()
    with pytest.raises(
        UsageError, match=r"summarize: 1,\d+ bytes at once, and the limit is 1,000: .*log_artifact"
    ):
        client.call("summarize", values={"big": "x" * 1000})
    assert time.monotonic() - began < 5.0, "nobody was waited for"


def test_an_address_opens_a_channel_and_another_word_is_refused(tmp_path: Path) -> None:
    channel = UnixChannel(tmp_path)
    assert open_channel(channel.address).address == channel.address == f"unix:{tmp_path.resolve()}"
    for word in ("", "ftp:x", str(tmp_path)):
        with pytest.raises(UsageError, match="no address of a coordinator"):
            open_channel(word)


def test_a_host_of_another_version_is_named_by_its_process(tmp_path: Path) -> None:
    old = b'{"error":{"kind":"UsageError","message":"no request None","facts":{}}}'
    (tmp_path / "lock").write_text("4242\n")
    there = Answering(tmp_path, [old + b"\n"])
    client = Client(UnixChannel(tmp_path))
    with pytest.raises(UsageError, match=r"End the older.*\(process 4242 holds "):
        client.call("ping")
    client.close()
    there.close()
