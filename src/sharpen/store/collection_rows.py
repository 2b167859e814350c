"""Collections as stored: their versions, aliases and audit log, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sharpen.errors import NotFound
from sharpen.store import schema
from sharpen.store.queries import Reader
from sharpen.store.version_contents import NEWEST, VERSION_WORD, StoredFile

BUNDLE = "bundle"
"""The type of what ``--ship`` keeps: the files that a sweep's programs need."""


def bundle_of(sweep_id: str) -> str:
    """Return the collection that has what was shipped with a sweep."""
    return f"{BUNDLE}/{sweep_id}"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a collection.

    Attributes:
        collection: Its name.
        version: 0, 1, …
        digest: SHA-256 of files and record.
        files: What it holds.
        record: Where it is from and how it decides; never changes.
        figures: What was known of it when it was registered.
        run_id: The run that made it; None for one from elsewhere.
        author: Who registered it.
        created_at: Unix seconds.
        deleted_at: None unless it is hidden.
    """

    collection: str
    version: int
    digest: str
    files: tuple[StoredFile, ...]
    record: Mapping[str, Any]
    figures: Mapping[str, Any]
    run_id: str | None
    author: str
    created_at: float
    deleted_at: float | None = None

    @property
    def name(self) -> str:
        """What people call it: ``xgb_classifier:v5``."""
        return f"{self.collection}:v{self.version}"


@dataclass(frozen=True, slots=True)
class AliasRow:
    """Where an alias points, who pointed it there, and when."""

    collection: str
    alias: str
    version: int
    who: str
    at: float


def collections(reader: Reader, type: str | None = None) -> dict[str, str]:
    """Return the type of each collection by name; those of one type when it is given."""
    c = schema.collections.c
    query = sa.select(c.name, c.type).order_by(c.name)
    rows = reader.rows(query if type is None else query.where(c.type == type))
    return {row["name"]: row["type"] for row in rows}


def versions(reader: Reader, collection: str, deleted: bool = False) -> list[VersionRow]:
    """Return the versions of a collection, the newest last; deleted ones when asked for, too."""
    v = schema.versions.c
    query = sa.select(schema.versions).where(v.collection == collection).order_by(v.version)
    return [
        version_row(row) for row in reader.rows(query if deleted else query.where(v.deleted_at.is_(None)))
    ]


def aliases(reader: Reader, collection: str | None = None) -> list[AliasRow]:
    """Return the aliases of a collection, or of all, by name."""
    a = schema.aliases.c
    query = sa.select(schema.aliases).order_by(a.collection, a.alias)
    return [
        AliasRow(**r)
        for r in reader.rows(query if collection is None else query.where(a.collection == collection))
    ]


def pointed(reader: Reader, collection: str) -> dict[int, list[str]]:
    """Return the aliases of each version of a collection that has some, by its number."""
    aliases_of: dict[int, list[str]] = {}
    for row in aliases(reader, collection):
        aliases_of.setdefault(row.version, []).append(row.alias)
    return aliases_of


def audit_rows(reader: Reader, collection: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of the audit log, the oldest first; those of one collection when it is given."""
    a = schema.audit.c
    query = sa.select(schema.audit).order_by(a.seq)
    return reader.rows(query if collection is None else query.where(a.collection == collection))


def resolve(reader: Reader, collection: str, word: str) -> VersionRow:
    """Return the version that ``v3``, an alias or ``latest`` names.

    Raises:
        NotFound: There is no such collection, version or alias, or the version has been deleted.
    """
    rows = versions(reader, collection, deleted=True)
    if not rows:
        existing = ", ".join(collections(reader)) or "none"
        raise NotFound(
            f"no model {collection!r}; there are: {existing}. 'sharpen register RUN --as NAME' makes one"
        )
    pointed = {alias.alias: alias.version for alias in aliases(reader, collection)}
    alive = [row.version for row in rows if row.deleted_at is None]
    number: int | None = pointed.get(word)
    if VERSION_WORD.fullmatch(word):
        number = int(word[1:])
    elif word == NEWEST and alive:
        number = alive[-1]
    for row in rows:
        if row.version == number:
            if row.deleted_at is not None:
                raise NotFound(f"{row.name} has been deleted")
            return row
    names = [f"v{version}" for version in alive] + list(pointed)
    raise NotFound(f"{collection} has no {word!r}; it has: {', '.join(names)}")


def version_row(row: Mapping[str, Any]) -> VersionRow:
    """Return a version from its columns."""
    read: dict[str, Any] = {name: json.loads(row[name]) for name in ("record", "figures")}
    read["files"] = tuple(StoredFile(**file) for file in json.loads(row["files"]))
    return VersionRow(**{**row, **read})
