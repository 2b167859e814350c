"""Whether anything was written to a store meanwhile: a question that costs the same however much is there."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sharpen.errors import StoreError
from sharpen.store.backends import backend_of


class ChangeCounter:
    """Tells one state of a store from the next; any thread may ask.

    Args:
        home: The store's folder.

    Raises:
        NotFound: There is no store in the folder.
        StoreError: It cannot be read.
    """

    def __init__(self, home: Path) -> None:
        backend = backend_of(home)
        self._home = home
        self._query = sa.text(backend.CHANGE_COUNT)
        self._engine = backend.open_reader(home)
        self._held: list[sa.Connection] = []  # one, since counts are of one connection
        self._n_connections = 0
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._engine, self._held)  # nobody else would

    def read(self) -> str:
        """Return a text that is another one once anything was committed to the store.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            try:
                return self._ask()
            except DBAPIError:  # a database that was started anew
                self._forget()
            try:
                return self._ask()
            except DBAPIError as problem:
                self._forget()
                raise StoreError(f"cannot read the store in {self._home}: {problem.orig}") from problem

    def _ask(self) -> str:
        if not self._held:
            self._held.append(self._engine.connect())
            self._n_connections += 1
        with self._held[0].begin():
            return f"{self._n_connections}/{self._held[0].execute(self._query).scalar()}"

    def _forget(self) -> None:
        while self._held:
            self._held[-1].invalidate()
            self._held.pop().close()


def _close(engine: sa.Engine, held: list[sa.Connection]) -> None:
    for connection in held:
        connection.close()
    engine.dispose()
