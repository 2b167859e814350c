"""Running the queries of readers elsewhere, on connections of a database that can only read."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sharpen.errors import Unreachable, UsageError
from sharpen.store import schema
from sharpen.store.backends import backend_of

Parameters = list[Any] | dict[str, Any]  # by place for SQLite, by name for Postgres
LONGEST_S = 30.0
MOST_ROWS = 2_000_000
STEPS_BETWEEN_LOOKS = 100_000
ALLOWED = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
)


class Rows:
    """Answers queries of one store.

    Args:
        home: The store's folder.
    """

    def __init__(self, home: Path) -> None:
        self._engine = backend_of(home).open_reader(home)
        self._dialect = self._engine.dialect.name
        self._engine.dispose()  # its first connection was opened before the rules were known
        if self._dialect == "sqlite":
            event.listen(self._engine, "connect", _restrict)

    def answer(self, request: Any) -> dict[str, Any]:
        """Return the columns and the rows of a query.

        Args:
            request: ``query``, ``parameters``, and the ``schema`` that the query is for. An empty query asks
                for the name of the dialect to write them in.

        Raises:
            UsageError: It is none, is for another version of the schema, or takes too long.
        """
        match request:
            case {"schema": schema.VERSION, "query": "", "parameters": []}:  # which words it understands
                return {"columns": ["dialect"], "rows": [[self._dialect]]}
            case {"schema": schema.VERSION, "query": str(query), "parameters": list() | dict()}:
                return self._run(query, request["parameters"])
            case {"schema": int(version)} if version != schema.VERSION:
                raise UsageError(
                    f"this client reads schema version {version} of a store, and the server has "
                    f"{schema.VERSION}: give both the same version of sharpen"
                )
            case _:
                raise UsageError("rows needs query, parameters and schema")

    def _run(self, query: str, parameters: Parameters) -> dict[str, Any]:
        run = _of_sqlite if self._dialect == "sqlite" else _of_postgres
        try:
            with self._engine.connect() as connection:
                return run(connection, query, parameters)
        except (SQLAlchemyError, ValueError) as problem:
            cause = problem.orig if isinstance(problem, DBAPIError) else problem
            raise UsageError(f"the query cannot be answered: {cause}") from problem


def _of_sqlite(connection: sa.Connection, query: str, parameters: Parameters) -> dict[str, Any]:
    deadline = time.monotonic() + LONGEST_S
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
    cursor = connection.exec_driver_sql(query, tuple(parameters))
    return {"columns": list(cursor.keys()), "rows": [list(row) for row in cursor.fetchmany(MOST_ROWS)]}


def _of_postgres(connection: sa.Connection, query: str, parameters: Parameters) -> dict[str, Any]:
    import psycopg  # noqa: PLC0415 - an extra

    from sharpen.server.agents_api import postgres_rows  # noqa: PLC0415

    try:
        return postgres_rows.answer(
            connection, query, dict(parameters), longest_s=LONGEST_S, most_rows=MOST_ROWS
        )
    except psycopg.errors.QueryCanceled as problem:
        raise ValueError(f"it takes more than {LONGEST_S:g} s") from problem
    except psycopg.OperationalError as problem:
        connection.invalidate()
        raise Unreachable(f"the database is away: {problem}") from problem
    except psycopg.Error as problem:
        raise ValueError(str(problem)) from problem


def _restrict(connection: Any, _record: Any) -> None:
    connection.set_authorizer(_may)


def _may(action: int, first: str | None, second: str | None, *more: Any) -> int:
    is_loading = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
    return sqlite3.SQLITE_OK if action in ALLOWED and not is_loading else sqlite3.SQLITE_DENY
