"""The address that Discord calls."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sharpen.promotion.promote import points_at, position
from sharpen.registry.names import find
from sharpen.server.discord.interactions import ShownVersion, answer
from sharpen.server.discord.jobs import JobContext, do, keep, left_over
from sharpen.server.discord.verification import SeenInteractions, is_fresh, is_signed
from sharpen.store.queries import Reader

PATH = "/discord/interactions"
LARGEST_BYTES = 100_000


class Interactions:
    """Answers Discord, and does what takes longer afterwards.

    Args:
        context: What jobs need.
        now: The time, in Unix seconds.
    """

    def __init__(self, context: JobContext, now: Callable[[], float] = time.time) -> None:
        self._context = context
        self._now = now
        self._seen = SeenInteractions()
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Return the route, to be mounted in a server."""
        return [Route(PATH, self._interaction, methods=["POST"])]

    def resume(self) -> None:
        """Do again what a server that died had just not reported; what was done is not done twice."""
        for job in left_over(self._context.home, self._now()):
            do(self._context, job)

    async def _interaction(self, request: Request) -> Response:
        body = await request.body()
        headers, now = request.headers, self._now()
        timestamp = headers.get("x-signature-timestamp", "")
        signature = headers.get("x-signature-ed25519", "")
        is_ours = len(body) <= LARGEST_BYTES and is_signed(
            self._context.settings.public_key, signature, timestamp, body
        )
        if not is_ours or not is_fresh(timestamp, now):
            return PlainTextResponse("the signature is wrong or old", 401)
        try:
            interaction: dict[str, Any] = json.loads(body)
        except ValueError:
            return PlainTextResponse("the body is no JSON", 400)
        if not self._seen.is_new(str(interaction.get("id")), now):
            return PlainTextResponse("this interaction came before", 401)
        answered = await run_in_threadpool(
            answer, interaction, self._context.settings, now, self._find_version
        )
        if answered.job is not None:
            job = answered.job
            await run_in_threadpool(keep, self._context.home, job)
            task = asyncio.create_task(asyncio.to_thread(do, self._context, job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return JSONResponse(answered.reply)

    def _find_version(self, word: str, alias: str) -> ShownVersion:
        reader = Reader(self._context.home)
        row = find(reader, word)
        return ShownVersion(row.name, row.digest, position(points_at(reader, row.collection, alias)))

    async def finish(self) -> None:
        """Wait for the jobs that are at work."""
        await asyncio.gather(*self._tasks)
