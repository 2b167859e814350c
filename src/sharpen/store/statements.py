"""The statements of the hot path, built once.

Building a statement, and having its values looked at, costs SQLAlchemy several times what the database needs
to execute it; a run's life is seven of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from sharpen.store import schema

DIALECT: Any = sqlite.dialect(paramstyle="named")  # pyright: ignore[reportUnknownMemberType]


class Statement:
    """A statement with named parameters, ready for the driver.

    Args:
        clause: What to build it from; each of its parameters must be given every time.
    """

    def __init__(self, clause: sa.Insert | sa.Update) -> None:
        self._text = str(clause.compile(dialect=DIALECT))

    def execute(self, connection: sa.Connection, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Execute it once."""
        return connection.exec_driver_sql(self._text, dict(values))

    def execute_all(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute it once for each row."""
        connection.exec_driver_sql(self._text, list(rows))


def insert(table: sa.Table, *names: str, replace: bool = False) -> Statement:
    """Return an insertion of a row of these columns; over an older one of the same key when so asked."""
    clause = table.insert().values({name: sa.bindparam(name) for name in names})
    return Statement(clause.prefix_with("OR REPLACE") if replace else clause)


def update(table: sa.Table, *names: str) -> Statement:
    """Return a change of these columns of the row whose ``id`` is the parameter ``which``."""
    where = table.c.id == sa.bindparam("which")
    return Statement(table.update().where(where).values({name: sa.bindparam(name) for name in names}))


INSERT_RUN = insert(
    schema.runs,
    *("id", "sweep_id", "number", "state", "reason", "config", "origin", "token", "lost", "stop", "summary"),
    *("parent", "repeat", "repeat_of", "created_at", "key"),
)
LEASE_RUN = update(
    schema.runs,
    *("state", "agent_id", "lease_key", "token", "started_at", "stop", "is_canceled", "reason", "resumed"),
)
END_RUN = update(
    schema.runs, "state", "score", "scores", "violation", "cost", "exit_code", "reason", "ended_at"
)
PUT_REPORT = insert(
    schema.reports, "run_id", "token", "step", "metrics", "has_metric", "value", "at", replace=True
)
