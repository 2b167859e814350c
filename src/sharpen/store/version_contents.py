"""What a version is: files by digest and a record, and the digest of both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sharpen.errors import UsageError
from sharpen.jsonable import null_for_nan

NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,127}/){0,3}[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
VERSION_WORD = re.compile(r"v(0|[1-9]\d{0,8})")
NEWEST = "latest"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a version; its content is a blob of the store.

    Attributes:
        name: Relative, with ``/``.
        digest: SHA-256.
        n_bytes: Its size.
    """

    name: str
    digest: str
    n_bytes: int


def content_digest(files: Sequence[StoredFile], record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a version: its files, whatever their order, and its record.

    >>> one, two = StoredFile("a", "00", 1), StoredFile("b", "11", 1)
    >>> content_digest([one, two], {"x": 1, "y": 2}) == content_digest([two, one], {"y": 2, "x": 1})
    True
    """
    listed = sorted((asdict(file) for file in files), key=lambda file: file["name"])
    text = json.dumps(null_for_nan([listed, record]), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_collection_name(name: str) -> None:
    """Refuse a name that a collection cannot have.

    Raises:
        UsageError: It has other characters.

    >>> check_collection_name("xgb_classifier")
    >>> check_collection_name("../etc")
    Traceback (most recent call last):
    sharpen.errors.UsageError: '../etc' is no name of a collection: use letters, digits, "_", "-" and "."
    """
    if not NAME.fullmatch(name):
        raise UsageError(f'{name[:80]!r} is no name of a collection: use letters, digits, "_", "-" and "."')


def check_alias(alias: str) -> None:
    """Refuse a name that an alias cannot have: ``v3`` and ``latest`` are given by the registry itself.

    Raises:
        UsageError: It has other characters, or is one of these.

    >>> check_alias("v3")
    Traceback (most recent call last):
    sharpen.errors.UsageError: 'v3' is no alias to set: versions are named so, and latest is the newest
    """
    if VERSION_WORD.fullmatch(alias) or alias == NEWEST:
        raise UsageError(f"{alias!r} is no alias to set: versions are named so, and latest is the newest")
    if not alias or len(alias) > 128 or not alias.isprintable() or any(c in alias for c in ":/ "):
        raise UsageError(f'{alias[:80]!r} is no alias: use letters, digits, "_", "-" and "."')


def check_file_name(name: str) -> None:
    """Refuse the name of a file that could be written outside of the folder it belongs in.

    Raises:
        UsageError: It is absolute, climbs, or holds what no name should.

    >>> check_file_name("../../.bashrc")
    Traceback (most recent call last):
    sharpen.errors.UsageError: '../../.bashrc' is no name of a file: it must stay inside of its folder
    """
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"{name[:80]!r} is no name of a file: it must stay inside of its folder")
