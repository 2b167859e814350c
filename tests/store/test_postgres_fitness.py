"""A database that cannot hold a store is refused with the way out, and the folder stays free for another."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from postgres_server import PostgresServer
from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store import postgres_fitness
from sharpen.store.backends import check_database, use_database
from sharpen.store.location import LINK, database_url, link
from sharpen.store.postgres import PostgresStore, open_reader
from sharpen.store.queries import Reader
from sharpen.store.row_copy import copy_rows

pytestmark = pytest.mark.postgres
TEXT = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for text in statements:
            connection.execute(text.encode())


def refused(home: Path, url: str) -> str:
    with pytest.raises(UsageError) as raised:
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
    with pytest.raises(UsageError, match="may not write"):
        check_database(tmp_path / "linked")


def test_an_older_postgres(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_fitness, "LEAST", 99)
    words = refused(tmp_path / "home", postgres.new_database())
    assert words.endswith(": a store needs 99 or later")


@pytest.mark.parametrize(
    ("before", "after", "todo"),
    [
        ("/t", "/no_t", "name one that is there, or make it with CREATE DATABASE"),
        ("sharpen@", "nobody_here@", "name another user before the @"),
        ("", "?sslmode=verify-full", "turn ssl on at the server, or give ?sslmode=prefer"),
        ("", "?sslmode=nonsense", "give the option of the address a value that libpq knows"),
        ("", "?connect_timeout=x", "give the option of the address a value that libpq knows"),
        ("", "?options=-cnonsense%3D1", "mend what options= sets"),
    ],
)
def test_an_address_that_the_server_refuses(
    postgres: PostgresServer, tmp_path: Path, before: str, after: str, todo: str
) -> None:
    url = postgres.new_database()
    theirs = url.replace(before, after) if before else url + after
    done = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "--store", theirs, "ls"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f": {todo}" in done.stderr
    assert not (tmp_path / "home" / LINK).exists()


@pytest.mark.parametrize("verb", [["ls"], ["note", "last", "hi"]])
def test_a_folder_that_was_tied_to_an_address_which_the_server_refuses_now(
    postgres: PostgresServer, tmp_path: Path, verb: list[str]
) -> None:
    link(tmp_path, postgres.new_database().replace("sharpen@", "nobody_here@"))
    done = CliRunner().invoke(main, ["--home", str(tmp_path), *verb])
    assert (done.exit_code, done.stdout) == (2, "")
    assert ": name another user before the @" in done.stderr


@pytest.mark.parametrize("n_digits", [0, -10])
def test_a_database_that_rounds_what_it_tells(
    postgres: PostgresServer, tmp_path: Path, n_digits: int
) -> None:
    """Numbers are read as they were written, or a copy would differ and leases would end at another time."""
    url = postgres.new_database()
    run(url, f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET extra_float_digits = {n_digits}")
    link(tmp_path / "there", url)
    with connect(tmp_path / "there") as client:
        place = {"source": "s.yaml", "workdir": "/"}
        sweep_id = client.call("create_sweep", key="k", text=TEXT, place=place)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
        lease = client.call("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
        lease = {"run_id": lease["run_id"], "token": lease["token"]}
        client.call("report", **lease, rows=[[1, {"loss": 1 / 3}]])
        client.call("exit", **lease, exit_code=0, last_words="")
    found = Reader(tmp_path / "there").run("last-1")
    assert found.score == 1 / 3
    assert abs(found.created_at - time.time()) < 600
    back = copy_rows(tmp_path / "there", tmp_path / "back")
    other = postgres.new_database()
    run(url, f"ALTER DATABASE {other.rsplit('/', 1)[1]} SET extra_float_digits = {n_digits}")
    link(tmp_path / "again", other)
    assert copy_rows(tmp_path / "back", tmp_path / "again").digest == back.digest
