"""From values to pages, and what holds for every one of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.responses import HTMLResponse, Response

from sharpen.report import formatting
from sharpen.server.wandb.context import DEFAULT_PROJECT, ENTITY

STATIC = {"pages.css": "text/css", "pages.js": "text/javascript"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(name: str, status: int = 200, values: Mapping[str, Any] | None = None, **more: Any) -> Response:
    """Return a page of a template."""
    return HTMLResponse(rendered(name, **{**(values or {}), **more}), status, HEADERS)


def rendered(name: str, **values: Any) -> str:
    """Return the text of a template."""
    return _environment().get_template(name).render(values)


@cache
def static(name: str) -> tuple[bytes, str]:
    """Return the content of a static file, and a short hash of it."""
    content = (resources.files("sharpen.server.pages") / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]


def address(*parts: str, **query: Any) -> str:
    """Return an address of this server; every part is one segment, whatever it holds.

    >>> address("local", "a/b", "runs", "k3-7", page=2)
    '/local/a%2Fb/runs/k3-7?page=2'
    """
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    query_text = urlencode(
        {name: value for name, value in query.items() if value not in (None, "")}, doseq=True
    )
    return f"{path}?{query_text}" if query_text else path


def in_project(project: str, *parts: str, **query: Any) -> str:
    """Return an address below a project; one without a name has the client's word for it."""
    return address(ENTITY, project or DEFAULT_PROJECT, *parts, **query)


def version_address(name: str) -> str:
    """Return where a version of a collection is shown.

    >>> version_address("quantbot/bars:v3"), version_address("bars")
    ('/models/quantbot/bars#v3', '/models/bars')
    """
    collection, _, version = name.partition(":")
    return f"{address('models')}/{quote(collection)}" + (f"#{quote(version)}" if version else "")


def linked_version(path: str, version: str) -> str:
    """Return where a version is shown that the client's link names by ``entity/project/collection``.

    >>> linked_version("local/quantbot/bars", "v3")
    '/models/quantbot/bars#v3'
    """
    name = path.partition("/")[2]
    return version_address(f"{name}:{version}" if version else name)


def value(stored: Any, most: int = 300) -> str:
    """Return any stored value in a short text.

    >>> value(0.1234567), value({"a": 1}), value("x" * 400)[-1]
    ('0.1235', '{"a": 1}', '…')
    """
    text = formatting.setting(stored) if not isinstance(stored, dict) else json.dumps(stored, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"


def size(n_bytes: float) -> str:
    """Return a number of bytes for people.

    >>> size(12), size(123_456), size(5e9)
    ('12 B', '123 kB', '5.0 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            scaled = n_bytes / factor
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"
    return f"{n_bytes:.0f} B"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sharpen.server.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=formatting.visible,
    )
    for name in ("fixed", "chance", "percent", "span", "setting", "when", "duration", "of_seeds"):
        environment.filters[name] = getattr(formatting, name)
    environment.filters |= {"value": value, "size": size}
    names: dict[str, Any] = environment.globals
    names |= {"address": address, "in_project": in_project, "static": static_address, "entity": ENTITY}
    names["version_address"] = version_address
    return environment


def static_address(name: str) -> str:
    """Return where a static file is; it changes with its content, so that it may be kept for ever."""
    return f"/static/{name}?v={static(name)[1]}"
