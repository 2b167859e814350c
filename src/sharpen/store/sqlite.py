"""The store in a SQLite database: opened to write by one process, and to read by anyone.

All that only SQLite knows is here: its pragmas, its files, its dialect.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
from sharpen.store.sqlite_file import FULL_DISK, cannot_read, is_full, open_to_read, refuse_foreign
from sharpen.store.statements import Statement, Statements

CHANGE_COUNT = "PRAGMA data_version"
BUSY_TIMEOUT_MS = 10_000
MOST_KEPT = 32  # connections that stay open: a server's threads read at the same time


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
        cause = problem.orig if isinstance(problem, DBAPIError) else problem
        full = FULL_DISK if home.exists() and is_full(home) else ""
        raise StoreError(f"cannot open the store {path} for writing: {cause}{full}") from problem
    except StoreError:
        engine.dispose()
        raise
    return engine


def open_reader(home: Path) -> sa.Engine:
    """Return an engine that only reads; it never waits for the writer, nor the writer for it.

    Raises:
        NotFound: There is no store in the folder.
        StoreError: It cannot be read, or another version of sharpen wrote it.
    """
    path = find(home)
    engine = _reading_engine(path)
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    except BaseException as problem:
        engine.dispose()
        if isinstance(problem, DBAPIError):
            raise cannot_read(path, problem.orig) from problem
        raise
    if version != schema.VERSION:
        engine.dispose()
        if version == 0:
            refuse_foreign(path)
        raise StoreError(f"{path} has schema version {version}, not {schema.VERSION}: {_way_out(version)}")
    return engine


@contextmanager
def reading(path: Path) -> Generator[sa.Connection]:
    """Give a connection that only reads a file, whatever version of sharpen wrote it.

    Raises:
        StoreError: It cannot be read.
    """
    engine = _reading_engine(path)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as problem:
        raise cannot_read(path, problem.orig) from problem
    finally:
        engine.dispose()


def _reading_engine(path: Path) -> sa.Engine:
    return _engine(path, "PRAGMA query_only = ON", creator=lambda: open_to_read(path))


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
        """Return True: a living process keeps its lock on the folder."""
        return True

    def reader(self) -> Reader:
        """Return what reads the store, outside of transactions."""
        return Reader(self.home, self.engine)

    def analyze(self) -> None:
        """Do nothing: SQLite plans the store's queries well without."""

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
