"""What the client does with artifacts that are logged: use, change, alias, link, delete."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sharpen.errors import UsageError
from sharpen.server.lineage import USED, used_by
from sharpen.server.wandb import artifact_uploads as uploads
from sharpen.server.wandb import artifact_views as views
from sharpen.server.wandb.context import DEFAULT_PROJECT, Context
from sharpen.store.collection_rows import VersionRow, collections


def mutations(ctx: Context) -> dict[str, Any]:
    """Return what the fields of Mutation are answered with that are about artifacts."""
    return {
        "createArtifact": lambda info, input: uploads.create(ctx, input),
        "createArtifactFiles": lambda info, input: uploads.create_files(ctx, input),
        "createArtifactManifest": lambda info, input: uploads.manifest(ctx, input["artifactID"], input),
        "updateArtifactManifest": lambda info, input: uploads.manifest(ctx, input["artifactManifestID"]),
        "commitArtifact": lambda info, input: uploads.commit(ctx, input["artifactID"]),
        "useArtifact": lambda info, input: _use(ctx, input),
        "updateArtifact": lambda info, input: _update(ctx, input),
        "addAliases": lambda info, input: _alias(ctx, input, remove=False),
        "deleteAliases": lambda info, input: _alias(ctx, input, remove=True),
        "deleteArtifact": lambda info, input: _delete(ctx, input),
        "deleteArtifactSequence": lambda info, input: _delete_all(ctx, input["artifactSequenceID"]),
        "deleteArtifactPortfolio": lambda info, input: _delete_all(ctx, input["artifactPortfolioID"]),
        "linkArtifact": lambda info, input: _link(ctx, input),
        "unlinkArtifact": lambda info, input: _unlink(ctx, input),
    }


def of_project(ctx: Context, project: str) -> dict[str, Any]:
    """Return what a project's fields are answered with that are about artifacts."""

    def member(info: Any, name: str) -> dict[str, Any] | None:
        row = views.by_name(ctx, f"{project}/{name if ':' in name else name + ':latest'}")
        return None if row is None else views.membership(ctx, row)

    def artifact(info: Any, name: str) -> dict[str, Any] | None:
        row = views.by_name(ctx, f"{project}/{name if ':' in name else name + ':latest'}")
        return None if row is None else views.artifact(ctx, row)

    return {
        "artifact": artifact,
        "artifactCollectionMembership": member,
        "artifactCollection": lambda info, name: views.collection(ctx, f"{project}/{name}"),
        "artifactCollections": lambda info, first=None, after=None, **of: views.collection_page(
            ctx, project, None, first, after
        ),
        "artifactType": lambda info, name: views.type_of_project(ctx, project, name),
        "artifactTypes": lambda info, first=None, after=None, includeAll=False: views.page(  # noqa: N803
            views.types_of_project(ctx, project), first, after
        ),
    }


def _row(ctx: Context, any_id: str) -> VersionRow:
    row = uploads.row_of(ctx, any_id)
    if row is None:
        raise UsageError("the artifact is not committed yet")
    return row


def _use(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Note that a run uses a version."""
    ctx.need("agent")
    row = _row(ctx, arguments["artifactID"])
    run = ctx.engine.reader.tracked.run(arguments.get("runName") or "")
    if run is not None:
        used = sorted({*used_by(run), row.name})
        ctx.engine.call("edit_run", run_id=run.id, changes={"summary": {USED: used}})
    return {"artifact": views.artifact(ctx, row)}


def _update(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    ctx.need("agent")
    row = _row(ctx, arguments["artifactID"])
    figures = dict(row.figures)
    if arguments.get("description") is not None:
        figures["description"] = arguments["description"]
    if arguments.get("metadata") is not None:
        figures["metadata"] = uploads.read_metadata(arguments)
    if arguments.get("ttlDurationSeconds") is not None:
        figures["ttl_s"] = arguments["ttlDurationSeconds"]
    gone = {tag["tagName"] for tag in arguments.get("tagsToDelete") or []}
    new = {tag["tagName"] for tag in arguments.get("tagsToAdd") or []}
    figures["tags"] = sorted(({*figures.get("tags", [])} | new) - gone)
    ctx.engine.call(
        "describe_version",
        collection=row.collection,
        version=row.version,
        figures=figures,
        who=ctx.key.name or "wandb",
    )
    if arguments.get("aliases") is not None:
        _set_exactly(ctx, row, {alias["alias"] for alias in arguments["aliases"]})
    return {"artifact": views.artifact(ctx, _row(ctx, arguments["artifactID"]))}


def _set_exactly(ctx: Context, row: VersionRow, aliases: set[str]) -> None:
    now = {*views.names_of(ctx, row)} - {views.NEWEST}
    for alias in sorted(aliases - now):
        uploads.set_alias(ctx, row, alias)
    for alias in sorted(now - aliases):
        uploads.remove_alias(ctx, row, alias)


def _alias(ctx: Context, arguments: Mapping[str, Any], remove: bool) -> dict[str, Any]:
    ctx.need("agent")
    source = _row(ctx, arguments["artifactID"])
    for alias in arguments["aliases"]:
        name = f"{alias.get('projectName') or DEFAULT_PROJECT}/{alias['artifactCollectionName']}"
        row = source if name == source.collection else _linked(ctx, name, source)
        (uploads.remove_alias if remove else uploads.set_alias)(ctx, row, alias["alias"])
    return {"success": True}


def _linked(ctx: Context, collection: str, source: VersionRow) -> VersionRow:
    rows = views.versions(ctx.engine.reader, collection)
    links = [row for row in rows if row.record.get("source") == source.name]
    if not links:
        raise UsageError(f"{source.name} is not in {collection}")
    return links[-1]


def _delete(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    ctx.need("admin")
    row = _row(ctx, arguments["artifactID"])
    _delete_version(ctx, row, with_aliases=bool(arguments.get("deleteAliases")))
    return {"artifact": views.artifact(ctx, row), "success": True}


def _delete_version(ctx: Context, row: VersionRow, *, with_aliases: bool) -> None:
    for alias in views.names_of(ctx, row) if with_aliases else ():
        if alias != views.NEWEST:
            uploads.remove_alias(ctx, row, alias)
    who = ctx.key.name or "wandb"
    ctx.engine.call("delete_version", collection=row.collection, version=row.version, who=who)


def _delete_all(ctx: Context, collection_id: str) -> dict[str, Any]:
    """Delete every version of a collection; its log stays, and its numbers are not given again."""
    ctx.need("admin")
    name = views.name_of_collection(collection_id)
    collection = views.collection_of_id(ctx, collection_id)
    if name is None or collection is None:
        raise UsageError("no such collection")
    for row in views.versions(ctx.engine.reader, name):
        _delete_version(ctx, row, with_aliases=True)
    return {"artifactCollection": {**collection, "state": "DELETED"}}


def _unlink(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Take a version out of a collection that it was linked to; the version itself stays."""
    ctx.need("agent")
    row, name = _row(ctx, arguments["artifactID"]), views.name_of_collection(arguments["artifactPortfolioID"])
    linked = row if row.collection == name and row.record.get("source") else _linked(ctx, name or "", row)
    _delete_version(ctx, linked, with_aliases=True)
    return {"success": True}


def _link(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Put a version into another collection, too."""
    ctx.need("agent")
    any_id = arguments.get("artifactID")
    if not any_id:
        upload = uploads.of_client(ctx, arguments.get("clientID") or "")
        any_id = upload["serverID"] if upload else ""
    source = _row(ctx, any_id)
    target = (
        f"{arguments.get('projectName') or DEFAULT_PROJECT}/{arguments.get('artifactPortfolioName') or ''}"
    )
    content: dict[str, Any] = {"files": [asdict(file) for file in source.files], "run_id": source.run_id}
    content["record"] = {**source.record, "source": source.name}
    kind = collections(ctx.engine.reader)[source.collection]
    about = {
        "type": kind,
        "content": content,
        "who": ctx.key.name or "wandb",
        "figures": dict(source.figures),
    }
    made = ctx.engine.call("register", collection=target, **about)
    row = views.by_name(ctx, f"{target}:v{made['version']}")
    assert row is not None  # noqa: S101 - it has just been made
    for alias in arguments.get("aliases") or []:
        uploads.set_alias(ctx, row, alias["alias"])
    return {"versionIndex": row.version, "artifactMembership": views.membership(ctx, row)}
