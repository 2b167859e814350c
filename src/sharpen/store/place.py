"""Where the database of a store is."""

from __future__ import annotations

from pathlib import Path

from sharpen.errors import NotFound
from sharpen.http import server_of

FILE = "store.db"


def find(home: Path) -> Path:
    """Return the database of a store that is there; a server has one.

    Raises:
        NotFound: There is no store in the folder.
    """
    path = home / FILE
    if not path.exists() and not server_of(home):
        raise NotFound(f"no store in {home}: start with 'sharpen run FILE', or name another with --home")
    return path
