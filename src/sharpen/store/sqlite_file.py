"""Telling a store's database from a file of another program, and from one that has lost its content."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sharpen.errors import StoreError

TABLE = "sweeps"  # every version of the schema has it
SHOWN = 3


def refuse_foreign(path: Path) -> None:
    """Refuse a database that is no store's; one that is not there, or cannot be read, is left to others.

    Args:
        path: The file.

    Raises:
        StoreError: It holds tables of another program, or nothing although files of runs lie beside it.
    """
    if not path.exists():
        return
    with contextlib.suppress(sqlite3.Error):  # what that means, whoever opens it says
        tables = _tables(path)
        if TABLE in tables:
            return
        if tables:
            names = ", ".join(sorted(tables)[:SHOWN])
            raise StoreError(f"{path} is a database of another program (tables: {names}): use another --home")
        if any((path.parent / "blobs").glob("??/*")):
            raise StoreError(
                f"{path} is empty, though {path.parent / 'blobs'} holds files: its history is gone. Put a "
                "backup in its place, or move the folder away to begin anew"
            )


def _tables(path: Path) -> set[str]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows}
