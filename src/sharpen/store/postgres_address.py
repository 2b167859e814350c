"""The address of a database, as libpq reads it: several hosts, sockets, and every option that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from sharpen.errors import UsageError
from sharpen.store.location import database_url, without_password

NETWORK = {
    # a machine that is gone without a word is found out after some four seconds, at either end
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "4000",
    "fallback_application_name": "sharpen",  # PGAPPNAME names another
    "client_encoding": "utf8",
}
ENCODED = "special characters of a user or password are written as in %40 for @, %2F for / and %25 for %"


def parameters(home: Path) -> dict[str, Any]:
    """Return what libpq is to connect with.

    Raises:
        UsageError: The folder names no database, or none that can be read.

    >>> import tempfile
    >>> from sharpen.store.location import link
    >>> home = Path(tempfile.mkdtemp())
    >>> link(home, "postgresql://ann%40lab:p%25@one,two:5433/desk?target_session_attrs=read-write")
    >>> found = parameters(home)
    >>> found["user"], found["password"], found["host"], found["port"]
    ('ann@lab', 'p%', 'one,two', ',5433')
    """
    text = database_url(home)
    if text is None:
        raise UsageError(f"{home} names no database: give one with --store postgresql://USER@HOST/DATABASE")
    shown = without_password(text)
    try:
        values = conninfo_to_dict(text)
    except ProgrammingError as problem:  # it may quote the password
        why = " ".join(str(problem).split()) if shown == text else ENCODED
        raise UsageError(f"{shown} is no address of a database: {why}") from problem
    if not all(port.isdecimal() or not port for port in str(values.get("port", "")).split(",")):
        raise UsageError(f"{shown} is no address of a database: a port is a number; {ENCODED}")
    return NETWORK | values
