"""Whether a Postgres database can hold a store: version, encoding, schema, tables, and this user's rights."""

from __future__ import annotations

import sqlalchemy as sa

from sharpen.errors import StoreError
from sharpen.hints import join
from sharpen.store import schema
from sharpen.store.postgres_schema import state

LEAST = 15
"""The oldest version of Postgres that is tried."""
MAY_CREATE = sa.text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
MAY_WRITE = sa.text("SELECT has_table_privilege(to_regclass(:table), 'UPDATE')")


def refuse_unfit(connection: sa.Connection) -> None:
    """Refuse a database that can hold no store, or none that this user may write to.

    Raises:
        StoreError: It is of an older Postgres, in another encoding than UTF8, has no schema for this user or
            one with tables of another program, or this user may not write to it.
    """
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    if version < LEAST:
        raise StoreError(f"the database is of Postgres {version}: a store needs {LEAST} or later")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(f"the database has the encoding {encoding}: make one with ENCODING 'UTF8'")
    name = connection.execute(sa.select(sa.func.current_schema())).scalar()
    if name is None:
        path = connection.exec_driver_sql("SHOW search_path").scalar()
        raise StoreError(
            f"the database has none of the schemas in this user's search_path ({path}): make one with "
            "CREATE SCHEMA, or name one that is there with ?options=-csearch_path%3DNAME in the address"
        )
    user = connection.execute(sa.select(sa.func.current_user())).scalar()
    tables = set(sa.inspect(connection).get_table_names())
    if state.name in tables:
        if not connection.execute(MAY_WRITE, {"table": state.name}).scalar():
            raise StoreError(
                f"{user} may not write to the store: GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {user}"
            )
        return
    if foreign := sorted(tables & set(schema.metadata.tables)):
        raise StoreError(
            f"schema {name} of the database has tables of another program ({join(foreign)}): name an empty "
            "database, or an empty schema of it with ?options=-csearch_path%3DNAME in the address"
        )
    if not connection.execute(MAY_CREATE).scalar():
        raise StoreError(f"{user} may make no tables: GRANT CREATE, USAGE ON SCHEMA {name} TO {user}")
