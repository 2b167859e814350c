"""What the store says and its audit log does not: somebody changed it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sharpen.jsonable import dumps
from sharpen.store.audit import AuditEntry
from sharpen.store.collection_rows import VersionRow, aliases, collections, versions
from sharpen.store.queries import Reader
from sharpen.store.version_contents import content_digest


def audit_mismatches(reader: Reader, entries: Sequence[AuditEntry]) -> list[str]:
    """Return a sentence for each alias and each version that is not as the log left it.

    Args:
        reader: The store.
        entries: Its whole log, the oldest first.
    """
    return [*_version_mismatches(reader, entries), *_alias_mismatches(reader, entries)]


def _alias_mismatches(reader: Reader, entries: Sequence[AuditEntry]) -> list[str]:
    points_at: dict[tuple[str, str], Any] = {}
    for entry in entries:
        if entry.action not in ("refused", "requested") and "alias" in entry.details:
            points_at[entry.collection, entry.details["alias"]] = entry.details["version"]
    there = {(row.collection, row.alias): row.version for row in aliases(reader)}
    logged = {key: version for key, version in points_at.items() if version is not None}
    return [
        f"{name}:{alias} points at {there.get((name, alias))}, and the log says {logged.get((name, alias))}"
        for name, alias in sorted(there.keys() | logged.keys())
        if there.get((name, alias)) != logged.get((name, alias))
    ]


def _version_mismatches(reader: Reader, entries: Sequence[AuditEntry]) -> list[str]:
    registered: dict[tuple[str, int], AuditEntry] = {}
    figures: dict[tuple[str, int], Any] = {}
    deleted: set[tuple[str, int]] = set()
    for entry in entries:
        key = (entry.collection, entry.details.get("version", -1))
        if entry.action == "registered":
            registered[key] = entry
        if entry.action in ("registered", "described"):
            figures[key] = entry.details.get("figures")
        if entry.action == "deleted":
            deleted.add(key)
    differences: list[str] = []
    there = [row for name in collections(reader) for row in versions(reader, name, deleted=True)]
    for row in there:
        key = (row.collection, row.version)
        if key not in registered:
            differences.append(f"{row.name} is there, and the log does not know of it")
            continue
        logged = {**_of(registered[key]), "figures": dumps(figures[key]), "deleted": key in deleted}
        has = {"author": row.author, "digest": row.digest, "run": row.run_id}
        has |= {"figures": dumps(row.figures), "deleted": row.deleted_at is not None}
        differences += [
            f"{row.name} has the {name} {has[name]}, and the log says {logged[name]}"
            for name in has
            if has[name] != logged[name]
        ]
        differences += _changed_content(row)
    gone = sorted(registered.keys() - {(row.collection, row.version) for row in there})
    return differences + [f"{name}:v{version} was registered, and is not there" for name, version in gone]


def _of(entry: AuditEntry) -> dict[str, Any]:
    return {"author": entry.who, "digest": entry.details.get("digest"), "run": entry.details.get("run")}


def _changed_content(row: VersionRow) -> list[str]:
    if content_digest(row.files, row.record) == row.digest:
        return []
    return [f"the record or the files of {row.name} were changed: they do not have its digest"]
