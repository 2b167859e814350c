"""Server-sent events: a word each time that something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

EVERY_S = 1.0
LONGEST_S = 600.0  # the browser comes again by itself
QUIET_S = 15.0  # a word now and then, so that no proxy thinks it dead


def changes(request: Request, stamp: Callable[[], str]) -> Response:
    """Return a stream that says ``changed`` whenever a stamp differs from the one before.

    Args:
        request: Who listens.
        stamp: RunsQuery about once a second, in a thread.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, stamp), media_type="text/event-stream", headers=headers)


async def _events(request: Request, stamp: Callable[[], str]) -> AsyncGenerator[str]:
    loop = asyncio.get_running_loop()
    end, quiet_since = loop.time() + LONGEST_S, loop.time()
    last = await asyncio.to_thread(stamp)
    yield "retry: 2000\n\n"
    while loop.time() < end and not await request.is_disconnected():
        await asyncio.sleep(EVERY_S)
        now = await asyncio.to_thread(stamp)
        if now != last:
            last = now
            quiet_since = loop.time()
            yield "event: changed\ndata: 1\n\n"
        elif loop.time() - quiet_since > QUIET_S:
            quiet_since = loop.time()
            yield ": still here\n\n"
