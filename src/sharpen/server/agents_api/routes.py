"""The addresses that agents and command lines on other machines use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from sharpen.errors import InternalError, SharpenError, StoreError, Unreachable, UsageError
from sharpen.server.agents_api.relay import Relay
from sharpen.server.agents_api.rows import Rows
from sharpen.server.agents_api.scopes import scope_of
from sharpen.server.auth import KeyFile, key_of
from sharpen.store import bucket
from sharpen.store.blobs import DIGEST, IncomingBlob, blob_path, checked_path
from sharpen.store.retry import FULL
from sharpen.wire.protocol import MAX_MESSAGE_BYTES, ProtocolError, decode_requests, encode_refusal

MOST_BLOB_BYTES = 64 << 30
MOST_QUERY_BYTES = 4 << 20
JSON = "application/json"
Answer = Callable[[Request], Awaitable[Response]]


class NotAllowed(UsageError):
    """The key is none of this store, or its scope is too small; ``facts["status"]`` is the HTTP code."""


class AgentRoutes:
    """Answers agents and command lines on other machines.

    Args:
        home: The store's folder.
        keys: Who may ask.
        relay: Carries messages to the coordinator.
    """

    def __init__(self, home: Path, keys: KeyFile, relay: Relay) -> None:
        self._home = home
        self._keys = keys
        self._relay = relay

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        blob = "/api/agents/blobs/{digest}"
        return [
            Route("/api/agents/messages", _answered(self.messages), methods=["POST"]),
            Route("/api/agents/rows", _answered(self.rows), methods=["POST"]),
            Route(blob, _answered(self.put), methods=["PUT"]),
            Route(blob, _answered(self.get), methods=["GET", "HEAD"]),
        ]

    async def messages(self, request: Request) -> Response:
        """Have the coordinator answer a message, as on a socket."""
        self._check(request, "read")
        message = (await _body(request, MAX_MESSAGE_BYTES)).strip()
        if b"\n" in message:
            raise UsageError("a message is one line of JSON")
        try:
            requests = decode_requests(message)
        except ProtocolError as problem:
            return Response(encode_refusal(problem), media_type=JSON)
        except ValueError:
            raise UsageError("a message is one line of JSON") from None
        self._check(request, scope_of(requests))
        answer = self._relay.exchange(message)
        is_wait = any(one.get("op") == "watch" for one in requests)
        return Response(await (_while_there(request, answer) if is_wait else answer), media_type=JSON)

    async def rows(self, request: Request) -> Response:
        """Answer a query of a reader."""
        self._check(request, "read")
        try:
            query = json.loads(await _body(request, MOST_QUERY_BYTES))
        except (ValueError, RecursionError):
            raise UsageError("the body is no JSON") from None
        return await asyncio.to_thread(
            lambda: Response(json.dumps(self._rows.answer(query)), media_type=JSON)
        )

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self._home)

    async def put(self, request: Request) -> Response:
        """Keep a file under its digest; what is something else is refused."""
        self._check(request, "agent")
        digest = _digest(request)
        blob = await asyncio.to_thread(IncomingBlob, self._home)
        with blob:
            async for chunk in request.stream():
                if blob.n_bytes + len(chunk) > MOST_BLOB_BYTES:
                    raise UsageError(f"a file of more than {MOST_BLOB_BYTES:,} bytes")
                await asyncio.to_thread(blob.write, chunk)
            if blob.digest != digest:
                raise UsageError("the content is not what its digest says", why="digest")
            await asyncio.to_thread(blob.keep)
        return Response(status_code=201)

    async def get(self, request: Request) -> Response:
        """Send a file, whose content is checked first; or say whether it is there."""
        self._check(request, "read")
        digest = _digest(request)
        if request.method == "HEAD":
            here = blob_path(self._home, digest).is_file()
            is_there = here or await asyncio.to_thread(bucket.has, self._home, digest)
            return Response(status_code=200 if is_there else 404)
        path = await asyncio.to_thread(checked_path, self._home, digest)
        return FileResponse(path, media_type="application/octet-stream")

    def _check(self, request: Request, scope: str) -> None:
        """Refuse a request whose key may not do what a scope may.

        Raises:
            NotAllowed: So it is.
        """
        key = self._keys.find(key_of(request.headers.get("authorization", "")))
        if key is None:
            raise NotAllowed("no valid key: make one with 'sharpen key add'", status=401)
        if not key.allows(scope):
            refusal = f"key {key.id} has the scope {key.scope!r}, and this needs {scope!r}"
            raise NotAllowed(f"{refusal}: 'sharpen key add --scope {scope}' makes one", status=403)


async def _while_there(request: Request, answer: Coroutine[Any, Any, bytes]) -> bytes:
    """Return an answer that may take long, given up when the one who asked has left.

    A server that ends would wait for it.

    Raises:
        ClientDisconnect: So it is.
    """
    answering, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the one who asked has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answered(answer: Answer) -> Answer:
    """Return what turns errors into answers that :mod:`sharpen.http.connection` understands."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except ClientDisconnect:
            return Response(status_code=499)
        except SharpenError as problem:
            return _failure(_status(problem), problem)
        except OSError as problem:
            message = "the disk is full" if problem.errno in FULL else f"{problem}"
            return _failure(507 if problem.errno in FULL else 503, StoreError(message))

    return endpoint


def _status(problem: SharpenError) -> int:
    if isinstance(problem, NotAllowed):
        return problem.facts["status"]
    if isinstance(problem, Unreachable | InternalError):
        return 503
    return 409 if isinstance(problem, StoreError) else 400


def _failure(status: int, problem: SharpenError) -> Response:
    kind = "UsageError" if isinstance(problem, NotAllowed) else type(problem).__name__
    error = {"kind": kind, "message": problem.message, "facts": problem.facts}
    headers = {"Connection": "close"}  # a body that was not taken would be read as the next request
    return Response(json.dumps({"error": error}), status, headers, JSON)


def _digest(request: Request) -> str:
    digest = request.path_params["digest"]
    if not DIGEST.fullmatch(digest):
        raise UsageError("a blob's name is its SHA-256")
    return digest


async def _body(request: Request, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > most_bytes:
            raise UsageError(f"the body has more than {most_bytes:,} bytes")
        parts.append(chunk)
    return b"".join(parts)
