"""What the server says of itself: figures for Prometheus, a line of JSON a request, whether it can work.

No key ever stands in either: of an address only the path is kept, and what looks like a key or a signed token
in it is blotted out.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sharpen import __version__
from sharpen.errors import SharpenError
from sharpen.server.auth import KeyFile, key_of
from sharpen.server.store_access import Engine
from sharpen.store import schema
from sharpen.store.location import FILE, database_url
from sharpen.store.queries import Reader

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SECRET = re.compile(r"[0-9a-fA-F]{40,}|[\w-]{20,}\.[\w-]{20,}|(?<=/storage/)[^/?]+")
LONGEST_PATH = 500
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def without_secrets(path: str) -> str:
    """Return a path in which nothing can be used as a key.

    >>> without_secrets("/storage/eyJkbyI6ImdldCJ9.c2lnbmF0dXJl"), without_secrets("/local/p/runs/k3-7")
    ('/storage/***', '/local/p/runs/k3-7')
    """
    return SECRET.sub("***", path[:LONGEST_PATH])


class Traffic:
    """How many requests there were, and how long they took."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, int]] = Counter()
        self.seconds: Counter[str] = Counter()
        self.within: Counter[tuple[str, float]] = Counter()
        self.totals: Counter[str] = Counter()
        self.started_at = time.time()

    def add(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request."""
        self.counts[method, route, status] += 1
        self.totals[route] += 1
        self.seconds[route] += took_s  # pyright: ignore[reportArgumentType] - a sum of seconds
        for bound in BOUNDS_S:
            if took_s <= bound:
                self.within[route, bound] += 1


class RequestMetrics:
    """Counts every request that passes, and says it in a line where that is wished.

    Args:
        app: What answers.
        traffic: Where it is counted.
        routes: What there is, by its path.
        say: Takes a line of JSON; None for silence.
    """

    def __init__(
        self, app: ASGIApp, traffic: Traffic, routes: Sequence[Route], say: Callable[[str], None] | None
    ) -> None:
        self._app = app
        self._traffic = traffic
        self._paths: Mapping[Any, str] = {route.endpoint: route.path for route in routes}
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # unless somebody answers

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: MutableMapping[str, Any], status: int, took_s: float) -> None:
        route = self._paths.get(scope.get("endpoint"), "none")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self._traffic.add(method, route, status, took_s)
        if self._say is None:
            return
        client = scope.get("client") or ("", 0)
        line = {
            "at": round(time.time(), 3),
            "method": method,
            "path": without_secrets(scope["path"]),
            "route": route,
            "status": status,
            "took_ms": round(1000 * took_s, 1),
            "client": client[0],
        }
        self._say(json.dumps(line, separators=(",", ":")))


class ObservedRoutes:
    """Answers probes and Prometheus.

    Args:
        engine: The store.
        keys: Who may read figures; probes need none, and hear one word.
        traffic: What was counted.
    """

    def __init__(self, engine: Engine, keys: KeyFile, traffic: Traffic) -> None:
        self._engine = engine
        self._keys = keys
        self._traffic = traffic

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/healthz", _healthy),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
        ]

    async def _ready(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(5.0):
                await asyncio.to_thread(self._ask)
        except (SharpenError, TimeoutError):
            return PlainTextResponse("not ready\n", 503)
        return PlainTextResponse("ready\n")

    def _ask(self) -> None:
        self._engine.reader.rows(sa.select(sa.func.count()).select_from(schema.sweeps).limit(1))
        self._engine.call("ping")

    async def _metrics(self, request: Request) -> Response:
        key = await asyncio.to_thread(self._keys.find, key_of(request.headers.get("authorization", "")))
        if key is None:
            refusal = "no valid key: make one with 'sharpen key add --scope read', send it as 'Bearer KEY'\n"
            return PlainTextResponse(refusal, 401, {"WWW-Authenticate": "Bearer"})
        try:
            lines = await asyncio.to_thread(self._figures)
        except SharpenError as problem:
            return PlainTextResponse(f"{problem.message}\n", 503)
        return Response("\n".join(lines) + "\n", media_type=TEXT)

    def _figures(self) -> list[str]:
        r, s = schema.runs.c, schema.sweeps.c
        n = sa.func.count().label("n")
        reader = self._engine.reader
        runs = reader.rows(
            sa.select(r.state.label("word"), n).where(r.deleted_at.is_(None)).group_by(r.state)
        )
        sweeps = reader.rows(
            sa.select(s.status.label("word"), n).where(s.deleted_at.is_(None)).group_by(s.status)
        )
        return [
            *_family("sharpen_build_info", "gauge", "The version.", [({"version": __version__}, 1)]),
            *_family(
                "process_start_time_seconds", "gauge", "When it began.", [({}, self._traffic.started_at)]
            ),
            *_family("sharpen_runs", "gauge", "Runs in each state.", _by(runs, "state")),
            *_family("sharpen_sweeps", "gauge", "Sweeps of each status.", _by(sweeps, "status")),
            *_family("sharpen_store_bytes", "gauge", "The database.", _sizes(reader)),
            *_traffic(self._traffic),
        ]


def _by(rows: Iterable[Mapping[str, Any]], label: str) -> list[tuple[dict[str, str], float]]:
    return [({label: row["word"]}, row["n"]) for row in rows]


def _sizes(reader: Reader) -> list[tuple[dict[str, str], float]]:
    if database_url(reader.home) is not None:
        size = sa.func.pg_database_size(sa.func.current_database()).label("n")
        return [({"part": "database"}, reader.rows(sa.select(size))[0]["n"])]
    places = {"database": reader.home / FILE, "log": reader.home / f"{FILE}-wal"}
    return [({"part": part}, path.stat().st_size) for part, path in places.items() if path.exists()]


def _traffic(traffic: Traffic) -> list[str]:
    counts = [
        ({"method": method, "route": route, "status": str(status)}, n)
        for (method, route, status), n in sorted(traffic.counts.items())
    ]
    name = "sharpen_http_request_seconds"
    lines = _family("sharpen_http_requests_total", "counter", "Requests that were answered.", counts)
    lines += [f"# HELP {name} How long answers took.", f"# TYPE {name} histogram"]
    for route, total in sorted(traffic.totals.items()):
        for bound in BOUNDS_S:
            lines.append(
                _line(f"{name}_bucket", {"route": route, "le": f"{bound:g}"}, traffic.within[route, bound])
            )
        lines.append(_line(f"{name}_bucket", {"route": route, "le": "+Inf"}, total))
        lines.append(_line(f"{name}_sum", {"route": route}, round(traffic.seconds[route], 6)))
        lines.append(_line(f"{name}_count", {"route": route}, total))
    return lines


def _family(name: str, kind: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *(_line(name, *value) for value in values)]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    r"""Return a line of Prometheus's text format.

    >>> _line("n", {"a": 'x"y'}, 1)
    'n{a="x\\"y"} 1'
    """
    if not labels:
        return f"{name} {value}"
    label_text = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{label_text}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def _healthy(request: Request) -> Response:
    return PlainTextResponse("ok\n")
