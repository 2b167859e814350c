"""What the query of an address asks for; what makes no sense is as if it were not said."""

from __future__ import annotations

from starlette.requests import Request

from sharpen.server.pages.projects import STATES, Wanted
from sharpen.server.pages.sweep import Asked

LONGEST = 200
LAST_PAGE = 10_000_000


def asked_of(request: Request) -> Asked:
    """Return which runs of a sweep are asked for."""
    said = request.query_params
    order = said.get("order", "desc")
    return Asked(
        sort=said.get("sort", "number")[:LONGEST],
        order=order if order in ("asc", "desc") else "desc",
        state=_state(said.get("state", "")),
        page=page_number(said.get("page", "")),
    )


def wanted_of(request: Request) -> Wanted:
    """Return which runs of a project are asked for."""
    said = request.query_params
    return Wanted(
        state=_state(said.get("state", "")),
        text=said.get("text", "")[:LONGEST].strip(),
        alone=said.get("alone", "") == "1",
        page=page_number(said.get("page", "")),
    )


def page_number(said: str) -> int:
    """Return the number of a page, from 1.

    >>> page_number("3"), page_number("-1"), page_number("x"), page_number("9" * 40)
    (3, 1, 1, 10000000)
    """
    if not said.isascii() or not said.isdecimal():
        return 1
    return min(max(int(said[:30]), 1), LAST_PAGE)


def _state(said: str) -> str:
    return said if said in STATES else ""
