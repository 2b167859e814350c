"""A copy of a store while it is at work, as one file.

The notes of uploads are read first; then the rows are copied as they were at one moment into a file: by
SQLite's own backup from a file, and row by row from a database elsewhere; then the blobs that either names,
which never change. So nothing in the copy names what is not in it, whatever is written meanwhile, and an
upload that was under way goes on with it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sharpen.errors import StoreDamaged, StoreError, UsageError
from sharpen.regular_file import open_file
from sharpen.store.blobs import blob_path
from sharpen.store.broken_rows import JSON_COLUMNS, problem_of
from sharpen.store.bucket import LINK as BUCKET
from sharpen.store.location import FILE, LINK, SET_ASIDE, database_url, find
from sharpen.store.references import checked, named, needed
from sharpen.store.replaced_checkpoints import keeping_replaced
from sharpen.store.row_copy import copy_rows
from sharpen.store.sqlite import reading
from sharpen.store.sqlite_file import FULL_DISK, is_full, open_to_read
from sharpen.store.uploads import FOLDER as UPLOADS
from sharpen.store.uploads import announced

MAGIC = b"SQLite format 3\x00"
LEFT_OUT = ("cache", "blobs", "lock", "socket")
LEFT_OUT_ENDINGS = ("-wal", "-shm", "-journal", ".lock")


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied.

    Attributes:
        n_blobs: How many files kept with runs and models.
        n_bytes: The size of the copy.
        damaged: What is wrong with each blob that the store names and does not have as it was kept, and with
            each row that cannot be read.
    """

    n_blobs: int
    n_bytes: int
    damaged: tuple[str, ...]


def back_up(home: Path, target: Path) -> Backup:
    """Write a copy of a store into one tar file, which appears only when all of it is on the disk.

    To bring it back, unpack it into an empty folder: that is the store.

    Args:
        home: The store's folder; it may be in use.
        target: The file, which must not be there yet.

    Raises:
        NotFound: There is no store in the folder.
        UsageError: The file is there, or cannot be written.
        StoreError: The store cannot be read.
    """
    find(home)
    if target.exists():
        raise UsageError(f"{target} is there already: name a new file")
    try:
        beside = target.resolve().parent
        with (
            tempfile.TemporaryDirectory(dir=beside, prefix=".sharpen-backup-") as scratch,
            keeping_replaced(home),
        ):
            return _write(home, target.resolve(), Path(scratch))
    except (sqlite3.Error, tarfile.TarError) as problem:
        full = FULL_DISK if is_full(target.resolve().parent) else ""
        raise StoreError(f"cannot copy the store in {home} to {target}: {problem}{full}") from problem
    except OSError as problem:
        raise UsageError(f"cannot write {target}: {problem.strerror or problem}") from problem


def _write(home: Path, target: Path, scratch: Path) -> Backup:
    draft, copy = scratch / "draft.tar", scratch / FILE
    uploads = announced(home)
    if database_url(home) is None:
        copy_database(home / FILE, copy)
    else:
        copy_rows(home, scratch)
    with reading(copy) as connection:
        digests, must_be_there, damaged = named(connection), needed(connection), _broken_rows(connection)
    n_blobs = 0
    with draft.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(copy, FILE, filter=_private)
            for digest, problem in checked(home, digests | uploads.digests, must_be_there):
                if problem:
                    damaged.append(problem)
                else:
                    n_blobs += 1
                    tar.add(blob_path(home, digest), f"blobs/{digest[:2]}/{digest[2:]}", filter=_private)
            for name, content in uploads.notes.items():
                entry = tarfile.TarInfo(f"{UPLOADS}/{name}")
                entry.size = len(content)
                tar.addfile(_private(entry), io.BytesIO(content))
            for path in other_files(home):
                _add(tar, home, path, scratch)
        draft.chmod(0o600)  # it holds what the store's folder holds
        file.flush()
        os.fsync(file.fileno())
    n_bytes = draft.stat().st_size
    draft.replace(target)
    return Backup(n_blobs, n_bytes, tuple(damaged))


def _broken_rows(connection: sa.Connection) -> list[str]:
    """Return what is wrong with each row of a database that cannot be read."""
    return [
        problem
        for table in JSON_COLUMNS
        for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()  # noqa: S608 - a name of ours
        if (problem := problem_of(table, dict(row)))
    ]


def _add(tar: tarfile.TarFile, home: Path, path: Path, scratch: Path) -> None:
    """Add another file of the store; a database of its own, such as a paper account's, as of one moment."""
    name = path.relative_to(home).as_posix()
    try:
        is_plain = not is_database(path)
    except FileNotFoundError:  # gone meanwhile
        return
    if is_plain:
        with contextlib.suppress(FileNotFoundError):  # gone since: nothing of it is in the copy yet
            tar.add(path, name, filter=_private)
        return
    copy = scratch / "other"
    copy_database(path, copy)
    tar.add(copy, name, filter=_private)
    copy.unlink()


def is_database(path: Path) -> bool:
    """Return whether a file is a database of its own, such as a paper account's.

    Raises:
        FileNotFoundError: It is gone.
    """
    with open_file(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def other_files(home: Path) -> Generator[Path]:
    """Give every other file that belongs to the store, but for locks and what can be made again."""
    for root, folders, names in os.walk(home):
        folder = Path(root)
        if folder == home:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        folders.sort()
        for name in sorted(names):
            path = folder / name
            is_top = folder == home and name in (*LEFT_OUT, FILE, SET_ASIDE, LINK, BUCKET)
            is_announcement = folder == home / UPLOADS and name.startswith("pending-")
            if (
                is_top
                or is_announcement
                or name.endswith(LEFT_OUT_ENDINGS)
                or name.startswith(".")
                or name in ("lock", "socket")
            ):
                continue
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                if not stat.S_ISREG(path.lstat().st_mode):
                    continue
                yield path


def copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at this moment; it may be written to meanwhile, and nobody waits."""
    with closing(open_to_read(source)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)  # all pages in one step: one moment
        writer.execute("PRAGMA journal_mode = DELETE")
        verdict = writer.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        raise StoreDamaged(f"{source} is damaged: {verdict}")


def _private(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o600
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
