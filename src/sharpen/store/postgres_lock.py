"""The lock of a store in Postgres: an advisory one, which goes with the connection that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sharpen.store.location import database_url, without_password
from sharpen.store.postgres_schema import state

AT = "sharpen at "
"""What a server's connections are called, before its URL."""
LONGEST_NAME = 63  # bytes of an application's name; what is longer is cut off
KEY = "sharpen store in "
LOCK = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:key || current_schema(), 0))").bindparams(
    key=KEY
)
HOLDS = sa.text(
    "SELECT coalesce(application_name, '') FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32) | objid::bigint = hashtextextended(:key || current_schema(), 0)"
).bindparams(key=KEY)


IN_THE_WAY = sa.text(
    "SELECT pid, min(application_name) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " JOIN pg_class ON pg_class.oid = relation"
    " WHERE pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relnamespace = current_schema()::regnamespace"
    " AND granted AND mode <> 'AccessShareLock' AND pid <> pg_backend_pid()"
    " GROUP BY pid ORDER BY min(xact_start)"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who leads at a database.

    Attributes:
        description: Which process, for people.
        url: Where it answers over HTTP; None when it does not, or is not known to.
    """

    description: str
    url: str | None


def try_lock(connection: sa.Connection) -> bool:
    """Take the lock for the connection's life unless another has it; a user without a schema needs none."""
    return connection.execute(LOCK).scalar() is not False


def find_holder(connection: sa.Connection) -> Holder | None:
    """Return who has the lock; None for nobody."""
    name = connection.execute(HOLDS).scalar()
    if name is None:
        return None
    description = None
    if connection.execute(sa.select(sa.func.to_regclass(state.name))).scalar():
        description = connection.execute(sa.select(state.c.holder)).scalar()
    is_whole = name.startswith(AT) and len(name.encode()) < LONGEST_NAME
    return Holder(description or "another process", name.removeprefix(AT) if is_whole else None)


def in_the_way(connection: sa.Connection) -> str:
    """Return which sessions have locked tables of the store; empty for none."""
    sessions = connection.execute(IN_THE_WAY).all()
    return ", ".join(f"{pid} ({name})" if name else str(pid) for pid, name in sessions)


def elsewhere(home: Path, holder: Holder | None) -> str:
    """Return why a folder cannot have the lock, and how to work with the store all the same."""
    owner = holder.description if holder is not None else "another process"
    sentence = f"{owner} holds the store {without_password(database_url(home) or '')}"
    if holder is not None and holder.url is not None:
        return f"{sentence} and serves it: give --server {holder.url} (or SHARPEN_SERVER), and no database"
    return (
        f"{sentence} from another folder: wait until it ends, or let one 'sharpen serve --store' hold the "
        "store, and give --server URL everywhere else"
    )
