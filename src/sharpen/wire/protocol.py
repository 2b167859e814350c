"""What a message holds: requests one way, as many replies the other, each with the protocol's version.

A message is one line of JSON: ``{"protocol": 2, "requests": [{"op": name, "args": {...}}, ...]}``. The answer
is ``{"protocol": 2, "replies": [...]}``.
A reply is ``{"ok": result}`` or ``{"error": {kind, message, facts}}``. Every message
carries the version, so that no channel needs to remember what was said before.

Before version 2 a message was a request or a list of requests. A client that sends such a message is refused
in a form that it understands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen import errors
from sharpen.jsonable import dumps, refuse_half_letters

PROTOCOL = 2
MAX_MESSAGE_BYTES = 64 << 20
MAX_REQUESTS = 10_000

Request = Mapping[str, Any]
Reply = Mapping[str, Any]


class ProtocolError(errors.UsageError):
    """A message that is none, is too large, or speaks another version.

    ``facts["shape"]`` says how a client of the first version reads it: as ``one`` reply or a ``list``.
    """


def encode_requests(requests: Sequence[Request]) -> bytes:
    r"""Return a message that asks for some things.

    Raises:
        UsageError: It is larger than any host takes.

    >>> encode_requests([{"op": "ping", "args": {}}])
    b'{"protocol":2,"requests":[{"op":"ping","args":{}}]}'
    """
    message = dumps({"protocol": PROTOCOL, "requests": requests}).encode()
    if len(message) > MAX_MESSAGE_BYTES:
        names = ", ".join(sorted({str(request["op"]) for request in requests}))
        raise errors.UsageError(
            f"{names}: {len(message):,} bytes at once, and the limit is {MAX_MESSAGE_BYTES:,}: "
            "keep large things as a file, with log_artifact"
        )
    return message


def decode_requests(message: bytes) -> list[Request]:
    """Return the requests of a message.

    Raises:
        ValueError: It is not JSON.
        ProtocolError: It holds none that this version can answer.
    """
    parsed = _parsed(message)
    try:
        refuse_half_letters(message, parsed)
    except errors.UsageError as problem:
        raise ProtocolError(problem.message) from None
    if not isinstance(parsed, dict) or "protocol" not in parsed:
        raise _of_the_first_version(parsed)
    envelope = cast("dict[str, Any]", parsed)
    if envelope["protocol"] != PROTOCOL:
        raise ProtocolError(other_version(envelope["protocol"], PROTOCOL))
    requests: Any = envelope.get("requests")
    if not isinstance(requests, list) or not all(
        isinstance(one, dict) for one in cast("list[Any]", requests)
    ):
        raise ProtocolError("a message holds a list of requests, each of them an object with 'op' and 'args'")
    n = len(cast("list[Any]", requests))
    if n > MAX_REQUESTS:
        raise ProtocolError(f"{n:,} requests at once; the limit is {MAX_REQUESTS:,}")
    return cast("list[Request]", requests)


def encode_replies(replies: Sequence[Reply]) -> bytes:
    """Return the answer to a message.

    >>> encode_replies([{"ok": 1}])
    b'{"protocol":2,"replies":[{"ok":1}]}'
    """
    return dumps({"protocol": PROTOCOL, "replies": replies}).encode()


def encode_refusal(problem: ProtocolError) -> bytes:
    """Return the answer to a message that cannot be read, for a client of whatever version."""
    reply: Reply = {"error": {"kind": "UsageError", "message": problem.message, "facts": {}}}
    match problem.facts.get("shape"):
        case "one":
            return dumps(reply).encode()
        case "list":
            return dumps([reply] * problem.facts["n"]).encode()
        case _:
            return encode_replies([reply])


def decode_replies(answer: bytes, n: int) -> list[Reply]:
    """Return the replies to a message of n requests; one error stands for all where it was refused.

    Raises:
        ValueError: It is not JSON.
        ProtocolError: A host of another version answered.
    """
    parsed = _parsed(answer)
    if not isinstance(parsed, dict) or "replies" not in parsed:
        raise ProtocolError(other_version(PROTOCOL, 1))
    replies = cast("list[Reply]", parsed["replies"])
    return replies * n if len(replies) == 1 else replies


def other_version(client: Any, host: Any) -> str:
    """Return what to say when a client and a host speak different versions of the protocol."""
    return (
        f"this process speaks version {client} of sharpen's protocol, and the one that holds the store "
        f"speaks {host}: sharpen was changed while one of them was at work. End the older, and start it again"
    )


def _of_the_first_version(parsed: Any) -> ProtocolError:
    """Return the refusal of a message without a version, in the shape that its sender expects."""
    if isinstance(parsed, list):
        n = min(len(cast("list[Any]", parsed)), MAX_REQUESTS)
        return ProtocolError(other_version(1, PROTOCOL), shape="list", n=n)
    return ProtocolError(other_version(1, PROTOCOL), shape="one")


def _parsed(message: bytes) -> Any:
    try:
        return json.loads(message)
    except RecursionError:
        raise ProtocolError("a message that nests too deep") from None
