"""What to do about an address that a Postgres server, or libpq, refuses: a table of their words."""

from __future__ import annotations

import re

MENDS = (
    ("password authentication failed", "mend the password in ~/.pgpass or in the address"),
    ("no password supplied", "write HOST:PORT:DATABASE:USER:PASSWORD into ~/.pgpass, and chmod 600"),
    (
        'database ".*" does not exist',
        "name one that is there, or make it with CREATE DATABASE … ENCODING 'UTF8'",
    ),
    (
        'role ".*" (does not exist|is not permitted to log in)',
        "name another user before the @, or make it with CREATE ROLE … LOGIN",
    ),
    ("permission denied for database", "GRANT CONNECT ON DATABASE … to this user"),
    ("pg_hba.conf", "let the server's pg_hba.conf allow this user to come from this machine"),
    ("does not support SSL", "turn ssl on at the server, or give ?sslmode=prefer"),
    ("certificate", "name the authority's with ?sslrootcert=FILE, and the host as in the server's"),
    ("invalid .* value|bad value for", "give the option of the address a value that libpq knows"),
    ("unrecognized configuration parameter|invalid value for parameter", "mend what options= sets"),
)
"""What a message has, as a pattern, and what to do. A server that speaks another language has no row here."""


def mend(message: str) -> str | None:
    """Return what to change in an address, or at the server, when asking again would be of no use.

    >>> mend('FATAL:  password authentication failed for user "ann"')
    'mend the password in ~/.pgpass or in the address'
    >>> mend("Connection refused") is None
    True
    """
    return next((fix for pattern, fix in MENDS if re.search(pattern, message)), None)
