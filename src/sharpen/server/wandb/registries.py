"""Registries as the client sees them: projects whose name begins so, into which versions are linked."""

# the words of a query come without types
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from sharpen.errors import UsageError
from sharpen.server.wandb import artifact_views as views
from sharpen.server.wandb.context import ENTITY, Context, page
from sharpen.store.collection_rows import collections, versions
from sharpen.views.run_filters import fits, in_order

PREFIX = "wandb-registry-"
NO_MEMBERS = (
    "a registry has no members of its own: whoever has a key of this server may use it (sharpen key add)"
)


def names(ctx: Context) -> list[str]:
    """Return the registries that hold something, by name."""
    registries = {
        name.rpartition("/")[0] for name in collections(ctx.engine.reader) if name.startswith(PREFIX)
    }
    return sorted(name for name in registries if views.project_collections(ctx, name))


def collection_page(ctx: Context, **arguments: Any) -> dict[str, Any]:
    """Return a page of the collections of registries."""
    rows = [row for _, row in _collections(ctx, arguments.get("projectFilters"), arguments.get("filters"))]
    return page(
        in_order(rows, arguments.get("order") or "+name"), arguments.get("first"), arguments.get("after")
    )


def membership_page(ctx: Context, **arguments: Any) -> dict[str, Any]:
    """Return a page of the versions in collections of registries."""
    version_filter = _filter(arguments.get("filters"))
    rows = [
        views.membership(ctx, row)
        for name, _ in _collections(ctx, arguments.get("projectFilters"), arguments.get("collectionFilters"))
        for row in reversed(versions(ctx.engine.reader, name))
        if fits(_facts_of_version(ctx, row), version_filter)
    ]
    return page(rows, arguments.get("first"), arguments.get("after"))


def names_that_fit(ctx: Context, **arguments: Any) -> list[str]:
    """Return the registries that fit a filter, in an order."""
    name_filter = _filter(arguments.get("filters"))
    rows = [{"name": name} for name in names(ctx) if fits({"name": name}, name_filter)]
    return [str(row["name"]) for row in in_order(rows, arguments.get("order") or "+name")]


def refuse_members() -> NoReturn:
    """Refuse to change who may use a registry.

    Raises:
        UsageError: Always.
    """
    raise UsageError(NO_MEMBERS)


def member(name: str) -> dict[str, Any]:
    """Return the one user as a member of a registry."""
    return {"id": "user", "name": name, "username": name, "email": "", "role": {"name": "admin"}}


def _collections(ctx: Context, of_project: Any, of_collection: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the collections of registries that fit, by their whole names."""
    collection_filter = _filter(of_collection)
    rows: list[tuple[str, dict[str, Any]]] = []
    for registry in names_that_fit(ctx, filters=of_project):
        for name in sorted(views.project_collections(ctx, registry)):
            row = views.collection(ctx, f"{registry}/{name}")
            if row is not None and fits(row, collection_filter):
                rows.append((f"{registry}/{name}", row))
    return rows


def _facts_of_version(ctx: Context, row: Any) -> dict[str, Any]:
    shown = views.artifact(ctx, row)
    tags, aliases = [tag["name"] for tag in shown["tags"]], views.names_of(ctx, row)
    metadata = json.loads(shown["metadata"])
    return shown | {"tag": tags, "tags": tags, "alias": aliases, "aliases": aliases, "metadata": metadata}


def _filter(text: Any) -> Mapping[str, Any]:
    try:
        read: Any = json.loads(text or "{}") or {}
    except (ValueError, TypeError, RecursionError) as problem:
        raise UsageError(f"filters are JSON: {problem}") from problem
    if not isinstance(read, dict):
        raise UsageError("a filter is an object, as in {'name': 'wandb-registry-model'}")
    return cast("dict[str, Any]", read)


def organization_name(name: str | None) -> str:
    """Return the name of the one organization.

    Raises:
        UsageError: Another was meant.
    """
    if name not in (None, "", ENTITY):
        raise UsageError(f"no organization {name[:80]!r}; this server has one: {ENTITY!r}")  # pyright: ignore[reportOptionalSubscript]
    return ENTITY
