"""The store in a SQLite database: opened to write by one process, and to read by anyone.

All that only SQLite knows is here: its pragmas, its files, its dialect.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, ProgrammingError

from sharpen.errors import StoreError
from sharpen.store import schema
from sharpen.store.location import FILE, find
from sharpen.store.migrations import migrate
from sharpen.store.permissions import own_folder
from sharpen.store.queries import Reader
from sharpen.store.sql_writer import SqlWriter
from sharpen.store.sqlite_file import refuse_foreign
from sharpen.store.statements import Statement, Statements

BUSY_TIMEOUT_MS = 10_000
FULL_DISK = "; the disk is full: make room"
MOST_KEPT = 32  # connections that stay open: a server's threads read at the same time
SHARED_MEMORY_BYTES = 32 << 10  # what SQLite wants beside a database to read it


def open_writer(home: Path) -> sa.Engine:
    """Return an engine that may write, with the database made or migrated as needed.

    Commits are on the disk when they return (write-ahead log, ``synchronous = FULL``).

    Raises:
        StoreError: The folder cannot be written, or a newer sharpen or another program wrote the database.
    """
    path = home / FILE
    refuse_foreign(path)
    engine = _engine(path, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
    try:
        own_folder(home)
        migrate(engine, path)
    except (OSError, DBAPIError) as problem:
        engine.dispose()
        words = problem.orig if isinstance(problem, DBAPIError) else problem
        full = FULL_DISK if home.exists() and _is_full(home) else ""
        raise StoreError(f"cannot open the store {path} for writing: {words}{full}") from problem
    except StoreError:
        engine.dispose()
        raise
    return engine


def open_reader(home: Path) -> sa.Engine:
    """Return an engine that only reads; it never waits for the writer, nor the writer for it.

    In a folder that cannot be written, or on a disk that is full, SQLite cannot make the files beside the
    database through which readers and writers speak. Where no writer left anything in them, the database is
    all there is, and is read without them.

    Raises:
        NotFound: There is no store in the folder.
        StoreError: It cannot be read, or another version of sharpen wrote it.
    """
    path = find(home)
    is_frozen = not os.access(home, os.W_OK, effective_ids=True) and _is_empty(_log(path))
    try:
        try:
            engine, version = _opened(path, is_frozen)
        except DBAPIError:
            if is_frozen or not (_is_full(home) and _is_empty(_log(path))):
                raise
            engine, version = _opened(path, is_frozen=True)
    except DBAPIError as problem:
        raise StoreError(f"cannot read the store {path}: {problem.orig}{_advice(path)}") from problem
    if version != schema.VERSION:
        engine.dispose()
        if version == 0:
            refuse_foreign(path)
        raise StoreError(f"{path} has schema version {version}, not {schema.VERSION}: {_way_out(version)}")
    return engine


def _opened(path: Path, is_frozen: bool) -> tuple[sa.Engine, int]:
    """Return an engine that reads, and the version of the database's schema."""
    engine = _engine(path, "PRAGMA query_only = ON", creator=_frozen(path) if is_frozen else None)
    try:
        with engine.connect() as connection:
            return engine, connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    except BaseException:
        engine.dispose()
        raise


def _is_empty(log: Path) -> bool:
    """Return whether a write-ahead log holds nothing that the database lacks."""
    return not log.exists() or log.stat().st_size == 0


def _is_full(home: Path) -> bool:
    disk = os.statvfs(home)
    return disk.f_bavail * disk.f_frsize < SHARED_MEMORY_BYTES


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _frozen(path: Path) -> Callable[[], sqlite3.Connection]:
    """Return what opens a database that nobody can be writing."""
    uri = f"file:{quote(str(path))}?immutable=1"
    return lambda: sqlite3.connect(uri, uri=True, check_same_thread=False)


def _advice(path: Path) -> str:
    if _is_full(path.parent):
        return FULL_DISK
    if os.access(path.parent, os.W_OK, effective_ids=True):
        return ""
    return f"; {path.parent} cannot be written, and {_log(path).name} can only be read where it can: copy it"


def _way_out(version: int) -> str:
    if version > schema.VERSION:
        return "upgrade sharpen, or use another --home"
    return "run 'sharpen resume SWEEP --agents 0' once, which brings it up to date"


def _engine(path: Path, *pragmas: str, creator: Callable[[], sqlite3.Connection] | None = None) -> sa.Engine:
    # not a URL as text: a folder's name may hold "?" or "%"
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.pool.QueuePool,
        pool_size=MOST_KEPT,
        max_overflow=-1,
        **({"connect_args": {"check_same_thread": False}} if creator is None else {"creator": creator}),
    )

    def prepare(connection: Any, _record: Any) -> None:
        # the driver starts transactions at writes only; ours begin where SQLAlchemy says so
        connection.isolation_level = None
        for pragma in (f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA foreign_keys = ON", *pragmas):
            connection.execute(pragma)

    def begin(connection: sa.Connection) -> None:
        BEGIN.execute(connection.connection.cursor(), {})

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


DIALECT: Any = dialects.dialect(paramstyle="named")  # pyright: ignore[reportUnknownMemberType]
BEGIN = Statement(sa.text("BEGIN"), DIALECT)
STATEMENTS = Statements(DIALECT, dialects.insert)
OURS = (IntegrityError, ProgrammingError)  # what was to be written is wrong, and would be the next time


class SqliteStore:
    """A store in a SQLite database, open to write.

    Attributes:
        home: The store's folder.
        engine: Connections to the database.
        connection: The one that writes.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.engine = open_writer(home)
        self.connection = self.engine.connect()

    @contextmanager
    def transaction(self) -> Generator[SqlWriter]:
        """Give a transaction."""
        try:
            with self.connection.begin():
                yield SqlWriter(self.connection, STATEMENTS, dialects.insert, schema.VERSION)
        except BaseException as problem:
            with suppress(sqlite3.Error):  # a commit that failed may have left the transaction open
                self.connection.connection.rollback()
            if not isinstance(problem, DatabaseError) or isinstance(problem, OURS):
                raise
            raise StoreError(f"the store cannot be written: {problem.orig}") from problem

    def holds(self) -> bool:
        """Return True: nobody takes the lock on the folder from a process that lives."""
        return True

    def reader(self) -> Reader:
        """Return what reads the store, outside of transactions."""
        return Reader(self.home, self.engine)

    def close(self) -> None:
        """Close the database."""
        self.connection.close()
        self.engine.dispose()


def open_store(home: Path) -> SqliteStore:
    """Return a store to write to, made or migrated as needed.

    Raises:
        StoreError: It cannot be written, or a newer sharpen wrote it.
    """
    return SqliteStore(home)
