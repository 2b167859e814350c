"""The backends of the store, by name: adding one is a module and a row here."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sharpen.errors import StoreError
from sharpen.http import server_of
from sharpen.store import bucket
from sharpen.store.blobs import check_file
from sharpen.store.location import database_url, link, unlink, without_password
from sharpen.store.port import Store

BACKENDS: Mapping[str, str] = {
    "sqlite": "sharpen.store.sqlite",
    "postgres": "sharpen.store.postgres",
    "server": "sharpen.store.server_rows",
}
DEFAULT = "sqlite"
LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")
"""What a server may set for everybody, and what a whole store takes longer than."""


class Backend(Protocol):
    """What a backend's module has.

    Attributes:
        CHANGE_COUNT: A query whose answer, on one connection, differs once anything was committed on another;
            of what a server reads, so that what stands for a server has none.
    """

    CHANGE_COUNT: str

    def open_store(self, home: Path) -> Store:
        """Return a store to write to, made or migrated as needed."""
        ...

    def open_reader(self, home: Path) -> sa.Engine:
        """Return an engine to read with."""
        ...


def backend(name: str = DEFAULT) -> Backend:
    """Return a backend.

    >>> backend("sqlite").__name__
    'sharpen.store.sqlite'
    """
    return cast("Backend", import_module(BACKENDS[name]))


def backend_of(home: Path) -> Backend:
    """Return the backend of a folder's store, whether it has been made or not.

    That of a folder which stands for a server asks the server.

    >>> backend_of(Path("/data/store")).__name__
    'sharpen.store.sqlite'
    """
    if server_of(home):
        return backend("server")
    return backend(DEFAULT if database_url(home) is None else "postgres")


@contextlib.contextmanager
def one_moment(home: Path) -> Generator[sa.Connection]:
    """Give a connection that sees a store as it is now, however long it reads.

    Raises:
        NotFound: There is no store.
        StoreError: It cannot be read, or another version of sharpen wrote it.
    """
    engine = backend_of(home).open_reader(home)
    try:
        with engine.connect() as connection:
            is_postgres = engine.dialect.name == "postgresql"
            if is_postgres:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                for limit in LIMITS if is_postgres else ():
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
                yield connection
    except DBAPIError as problem:
        where = without_password(database_url(home) or str(home))
        raise StoreError(
            f"cannot read the store in {where}: {' '.join(str(problem.orig).split())}"
        ) from problem
    finally:
        engine.dispose()


def use_database(home: Path, url: str) -> bool:
    """Let a folder's store be in a database elsewhere, which must answer the first time.

    Returns:
        Whether it was the first time.

    Raises:
        UsageError: It is no address of a database, or of one that can hold no store of this user; or the
            folder has another store.
        StoreError: Nothing answers there.
    """
    if database_url(home) == url:
        return False
    link(home, url)
    try:
        check_database(home)
    except BaseException:  # a slip of the pen must not stay
        unlink(home)
        raise
    return True


def check_database(home: Path) -> None:
    """Refuse a database elsewhere that this user cannot write a store to; say nothing of one in the folder.

    Raises:
        UsageError: It holds another program's tables, or this user may not write.
        StoreError: It does not answer.
    """
    if database_url(home) is not None:
        import_module(BACKENDS["postgres"]).check(home)


def use_bucket(home: Path, url: str) -> None:
    """Let a folder's files be in a bucket, which gets those that are there already.

    Raises:
        UsageError: It is no address of a bucket, or the folder has another.
        StoreError: Nothing can be kept there, or a file of the folder is damaged.
    """
    if bucket.bucket_of(home) is None:
        bucket.check_bucket(url)
        for path in sorted((home / "blobs").glob("??/*")):
            digest = path.parent.name + path.name
            check_file(path, digest)
            bucket.send_to(url, path, digest)
    bucket.link_bucket(home, url)
