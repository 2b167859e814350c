"""The file of a SQLite database: opened to read wherever it lies, and told from one of another program."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sharpen.errors import StoreError

TABLE = "sweeps"  # every version of the schema has it
SHOWN = 3
FULL_DISK = "; the disk is full: make room"
SHARED_MEMORY_BYTES = 32 << 10  # what SQLite wants beside a database to read it
PATIENCE_S = 30.0


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads; it never waits for the writer, nor the writer for it.

    In a folder that cannot be written, or on a disk that is full, SQLite cannot make the files beside the
    database through which readers and writers speak. Where no writer left anything in them, the database is
    all there is, and is read without them.

    Raises:
        StoreError: It cannot be read.
    """
    is_frozen = not os.access(path.parent, os.W_OK, effective_ids=True) and _is_settled(path)
    try:
        try:
            return _opened(path, is_frozen)
        except sqlite3.Error:
            if is_frozen or not (is_full(path.parent) and _is_settled(path)):
                raise
            return _opened(path, is_frozen=True)
    except sqlite3.Error as problem:
        raise cannot_read(path, problem) from problem


def cannot_read(path: Path, problem: BaseException | None) -> StoreError:
    """Return the error that says why a database cannot be read."""
    return StoreError(f"cannot read the store {path}: {problem}{_advice(path)}")


def is_full(folder: Path) -> bool:
    """Return whether a folder's disk has no room for what SQLite wants beside a database."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < SHARED_MEMORY_BYTES


def _opened(path: Path, is_frozen: bool) -> sqlite3.Connection:
    how = "immutable=1" if is_frozen else "mode=rw"  # whoever leaves last puts the log into the database
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA user_version").fetchone()  # only now is the file looked at
    except BaseException:
        connection.close()
        raise
    return connection


def _is_settled(path: Path) -> bool:
    """Return whether the write-ahead log holds nothing that the database lacks."""
    log = _log(path)
    return not log.exists() or log.stat().st_size == 0


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _advice(path: Path) -> str:
    if is_full(path.parent):
        return FULL_DISK
    if os.access(path.parent, os.W_OK, effective_ids=True):
        return ""
    return f"; {path.parent} cannot be written, and {_log(path).name} can only be read where it can: copy it"


def refuse_foreign(path: Path) -> None:
    """Refuse a database that is no store's; one that is not there, or cannot be read, is left to others.

    Args:
        path: The file.

    Raises:
        StoreError: It holds tables of another program, or nothing although files of runs lie beside it.
    """
    if not path.exists():
        return
    with contextlib.suppress(sqlite3.Error):  # what that means, whoever opens it says
        tables = _tables(path)
        if TABLE in tables:
            return
        if tables:
            names = ", ".join(sorted(tables)[:SHOWN])
            raise StoreError(f"{path} is a database of another program (tables: {names}): use another --home")
        if any((path.parent / "blobs").glob("??/*")):
            raise StoreError(
                f"{path} is empty, though {path.parent / 'blobs'} holds files: its history is gone. Put a "
                "backup in its place, or move the folder away to begin anew"
            )


def _tables(path: Path) -> set[str]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows}
