"""Which blobs a store names, and which it has for nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Container, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sharpen.errors import StoreError, UsageError
from sharpen.regular_file import open_file
from sharpen.store import bucket, schema
from sharpen.store.backends import one_moment
from sharpen.store.blobs import DIGEST, blob_path, check_file
from sharpen.store.uploads import announced

# what programs logged: they name no blob there
WITHOUT = ("history", "last_values", "reports", "console", "machine_metrics")
ROWS_AT_ONCE = 1000
LONGEST_LIST_BYTES = 64 << 20
IN_TEXT = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
TRASH = ".trash"
LOCK = "lock"
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Unreferenced:
    """A blob that nothing names, or what is left of an upload that never came to its end."""

    path: Path
    n_bytes: int


def named(connection: sa.Connection) -> set[str]:
    """Return everything in a store that looks like the digest of a blob, but for what programs logged.

    Too much is kept rather than too little: a new table needs no word here.

    Args:
        connection: To the database; all tables are read as they are at one moment if it sees one.
    """
    digests: set[str] = set()
    for table in _tables(connection):
        few_at_a_time = sa.text(f'SELECT * FROM "{table}"').execution_options(yield_per=ROWS_AT_ONCE)  # noqa: S608 - its own names
        for row in connection.execute(few_at_a_time):
            for value in row:
                if isinstance(value, str) and len(value) >= 64:
                    digests.update(IN_TEXT.findall(value))
    return digests


def needed(connection: sa.Connection) -> set[str]:
    """Return the digests of files kept with runs: blobs that must be there."""
    digests = connection.execute(sa.text("SELECT DISTINCT digest FROM artifacts")).scalars()
    return {digest for digest in digests if DIGEST.fullmatch(digest)}


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


def _tables(connection: sa.Connection) -> list[str]:
    there = sa.inspect(connection).get_table_names()
    if connection.dialect.name == "postgresql":  # others' may be beside them
        there = [name for name in there if name in schema.metadata.tables]
    return [name for name in there if name not in WITHOUT]


def _named_now(home: Path) -> set[str]:
    with one_moment(home) as connection:
        return named(connection)


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
        _named_now(home) | announced(home, now).digests, lambda digest: blob_path(home, digest)
    )
    blobs = [
        Unreferenced(path, info.st_size)
        for path, info in _blobs(home)
        if now - info.st_mtime > older_than_s and path.parent.name + path.name not in referenced
    ]
    return sorted(blobs, key=lambda one: (-one.n_bytes, one.path))


def remove(home: Path, blobs: Iterable[Unreferenced]) -> tuple[int, int]:
    """Remove blobs that nothing names; return how many, and their bytes.

    They are put aside first, and brought back where something has come to name them meanwhile, or where that
    cannot be told. So is what somebody who died here had put aside.

    Args:
        home: The store's folder.
        blobs: What :func:`unreferenced` returned.

    Raises:
        StoreError: One cannot be moved, or the store cannot be read.
        UsageError: Somebody else is at it.
    """
    trash = home / "blobs" / TRASH
    try:
        trash.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(trash):
            _bring_back(home, trash)
            try:
                return _remove(home, trash, blobs)
            finally:
                _bring_back(home, trash)
    except OSError as problem:
        raise StoreError(f"cannot clear {home / 'blobs'}: {problem}") from problem


def _remove(home: Path, trash: Path, blobs: Iterable[Unreferenced]) -> tuple[int, int]:
    moved: list[tuple[Unreferenced, Path]] = []
    for one in blobs:
        aside = trash / one.path.relative_to(home / "blobs").as_posix().replace("/", "")
        with contextlib.suppress(FileNotFoundError):
            one.path.replace(aside)
            moved.append((one, aside))
    referenced = with_lists(
        _named_now(home) | announced(home).digests,
        lambda digest: _either(trash / digest, blob_path(home, digest)),
    )
    gone = [(one, aside) for one, aside in moved if aside.name not in referenced]
    for _, aside in gone:
        aside.unlink()
    return len(gone), sum(one.n_bytes for one, _ in gone)


@contextlib.contextmanager
def _alone(trash: Path) -> Generator[None]:
    lock = os.open(trash / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as problem:
        raise UsageError(
            f"another 'sharpen gc --yes' clears {trash.parent}: wait until it has ended"
        ) from problem
    finally:
        os.close(lock)


def _bring_back(home: Path, trash: Path) -> None:
    for aside in trash.iterdir():
        if DIGEST.fullmatch(aside.name):
            aside.replace(blob_path(home, aside.name))
        elif aside.name != LOCK:
            aside.replace(home / "blobs" / aside.name)


def _either(aside: Path, path: Path) -> Path:
    return aside if aside.exists() else path


def _blobs(home: Path) -> Generator[tuple[Path, os.stat_result]]:
    folder = home / "blobs"
    for path in sorted(folder.glob("*/*")) + sorted(folder.glob(".incoming-*")):
        is_blob = DIGEST.fullmatch(path.parent.name + path.name) or path.name.startswith(".incoming-")
        if is_blob and path.is_file() and not path.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()
