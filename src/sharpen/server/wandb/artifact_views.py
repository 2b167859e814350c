"""Artifacts as the client sees them: collections of a project, their versions, files and aliases."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import base64
import binascii
import fnmatch
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

from sharpen.errors import NotFound, UsageError
from sharpen.jsonable import dumps
from sharpen.registry.best_version import resolve_also_best
from sharpen.server.lineage import users
from sharpen.server.store_access import Engine
from sharpen.server.wandb import runs
from sharpen.server.wandb.context import DEFAULT_PROJECT, Context, page, when
from sharpen.store.collection_rows import VersionRow, aliases, collections, versions
from sharpen.store.uploads import known
from sharpen.store.version_contents import NEWEST, StoredFile

MANIFEST = "wandb_manifest.json"
NO_TTL = -1


def artifact_id(row: VersionRow) -> str:
    """Return what the client calls a version; it wants base64.

    >>> import types
    >>> version_of(artifact_id(types.SimpleNamespace(name="quant/model:v3")))
    'quant/model:v3'
    """
    return base64.b64encode(f"Artifact:{row.name}".encode()).decode()


def version_of(client_id: str) -> str | None:
    """Return the version of an id; None when it is none of a version."""
    try:
        kind, _, name = base64.b64decode(client_id, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return name if kind == "Artifact" and name else None


def find(ctx: Context, collection: str, word: str) -> VersionRow | None:
    """Return the version that a word of a collection means; None when there is none.

    ``best``, unless somebody set it, is the version that the best run of the sweep logged.
    """
    try:
        return resolve_also_best(ctx.engine.reader, collection, word)
    except NotFound:
        return None


def by_name(ctx: Context, name: str) -> VersionRow | None:
    """Return the version of a whole name, such as ``quant/model:v3``."""
    collection, _, word = name.rpartition(":")
    return find(ctx, collection, word)


def digest_of_md5(engine: Engine, md5: str) -> str | None:
    """Return the blob of a file of an artifact by its MD5 in hex digits; None when there is none."""
    blob = known(engine.home, md5)
    if blob is not None:
        return blob["digest"]
    try:
        md5_base64 = base64.b64encode(bytes.fromhex(md5)).decode()
    except ValueError:
        return None
    for name in collections(engine.reader):  # what was not logged through this server
        for row in versions(engine.reader, name):
            names = {file.name: file.digest for file in row.files}
            for file, has in row.record.get("md5", {}).items():
                if has == md5_base64 and file in names:
                    return names[file]
    return None


def project_collections(ctx: Context, project: str, type: str | None = None) -> dict[str, str]:
    """Return the type of each collection of a project, by its name without the project."""
    start, reader = f"{project}/", ctx.engine.reader
    types = {name: kind for name, kind in collections(reader, type).items() if name.startswith(start)}
    return {name.removeprefix(start): kind for name, kind in types.items() if versions(reader, name)}


def collection(ctx: Context, name: str) -> dict[str, Any] | None:
    """Return a collection of a name with its project; None when there is none, or all of it is deleted."""
    kind = collections(ctx.engine.reader).get(name)
    is_there = kind is not None and versions(ctx.engine.reader, name)
    return _collection(ctx, name, kind) if kind and is_there else None


def collection_of_id(ctx: Context, client_id: str) -> dict[str, Any] | None:
    """Return the collection of an id; None when there is none."""
    name = name_of_collection(client_id)
    return None if name is None else collection(ctx, name)


def name_of_collection(client_id: str) -> str | None:
    """Return the name of the collection of an id; None when it is no id of one."""
    try:
        kind, _, name = base64.b64decode(client_id, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return name if kind == "Collection" else None


def _collection(ctx: Context, name: str, kind: str) -> dict[str, Any]:
    reader = ctx.engine.reader
    project, _, own = name.rpartition("/")

    def members(info: Any, first: int | None = None, after: str | None = None, **more: Any) -> dict[str, Any]:
        rows = versions(reader, name)
        connection = page([artifact(ctx, row) for row in reversed(rows)], first, after)
        for edge in connection["edges"]:
            edge["version"] = f"v{edge['node']['versionIndex']}"
        return connection

    def membership_of(info: Any, aliasName: str) -> dict[str, Any] | None:  # noqa: N803
        row = find(ctx, name, aliasName)
        return None if row is None else membership(ctx, row)

    newest = versions(reader, name)
    made = newest[0].created_at if newest else 0.0
    is_linked = any(row.record.get("source") for row in newest[:1])
    names = sorted({alias.alias for alias in aliases(reader, name)} | ({NEWEST} if newest else set()))
    return {
        "__typename": "ArtifactPortfolio" if is_linked else "ArtifactSequence",
        "id": base64.b64encode(f"Collection:{name}".encode()).decode(),
        "name": own,
        "state": "READY",
        "description": "",
        "createdAt": when(made),
        "updatedAt": when(newest[-1].created_at if newest else made),
        "project": runs.project_of(project or DEFAULT_PROJECT),
        "defaultArtifactType": _type(kind),
        "tags": {"edges": []},
        "artifacts": members,
        "artifactMembership": membership_of,
        "aliases": lambda info, first=None, after=None: page(
            [_alias(ctx, name, a) for a in names], first, after
        ),
        "latestArtifact": lambda info: artifact(ctx, newest[-1]) if newest else None,
        "digestAlgorithm": "MANIFEST_MD5",
    }


def _type(name: str) -> dict[str, Any]:
    return {"id": name, "name": name, "description": "", "createdAt": when(0.0)}


def type_of_project(ctx: Context, project: str, type: str) -> dict[str, Any]:
    """Return a type of a project's artifacts, with its collections."""

    def of_type(info: Any, first: int | None = None, after: str | None = None, **more: Any) -> dict[str, Any]:
        return collection_page(ctx, project, type, first, after)

    def one(info: Any, name: str) -> dict[str, Any] | None:
        return (
            collection(ctx, f"{project}/{name}") if name in project_collections(ctx, project, type) else None
        )

    return _type(type) | {"artifactCollection": one, "artifactCollections": of_type}


def types_of_project(ctx: Context, project: str) -> list[dict[str, Any]]:
    """Return the types of a project's artifacts, by name."""
    names = sorted({*project_collections(ctx, project).values()})
    return [type_of_project(ctx, project, name) for name in names]


def collection_page(
    ctx: Context, project: str, type: str | None, first: int | None, after: str | None
) -> dict[str, Any]:
    """Return a page of a project's collections."""
    types = project_collections(ctx, project, type)
    return page([_collection(ctx, f"{project}/{name}", kind) for name, kind in types.items()], first, after)


def _alias(ctx: Context, name: str, alias: str) -> dict[str, Any]:
    return {
        "id": f"{name}:{alias}",
        "alias": alias,
        "artifactCollection": lambda info: collection(ctx, name),
    }


def names_of(ctx: Context, row: VersionRow) -> list[str]:
    """Return the aliases of a version, ``latest`` among them when it is the newest."""
    reader = ctx.engine.reader
    names = [alias.alias for alias in aliases(reader, row.collection) if alias.version == row.version]
    newest = versions(reader, row.collection)
    return names + ([NEWEST] if newest and newest[-1].version == row.version else [])


def membership(ctx: Context, row: VersionRow) -> dict[str, Any]:
    """Return that a version is in its collection."""
    return {
        "id": f"{row.name}:membership",
        "versionIndex": row.version,
        "createdAt": when(row.created_at),
        "aliases": lambda info: [_alias(ctx, row.collection, alias) for alias in names_of(ctx, row)],
        "artifactCollection": lambda info: collection(ctx, row.collection),
        "artifact": lambda info: artifact(ctx, row),
        "files": lambda info, **arguments: file_page(ctx, row, **arguments),
    }


def artifact(ctx: Context, row: VersionRow) -> dict[str, Any]:
    """Return a version as the client sees it; one that was linked is the one that it came from."""
    source = by_name(ctx, str(row.record["source"])) if row.record.get("source") else None
    return _artifact(ctx, source or row)


def _artifact(ctx: Context, row: VersionRow) -> dict[str, Any]:
    reader, figures = ctx.engine.reader, row.figures
    kind = collections(reader).get(row.collection, "")
    files = [file for file in row.files if file.name != MANIFEST]
    return {
        "__typename": "Artifact",
        "id": artifact_id(row),
        "artifactSequence": lambda info: collection(ctx, row.collection),
        "versionIndex": row.version,
        "artifactType": _type(kind),
        "description": figures.get("description"),
        "metadata": dumps(figures.get("metadata") or {}),
        "ttlDurationSeconds": figures.get("ttl_s", NO_TTL),
        "ttlIsInherited": "ttl_s" not in figures,
        "tags": [{"__typename": "Tag", "id": tag, "name": tag} for tag in figures.get("tags", [])],
        "historyStep": figures.get("step"),
        "state": "COMMITTED" if row.deleted_at is None else "DELETED",
        "size": row.record.get("n_bytes") or sum(file.n_bytes for file in files),
        "digest": row.record.get("digest", row.digest[:32]),
        "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": row.digest,
        "fileCount": row.record.get("n_entries", len(files)),
        "createdAt": when(row.created_at),
        "updatedAt": when(row.created_at),
        "aliases": lambda info: [_alias(ctx, row.collection, alias) for alias in names_of(ctx, row)],
        "currentManifest": lambda info: _manifest(ctx, row),
        "files": lambda info, **arguments: file_page(ctx, row, **arguments),
        "filesByManifestEntries": lambda info, **arguments: _by_entries(ctx, row, **arguments),
        "createdBy": lambda info: _creator(ctx, row),
        "usedBy": lambda info, first=None, after=None: page(_users(ctx, row), first, after),
        "artifactMemberships": lambda info, first=None, after=None: page(
            _memberships(ctx, row), first, after
        ),
    }


def _manifest(ctx: Context, row: VersionRow) -> dict[str, Any] | None:
    manifest = next((file for file in row.files if file.name == MANIFEST), None)
    return None if manifest is None else {"id": f"{row.name}:manifest", "file": _file(ctx, row, manifest)}


def _creator(ctx: Context, row: VersionRow) -> dict[str, Any] | None:
    run = runs.find(ctx, row.run_id) if row.run_id else None
    return None if run is None else run | {"__typename": "Run"}


def _users(ctx: Context, row: VersionRow) -> list[dict[str, Any]]:
    return runs.described(ctx, users(ctx.engine.reader).get(row.name, []))


def _memberships(ctx: Context, row: VersionRow) -> list[dict[str, Any]]:
    """Return where a version is: in its collection, and in those that it was linked to."""
    reader = ctx.engine.reader
    every_version = [other for name in collections(reader) for other in versions(reader, name)]
    others = [other for other in every_version if other.record.get("source") == row.name]
    return [membership(ctx, one) for one in [row, *others]]


def of_run(ctx: Context, run_id: str) -> list[dict[str, Any]]:
    """Return the versions that a run made."""
    reader = ctx.engine.reader
    rows = [row for name in collections(reader) for row in versions(reader, name) if row.run_id == run_id]
    own = [row for row in rows if not row.record.get("source") and "/" in row.collection]
    return [artifact(ctx, row) for row in sorted(own, key=lambda row: row.created_at)]


def used_by_run(ctx: Context, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the versions of some names."""
    rows = [by_name(ctx, name) for name in names]
    return [artifact(ctx, row) for row in rows if row is not None]


def file_page(ctx: Context, row: VersionRow, **arguments: Any) -> dict[str, Any]:
    """Return a page of a version's files, with an address each."""
    names, pattern = arguments.get("names"), arguments.get("pattern")
    files = [file for file in row.files if file.name != MANIFEST and (not names or file.name in names)]
    if pattern:
        files = [file for file in files if fnmatch.fnmatchcase(file.name, pattern)]
    return page([_file(ctx, row, file) for file in files], arguments.get("first"), arguments.get("after"))


def _by_entries(ctx: Context, row: VersionRow, **arguments: Any) -> dict[str, Any]:
    names = [entry.get("name") for entry in arguments.get("entries") or []]
    by_files = {file.name: file for file in row.files}
    files = [_file(ctx, row, by_files[name]) for name in names if name in by_files]
    return page(files, arguments.get("first"), arguments.get("after"))


def _file(ctx: Context, row: VersionRow, file: StoredFile) -> dict[str, Any]:
    address = ctx.signed({"do": "get", "digest": file.digest, "name": file.name})
    md5s: Mapping[str, str] = row.record.get("md5", {})
    return {
        "__typename": "File",
        "id": f"{row.name}/{file.name}",
        "name": file.name,
        "displayName": file.name,
        "url": address,
        "directUrl": address,
        "storagePath": file.name,
        "sizeBytes": file.n_bytes,
        "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        "updatedAt": when(row.created_at),
        "md5": md5s.get(file.name, ""),
        "digest": md5s.get(file.name, file.digest),
    }


def need(ctx: Context, client_id: str) -> VersionRow:
    """Return the version of an id.

    Raises:
        UsageError: There is none.
    """
    name = version_of(client_id)
    row = by_name(ctx, name) if name else None
    if row is None:
        raise UsageError("no such artifact")
    return row
