"""Which blobs a store names, and which it has for nothing."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Container, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from sharpen.errors import StoreError
from sharpen.regular_file import open_file
from sharpen.store import bucket
from sharpen.store.blobs import DIGEST, blob_path, check_file
from sharpen.store.location import FILE, find_file
from sharpen.store.sqlite_file import reading
from sharpen.store.uploads import announced

# what programs logged: they name no blob there
WITHOUT = ("history", "last_values", "reports", "console", "machine_metrics")
LONGEST_LIST_BYTES = 64 << 20
IN_TEXT = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
TRASH = ".trash"
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Unreferenced:
    """A blob that nothing names, or what is left of an upload that never came to its end."""

    path: Path
    n_bytes: int


def named(database: Path) -> set[str]:
    """Return everything in a database that looks like the digest of a blob, but for what programs logged.

    Too much is kept rather than too little: a new table needs no word here.
    """
    digests: set[str] = set()
    with reading(database) as connection:
        connection.execute("BEGIN")  # one moment for all tables
        for table in _tables(connection):
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own names
                for value in row:
                    if isinstance(value, str) and len(value) >= 64:
                        digests.update(IN_TEXT.findall(value))
    return digests


def needed(database: Path) -> set[str]:
    """Return the digests of files kept with runs: blobs that must be there."""
    with reading(database) as connection:
        rows = connection.execute("SELECT DISTINCT digest FROM artifacts").fetchall()
    return {digest for (digest,) in rows if DIGEST.fullmatch(digest)}


def with_lists(digests: Iterable[str], path_of: Callable[[str], Path]) -> set[str]:
    """Return digests, and those that blobs among them list, such as the files of an artifact.

    Args:
        digests: Where to begin.
        path_of: Where the blob of a digest lies, if it is there.
    """
    every = set(digests)
    fresh = list(every)
    while fresh:
        listed = set(_named_in(path_of(fresh.pop()))) - every
        every |= listed
        fresh += listed
    return every


def checked(home: Path, named: Iterable[str], needed: Container[str]) -> Generator[tuple[str, str]]:
    """Give the blobs that a store names, and those that they list; one of a bucket is fetched.

    Args:
        home: The store's folder.
        named: Digests, or what looks like some: those that are none of a blob are left out.
        needed: Those of blobs that must be there.

    Yields:
        A digest, and what is wrong with its blob; empty where it is as it was kept.
    """
    left = sorted(named, reverse=True)
    seen = set(left)
    while left:
        digest = left.pop()
        path = blob_path(home, digest)
        if digest not in needed and not path.exists() and not bucket.has(home, digest):
            continue
        try:
            check_file(path, digest)
        except StoreError as problem:
            yield digest, problem.message
            continue
        more = sorted(set(_named_in(path)) - seen)
        left += more
        seen.update(more)
        yield digest, ""


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in names if name not in WITHOUT and not name.startswith("sqlite_")]


def _named_in(path: Path) -> Iterable[str]:
    try:
        with open_file(path) as file:
            first = file.read(1)
            if first not in (b"{", b"[") or os.fstat(file.fileno()).st_size > LONGEST_LIST_BYTES:
                return ()
            return IN_TEXT.findall(file.read().decode(errors="replace"))
    except OSError:
        return ()


def unreferenced(home: Path, now: float, older_than_s: float = DAY_S) -> list[Unreferenced]:
    """Return the blobs that nothing names, the largest first.

    A blob is written before what names it, so young ones are left alone; and so are those of a version that
    was announced in the last week and is not made yet.

    Args:
        home: The store's folder.
        now: Unix seconds.
        older_than_s: How long a blob must have been there.

    Raises:
        NotFound: There is no store in the folder.
    """
    referenced = with_lists(
        named(find_file(home)) | announced(home, now).digests, lambda digest: blob_path(home, digest)
    )
    blobs = [
        Unreferenced(path, info.st_size)
        for path, info in _blobs(home)
        if now - info.st_mtime > older_than_s and path.parent.name + path.name not in referenced
    ]
    return sorted(blobs, key=lambda one: (-one.n_bytes, one.path))


def remove(home: Path, blobs: Iterable[Unreferenced]) -> tuple[int, int]:
    """Remove blobs that nothing names; return how many, and their bytes.

    They are put aside first, and brought back where something has come to name them meanwhile.

    Args:
        home: The store's folder.
        blobs: What :func:`unreferenced` returned.

    Raises:
        StoreError: One cannot be moved.
    """
    trash = home / "blobs" / TRASH
    moved: list[tuple[Unreferenced, Path]] = []
    try:
        trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in blobs:
            aside = trash / (one.path.parent.name + one.path.name)
            with contextlib.suppress(FileNotFoundError):
                one.path.replace(aside)
                moved.append((one, aside))
        referenced = with_lists(
            named(home / FILE) | announced(home).digests,
            lambda digest: _either(trash / digest, blob_path(home, digest)),
        )
        n = n_bytes = 0
        for one, aside in moved:
            if aside.name in referenced:
                aside.replace(one.path)
            else:
                aside.unlink()
                n, n_bytes = n + 1, n_bytes + one.n_bytes
    except OSError as problem:
        raise StoreError(f"cannot clear {home / 'blobs'}: {problem}") from problem
    return n, n_bytes


def _either(aside: Path, path: Path) -> Path:
    return aside if aside.exists() else path


def _blobs(home: Path) -> Generator[tuple[Path, os.stat_result]]:
    folder = home / "blobs"
    for path in sorted(folder.glob("*/*")) + sorted(folder.glob(".incoming-*")):
        is_blob = DIGEST.fullmatch(path.parent.name + path.name) or path.name.startswith(".incoming-")
        if is_blob and path.is_file() and not path.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()
