"""The statements of the hot path, built once for each dialect, and executed by the driver alone.

Building a statement, looking at its values and keeping account of its execution costs SQLAlchemy several
times what the database needs; a run's life is nine of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sharpen.store import schema

Insert = Callable[[sa.Table], Any]  # a dialect's own insertion, which can say what to do about a conflict


class Statement:
    """A statement with named parameters, ready for the driver.

    What goes wrong is raised as SQLAlchemy raises it.

    Args:
        clause: What to build it from; each of its parameters must be given every time.
        dialect: Of the driver, with a style of parameters that have names.
    """

    def __init__(self, clause: sa.ClauseElement, dialect: Any) -> None:
        self._text = str(clause.compile(dialect=dialect))
        self._error: type[Exception] = dialect.import_dbapi().Error

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> None:
        """Execute it once, on a cursor of the driver."""
        try:
            cursor.execute(self._text, values)
        except self._error as problem:
            raise DBAPIError.instance(self._text, values, problem, self._error) from problem

    def execute_all(self, cursor: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it once for each row."""
        if len(rows) == 1:
            self.execute(cursor, rows[0])
            return
        try:
            cursor.executemany(self._text, rows)
        except self._error as problem:
            raise DBAPIError.instance(self._text, list(rows), problem, self._error) from problem


class Statements:
    """What the hot path executes, for one dialect.

    Args:
        dialect: Of the driver.
        insert: Its insertion, as in ``sqlalchemy.dialects.NAME.insert``.
    """

    def __init__(self, dialect: Any, insert: Insert) -> None:
        runs, columns = schema.runs, schema.reports.c
        self.insert_run = Statement(_insert(runs.insert(), *RUN), dialect)
        self.lease_run = Statement(_update(runs, *LEASE), dialect)
        self.end_run = Statement(_update(runs, *END), dialect)
        names = [column.name for column in columns]
        self.put_report = Statement(replace(insert, schema.reports, names), dialect)
        lines = [column.name for column in schema.history.c]
        self.append_history = Statement(_insert(schema.history.insert(), *lines), dialect)
        values = [column.name for column in schema.last_values.c]
        self.put_last = Statement(replace(insert, schema.last_values, values, not_below="step"), dialect)
        token = sa.bindparam("new_token", type_=sa.Integer)
        carried = sa.select(*(token if column is columns.token else column for column in columns)).where(
            columns.run_id == sa.bindparam("which"),
            columns.token == sa.bindparam("old_token"),
            columns.step <= sa.bindparam("up_to"),
        )
        added = {name: runs.c[name] + sa.bindparam(f"new_{name}") for name in COUNTS}
        is_run = runs.c.id == sa.bindparam("which")
        self.count_reports = Statement(runs.update().where(is_run).values(added), dialect)
        self.carry_over = Statement(schema.reports.insert().from_select(names, carried), dialect)


RUN = (
    *("id", "sweep_id", "number", "state", "reason", "config", "origin", "token", "lost", "stop", "summary"),
    *("parent", "repeat", "repeat_of", "fidelity", "created_at", "key"),
)
LEASE = ("state", "agent_id", "lease_key", "token", "started_at", "stop", "is_canceled", "reason", "resumed")
COUNTS = ("n_reports", "n_scored")
END = ("state", "score", "scores", "violation", "cost", "exit_code", "reason", "cause", "ended_at")


def replace(insert: Insert, table: sa.Table, names: Sequence[str], not_below: str = "") -> Any:
    """Return an insertion of a row of these columns that takes the place of one of the same primary key.

    With ``not_below`` it does not where that column would become smaller.
    """
    clause = _insert(insert(table), *names)
    keys = [column.name for column in table.primary_key]
    changed = {name: clause.excluded[name] for name in names if name not in keys}
    where = clause.excluded[not_below] >= table.c[not_below] if not_below else None
    return clause.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _insert(clause: Any, *names: str) -> Any:
    return clause.values({name: sa.bindparam(name) for name in names})


def _update(table: sa.Table, *names: str) -> sa.Update:
    """Return a change of these columns of the row whose ``id`` is the parameter ``which``."""
    where = table.c.id == sa.bindparam("which")
    return table.update().where(where).values({name: sa.bindparam(name) for name in names})
