"""Whether a store was written to meanwhile, in a file and in a database elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from postgres_server import PostgresServer
from sharpen.errors import NotFound
from sharpen.store import backends
from sharpen.store.change_counter import ChangeCounter
from sharpen.store.location import database_url, link
from sharpen.testing.stores import SWEEP

ROW = SWEEP | {"seed": 1, "run_cap": None, "created_at": 1.0}


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.postgres)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        link(tmp_path, server.new_database())
    return tmp_path


def test_it_differs_after_a_commit_and_only_then(home: Path) -> None:
    store = backends.backend_of(home).open_store(home)
    try:
        counter = ChangeCounter(home)
        counts = [counter.read()]
        with store.transaction() as writer:
            writer.create_sweep(ROW)
        counts.append(counter.read())
        rests = (counter.read() == counter.read() for _ in range(100))  # a server writes for itself, too
        assert any(rests)
        with store.transaction() as writer:
            writer.set_sweep(ROW["id"], {"note": "x"})
        counts.append(counter.read())
        assert len(set(counts)) == 3
    finally:
        store.close()


@pytest.mark.postgres
def test_a_connection_that_was_lost_counts_as_a_change(postgres: PostgresServer, tmp_path: Path) -> None:
    import psycopg

    link(tmp_path, postgres.new_database())
    backends.backend_of(tmp_path).open_store(tmp_path).close()
    counter = ChangeCounter(tmp_path)
    before = counter.read()
    with psycopg.connect(database_url(tmp_path) or "", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert counter.read() != before


def test_where_there_is_no_store_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        ChangeCounter(tmp_path)
