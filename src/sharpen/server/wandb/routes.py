"""The addresses that the stock client uses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sharpen.errors import Refused, SharpenError, StoreError, UsageError
from sharpen.jsonable import refuse_half_letters
from sharpen.server.auth import KeyFile, Signer, key_of
from sharpen.server.store_access import Engine
from sharpen.server.wandb import artifact_uploads, artifact_views, execution, file_stream
from sharpen.server.wandb.context import Context, NotAllowed
from sharpen.store.blobs import checked_path, put_file
from sharpen.store.uploads import MD5, remember

MOST_BODY_BYTES = 32 << 20
MOST_UPLOAD_BYTES = 64 << 30
NO_KEY = "no valid key: make one with 'sharpen key add', and set WANDB_API_KEY"
SAFE = re.compile(r"[^A-Za-z0-9._-]")


class WandbRoutes:
    """Answers the stock client.

    Args:
        engine: The store.
        keys: Who may ask.
        n_slots: How many runs a ``wandb agent`` works on at once.
    """

    def __init__(self, engine: Engine, keys: KeyFile, n_slots: int) -> None:
        self._engine = engine
        self._n_slots = n_slots
        self._keys = keys
        self._signer = Signer(keys.secret())
        execution.read("{ viewer { id } }")  # the schema, and what the first to read a text would wait for

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route("/graphql", self.graphql, methods=["POST"]),
            Route("/files/{entity}/{project}/{run}/file_stream", self.stream, methods=["POST"]),
            Route("/storage/{token}", self.put, methods=["PUT", "POST"]),
            Route("/storage/{token}", self.get, methods=["GET"]),
            Route("/artifactsV2/{place:path}", self.by_md5, methods=["GET"]),
            Route("/artifacts/{place:path}", self.by_md5, methods=["GET"]),
        ]

    async def graphql(self, request: Request) -> Response:
        """Answer a GraphQL request."""
        return await self._answered(request, execution.answer)

    async def stream(self, request: Request) -> Response:
        """Keep what a run sends while it is at work."""
        run_id = request.path_params["run"]
        return await self._answered(request, lambda ctx, body: (200, file_stream.take(ctx, run_id, body)))

    async def _answered(
        self, request: Request, call: Callable[[Context, Any], tuple[int, dict[str, Any]]]
    ) -> Response:
        key = self._keys.find(key_of(request.headers.get("authorization", "")))
        if key is None:
            return _refusal(401, NO_KEY)
        ctx = Context(self._engine, key, self._signer, str(request.base_url).rstrip("/"), self._n_slots)
        try:
            text = await _body(request)
        except UsageError as problem:
            return _refusal(413, problem.message)
        try:
            body = json.loads(text)
            refuse_half_letters(text, body)
        except (ValueError, RecursionError):
            return _refusal(400, "the body is no JSON")
        except UsageError as problem:
            return _refusal(400, problem.message)
        try:
            status, reply = await asyncio.to_thread(call, ctx, body)
        except SharpenError as problem:
            return _refusal(_status(problem), problem.message)
        return JSONResponse(reply, status)

    async def put(self, request: Request) -> Response:
        """Keep a file that was announced."""
        claims = self._signer.check(request.path_params["token"], time.time())
        if claims is None or claims.get("do") != "put":
            return _refusal(403, "this address is not ours, or too old")
        folder = self._engine.home / "blobs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        md5 = hashlib.md5(usedforsecurity=False)
        n_bytes = 0
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".incoming-") as file:
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > MOST_UPLOAD_BYTES:
                    return _refusal(413, "the file is too large")
                md5.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            try:
                await asyncio.to_thread(self._keep, Path(file.name), claims, md5.hexdigest())
            except SharpenError as problem:
                return _refusal(_status(problem), problem.message)
        return Response(status_code=200, headers={"ETag": f'"{md5.hexdigest()}"'})

    def _keep(self, path: Path, claims: dict[str, Any], md5: str) -> None:
        digest, n_bytes = put_file(self._engine.home, path)
        if "manifest" in claims:
            artifact_uploads.keep_manifest(self._engine.home, claims["manifest"], digest, n_bytes)
            return
        if "md5" in claims:  # a file of an artifact
            if md5 != claims["md5"]:
                raise UsageError("the content has another MD5 than was announced")
            remember(self._engine.home, md5, digest, n_bytes)
            return
        about = {"type": "file", "digest": digest, "n_bytes": n_bytes, "metadata": {"md5": md5}}
        self._engine.call("attach", run_id=claims["run"], name=claims["name"], **about)

    async def get(self, request: Request) -> Response:
        """Send a file; its content is checked first."""
        claims = self._signer.check(request.path_params["token"], time.time())
        if claims is None or claims.get("do") != "get":
            return _refusal(403, "this address is not ours, or too old")
        return await self._file(claims["digest"], claims["name"])

    async def by_md5(self, request: Request) -> Response:
        """Send a file of an artifact to a client that asks by its MD5, as older ones do."""
        if self._keys.find(key_of(request.headers.get("authorization", ""))) is None:
            return _refusal(401, NO_KEY)
        parts = request.path_params["place"].split("/")
        md5 = next((part for part in reversed(parts) if MD5.fullmatch(part)), "")
        digest = await asyncio.to_thread(artifact_views.digest_of_md5, self._engine, md5)
        return _refusal(404, "no such file") if digest is None else await self._file(digest, parts[-1])

    async def _file(self, digest: str, called: str) -> Response:
        try:
            path = await asyncio.to_thread(checked_path, self._engine.home, digest)
        except StoreError as problem:
            return _refusal(410, problem.message)
        name = SAFE.sub("_", called.rpartition("/")[2])
        headers = {
            "Content-Disposition": f"attachment; filename={quote(name)}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        }
        return FileResponse(path, media_type="application/octet-stream", headers=headers)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    n_bytes = 0
    async for chunk in _chunks(request):
        n_bytes += len(chunk)
        if n_bytes > MOST_BODY_BYTES:
            raise UsageError(f"the body has more than {MOST_BODY_BYTES:,} bytes")
        parts.append(chunk)
    return b"".join(parts)


async def _chunks(request: Request) -> AsyncGenerator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"errors": [{"message": message}]}, status)


def _status(problem: SharpenError) -> int:
    """Return what makes the client give up, or ask again where that may help."""
    if isinstance(problem, NotAllowed):
        return 403
    if isinstance(problem, UsageError):
        return 400
    return 409 if isinstance(problem, Refused) else 503
