"""Keeping an artifact as a version of its collection, and finding one again."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sharpen import tracking
from sharpen.errors import NotFound, UsageError
from sharpen.registry.best_version import resolve_also_best
from sharpen.regular_file import open_file
from sharpen.store.blobs import Blobs, open_blobs
from sharpen.store.collection_rows import VersionRow, collections, resolve, versions
from sharpen.store.queries import Reader
from sharpen.store.version_contents import NEWEST, StoredFile
from sharpen.tracking.sinks import Grant
from sharpen.wandb.artifacts import MANIFEST, Artifact, StoredVersion, artifact_of, move_aliases, person
from sharpen.wire import Client, open_channel, scratch_folder

USED = "_used_artifacts"  # as the server keeps it


def as_artifact(
    source: Any, name: str | None, type: str | None, metadata: Mapping[str, Any] | None
) -> Artifact:
    """Return what ``log_artifact`` is given as an artifact: itself, or one of a file or folder."""
    if isinstance(source, Artifact):
        return source
    path = Path(source)
    artifact = Artifact(name or path.name, type or "file", metadata=metadata)
    artifact.add(path)
    return artifact


def keep_version(
    run: tracking.Run, project: str, artifact: Artifact, aliases: Sequence[str] = ()
) -> Artifact:
    """Keep an artifact with its run, and as a version of its collection; the same content is one version.

    Raises:
        UsageError: It holds no file.
    """
    if artifact.kept is not None:
        return artifact
    if not artifact.files:
        raise UsageError(f"artifact {artifact.name} holds no file: add_file, add_dir or new_file")
    for name, path in artifact.files.items():
        of_run = artifact.name if len(artifact.files) == 1 else f"{artifact.name}/{name}"
        run.log_artifact(path, name=of_run, type=artifact.type, metadata=artifact.metadata)
    grant = run.sink.grant
    if grant is None:  # it is asked for the lockbox or a permuted history, or alone
        return artifact
    files, record = _contents(open_blobs(grant.address), artifact.files)
    home = scratch_folder(grant.address)
    reader = Reader(home)
    collection = f"{_project_of(reader, grant, project)}/{artifact.name}"
    figures: dict[str, Any] = {"description": artifact.description, "metadata": artifact.metadata, "tags": []}
    content = {"files": [asdict(file) for file in files], "record": record, "run_id": grant.run_id}
    about = {"collection": collection, "type": artifact.type, "content": content, "figures": figures}
    with closing(Client(open_channel(grant.address))) as client:
        made = client.call("register", **about, who=person())
        artifact.kept = StoredVersion(home, resolve(reader, collection, f"v{made['version']}"))
        wanted_aliases = [*artifact.aliases, *aliases]
        move_aliases(client, artifact.kept, [*artifact_of(*_place(artifact)).aliases, *wanted_aliases])
    artifact.aliases = artifact_of(*_place(artifact)).aliases
    return artifact


def _place(artifact: Artifact) -> tuple[Path, VersionRow, str]:
    kept = artifact.need()
    return kept.home, kept.row, artifact.type


def _project_of(reader: Reader, grant: Grant, project: str) -> str:
    """Return the project that a run belongs to: a sweep's run to the sweep's."""
    row = reader.tracked.run(grant.run_id)
    return (row.project if row is not None else "") or project


def _contents(blobs: Blobs, files: Mapping[str, Path]) -> tuple[list[StoredFile], dict[str, Any]]:
    """Return the files as they are kept, and a record and manifest that the stock client can read."""
    stored: list[StoredFile] = []
    md5s: dict[str, str] = {}
    for name, path in files.items():
        stored.append(StoredFile(name, *blobs.put(path)))
        with open_file(path) as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        md5s[name] = base64.b64encode(digest).decode()
    whole = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for name, md5 in sorted(md5s.items()):
        whole.update(f"{name}:{md5}\n".encode())
    entries = {file.name: {"digest": md5s[file.name], "size": file.n_bytes} for file in stored}
    manifest: dict[str, Any] = {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "contents": entries}
    manifest["storagePolicyConfig"] = {"storageLayout": "V2"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MANIFEST
        path.write_text(json.dumps(manifest, sort_keys=True))
        listed = [StoredFile(MANIFEST, *blobs.put(path)), *stored]
    record = {"digest": whole.hexdigest(), "md5": md5s, "n_entries": len(stored)}
    return listed, record | {"n_bytes": sum(file.n_bytes for file in stored)}


def use_version(run: tracking.Run, project: str, name: str, type: str | None) -> Artifact:
    """Return a version by its name, and note that the run uses it.

    Raises:
        NotFound: There is none.
    """
    grant = run.sink.grant
    if grant is None:
        raise UsageError("use_artifact: this run has no store to look in")
    home = scratch_folder(grant.address)
    reader = Reader(home)
    artifact = find_version(home, name, _project_of(reader, grant, project), type)
    row = reader.tracked.run(grant.run_id)
    before: list[str] = [] if row is None else row.summary.get(USED, [])
    used = sorted({*before, artifact.need().row.name})
    run.sink.summarize({USED: used})
    return artifact


def find_version(home: Path, name: str, project: str, type: str | None = None) -> Artifact:
    """Return a version by a name such as ``model:v3``, ``project/model:best`` or ``local/project/model``.

    Raises:
        NotFound: There is none.
        UsageError: It is of another type.
    """
    reader = Reader(home)
    path, _, word = name.partition(":")
    types = collections(reader)
    parts = path.split("/")
    candidates = [f"{project}/{path}", path] if len(parts) == 1 else [path, "/".join(parts[1:])]
    collection = next((candidate for candidate in candidates if candidate in types), None)
    if collection is None:
        there = ", ".join(types) or "none yet"
        raise NotFound(f"no artifact {name!r} in project {project}; there are: {there}")
    if type not in (None, types[collection]):
        raise UsageError(f"{name} is of type {types[collection]}, not {type}")
    row = resolve_also_best(reader, collection, word or NEWEST)
    return artifact_of(home, row, types[collection])


def all_versions(home: Path, collection: str) -> list[Artifact]:
    """Return all versions of a collection, the newest first."""
    reader = Reader(home)
    kind = collections(reader).get(collection, "")
    return [artifact_of(home, row, kind) for row in reversed(versions(reader, collection))]
