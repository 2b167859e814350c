"""The store in a Postgres database: written by the one process that leads, and read by anyone.

The leader holds an advisory lock on the connection through which it writes. A process that has lost that
connection can commit nothing: the lock has gone with it, and so has its transaction. As a second fence, every
transaction that wrote something looks at the ``epoch``, which each new leader raises by one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import psycopg as dialects
from sqlalchemy.exc import DBAPIError

from sharpen.errors import NotFound, StoreError, StoreHeld, UsageError
from sharpen.store import schema
from sharpen.store.bucket import LINK as BUCKET
from sharpen.store.bucket import bucket_of, link_bucket
from sharpen.store.location import database_url, without_password
from sharpen.store.permissions import own_folder
from sharpen.store.postgres_address import parameters
from sharpen.store.postgres_fitness import refuse_unfit
from sharpen.store.postgres_lock import Holder, elsewhere, find_holder, in_the_way, try_lock
from sharpen.store.postgres_refusals import mend
from sharpen.store.postgres_schema import analyze, bring_up_to_date, files, state
from sharpen.store.postgres_silence import SilenceWatch
from sharpen.store.queries import Reader
from sharpen.store.sql_writer import SqlWriter
from sharpen.store.statements import Statements

CHECK_EVERY_S = 1.0
PATIENCE_S = 60.0
PAUSE_S = 0.2
SILENCE_S = 20.0  # a third of what a client waits
STATEMENTS = Statements(dialects.dialect(paramstyle="pyformat"), postgresql.insert)  # pyright: ignore[reportUnknownMemberType]
LOCK_WAIT = "10s"  # for what another session has locked: less than a silence
PATIENT = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "4000",
    "client_connection_check_interval": "1s",  # while it waits for somebody's lock, too
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "lock_timeout": LOCK_WAIT,
}
"""What the server shall think of the leader's session, whatever its defaults are."""
LATER = ("08", "25006", "40", "53", "55", "57", "58")
"""What may succeed later, as SQLSTATE begins: lost connections, conflicts, full disks, a server that ends."""
LOCKED = "55P03"
"""What a server says that has waited long enough for what another session has locked."""
READ_ONLY = "25006"
"""What a server says that has become a replica: a new connection may find the first elsewhere."""
CHANGE_COUNT = "SELECT CAST(pg_current_wal_insert_lsn() AS text)"
ALWAYS = f"SET extra_float_digits = 3; SET lock_timeout = '{LOCK_WAIT}'"
"""Whatever the database says: numbers must be read as they were written, and nobody hangs at a lock."""
GONE = "the connection to the database was lost: whoever holds the store next goes on"


class PostgresStore:
    """A store in a Postgres database, open to write by the process that leads.

    Attributes:
        home: The store's folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        own_folder(home)
        self._is_lost = False
        self._seen_at = time.monotonic()
        self._engine = _engine(home, pool_size=1, max_overflow=0)
        self._readers: sa.Engine | None = None
        self._connection: sa.Connection | None = None
        self._watch: SilenceWatch | None = None
        try:
            with _at(home):
                self._connection = self._engine.connect()
                self._epoch = _lead(self._connection, home)
                self._watch = SilenceWatch(self._connection, SILENCE_S)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Generator[SqlWriter]:
        """Give a transaction."""
        connection, watch = self._open_connection()
        try:
            with _at(self.home), watch.until_heard():
                transaction = connection.begin()
                try:
                    yield SqlWriter(connection, STATEMENTS, postgresql.insert, schema.VERSION)
                    self._check_epoch(connection)
                except BaseException:
                    with contextlib.suppress(DBAPIError):
                        transaction.rollback()
                    raise
                with watch.asking():
                    self._commit(transaction)
        except StoreError as problem:
            self._is_lost = self._is_lost or _sqlstate(problem.__cause__) == READ_ONLY
            raise
        finally:
            if self._is_lost or _is_broken(connection):
                self._lose()
        self._seen_at = time.monotonic()

    def _commit(self, transaction: sa.RootTransaction) -> None:
        """Commit; what fails here may be on the disk or not, so that memory must be read again."""
        try:
            transaction.commit()
        except BaseException:
            self._is_lost = True
            raise

    def _check_epoch(self, connection: sa.Connection) -> None:
        """Refuse to commit what was written after another process has begun to lead."""
        text = "SELECT epoch FROM store_state WHERE txid_current_if_assigned() IS NOT NULL FOR SHARE"
        epoch = connection.exec_driver_sql(text).scalar()
        if epoch is not None and epoch != self._epoch:
            self._is_lost = True
            raise StoreError("another process has begun to write to the store: this one may no longer")

    def _open_connection(self) -> tuple[sa.Connection, SilenceWatch]:
        if self._connection is None or self._watch is None or self._is_lost:
            raise StoreError(f"the store cannot be written: {GONE}")
        return self._connection, self._watch

    def _lose(self) -> None:
        self._is_lost = True
        if self._watch is not None:
            self._watch.close()

    def analyze(self) -> None:
        """Let the database plan by what its tables hold now."""
        with self.transaction():
            analyze(self._open_connection()[0])

    def holds(self) -> bool:
        """Return whether this process still leads; asks the database when it has not lately."""
        if not self._is_lost and time.monotonic() - self._seen_at > CHECK_EVERY_S:
            if not self._is_leading():
                self._lose()
            self._seen_at = time.monotonic()
        return not self._is_lost

    def _is_leading(self) -> bool:
        connection, watch = self._open_connection()
        try:
            with watch.until_heard(), connection.begin():
                return connection.execute(sa.select(state.c.epoch)).scalar() == self._epoch
        except DBAPIError:
            return False

    def reader(self) -> Reader:
        """Return what reads the store, outside of transactions."""
        if self._readers is None:
            self._readers = _engine(self.home, isolation_level="AUTOCOMMIT", pool_size=1)
        return Reader(self.home, self._readers)

    def close(self) -> None:
        """Give up the connections, and with them the lock."""
        self._lose()
        connection, self._connection = self._connection, None
        if connection is not None:
            if not connection.invalidated:
                connection.detach()  # so that closing it ends the session, too
            with contextlib.suppress(DBAPIError):
                connection.close()
        self._engine.dispose()
        if self._readers is not None:
            self._readers.dispose()


def open_store(home: Path) -> PostgresStore:
    """Return a store to write to, made or migrated as needed.

    Raises:
        StoreError: It cannot be reached or written, or a newer sharpen wrote it.
        StoreHeld: Another process may write to it.
    """
    return PostgresStore(home)


def check(home: Path) -> None:
    """Refuse a database that does not answer, or can hold no store.

    Raises:
        UsageError: Its address cannot be read or is refused, or it is not fit for this user to write to.
        StoreError: It cannot be reached.
    """
    engine = _engine(home)
    try:
        with _at(home), engine.connect() as connection:
            refuse_unfit(connection)
    except StoreError as problem:
        if problem.facts.get("is_lasting", True):
            raise UsageError(problem.message) from problem
        raise
    finally:
        engine.dispose()


def is_behind_pooler(home: Path) -> bool:
    """Return whether a pooler, such as PgBouncer, stands between this machine and a folder's database.

    A pooler tells its clients a number that is no process of the server.

    Raises:
        StoreError: It cannot be reached.
    """
    engine = _engine(home)
    try:
        with _at(home), engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            return driver.info.backend_pid != connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    finally:
        engine.dispose()


def holder_of(home: Path) -> Holder | None:
    """Return who leads at a folder's database; None for nobody.

    Raises:
        StoreError: It cannot be reached.
    """
    engine = _engine(home)
    try:
        with _at(home), engine.connect() as connection:
            return find_holder(connection)
    finally:
        engine.dispose()


def open_reader(home: Path) -> sa.Engine:
    """Return an engine that only reads. Once it has, it waits for a server that starts anew.

    Raises:
        NotFound: There is no store in the database.
        StoreError: It cannot be reached, or another version of sharpen wrote it.
    """
    engine = _engine(home, only_reads=True, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    try:
        with _at(home), engine.connect() as connection:
            is_there = connection.execute(sa.select(sa.func.to_regclass(state.name))).scalar()
            version = connection.execute(sa.select(state.c.version)).scalar() if is_there else None
            if connection.execute(sa.select(sa.func.to_regclass(files.name))).scalar():
                _agree_on_bucket(connection, home)
        _refuse_version(home, version)
    except BaseException:
        engine.dispose()
        raise
    event.listen(engine, "do_connect", _connect_patiently)
    return engine


def _connect_patiently(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Return a connection to a server that was there, and may be away while it starts anew."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except dialect.dbapi.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)


def _refuse_version(home: Path, version: int | None) -> None:
    shown = without_password(database_url(home) or "")
    if version is None:
        raise NotFound(f"no store in {shown}: start with 'sharpen run FILE'")
    if version != schema.VERSION:
        way_out = "run 'sharpen resume SWEEP --agents 0' once, which brings it up to date"
        if version > schema.VERSION:
            way_out = "upgrade sharpen, or use another database"
        raise StoreError(f"{shown} has schema version {version}, not {schema.VERSION}: {way_out}")


def _lead(connection: sa.Connection, home: Path) -> int:
    """Take the store's lock for the connection's life, and return the epoch that begins.

    Raises:
        StoreHeld: Another process has it.
    """
    with connection.begin():
        for name, value in PATIENT.items():
            connection.execute(SET, {"name": name, "value": value})
        if connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "off":
            connection.exec_driver_sql("SET synchronous_commit = on")
        if not try_lock(connection):
            raise StoreHeld(elsewhere(home, find_holder(connection)))
        refuse_unfit(connection)  # one without a schema, too, which has no lock
    # from here on nobody else is at it
    with connection.begin():
        bring_up_to_date(connection)
        _agree_on_bucket(connection, home)
        mine = bucket_of(home)
        if mine is not None:
            connection.execute(postgresql.insert(files).values(id=1, bucket=mine).on_conflict_do_nothing())
        mine = {"epoch": state.c.epoch + 1, "holder": f"process {os.getpid()} on {socket.gethostname()}"}
        return connection.execute(state.update().values(mine).returning(state.c.epoch)).scalar_one()


def _agree_on_bucket(connection: sa.Connection, home: Path) -> None:
    """Let a folder have the bucket of its database's store.

    Raises:
        UsageError: The folder has another bucket.
    """
    bucket_there, bucket_here = connection.execute(sa.select(files.c.bucket)).scalar(), bucket_of(home)
    if bucket_there is None or bucket_there == bucket_here:
        return
    if bucket_here is not None:
        message = f"the files of this store are in {bucket_there}, and not in {bucket_here}"
        raise UsageError(f"{message}: remove {home / BUCKET}, and name no other with --blobs")
    link_bucket(home, bucket_there)


SET = sa.text("SELECT set_config(name, :value, false) FROM pg_settings WHERE name = :name")


def _engine(home: Path, *, only_reads: bool = False, **more: Any) -> sa.Engine:
    engine = sa.create_engine("postgresql+psycopg://", connect_args=parameters(home), **more)

    def prepare(connection: Any, _record: Any) -> None:
        connection.adapters.register_dumper(str, WithoutNul)
        connection.execute(ALWAYS)
        connection.commit()
        if only_reads:  # not from the first: target_session_attrs=read-write would find no host then
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()

    event.listen(engine, "connect", prepare)
    return engine


class WithoutNul(StrDumperUnknown):
    """Writes U+FFFD in place of NUL, which Postgres cannot keep and a program may print."""

    def dump(self, obj: str) -> bytes | None:
        """Return a text as the server takes it."""
        return super().dump(obj.replace("\0", "\ufffd"))  # pyright: ignore[reportReturnType] - or a buffer


def _is_broken(connection: sa.Connection) -> bool:
    if connection.invalidated or connection.closed:
        return True
    driver: Any = connection.connection.dbapi_connection
    return driver is None or driver.closed or driver.broken


def _sqlstate(problem: BaseException | None) -> str | None:
    return getattr(getattr(problem, "orig", None), "sqlstate", None)


def _in_the_way(home: Path) -> str:
    """Return who has locked the store's tables, as the end of a sentence."""
    engine = _engine(home)
    try:
        with engine.connect() as connection:
            sessions = in_the_way(connection)
    except DBAPIError:
        return ""
    finally:
        engine.dispose()
    return (
        f": session {sessions} of the database has locked the store's tables: let it commit or end"
        if sessions
        else ""
    )


@contextmanager
def _at(home: Path) -> Generator[None]:
    """Turn what may succeed later into errors of the store."""
    try:
        yield
    except DBAPIError as problem:
        sqlstate = _sqlstate(problem)
        if sqlstate is not None and not sqlstate.startswith((*LATER, "28", "3D", "42501")):
            raise
        message = " ".join(str(problem.orig).split())
        shown = without_password(database_url(home) or "")
        fix = mend(message)
        message += f": {fix}" if fix else _in_the_way(home) if sqlstate == LOCKED else ""
        raise StoreError(f"the store at {shown} cannot be used: {message}", is_lasting=bool(fix)) from problem
