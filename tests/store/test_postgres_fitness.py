"""A database that cannot hold a store is refused with the way out, and the folder stays free for another."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from postgres_server import PostgresServer
from sharpen.errors import StoreError
from sharpen.store.backends import check_database, use_database
from sharpen.store.location import LINK, database_url
from sharpen.store.postgres import PostgresStore, open_reader

pytestmark = pytest.mark.postgres


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for text in statements:
            connection.execute(text.encode())


def refused(home: Path, url: str) -> str:
    with pytest.raises(StoreError) as raised:
        use_database(home, url)
    assert not (home / LINK).exists(), "the folder would stay with a database that cannot be used"
    return raised.value.message


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_another_encoding(postgres: PostgresServer, tmp_path: Path, encoding: str) -> None:
    name = f"in_{encoding.lower()}_{tmp_path.name[-1]}"
    made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
    run(postgres.url("postgres"), f"DROP DATABASE IF EXISTS {name}", made)
    assert refused(tmp_path / "home", postgres.url(name)) == (
        f"the database has the encoding {encoding}: make one with ENCODING 'UTF8'"
    )


def test_no_schema(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    run(url, "DROP SCHEMA public")
    words = refused(tmp_path / "home", url)
    assert words.startswith("the database has none of the schemas in this user's search_path (")
    assert "CREATE SCHEMA" in words


def test_a_schema_that_the_address_names(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    assert "(nope)" in refused(tmp_path / "home", f"{url}?options=-csearch_path%3Dnope")
    run(url, "CREATE SCHEMA desk")
    use_database(tmp_path / "home", f"{url}?options=-csearch_path%3Ddesk")
    PostgresStore(tmp_path / "home").close()
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT to_regclass('desk.store_state'), to_regclass('public.store_state')"
        )
        assert found.fetchone() == ("desk.store_state", None)


def test_tables_of_another_program(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    run(url, "CREATE TABLE runs (id int, what text)", "INSERT INTO runs VALUES (1, 'theirs')")
    words = refused(tmp_path / "home", url)
    assert words.startswith(
        "schema public of the database has tables of another program (runs): name an empty"
    )
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM runs").fetchall() == [(1, "theirs")]


def test_tables_of_another_name_do_not_matter(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    run(url, "CREATE TABLE cats (id int)")
    use_database(tmp_path / "home", url)
    PostgresStore(tmp_path / "home").close()


def test_a_user_who_may_only_read(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    role = f"reader_{url.rsplit('/', 1)[1]}"
    run(url, f"CREATE ROLE {role} LOGIN")
    theirs = url.replace("//sharpen@", f"//{role}@")
    words = refused(tmp_path / "new", theirs)
    assert words == f"{role} may make no tables: GRANT CREATE, USAGE ON SCHEMA public TO {role}"
    use_database(tmp_path / "owner", url)
    PostgresStore(tmp_path / "owner").close()
    run(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    words = refused(tmp_path / "reader", theirs)
    assert words == f"{role} may not write to the store: GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / LINK).write_text(f"{theirs}\n")
    assert database_url(tmp_path / "linked") == theirs
    open_reader(tmp_path / "linked").dispose()  # reading is allowed
    with pytest.raises(StoreError, match="may not write"):
        check_database(tmp_path / "linked")
