"""The addresses of the pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sharpen.errors import NotFound, SharpenError
from sharpen.report import formatting
from sharpen.report.blocks import board, ruler
from sharpen.server.auth import KeyFile, Signer
from sharpen.server.pages import run as run_room
from sharpen.server.pages.analysis import Analyses
from sharpen.server.pages.compare import compare
from sharpen.server.pages.live import changes
from sharpen.server.pages.models_and_paper import account_page, accounts, model_lines, model_page, n_models
from sharpen.server.pages.projects import PAGE, STATES, project_of, project_runs, projects, sweeps_of
from sharpen.server.pages.query import project_query_of, runs_query_of
from sharpen.server.pages.render import HEADERS, STATIC, address, in_project, linked_version, page, static
from sharpen.server.pages.session import COOKIE, Sessions, Visitor, is_from_here, local_address
from sharpen.server.pages.sweep import sweep_page
from sharpen.server.store_access import Engine
from sharpen.server.wandb.context import DEFAULT_PROJECT, ENTITY
from sharpen.store.rows import SweepRow, TrackedRun
from sharpen.views.run_lines import change_stamp

MOST_FORM_BYTES = 10_000
LISTINGS = ("", "/sweeps", "/runs", "/workspace", "/table", "/overview")  # where the client's links lead
REGISTRIES = (f"/{ENTITY}", "/orgs/{organization}")
STEERING = {"pause": "pause", "resume": "reopen", "stop": "stop", "cancel": "cancel"}
Answer = Callable[[Request, Visitor], Response]


class PageRoutes:
    """Answers a browser.

    Args:
        engine: The store.
        keys: Who may look.
    """

    def __init__(self, engine: Engine, keys: KeyFile) -> None:
        self._engine = engine
        self._signer = Signer(keys.secret())
        self._sessions = Sessions(keys, self._signer)
        self._analyses = Analyses(engine.reader)

    def routes(self) -> list[Route]:
        """Return the routes."""
        project = f"/{ENTITY}/{{project:path}}"  # its name may hold a slash
        sweep, run = f"{project}/sweeps/{{sweep}}", f"{project}/runs/{{run}}"
        return [
            Route("/static/{name}", _static),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/authorize", self.login, methods=["GET"]),  # where the client sends people for a key
            Route("/logout", self.logout, methods=["POST"]),
            Route("/", self._seen(self._projects)),
            Route(sweep, self._seen(self._sweep)),
            Route(f"{sweep}/verdict", self._seen(self._verdict)),
            Route(f"{sweep}/importance", self._seen(self._importance)),
            Route(f"{sweep}/events", self.sweep_events),
            Route(f"{sweep}/steer", self.steer, methods=["POST"]),
            Route(run, self._seen(self._run)),
            Route(f"{run}/events", self.run_events),
            Route("/models", self._seen(self._models)),
            Route("/models/{name:path}", self._seen(self._model)),
            Route(f"{project}/artifacts", self._seen(_artifacts)),
            Route(f"{project}/artifacts/{{type}}/{{name}}", self._seen(_artifact)),
            Route(f"{project}/artifacts/{{type}}/{{name}}/{{version}}", self._seen(_artifact)),
            *(Route(f"{prefix}/registry/{{registry}}", self._seen(_linked)) for prefix in REGISTRIES),
            Route("/paper", self._seen(self._accounts)),
            Route("/paper/{account}", self._seen(self._account)),
            Route(f"{project}/compare", self._seen(self._compare)),
            *(Route(f"{project}{listing}", self._seen(self._project)) for listing in LISTINGS),
        ]

    def _seen(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """Return an answer for visitors only, worked out beside the loop."""

        async def answered(request: Request) -> Response:
            visitor = await asyncio.to_thread(self._sessions.visitor, request)
            if visitor is None:
                return _to_login(request)
            try:
                return await asyncio.to_thread(answer, request, visitor)
            except NotFound as problem:
                return page("problem.html", 404, visitor=visitor, title="Not here", message=problem.message)
            except SharpenError as problem:
                return page("problem.html", 409, visitor=visitor, title="It failed", message=problem.message)

        return answered

    async def login(self, request: Request) -> Response:
        """Let a visitor in who has a key."""
        next_address = local_address(request.query_params.get("next", "/"))
        if request.method != "POST":
            return page("login.html", visitor=None, wanted=next_address, is_wrong=False)
        if not is_from_here(request):
            return page("login.html", 403, visitor=None, wanted=next_address, is_wrong=False)
        form = await form_of(request)
        next_address = local_address(form.get("next", "/"))
        response = RedirectResponse(next_address, 303, HEADERS)
        if await asyncio.to_thread(self._sessions.let_in, request, response, form.get("key", "").strip()):
            return response
        return page("login.html", 401, visitor=None, wanted=next_address, is_wrong=True)

    async def logout(self, request: Request) -> Response:
        """Forget a visitor's cookie."""
        if not is_from_here(request):
            return Response(status_code=403)
        response = RedirectResponse("/login", 303, HEADERS)
        response.delete_cookie(COOKIE)
        return response

    async def steer(self, request: Request) -> Response:
        """Pause, resume, stop or cancel a sweep."""
        visitor = await asyncio.to_thread(self._sessions.visitor, request)
        form = await form_of(request)
        if visitor is None:
            return _to_login(request)
        if not is_from_here(request) or not self._sessions.is_ours(visitor, form.get("csrf", "")):
            refusal = (
                "This form is not from a page of yours: open the sweep again, and press its button there."
            )
            return page("problem.html", 403, visitor=visitor, title="Refused", message=refusal)
        if not visitor.may_steer:
            refusal = f"Your key may {visitor.key.scope}; this needs admin: sharpen key add --scope admin"
            return page("problem.html", 403, visitor=visitor, title="Refused", message=refusal)
        try:
            row = self._engine.reader.sweep(request.path_params["sweep"])
            await asyncio.to_thread(self._steer, row, form.get("do", ""), visitor)
        except SharpenError as problem:
            return page("problem.html", 409, visitor=visitor, title="It failed", message=problem.message)
        return RedirectResponse(in_project(project_of(row), "sweeps", row.id), 303, HEADERS)

    def _steer(self, sweep: SweepRow, verb: str, visitor: Visitor) -> None:
        if verb not in STEERING:
            raise NotFound(f"a sweep can {', '.join(STEERING)}; not {verb[:40]!r}")
        key_name = visitor.key.name or visitor.key.id
        more = {"reason": f"canceled by {key_name} in a browser"} if verb == "cancel" else {}
        self._engine.call(STEERING[verb], sweep_id=sweep.id, **more)

    def _projects(self, request: Request, visitor: Visitor) -> Response:
        return page("projects.html", visitor=visitor, projects=projects(self._engine.reader))

    def _project(self, request: Request, visitor: Visitor) -> Response:
        name = request.path_params["project"]
        filters = project_query_of(request)
        sweeps = sweeps_of(self._engine.reader, name)
        runs, n = project_runs(self._engine.reader, name, [sweep.id for sweep in sweeps], filters)
        if not n and not sweeps and filters == type(filters)():
            raise NotFound(f"there is no project {name!r}")
        return page(
            "project.html",
            visitor=visitor,
            project=name,
            n_models=n_models(self._engine.reader, name),
            sweeps=sweeps[:200],
            n_sweeps=len(sweeps),
            runs=runs,
            n=n,
            n_pages=max(1, -(-n // PAGE)),
            wanted=filters,
            states=STATES,
            decimals=formatting.decimals_for([run.score for run in runs]),
        )

    def _models(self, request: Request, visitor: Visitor) -> Response:
        project = request.query_params.get("project", "")
        models = model_lines(self._engine.reader, project)
        return page("models.html", visitor=visitor, models=models, project=project)

    def _model(self, request: Request, visitor: Visitor) -> Response:
        model = model_page(self._engine.reader, request.path_params["name"])
        files = [file for version in model.versions for file in version.files]
        links = {file.digest: self._file_address(file.digest, file.name) for file in files}
        return page("model.html", visitor=visitor, m=model, links=links)

    def _accounts(self, request: Request, visitor: Visitor) -> Response:
        return page("paper.html", visitor=visitor, accounts=accounts(self._engine.home))

    def _account(self, request: Request, visitor: Visitor) -> Response:
        account = account_page(self._engine.home, request.path_params["account"])
        return page("account.html", visitor=visitor, a=account)

    def _compare(self, request: Request, visitor: Visitor) -> Response:
        chosen = request.query_params.getlist("run")
        comparison = compare(self._engine.reader, chosen)
        return page("compare.html", visitor=visitor, c=comparison, project=request.path_params["project"])

    def _sweep(self, request: Request, visitor: Visitor) -> Response:
        row = self._find_sweep(request)
        project = project_of(row)
        here = in_project(project, "sweeps", row.id)
        if request.scope["path"] != unquote(here):  # the address has another project in it
            return RedirectResponse(here, 303, HEADERS)
        shown = sweep_page(self._engine.reader, row, runs_query_of(request))
        values = {"s": shown, "row": row, "here": here, "project": project, "states": STATES}
        return page("sweep.html", visitor=visitor, values=values)

    def _verdict(self, request: Request, visitor: Visitor) -> Response:
        row = self._find_sweep(request)
        analysis = self._analyses.verdict(row)
        label = formatting.label(analysis.judgement.kind, bool(analysis.doubts))
        return page(
            "verdict.html",
            visitor=visitor,
            bare=_is_bare(request),
            row=row,
            project=project_of(row),
            a=analysis,
            j=analysis.judgement,
            label=label,
            board=board(analysis),
            ruler=ruler(analysis),
            decimals=formatting.decimals_for(e.run.score for e in analysis.ranked[:40]),
        )

    def _importance(self, request: Request, visitor: Visitor) -> Response:
        row = self._find_sweep(request)
        problem, importances = "", None
        try:
            importances = self._analyses.importances(row)
        except SharpenError as reason:  # too few trials is no failure
            problem = reason.message
        shown = {"project": project_of(row), "row": row, "found": importances, "problem": problem}
        return page("importance.html", visitor=visitor, bare=_is_bare(request), values=shown)

    def _run(self, request: Request, visitor: Visitor) -> Response:
        run = self._find_run(request)
        project = self._project_of_run(run)
        here = in_project(project, "runs", run.id)
        if request.scope["path"] != unquote(here):  # the address has another project in it
            return RedirectResponse(here, 303, HEADERS)
        shown = run_room.run_page(self._engine.reader, run)
        links = {file.name: self._file_address(file.digest, file.name) for file in shown.files}
        values = {"r": shown, "run": run, "here": here, "links": links, "project": project}
        return page("run.html", visitor=visitor, values=values)

    def _project_of_run(self, run: TrackedRun) -> str:
        if run.sweep_id is None:
            return run.project or DEFAULT_PROJECT
        return project_of(self._engine.reader.sweep(run.sweep_id, deleted=True))

    def _file_address(self, digest: str, name: str) -> str:
        return f"/storage/{self._signer.sign({'do': 'get', 'digest': digest, 'name': name}, time.time())}"

    async def sweep_events(self, request: Request) -> Response:
        """Say when something of a sweep has changed, for as long as somebody looks."""
        if await asyncio.to_thread(self._sessions.visitor, request) is None:
            return Response(status_code=401)
        try:
            row = await asyncio.to_thread(self._find_sweep, request)
        except SharpenError:
            return Response(status_code=404)
        return changes(request, lambda: change_stamp(self._engine.reader, row.id))

    async def run_events(self, request: Request) -> Response:
        """Say when something of a run has changed, for as long as somebody looks."""
        if await asyncio.to_thread(self._sessions.visitor, request) is None:
            return Response(status_code=401)
        try:
            run = await asyncio.to_thread(self._find_run, request)
        except SharpenError:
            return Response(status_code=404)
        return changes(request, lambda: run_room.stamp(self._engine.reader, run.id))

    def _find_sweep(self, request: Request) -> SweepRow:
        name = request.path_params["sweep"]
        row = self._engine.reader.sweep(name)
        if row.id != name:
            raise NotFound(f"there is no sweep {name!r}")
        return row

    def _find_run(self, request: Request) -> TrackedRun:
        name = request.path_params["run"]
        run = self._engine.reader.tracked.run(name)
        if run is None:
            raise NotFound(f"there is no run {name!r}")
        return run


def _is_bare(request: Request) -> bool:
    """Return whether the script asks, which puts the answer into a page that is there."""
    return request.headers.get("x-requested-with") == "fetch"


def _to_login(request: Request) -> Response:
    next_address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(
        address("login", next=None if next_address == "/" else next_address), 303, HEADERS
    )


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a small form; none of one that is too long, or no form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=20))
    except ValueError:
        return {}


async def _static(request: Request) -> Response:
    name = PurePosixPath(request.path_params["name"]).name
    if name not in STATIC:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(static(name)[0], media_type=STATIC[name], headers=headers)


def _artifacts(request: Request, _visitor: Visitor) -> Response:
    return RedirectResponse(address("models", project=request.path_params["project"]), 303, HEADERS)


def _artifact(request: Request, _visitor: Visitor) -> Response:
    """Lead on from the address that the client has for a version."""
    named = request.path_params
    where = linked_version(f"{ENTITY}/{named['project']}/{named['name']}", named.get("version", ""))
    return RedirectResponse(where, 303, HEADERS)


def _linked(request: Request, _visitor: Visitor) -> Response:
    """Lead on from the address that the client has for a version in a registry."""
    params = request.query_params
    if not params.get("selectionPath"):
        raise NotFound("the link to a registry says which version: 'sharpen artifact ls' lists them")
    return RedirectResponse(linked_version(params["selectionPath"], params.get("version", "")), 303, HEADERS)
