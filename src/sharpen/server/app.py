"""The application: every room's routes, and what holds for all of them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sharpen.errors import Refused
from sharpen.server.agents_api.relay import Relay
from sharpen.server.agents_api.routes import AgentRoutes
from sharpen.server.auth import KeyFile
from sharpen.server.lifespan import ToldOfTheEnd
from sharpen.server.observability import ObservedRoutes, RequestMetrics, Traffic
from sharpen.server.pages.routes import PageRoutes
from sharpen.server.rest.routes import RestRoutes
from sharpen.server.store_access import Engine
from sharpen.server.wandb.routes import WandbRoutes
from sharpen.wire import Client, open_channel

if TYPE_CHECKING:
    from sharpen.server.discord.app import Interactions

DISCORD_FILE = "discord.yaml"
NOTIFICATIONS_FILE = "notifications.yaml"
N_THREADS = 24  # most wait for the disk, and are committed together


def application(
    home: Path, client: Client, say: Callable[[str], None] | None = None, n_slots: int = 1
) -> Starlette:
    """Return the application of a store.

    Discord's commands are in it when the store has a ``discord.yaml``; it tells webhooks what happens when
    there is a ``notifications.yaml``.

    Args:
        home: The store's folder.
        client: Asks its coordinator.
        say: Takes a line of JSON for each request; None for silence.
        n_slots: How many runs a ``wandb agent`` works on at once.

    Raises:
        UsageError: Something in one of the two is wrong.
        MissingExtra: They need a library that is not there.
    """
    engine = Engine(home, client)
    keys = KeyFile(home)
    traffic = Traffic()
    routes = [*WandbRoutes(engine, keys, n_slots).routes()]
    routes += AgentRoutes(home, keys, Relay(home, lambda: engine.call("ping"))).routes()
    begins: list[Callable[[], None]] = []
    leave = Event()
    if (home / NOTIFICATIONS_FILE).exists():
        begins.append(_telling(home, leave))
    if (home / DISCORD_FILE).exists():
        interactions = _interactions(home, client)
        routes += interactions.routes()
        begins.append(interactions.resume)
    routes += ObservedRoutes(engine, keys, traffic).routes()
    routes += RestRoutes(engine, keys).routes()
    routes += PageRoutes(engine, keys).routes()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        for begin in begins:
            Thread(target=begin, daemon=True).start()
        with ThreadPoolExecutor(N_THREADS) as threads:
            asyncio.get_running_loop().set_default_executor(threads)
            all_there = Barrier(N_THREADS)  # to begin a thread is slow while many requests wait for it
            await asyncio.gather(*(asyncio.to_thread(all_there.wait) for _ in range(N_THREADS)))
            yield
            leave.set()
        engine.close()

    observed = Middleware(RequestMetrics, traffic=traffic, routes=routes, say=say)
    return Starlette(routes=routes, lifespan=lifespan, middleware=[observed, Middleware(ToldOfTheEnd)])


def _interactions(home: Path, client: Client) -> Interactions:
    import httpx  # noqa: PLC0415 - only Discord needs these

    from sharpen.server.discord.app import Interactions  # noqa: PLC0415
    from sharpen.server.discord.jobs import JobContext  # noqa: PLC0415
    from sharpen.server.discord.settings import read_settings  # noqa: PLC0415

    own = Client(open_channel(client.channel.address))  # the other one belongs to the engine's threads
    return Interactions(JobContext(home, own, read_settings(home), httpx.Client(timeout=10.0)))


def _telling(home: Path, leave: Event) -> Callable[[], None]:
    import httpx  # noqa: PLC0415 - only notifications need these

    from sharpen.server.notifications.outbox import Notifier  # noqa: PLC0415
    from sharpen.server.notifications.webhooks import read_webhooks  # noqa: PLC0415

    notifier = Notifier(home, read_webhooks(home), httpx.Client(timeout=10.0), time.time, _say)

    def tell() -> None:
        try:
            notifier.run(leave)
        except Refused as problem:
            _say(problem.message)

    return tell


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
