"""The backends of the store, by name: adding one is a module and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import sqlalchemy as sa

from sharpen.http import server_of
from sharpen.store.port import Store

BACKENDS: Mapping[str, str] = {"sqlite": "sharpen.store.sqlite", "server": "sharpen.store.server_rows"}
DEFAULT = "sqlite"


class Backend(Protocol):
    """What a backend's module has."""

    def open_store(self, home: Path) -> Store:
        """Return a store to write to, made or migrated as needed."""
        ...

    def open_reader(self, home: Path) -> sa.Engine:
        """Return an engine to read with."""
        ...


def backend_of(home: Path) -> Backend:
    """Return the backend of a store: that of a folder which stands for a server asks the server.

    >>> backend_of(Path("/data/store")).__name__
    'sharpen.store.sqlite'
    """
    return backend("server" if server_of(home) else DEFAULT)


def backend(name: str = DEFAULT) -> Backend:
    """Return a backend.

    >>> backend("sqlite").__name__
    'sharpen.store.sqlite'
    """
    return cast("Backend", import_module(BACKENDS[name]))
