"""The tables of a store in Postgres: those of :mod:`~sharpen.store.schema`, and a row about the store itself.

A new version of the schema that only adds tables, columns with defaults and indexes needs nothing here: what
is missing is added. What rows need beyond that is a step of :data:`STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateColumn

from sharpen.errors import StoreError
from sharpen.store import schema
from sharpen.store.schema_versions import COUNT_REPORTS, NAME_CAUSES

Step = Callable[[sa.Connection], None]


def _count_reports(connection: sa.Connection) -> None:
    connection.exec_driver_sql(COUNT_REPORTS)


def _name_causes(connection: sa.Connection) -> None:
    for statement in NAME_CAUSES:
        connection.exec_driver_sql(statement)


STEPS: Mapping[int, Step] = {7: _count_reports, 10: _name_causes}
"""What changes rows on the way to a version, after its columns are there."""

own = sa.MetaData()
state = sa.Table(
    "store_state",
    own,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False, comment="of the schema"),
    sa.Column("epoch", sa.BigInteger, nullable=False, comment="how often a process has begun to write"),
    sa.Column("holder", sa.Text, nullable=False, comment="who writes, for people"),
)

files = sa.Table(
    "store_files",
    own,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("bucket", sa.Text, nullable=False, comment="where the files of the store are"),
)


def bring_up_to_date(connection: sa.Connection) -> None:
    """Make the tables, or the columns that they lack; only one process may do so at a time.

    Raises:
        StoreError: A newer sharpen wrote them.
    """
    own.create_all(connection)
    version = connection.execute(sa.select(state.c.version)).scalar()
    if version == schema.VERSION:
        return
    if version is None:
        schema.metadata.create_all(connection)
        row = {"id": 1, "version": schema.VERSION, "epoch": 0, "holder": ""}
        connection.execute(state.insert(), row)
        return
    if version > schema.VERSION:
        raise StoreError(
            f"the database has schema version {version}, and this sharpen knows up to {schema.VERSION}: "
            "upgrade sharpen, or use another database"
        )
    _add_what_is_missing(connection)
    for step in range(version + 1, schema.VERSION + 1):
        STEPS.get(step, _nothing)(connection)
    connection.execute(state.update().values(version=schema.VERSION))


def _nothing(_connection: sa.Connection) -> None:
    """Change no rows."""


def _add_what_is_missing(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    for table in schema.metadata.sorted_tables:
        if table.name not in tables:
            table.create(connection)
            continue
        names = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in names:
                _add(connection, table, column)
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        for index in (index for index in table.indexes if index.name not in indexes):
            index.create(connection)


def _add(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    quoted = connection.dialect.identifier_preparer.format_table(table)
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE {quoted} ADD COLUMN {definition}")
    for key in column.foreign_keys:
        if key.constraint is not None:
            connection.execute(AddConstraint(key.constraint))


def analyze(connection: sa.Connection) -> None:
    """Let the database count what the store's tables hold now, which it does by itself only after a while.

    Source: a query that took 0.8 s took 84 s until then, after 20,000 runs had been copied there.
    """
    for table in schema.metadata.sorted_tables:
        connection.exec_driver_sql(f"ANALYZE {connection.dialect.identifier_preparer.format_table(table)}")
