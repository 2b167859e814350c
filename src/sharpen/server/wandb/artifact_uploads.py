"""How an artifact is logged: announced, its files put, committed; until then it is a note in a folder.

The notes lie beside the store's blobs, so a server that dies in between goes on where it was. Files are
known by the MD5 that the client gives them: what has been put before is not asked for again.
"""

# the words of a query come without types
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.facts import READ_OF_RUNS
from sharpen.server.wandb import artifact_views as views
from sharpen.server.wandb.context import DEFAULT_PROJECT, Context, page
from sharpen.store.blobs import checked_path, put_file
from sharpen.store.collection_rows import VersionRow, versions
from sharpen.store.uploads import (
    ANNOUNCED,
    FOLDER,
    announcement,
    expect,
    known,
    new_name,
    read_note,
    write_note,
)
from sharpen.store.version_contents import check_collection_name

MOST_MANIFEST_BYTES = 1 << 30
NEWEST_BASE = "newest"  # what an incremental artifact adds to that names nothing


def _client_note(ctx: Context, client_id: str) -> Path:
    name = hashlib.sha256(client_id.encode(errors="replace")).hexdigest()
    return ctx.engine.home / FOLDER / f"client-{name}.json"


def create(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Announce an artifact; one of a content that is there already is committed at once."""
    ctx.need("agent")
    project = arguments.get("projectName") or DEFAULT_PROJECT
    collection = f"{project}/{_name(arguments)}"
    check_collection_name(collection)
    rows = reversed(versions(ctx.engine.reader, collection))
    same = next((row for row in rows if row.record.get("digest") == arguments["digest"]), None)
    if same is not None:
        _attach(ctx, arguments, [asdict(file) for file in same.files])
        _set_aliases(ctx, same, arguments)
        _map_client(ctx, arguments, views.artifact_id(same))
        return {"artifact": views.artifact(ctx, same)}
    pending = new_name()
    announced = {
        name: value for name, value in arguments.items() if isinstance(value, str | int | list | dict | bool)
    }
    write_note(announcement(ctx.engine.home, pending), {"given": announced, "collection": collection})
    _map_client(ctx, arguments, pending)
    return {"artifact": _pending(ctx, pending, announced, collection)}


def _name(arguments: Mapping[str, Any]) -> str:
    names = arguments.get("artifactCollectionNames") or [arguments.get("artifactCollectionName") or ""]
    return names[0]


def _map_client(ctx: Context, arguments: Mapping[str, Any], server_id: str) -> None:
    if arguments.get("clientID"):
        write_note(_client_note(ctx, arguments["clientID"]), {"server": server_id})


def of_client(ctx: Context, client_id: str) -> dict[str, Any] | None:
    """Return what an artifact is called here that a client calls by its own id."""
    note = read_note(_client_note(ctx, client_id))
    if note is None:
        return None
    row = row_of(ctx, note["server"])
    return {"serverID": note["server"] if row is None else views.artifact_id(row)}


def row_of(ctx: Context, any_id: str) -> VersionRow | None:
    """Return the version of an id, that of its announcement too; None before it is committed."""
    if not ANNOUNCED.fullmatch(any_id):
        return views.need(ctx, any_id)
    note = read_note(announcement(ctx.engine.home, any_id))
    if note is None:
        raise UsageError("no such artifact")
    return views.by_name(ctx, note["version"]) if note.get("version") else None


def find(ctx: Context, any_id: str) -> dict[str, Any]:
    """Return an artifact of an id, committed or not."""
    row = row_of(ctx, any_id)
    if row is not None:
        return views.artifact(ctx, row)
    note = read_note(announcement(ctx.engine.home, any_id)) or {}
    return _pending(ctx, any_id, note["given"], note["collection"])


def _pending(ctx: Context, pending: str, arguments: Mapping[str, Any], collection: str) -> dict[str, Any]:
    about = views.collection(ctx, collection)
    empty = {"id": pending, "name": collection.partition("/")[2], "state": "READY", "latestArtifact": None}
    return {
        "__typename": "Artifact",
        "id": pending,
        "state": "PENDING",
        "artifactSequence": about or empty | {"__typename": "ArtifactSequence"},
        "digest": arguments.get("digest"),
        "createdAt": "1970-01-01T00:00:00Z",
        "artifactType": {"id": "type", "name": arguments.get("artifactTypeName")},
        "tags": [],
        "aliases": [],
        "ttlIsInherited": True,
        "size": 0,
        "fileCount": 0,
    }


def create_files(ctx: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return where to put files, in the order in which they were asked for; nowhere for what is here."""
    ctx.need("agent")
    nodes: list[dict[str, Any]] = []
    named = [(file, _hex(file["md5"])) for file in arguments["artifactFiles"]]
    for artifact_id in {file["artifactID"] for file, _ in named}:
        if ANNOUNCED.fullmatch(artifact_id):
            expect(ctx.engine.home, artifact_id, [md5 for f, md5 in named if f["artifactID"] == artifact_id])
    for file, md5 in named:
        claims = {"do": "put", "md5": md5, "name": file["name"][:200]}
        url = None if known(ctx.engine.home, md5) else ctx.signed(claims)
        named_so = dict.fromkeys(("id", "name", "displayName"), file["name"])  # older clients read the last
        node = {**named_so, "storagePath": md5, "uploadUrl": url}
        nodes.append(
            node | {"uploadHeaders": [], "uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}}
        )
    return {"files": page(nodes)}


def _hex(md5: str) -> str:
    try:
        return base64.b64decode(md5, validate=True).hex()
    except (binascii.Error, ValueError) as problem:
        raise UsageError("an MD5 is written in base64") from problem


def manifest(ctx: Context, any_id: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return where to put an artifact's manifest; one that is incremental is told apart by what is given."""
    ctx.need("agent")
    pending = any_id.removesuffix("/manifest")
    if arguments is not None and arguments.get("type") == "INCREMENTAL":
        path = announcement(ctx.engine.home, pending)
        note = read_note(path)
        if note is None:
            raise UsageError("no such artifact")
        write_note(path, note | {"base": arguments.get("baseArtifactID") or NEWEST_BASE})
    url = ctx.signed({"do": "put", "manifest": pending, "name": views.MANIFEST})
    file = {"id": f"{pending}/file", "name": views.MANIFEST, "uploadUrl": url, "uploadHeaders": []}
    return {"artifactManifest": {"id": f"{pending}/manifest", "file": file}}


def keep_manifest(ctx_home: Path, pending: str, digest: str, n_bytes: int) -> None:
    """Note the manifest of an artifact that has been put."""
    path = announcement(ctx_home, pending)
    note = read_note(path)
    if note is None:
        raise UsageError("no such artifact")
    write_note(path, note | {"manifest": {"digest": digest, "n_bytes": n_bytes}})


def commit(ctx: Context, pending: str) -> dict[str, Any]:
    """Make an announced artifact a version of its collection; asked twice, it is the same.

    Raises:
        UsageError: Its manifest, or one of the files, has not been put.
    """
    ctx.need("agent")
    done = row_of(ctx, pending)
    if done is not None:
        return {"artifact": views.artifact(ctx, done)}
    note = read_note(announcement(ctx.engine.home, pending)) or {}
    arguments, collection = note["given"], note["collection"]
    if "manifest" not in note:
        raise UsageError("the artifact's manifest has not been put")
    manifest_file, digest = note["manifest"], arguments["digest"]
    if "base" in note:
        manifest_file = _merged(ctx, manifest_file, _base(ctx, note["base"], collection))
        digest = manifest_file["digest"]
    files, record = _contents(ctx, manifest_file, digest)
    run_id = arguments.get("runName") or None
    if run_id is not None and ctx.engine.reader.tracked.run(run_id) is None:
        run_id = None
    _attach(ctx, arguments, files)
    content = {"files": files, "record": record, "run_id": run_id}
    type_name = arguments["artifactTypeName"]
    who = ctx.key.name or "wandb"
    made = ctx.engine.call(
        "register",
        collection=collection,
        type=type_name,
        content=content,
        who=who,
        figures=_figures(arguments),
    )
    row = views.by_name(ctx, f"{collection}:v{made['version']}")
    assert row is not None  # noqa: S101 - it has just been made
    _set_aliases(ctx, row, arguments)
    write_note(announcement(ctx.engine.home, pending), note | {"version": row.name})
    return {"artifact": views.artifact(ctx, row)}


def _attach(ctx: Context, arguments: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> None:
    """Keep what the report and the registry read of a run with it, as its own agents' programs do."""
    run_id, kind = arguments.get("runName"), arguments["artifactTypeName"]
    if kind not in READ_OF_RUNS or not run_id or ctx.engine.reader.tracked.run(run_id) is None:
        return
    of_run = [file for file in files if file["name"] != views.MANIFEST]
    metadata = read_metadata(arguments) or {}
    for file in of_run:
        name = _name(arguments) if len(of_run) == 1 else f"{_name(arguments)}/{file['name']}"
        about = {"type": kind, "digest": file["digest"], "n_bytes": file["n_bytes"], "metadata": metadata}
        ctx.engine.call("attach", run_id=run_id, name=name, **about)


def _contents(
    ctx: Context, manifest_file: Mapping[str, Any], digest: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the files of a manifest, and what is recorded of them."""
    by_name = _read(ctx, manifest_file)["contents"]
    files: list[dict[str, Any]] = [{"name": views.MANIFEST, **manifest_file}]
    md5s: dict[str, str] = {}
    for name, entry in by_name.items():
        if entry.get("ref"):
            continue  # kept elsewhere
        blob = known(ctx.engine.home, _hex(str(entry.get("digest"))))
        if blob is None:
            raise UsageError(f"the file {name[:200]!r} has not been put")
        files.append({"name": name, **blob})
        md5s[name] = str(entry["digest"])
    sizes = [entry.get("size") or 0 for entry in by_name.values()]
    record = {"digest": digest, "md5": md5s, "n_entries": len(by_name), "n_bytes": sum(sizes)}
    return files, record


def _read(ctx: Context, manifest_file: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest that is kept, its entries by name."""
    if manifest_file["n_bytes"] > MOST_MANIFEST_BYTES:
        raise UsageError("the manifest is too large")
    try:
        read: Any = json.loads(checked_path(ctx.engine.home, manifest_file["digest"]).read_bytes())
        entries = cast("dict[str, dict[str, Any]]", read["contents"])
        return {**read, "contents": {str(name): dict(entry) for name, entry in entries.items()}}
    except FileNotFoundError as problem:
        raise UsageError("the artifact's manifest is gone: log it again") from problem
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise UsageError(f"the manifest is none: {problem}") from problem


def _base(ctx: Context, any_id: str, collection: str) -> VersionRow | None:
    """Return what an incremental artifact adds to; None where the collection is new."""
    return views.by_name(ctx, f"{collection}:latest") if any_id == NEWEST_BASE else row_of(ctx, any_id)


def _merged(ctx: Context, manifest_file: Mapping[str, Any], base: VersionRow | None) -> Mapping[str, Any]:
    """Return the manifest of a version and of what is added to it, kept as a file."""
    below = next((file for file in base.files if file.name == views.MANIFEST), None) if base else None
    if below is None:
        return manifest_file
    old, new = _read(ctx, asdict(below)), _read(ctx, manifest_file)
    text = json.dumps({**new, "contents": old["contents"] | new["contents"]}, sort_keys=True)
    with tempfile.NamedTemporaryFile(prefix="manifest-") as file:
        file.write(text.encode())
        file.flush()
        digest, n_bytes = put_file(ctx.engine.home, Path(file.name))
    return {"digest": digest, "n_bytes": n_bytes}


def _figures(arguments: Mapping[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "description": arguments.get("description"),
        "metadata": read_metadata(arguments),
    }
    figures["tags"] = sorted({tag["tagName"] for tag in arguments.get("tags") or []})
    if arguments.get("ttlDurationSeconds") is not None:
        figures["ttl_s"] = arguments["ttlDurationSeconds"]
    if arguments.get("historyStep") is not None:
        figures["step"] = arguments["historyStep"]
    return figures


def read_metadata(arguments: Mapping[str, Any]) -> Any:
    """Return the metadata that the client sends as JSON."""
    try:
        return json.loads(arguments.get("metadata") or "{}")
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"metadata is JSON: {problem}") from problem


def _set_aliases(ctx: Context, row: VersionRow, arguments: Mapping[str, Any]) -> None:
    for alias in arguments.get("aliases") or []:
        set_alias(ctx, row, alias["alias"])


def set_alias(ctx: Context, row: VersionRow, alias: str) -> None:
    """Point an alias at a version; ``latest`` moves by itself."""
    if alias != views.NEWEST:
        _move(ctx, row, alias)


def remove_alias(ctx: Context, row: VersionRow, alias: str) -> None:
    """Take an alias away."""
    _move(ctx, row, alias, remove=True)


def _move(ctx: Context, row: VersionRow, alias: str, remove: bool = False) -> None:
    now = {one.alias: one.version for one in views.aliases(ctx.engine.reader, row.collection)}
    move = {"collection": row.collection, "alias": alias, "version": row.version, "digest": row.digest}
    move |= {"expected": now.get(alias), "who": ctx.key.name or "wandb", "via": "wandb"}
    ctx.engine.call("alias", move=move, remove=remove)
