"""A store in Postgres whose server, or the line to it, is there in part: stalled, cut, busy, or read only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from faults.bench import until
from postgres_server import PostgresServer
from proxy import Proxy
from sharpen.coordinator import connect
from sharpen.errors import StoreError, Unreachable
from sharpen.store import postgres as module
from sharpen.store.backends import one_moment
from sharpen.store.location import link
from sharpen.store.postgres import PostgresStore
from sharpen.store.queries import Reader
from sharpen.testing.stores import SWEEP
from sharpen.wire import Client

pytestmark = pytest.mark.postgres
ROW = SWEEP | {"seed": 2**62, "run_cap": None, "created_at": 1.0}
TEXT = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"
PLACE = {"source": "s.yaml", "workdir": "/"}


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def line(postgres: PostgresServer) -> Iterator[Proxy]:
    found = Proxy(postgres.port)
    yield found
    found.close()


@pytest.fixture
def home(url: str, line: Proxy, postgres: PostgresServer, tmp_path: Path) -> Path:
    """Give a folder that reaches the database over the line."""
    link(tmp_path / "one", url.replace(f":{postgres.port}/", f":{line.port}/"))
    return tmp_path / "one"


def another(url: str, tmp_path: Path) -> PostgresStore:
    """Return the store as another machine opens it, once it may."""
    link(tmp_path / "two", url)

    def attempt() -> PostgresStore | None:
        try:
            return PostgresStore(tmp_path / "two")
        except StoreError:
            return None

    return until(attempt, "the lock to be given up")


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.fixture
def stall_at_commit(line: Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what stalls the line in a direction at the next commit."""
    commit = PostgresStore._commit

    def stall(direction: str) -> None:
        directions = [direction]

        def stall_once(store: PostgresStore, transaction: Any) -> None:
            while directions:
                line.stall(directions.pop())
            commit(store, transaction)

        monkeypatch.setattr(PostgresStore, "_commit", stall_once)

    return stall


@pytest.mark.parametrize(("direction", "n_there"), [("there", 0), ("back", 1)])
def test_a_leader_whose_line_is_silent_gives_up_and_another_goes_on(  # noqa: PLR0917 - fixtures
    home: Path,
    url: str,
    line: Proxy,
    stall_at_commit: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    direction: str,
    n_there: int,
) -> None:
    """Both ends are connected as far as they know. Of a commit that nobody answers, either may be true."""
    monkeypatch.setattr(module, "SILENCE_S", 0.4)
    leader = PostgresStore(home)
    stall_at_commit(direction)
    with pytest.raises(StoreError, match="cannot be used"), leader.transaction() as writer:
        writer.create_sweep(ROW)
    assert not leader.holds()
    with pytest.raises(StoreError, match="was lost"):
        leader.transaction().__enter__()
    line.cut()
    second = another(url, home.parent)
    assert len(second.reader().sweeps()) == n_there
    second.close()
    leader.close()


def asked_for_a_sweep(client: Client) -> tuple[threading.Thread, list[Any]]:
    """Have a thread ask for a sweep; return it, and where the answer will be."""
    made: list[Any] = []
    asking = threading.Thread(
        target=lambda: made.append(client.call("create_sweep", key="k", text=TEXT, place=PLACE))
    )
    asking.start()
    return asking, made


def test_a_leader_that_computes_for_long_is_not_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.2)
    leader = PostgresStore(home)
    with leader.transaction() as writer:
        writer.create_sweep(ROW)
        time.sleep(0.5)
    time.sleep(0.5)
    assert leader.holds()
    leader.close()


def test_a_request_whose_commit_nobody_answered_is_carried_out_once(
    home: Path, line: Proxy, stall_at_commit: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.4)
    with connect(home) as client:
        stall_at_commit("back")
        asking, made = asked_for_a_sweep(client)
        time.sleep(0.6)  # not needed to pass: it lets the leader give up before the line is mended
        line.mend()
        asking.join(60)
        (row,) = Reader(home).sweeps()
        assert made[0]["sweep_id"] == row.id


def test_postgres_is_killed_after_a_commit_that_nobody_heard_of(
    home: Path, url: str, line: Proxy, postgres: PostgresServer, stall_at_commit: Callable[[str], None]
) -> None:
    with connect(home) as client:
        stall_at_commit("back")
        asking, made = asked_for_a_sweep(client)
        until(lambda: rows(url, "SELECT id FROM sweeps"), "the commit")
        postgres.kill()
        postgres.start()
        line.cut()
        line.mend()
        asking.join(60)
        assert rows(url, "SELECT id FROM sweeps") == [(made[0]["sweep_id"],)]


def test_a_session_that_has_come_to_read_only_is_given_up_for_a_new_one(home: Path, url: str) -> None:
    """As on a first server that has become a replica, and keeps its connections."""
    leader = PostgresStore(home)
    assert leader._connection is not None
    with leader._connection.begin():
        leader._connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(StoreError, match="read-only"), leader.transaction() as writer:
        writer.create_sweep(ROW)
    assert not leader.holds()
    leader.close()
    PostgresStore(home).close()


def test_who_cannot_begin_to_lead_leaves_no_lock(home: Path, url: str, tmp_path: Path) -> None:
    PostgresStore(home).close()
    execute(url, "UPDATE store_state SET version = 999")
    for _ in range(2):
        with pytest.raises(StoreError, match="schema version 999"):
            PostgresStore(home)


def test_the_first_host_of_several_that_lets_write_is_used(
    url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    execute(url, 'CREATE ROLE "ann@lab" SUPERUSER LOGIN')
    database = url.rpartition("/")[2]
    where = f"127.0.0.1:1,127.0.0.1:{postgres.port}/{database}?target_session_attrs=read-write"
    link(tmp_path / "one", f"postgresql://ann%40lab:p%25%2F@{where}")
    store = PostgresStore(tmp_path / "one")
    with store.transaction() as writer:
        writer.create_sweep(ROW)
    assert len(Reader(tmp_path / "one").sweeps()) == 1
    store.close()
    execute(url, 'REASSIGN OWNED BY "ann@lab" TO sharpen', 'DROP ROLE "ann@lab"')


def test_a_database_that_only_reads_for_a_while_is_waited_for(home: Path, url: str) -> None:
    """As after a failover to a replica that is not the first yet."""
    name = url.rpartition("/")[2]
    with connect(home) as client:
        client.call("create_sweep", key="k", text=TEXT, place=PLACE)
        execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on", END_SESSIONS)
        client.patience_s = 0.5
        with pytest.raises(
            Unreachable, match=r"cannot execute .* in a read-only transaction; it has been tried"
        ):
            client.call("create_sweep", key="l", text=TEXT, place=PLACE)
        assert len(Reader(home).sweeps()) == 1
        client.patience_s = 60.0
        execute(url, "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET ALL")
        client.call("create_sweep", key="l", text=TEXT, place=PLACE)
    assert len(Reader(home).sweeps()) == 2


END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_limits_of_a_role_do_not_end_the_leader(url: str, home: Path) -> None:
    """A statement waits for somebody's lock for longer than the role's limits allow."""
    name = url.rpartition("/")[2]
    limits = ("statement_timeout = 50", "lock_timeout = 50", "idle_in_transaction_session_timeout = 50")
    execute(url, *(f"ALTER DATABASE {name} SET {each}" for each in limits))
    leader = PostgresStore(home)
    with psycopg.connect(
        url, options="-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
    ) as busy:
        busy.execute("LOCK sweeps")
        threading.Timer(0.4, busy.commit).start()
        with leader.transaction() as writer:
            time.sleep(0.1)
            writer.create_sweep(ROW)
    assert leader.holds()
    leader.close()


def test_a_leader_that_waited_for_a_lock_when_it_was_lost_does_not_keep_the_store(
    home: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server looks whether a client is there also while its statement waits."""
    monkeypatch.setattr(module, "SILENCE_S", 0.4)
    leader = PostgresStore(home)
    with psycopg.connect(url) as busy:
        busy.execute("LOCK sweeps IN SHARE MODE")
        with pytest.raises(StoreError, match="cannot be used"), leader.transaction() as writer:
            writer.create_sweep(ROW)
        second = another(url, tmp_path)  # while the table is locked still
        assert second.reader().sweeps() == []
    with second.transaction() as writer:
        writer.create_sweep(ROW)
    second.close()
    leader.close()


def test_a_leader_that_yields_in_a_deadlock_leads_on(home: Path, url: str) -> None:
    leader = PostgresStore(home)
    with psycopg.connect(url, options="-c deadlock_timeout=60s") as busy:
        busy.execute("LOCK audit")
        locking = threading.Thread(target=busy.execute, args=("LOCK sweeps",))
        with pytest.raises(StoreError, match="deadlock detected"), leader.transaction() as writer:  # noqa: PT012
            writer.create_sweep(ROW)
            locking.start()
            waiting = f"SELECT 1 FROM pg_locks WHERE pid = {busy.info.backend_pid} AND NOT granted"
            until(lambda: rows(url, waiting), "the other to wait for the leader")
            writer.newest_audit()
        locking.join(60)
    assert leader.holds()
    with leader.transaction() as writer:
        writer.create_sweep(ROW)
    leader.close()


def test_who_lost_the_lock_alone_commits_nothing_after_another_has_begun(
    home: Path, url: str, tmp_path: Path
) -> None:
    """As behind a pooler, which gives the session to others, or resets it."""
    leader = PostgresStore(home)
    assert leader._connection is not None
    with leader._connection.begin():
        leader._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
    with leader.transaction() as writer:
        writer.create_sweep(ROW)  # nobody else leads: it is still the only one
    second = another(url, tmp_path)
    with pytest.raises(StoreError, match="another process"), leader.transaction() as writer:
        writer.create_sweep(ROW | {"id": "t", "key": "l"})
    assert not leader.holds()
    assert len(second.reader().sweeps()) == 1
    second.close()
    leader.close()


CONFLICTS = """
CREATE SEQUENCE tries;
CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') % 3 <> 0 THEN  -- a sequence is not rolled back
        RAISE EXCEPTION 'could not serialize access due to concurrent update' USING ERRCODE = '{code}';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER conflicts AFTER INSERT ON {table} DEFERRABLE INITIALLY {when}
FOR EACH ROW EXECUTE FUNCTION conflict()
"""


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("when", ["IMMEDIATE", "DEFERRED"])  # at the statement, and at the commit
def test_a_call_that_meets_a_conflict_twice_is_carried_out_once(
    url: str, tmp_path: Path, code: str, when: str
) -> None:
    link(tmp_path / "one", url)
    with connect(tmp_path / "one") as client:
        sweep_id = client.call("create_sweep", key="k", text=TEXT, place=PLACE)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="")
        execute(url, CONFLICTS.format(code=code, when=when, table="runs"))
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
        assert rows(url, "SELECT last_value FROM tries") == [(3,)]
        execute(
            url,
            "DROP TRIGGER conflicts ON runs",
            "CREATE CONSTRAINT TRIGGER conflicts AFTER INSERT ON reports DEFERRABLE INITIALLY "
            f"{when} FOR EACH ROW EXECUTE FUNCTION conflict()",
        )
        lease = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **lease, rows=[[1, {"loss": 0.5}]])
        assert rows(url, "SELECT last_value FROM tries") == [(6,)]
        client.call("exit", **lease, exit_code=0, last_words="")
    assert rows(url, "SELECT step, value FROM reports") == [(1, 0.5)]
    assert rows(url, "SELECT number, state, token, lost, score FROM runs") == [(1, "finished", 1, 0, 0.5)]


@pytest.mark.parametrize("lock", ["SELECT FROM store_state FOR UPDATE", "LOCK TABLE sweeps"])
def test_who_has_locked_the_tables_is_named_and_nobody_hangs(
    url: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """As an editor does in which somebody has left a transaction open."""
    PostgresStore(home).close()
    monkeypatch.setitem(module.PATIENT, "lock_timeout", "50ms")
    with psycopg.connect(url, application_name="an editor") as busy:
        busy.execute(lock.encode())
        words = f"session {busy.info.backend_pid} .an editor. of the database has locked the store's tables"
        leader = None
        with pytest.raises(StoreError, match=words) as told:  # noqa: PT012
            leader = PostgresStore(home)
            with leader.transaction() as writer:
                writer.create_sweep(ROW)
        assert not told.value.facts["is_lasting"]
    if leader is None:
        leader = PostgresStore(home)
    assert leader.holds()
    with leader.transaction() as writer:
        writer.create_sweep(ROW)
    leader.close()


def test_limits_of_a_role_do_not_end_who_reads_a_whole_store(url: str, home: Path) -> None:
    PostgresStore(home).close()
    name = url.rpartition("/")[2]
    execute(url, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = 50")
    with one_moment(home) as connection:
        time.sleep(0.2)  # as who writes what was read to a slow disk
        connection.exec_driver_sql("SELECT count(*) FROM runs")
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
