"""Reading a store through its server: the queries are the store's own, and their rows come over HTTP.

The reader is the one of every store. Below it is a driver, as of a database, that sends each query to the
server, which runs it on a connection that can only read.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect

from sharpen.errors import StoreError, Unreachable, UsageError
from sharpen.http import server_of
from sharpen.http.connection import HttpConnection
from sharpen.store import schema
from sharpen.store.port import Store

PATH = "/api/agents/rows"
Parameters = Sequence[Any] | Mapping[str, Any]
PATIENCE_S = 60.0
LONGEST_PAUSE_S = 1.0


class ServerCursor:
    """The rows of one query, as a database's driver gives them."""

    arraysize = 1
    lastrowid = None

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rowcount = -1

    def execute(self, query: str, parameters: Parameters = ()) -> ServerCursor:
        """Have the server run a query."""
        if query.startswith("PRAGMA"):  # SQLAlchemy wants to know how a new connection is set
            return self
        names, rows = self._connection.ask(query, parameters)
        self.description = [(name, *[None] * 6) for name in names]
        self._rows = [tuple(row) for row in rows]
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; None after the last."""
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Return the next rows."""
        size = size or self.arraysize
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        """Forget the rows."""
        self._rows = []


class ServerConnection:
    """A connection to a server, as a database's driver has one."""

    isolation_level = None

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = HttpConnection(url)
        self._lock = threading.Lock()

    def ask(self, query: str, parameters: Parameters) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Return the names of the columns, and the rows.

        Raises:
            Unreachable: The server did not answer for a long time.
            SharpenError: It refused the query.
        """
        values = parameters if isinstance(parameters, Mapping) else list(parameters)
        about = {"schema": schema.VERSION, "query": query, "parameters": values}
        body = json.dumps(about).encode()
        began, pause_s = time.monotonic(), 0.05
        while True:
            try:
                with self._lock:
                    headers = {"Content-Type": "application/json"}
                    answer = self._http.send("POST", PATH, body, headers=headers)
                    reply = json.loads(self._http.read(answer))
                return reply["columns"], reply["rows"]
            except OSError as problem:
                if time.monotonic() - began > PATIENCE_S:
                    message = f"{self._url} did not answer for {PATIENCE_S:g} s: {problem}"
                    raise Unreachable(message) from problem
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def cursor(self) -> ServerCursor:
        """Return what runs one query."""
        return ServerCursor(self)

    def create_function(self, *about: Any, **more: Any) -> None:
        """Do nothing: functions are the server's."""

    def commit(self) -> None:
        """Do nothing: nothing is written."""

    def rollback(self) -> None:
        """Do nothing: nothing is written."""

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class PostgresSyntax(PGDialect):
    """Writes queries for a server whose store is in Postgres; no driver of Postgres is needed here."""

    driver = "server"
    supports_statement_cache = True
    default_paramstyle = "pyformat"

    def initialize(self, connection: sa.Connection) -> None:
        """Do nothing: what it would ask of the database is not for readers."""


registry.register("postgresql.server", __name__, PostgresSyntax.__name__)

# what SQLAlchemy asks of a driver, beside its connections
ERRORS = {
    "Error": sqlite3.Error,
    "DatabaseError": sqlite3.Error,
    "OperationalError": sqlite3.OperationalError,
}
SQLITE = SimpleNamespace(
    paramstyle="qmark",
    sqlite_version_info=sqlite3.sqlite_version_info,
    PARSE_DECLTYPES=0,
    PARSE_COLNAMES=0,
    **ERRORS,
)
POSTGRES = SimpleNamespace(paramstyle="pyformat", **ERRORS)
DRIVERS = {"sqlite": ("sqlite://", SQLITE), "postgresql": ("postgresql+server://", POSTGRES)}


def open_reader(home: Path) -> sa.Engine:
    """Return an engine that reads the store of the server that a folder stands for.

    Raises:
        StoreError: Its store is in a database that this version does not know.
        Unreachable: It did not answer for a long time.
    """
    url = server_of(home)
    dialect = _dialect_of(url)
    if dialect not in DRIVERS:
        raise StoreError(f"{url} keeps its store in {dialect!r}, which this version of sharpen cannot read")
    address, driver = DRIVERS[dialect]
    return sa.create_engine(
        address, module=driver, creator=lambda: ServerConnection(url), poolclass=sa.pool.QueuePool
    )


def _dialect_of(url: str) -> str:
    """Return the name of the dialect that a server's queries are written in."""
    connection = ServerConnection(url)
    try:
        _, rows = connection.ask("", ())
    except UsageError:  # an older one
        return "sqlite"
    finally:
        connection.close()
    return rows[0][0]


def open_store(home: Path) -> Store:
    """Refuse: only the server's own coordinator writes to its store.

    Raises:
        StoreError: Always.
    """
    raise StoreError(f"the store of {server_of(home)} is written by its server: ask its coordinator")
