"""Who may write to a store in Postgres, and what a process that may no longer write can still do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from postgres_server import PostgresServer
from sharpen.errors import NotFound, StoreError, StoreHeld, UsageError
from sharpen.store import backends
from sharpen.store.location import database_url, link
from sharpen.store.postgres import PostgresStore, open_reader
from sharpen.store.queries import Reader
from sharpen.testing.stores import SWEEP

pytestmark = pytest.mark.postgres
ROW = SWEEP | {"seed": 2**62, "run_cap": None, "created_at": 1.0}


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def leader(url: str, tmp_path: Path) -> Iterator[PostgresStore]:
    link(tmp_path / "one", url)
    store = PostgresStore(tmp_path / "one")
    yield store
    store.close()


def other(url: str, tmp_path: Path) -> Path:
    link(tmp_path / "two", url)
    return tmp_path / "two"


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def n_sweeps(home: Path) -> int:
    return len(Reader(home).sweeps())


def test_one_process_leads_and_another_takes_over(leader: PostgresStore, url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreHeld, match=r"process .* holds the store"):
        PostgresStore(other(url, tmp_path))
    leader.close()
    PostgresStore(other(url, tmp_path)).close()


def test_who_lost_the_connection_commits_nothing(leader: PostgresStore, url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"), leader.transaction() as writer:  # noqa: PT012
        writer.create_sweep(ROW)
        end_sessions(url)
    assert not leader.holds()
    with pytest.raises(StoreError, match="was lost"):
        leader.transaction().__enter__()
    second = PostgresStore(other(url, tmp_path))
    assert n_sweeps(second.home) == 0
    second.close()


def test_an_idle_leader_hears_that_it_leads_no_more(leader: PostgresStore, url: str) -> None:
    assert leader.holds()
    end_sessions(url)
    leader._seen_at -= 60.0
    assert not leader.holds()


def test_nothing_is_written_in_the_epoch_of_another(leader: PostgresStore, url: str) -> None:
    with leader.transaction() as writer:
        writer.create_sweep(ROW)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE store_state SET epoch = epoch + 1")
    with pytest.raises(StoreError, match="another process"), leader.transaction() as writer:
        writer.create_sweep(ROW | {"id": "t", "key": "l"})
    assert not leader.holds()
    assert n_sweeps(leader.home) == 1
    assert Reader(leader.home).sweep("s").seed == 2**62


def test_a_character_that_postgres_cannot_keep_is_replaced(leader: PostgresStore) -> None:
    with leader.transaction() as writer:
        writer.create_sweep(ROW | {"name": "a\0b", "spec": "é\0"})
    row = Reader(leader.home).sweep("s")
    assert (row.name, row.spec) == ("a\ufffdb", "é\ufffd")


def test_a_conflict_is_said_to_pass(leader: PostgresStore) -> None:
    """The coordinator answers with it, and its client asks again."""
    with pytest.raises(StoreError, match="conflict"), leader.transaction() as writer:
        writer._connection.exec_driver_sql(
            "DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '40001'; END $$"
        )
    assert leader.holds()
    with leader.transaction() as writer:
        writer.create_sweep(ROW)
    assert n_sweeps(leader.home) == 1


def test_a_reader_outlives_its_connection(leader: PostgresStore, url: str) -> None:
    reader = Reader(leader.home)
    assert reader.sweeps() == []
    end_sessions(url)
    assert reader.sweeps() == []


def test_an_empty_database_has_no_store(url: str, tmp_path: Path) -> None:
    link(tmp_path, url)
    with pytest.raises(NotFound, match="no store in postgresql://"):
        open_reader(tmp_path)


def test_an_older_store_gets_what_it_lacks(leader: PostgresStore, url: str) -> None:
    leader.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN note, DROP COLUMN cost")
        connection.execute("DROP TABLE console")
        connection.execute("UPDATE store_state SET version = 5")
    with pytest.raises(StoreError, match="schema version 5"):
        open_reader(leader.home)
    PostgresStore(leader.home).close()
    reader = Reader(leader.home)
    assert reader.runs("s") == []
    assert reader.console("s-1") == ""


def test_a_slip_of_the_pen_is_not_remembered(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        backends.use_database(tmp_path, "postgresql://127.0.0.1:1/x")
    assert database_url(tmp_path) is None


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "postgresql://ann:se/cret@db.lab/desk",
            "a port is a number; special characters of a user",
        ),
        ("postgresql://ann:se%cret@db.lab/desk", "special characters of a user or password"),
        ("postgresql://ann:se@cret@db.lab:x/desk", "special characters of a user or password"),
        ("postgresql://ann@db.lab/desk?pool_size=9", 'invalid URI query parameter: "pool_size"'),
        ("postgresql://db.lab:5432,two:x/desk", "a port is a number"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(
    tmp_path: Path, address: str, told: str
) -> None:
    with pytest.raises(UsageError) as problem:
        backends.use_database(tmp_path, address)
    assert told in problem.value.message
    assert "cret" not in problem.value.message
    assert database_url(tmp_path) is None
