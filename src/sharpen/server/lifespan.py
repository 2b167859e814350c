"""The server's beginning, which is said when it answers, and its end.

Who still waits for an answer at the end is told so, and asks the next server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE_S = 3.0  # for answers under way
LAST_GRACE_S = 10.0


class PatientServer(uvicorn.Server):
    """Ends, after some seconds, requests that wait: of agents that ask for a run, of pages that listen.

    Args:
        config: Of the server.
        begun: Called once it answers.
    """

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what can be answered, and end."""
        asyncio.get_running_loop().call_later(GRACE_S, self._cancel)
        await super().shutdown(sockets)

    def _cancel(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()


class ToldOfTheEnd:
    """Answers a request that is cut short, which is not the fault of whatever works on it.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass; one that is cut short is answered with 503, or ends where it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if has_begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                answer = PlainTextResponse("the server is ending: ask again\n", 503, {"Retry-After": "1"})
                await answer(scope, receive, send)
