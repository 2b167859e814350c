"""Answering while another process serves the store, so that a proxy learns whom not to ask."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

POLL_S = 0.01
END_S = 1
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@contextlib.contextmanager
def standing_by(listener: socket.socket, settings: Mapping[str, Any]) -> Generator[None]:
    """Answer 503 to whatever is asked, and to ``/healthz`` that this process lives, until the block ends.

    Args:
        listener: Where it is asked; it stays open, and whoever waits there is answered by the next.
        settings: Of uvicorn, as of the server that comes after.
    """
    routes = [
        Route("/healthz", _healthy),
        Route("/{path:path}", _stands_by, methods=METHODS),
    ]
    options: dict[str, Any] = {**settings, "timeout_graceful_shutdown": END_S}
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), **options))
    thread = threading.Thread(target=server.run, args=([listener.dup()],), name="standby", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(POLL_S)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _stands_by(_request: Request) -> Response:
    return PlainTextResponse("this server stands by: another serves the store\n", 503, {"Retry-After": "1"})
