"""The routes of REST: who may ask, what is asked, and how an error is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Match, Route

from sharpen.errors import NotFound, SharpenError, UsageError
from sharpen.jsonable import null_for_nan
from sharpen.server.auth import KeyFile, key_of
from sharpen.server.pages.projects import STATES
from sharpen.server.pages.render import page
from sharpen.server.rest import values
from sharpen.server.rest.answers import Answers
from sharpen.server.rest.openapi import Endpoint, Param, document
from sharpen.server.store_access import Engine
from sharpen.sweep import SweepStatus

ROOT = "/api/v1"
MOST_PAGES = 10_000_000
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Cache-Control": "no-store",
}
LIMIT = Param("limit", "How many at most.", 50, 1, 1000)
OFFSET = Param("offset", "How many to leave out first.", 0, 0, MOST_PAGES)
FIRST = Param("first", "The first line, from 0.", 0, 0, 10**12)
STATE = Param("state", "Only runs in this state.", "", among=("", *STATES))
SORT = Param("sort", "number, state, score, took, created, or config.NAME.", "number")
ORDER = Param("order", "Which way.", "asc", among=("asc", "desc"))


def endpoints(answers: Answers) -> list[Endpoint]:
    """Return everything that can be asked."""
    sweep, run = f"{ROOT}/sweeps/{{sweep}}", f"{ROOT}/runs/{{run}}"
    steering = (answers.pause_sweep, answers.resume_sweep, answers.stop_sweep, answers.cancel_sweep)
    status = Param("status", "Only sweeps of this status.", "", among=("", *SweepStatus))
    project = Param("project", "Only those of this project.")
    points = Param("points", "So many rows, evenly spread; 0 for all.", 0, 0, 100_000)
    text = Param("text", "Only those with this in their id, name, group, tags or note.")
    number = Param("page", "Which page, from 1.", 1, 1, MOST_PAGES)
    rows = Param("limit", "How many rows at most.", 1000, 1, 100_000)
    return [
        Endpoint(f"{ROOT}/projects", answers.list_projects, values.Projects, "projects"),
        Endpoint(
            f"{ROOT}/projects/{{project:path}}/runs",
            answers.list_project_runs,
            values.ProjectRuns,
            "projects",
            (STATE, text, number),
        ),
        Endpoint(
            f"{ROOT}/sweeps", answers.list_sweeps, values.Sweeps, "sweeps", (project, status, LIMIT, OFFSET)
        ),
        Endpoint(sweep, answers.get_sweep, values.SweepDetails, "sweeps"),
        Endpoint(
            f"{sweep}/runs", answers.list_runs, values.Runs, "sweeps", (STATE, SORT, ORDER, LIMIT, OFFSET)
        ),
        Endpoint(f"{sweep}/best", answers.get_best, values.Run, "sweeps"),
        Endpoint(f"{sweep}/verdict", answers.get_verdict, values.Verdict, "sweeps"),
        *(
            Endpoint(
                f"{sweep}/{verb.__name__.partition('_')[0]}",
                verb,
                values.Steered,
                "sweeps",
                scope="admin",
                method="POST",
            )
            for verb in steering
        ),
        Endpoint(run, answers.get_run, values.RunDetails, "runs"),
        Endpoint(f"{run}/history", answers.get_history, values.History, "runs", (FIRST, rows, points)),
        Endpoint(f"{run}/log", answers.get_log, values.Log, "runs", (FIRST,)),
        Endpoint(f"{run}/files", answers.list_files, values.Files, "runs"),
        Endpoint(f"{run}/files/{{name:path}}", answers.get_file, bytes, "runs"),
        Endpoint(
            f"{run}/cancel", answers.cancel_run, values.CanceledRun, "runs", scope="admin", method="POST"
        ),
        Endpoint(f"{ROOT}/models", answers.list_models, values.Models, "models"),
        Endpoint(f"{ROOT}/models/{{name:path}}", answers.get_model, values.ModelDetails, "models"),
    ]


class RestRoutes:
    """Answers programs.

    Args:
        engine: The store.
        keys: Who may ask.
    """

    def __init__(self, engine: Engine, keys: KeyFile) -> None:
        self._keys = keys
        self._endpoints = endpoints(Answers(engine))
        self._document = document(self._endpoints)

    def routes(self) -> list[Route]:
        """Return the routes."""
        endpoints = self._asked = [
            Route(one.path, self._answered(one), methods=[one.method]) for one in self._endpoints
        ]
        return [
            Route(ROOT, self._page),
            Route(f"{ROOT}/openapi.json", self._openapi),
            *endpoints,
            Route(f"{ROOT}/{{rest:path}}", self._nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def _answered(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            key = await asyncio.to_thread(self._keys.find, key_of(request.headers.get("authorization", "")))
            if key is None:
                return _refusal(401, "no valid key: make one with 'sharpen key add', send it as 'Bearer KEY'")
            if not key.allows(endpoint.scope):
                return _refusal(403, f"the key {key.id} may {key.scope}; this needs {endpoint.scope}")
            try:
                return await asyncio.to_thread(_answer, endpoint, request)
            except NotFound as problem:
                return _refusal(404, problem.message)
            except UsageError as problem:
                return _refusal(400, problem.message)
            except SharpenError as problem:
                return _refusal(409, problem.message)

        return answered

    async def _nothing(self, request: Request) -> Response:
        path = request.url.path[:200]
        here = [route for route in self._asked if route.matches(request.scope)[0] is not Match.NONE]
        methods = sorted({method for route in here for method in route.methods or ()})
        if not methods:
            return _refusal(404, f"there is nothing at {path}: {ROOT} lists what there is")
        answer = _refusal(405, f"{path} answers {' and '.join(methods)}, not {request.method}")
        answer.headers["Allow"] = ", ".join(methods)
        return answer

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(self._document)

    async def _page(self, request: Request) -> Response:
        return page("rest.html", visitor=None, endpoints=self._endpoints, root=ROOT)


def _answer(endpoint: Endpoint, request: Request) -> Response:
    params = {param.name: param.read(request.query_params.get(param.name)) for param in endpoint.params}
    answer = endpoint.answer(**request.path_params, **params)
    if isinstance(answer, Path):
        name = request.path_params["name"].rpartition("/")[2]
        attached = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
        return FileResponse(answer, media_type="application/octet-stream", headers=SAFE | attached)
    text = json.dumps(null_for_nan(asdict(answer)), separators=(",", ":"), allow_nan=False)
    return Response(text.encode(errors="replace"), media_type="application/json", headers=SAFE)


def _refusal(status: int, message: str) -> Response:
    return JSONResponse(asdict(values.Problem(message)), status, headers=SAFE)
