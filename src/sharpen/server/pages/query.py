"""What the query of an address asks for; what makes no sense is as if it were not said."""

from __future__ import annotations

from starlette.requests import Request

from sharpen.server.pages.projects import STATES, ProjectQuery
from sharpen.server.pages.sweep import RunsQuery

LONGEST = 200
LAST_PAGE = 10_000_000


def runs_query_of(request: Request) -> RunsQuery:
    """Return which runs of a sweep are asked for."""
    params = request.query_params
    order = params.get("order", "desc")
    return RunsQuery(
        sort=params.get("sort", "number")[:LONGEST],
        order=order if order in ("asc", "desc") else "desc",
        state=_state(params.get("state", "")),
        page=page_number(params.get("page", "")),
    )


def project_query_of(request: Request) -> ProjectQuery:
    """Return which runs of a project are asked for."""
    params = request.query_params
    return ProjectQuery(
        state=_state(params.get("state", "")),
        text=params.get("text", "")[:LONGEST].strip(),
        alone=params.get("alone", "") == "1",
        page=page_number(params.get("page", "")),
    )


def page_number(text: str) -> int:
    """Return the number of a page, from 1.

    >>> page_number("3"), page_number("-1"), page_number("x"), page_number("9" * 40)
    (3, 1, 1, 10000000)
    """
    if not text.isascii() or not text.isdecimal():
        return 1
    return min(max(int(text[:30]), 1), LAST_PAGE)


def _state(text: str) -> str:
    return text if text in STATES else ""
