"""The application: every room's routes, and what holds for all of them."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sharpen.server.auth import KeyFile
from sharpen.server.engine import Engine
from sharpen.server.wandb.routes import WandbRoutes
from sharpen.wire import Client


def application(home: Path, client: Client) -> Starlette:
    """Return the application of a store.

    Args:
        home: The store's folder.
        client: Asks its coordinator.
    """
    engine = Engine(home, client)
    routes = [Route("/healthz", _healthy), *WandbRoutes(engine, KeyFile(home)).routes()]
    return Starlette(routes=routes)


async def _healthy(request: Request) -> Response:
    return PlainTextResponse("ok\n")
