"""Opening a store: to write, for the one process that coordinates it; to read, for anyone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from sharpen.errors import NotFound, StoreError
from sharpen.store import schema
from sharpen.store.migrations import migrate

FILE = "store.db"
BUSY_TIMEOUT_MS = 10_000


def open_writer(home: Path) -> sa.Engine:
    """Return an engine that may write, with the database made or migrated as needed.

    Commits are on the disk when they return (write-ahead log, ``synchronous = FULL``).

    Raises:
        StoreError: The folder cannot be written, or a newer sharpen wrote the database.
    """
    path = home / FILE
    engine = _engine(path, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
    try:
        home.mkdir(parents=True, exist_ok=True)
        migrate(engine, path)
    except (OSError, DBAPIError) as problem:
        engine.dispose()
        words = problem.orig if isinstance(problem, DBAPIError) else problem
        raise StoreError(f"cannot open the store {path} for writing: {words}") from problem
    except StoreError:
        engine.dispose()
        raise
    return engine


def find(home: Path) -> Path:
    """Return the database of a store that is there.

    Raises:
        NotFound: There is no store in the folder.
    """
    path = home / FILE
    if not path.exists():
        raise NotFound(f"no store in {home}: start with 'sharpen run FILE', or name another with --home")
    return path


def open_reader(home: Path) -> sa.Engine:
    """Return an engine that only reads; it never waits for the writer, nor the writer for it.

    Raises:
        NotFound: There is no store in the folder.
        StoreError: It cannot be read, or another version of sharpen wrote it.
    """
    path = find(home)
    engine = _engine(path, "PRAGMA query_only = ON")
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    except DBAPIError as problem:
        engine.dispose()
        raise StoreError(f"cannot read the store {path}: {problem.orig}") from problem
    if version != schema.VERSION:
        engine.dispose()
        raise StoreError(f"{path} has schema version {version}, not {schema.VERSION}: {_way_out(version)}")
    return engine


def _way_out(version: int) -> str:
    if version > schema.VERSION:
        return "upgrade sharpen, or use another --home"
    return "run 'sharpen resume SWEEP' once, which brings it up to date"


def _engine(path: Path, *pragmas: str) -> sa.Engine:
    # not a URL as text: a folder's name may hold "?" or "%"
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.pool.QueuePool,
        connect_args={"check_same_thread": False},
    )

    def prepare(connection: Any, _record: Any) -> None:
        # the driver starts transactions at writes only; ours begin where SQLAlchemy says so
        connection.isolation_level = None
        for pragma in (f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA foreign_keys = ON", *pragmas):
            connection.execute(pragma)

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine
