"""Opening a store: the newest schema, however it got there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.harness import SWEEP, CoordinatorHarness
from sharpen.errors import NotFound, StoreError
from sharpen.store import schema
from sharpen.store.location import FILE
from sharpen.store.migrations import STEPS, migrate
from sharpen.store.queries import Reader
from sharpen.store.sqlite import open_reader, open_writer


def shape(path: Path) -> dict[str, list[Any]]:
    """Return every table and index of a database: columns, keys, and which of them are unique."""
    connection = sqlite3.connect(path)

    def ask(pragma: str, name: str) -> list[Any]:
        return connection.execute(f'PRAGMA {pragma}("{name}")').fetchall()

    found: dict[str, list[Any]] = {}
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    for table, sql in tables:
        indices = ask("index_list", table)
        found[table] = ask("table_xinfo", table)
        found[table] += sorted(ask("foreign_key_list", table))
        found[table] += sorted(
            (unique, origin, ask("index_xinfo", name)) for _, name, unique, origin, _ in indices
        )
        found[table].append("WITHOUT ROWID" in sql)
        found |= {name: ask("index_xinfo", name) for _, name, *_ in indices}
    connection.close()
    return found


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(found)


def test_a_store_migrated_step_by_step_is_the_one_that_the_metadata_says(tmp_path: Path) -> None:
    open_writer(tmp_path).dispose()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'metadata.db'}")
    schema.metadata.create_all(engine)
    engine.dispose()
    assert shape(tmp_path / FILE) == shape(tmp_path / "metadata.db")
    assert len(shape(tmp_path / FILE)) >= 7


def test_versions_go_up_by_one_to_the_schema_s() -> None:
    assert sorted(STEPS) == list(range(1, schema.VERSION + 1))


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    for _ in range(2):
        engine = open_writer(tmp_path)
        assert migrate(engine, tmp_path / FILE) == []
        engine.dispose()
    assert version(tmp_path / FILE) == schema.VERSION
    assert not list(tmp_path.glob("*.backup"))


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
        found.append(connection.exec_driver_sql("PRAGMA foreign_keys").scalar())
    engine.dispose()
    assert found == ["wal", 2, 1]


def old_store(home: Path) -> sa.Engine:
    """Make a store as the first version did, with a sweep that was at work when its host died."""
    home.mkdir(exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{home / FILE}")
    assert migrate(engine, home / FILE, {1: STEPS[1]}) == [1]
    sweep = ("old1", "k", "old", "running", "", SWEEP, "s.yaml", "/", 7, 5, 1, 1.0, None)
    run = ("old1", "", '{"x":0.25}', "random")
    with engine.begin() as connection:
        marks = ", ".join("?" * len(sweep))
        connection.exec_driver_sql(f"INSERT INTO sweeps VALUES ({marks})", sweep)
        insert = (
            "INSERT INTO runs (id, sweep_id, number, state, reason, config, origin, score, exit_code, token,"
            " lost, agent_id, lease_key, stop, summary, created_at, started_at, ended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'a', ?, '', '{}', 1.0, 1.0, ?)"
        )
        ends = [
            ("failed", "boom", None, 1, 4.0),
            ("finished", "", 0.5, 0, 5.0),
            ("running", "", None, None, None),
        ]
        for n, (state, reason, score, code, at) in enumerate(ends, 1):
            words = (f"old1-{n}", run[0], n, state, reason, run[2], run[3], score, code, 1, f"k{n}", at)
            connection.exec_driver_sql(insert, words)
        for n in (2, 3):
            row = (f"old1-{n}", 1, 1, '{"val/sharpe":0.5}', 1, 0.5, 2.0)
            connection.exec_driver_sql("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return engine


def test_a_store_of_version_1_becomes_one_of_today_s_and_goes_on(tmp_path: Path) -> None:
    old_store(tmp_path).dispose()
    with pytest.raises(StoreError, match=f"schema version 1, not {schema.VERSION}"):
        open_reader(tmp_path)
    harness = CoordinatorHarness(tmp_path)
    assert (version(tmp_path / FILE), version(tmp_path / f"{FILE}.v1.backup")) == (schema.VERSION, 1)
    (tmp_path / "new").mkdir()
    open_writer(tmp_path / "new").dispose()
    assert shape(tmp_path / FILE) == shape(tmp_path / "new" / FILE)
    state = harness.state("old1")
    assert [(t.state, t.score, len(t.reports)) for t in state.trials] == [
        ("failed", None, 0),
        ("finished", 0.5, 1),
        ("running", None, 1),
    ]
    assert Reader(tmp_path).progress("old1") == {"old1-2": (1, 0.5), "old1-3": (1, 0.5)}
    assert (state.n_failures, state.elapsed_s, state.rules.max_failures) == (0, 0.0, None)  # it was forgiven
    held = {"run_id": "old1-3", "token": 1}
    harness.report(held, 2, val_sharpe=0.75)
    harness.ask("exit", **held, exit_code=0, last_words="")
    assert harness.lease("old1", "new")["run"]["run_id"] == "old1-4"
    assert harness.restarted() == harness.in_memory()
    harness.close()


def test_what_ended_sweeps_and_runs_of_old_stores_becomes_a_cause(tmp_path: Path) -> None:
    """Until version 10 sentences said it, and nothing else did."""
    engine = old_store(tmp_path)
    migrate(engine, tmp_path / FILE, {n: step for n, step in STEPS.items() if n < 10})
    silent = "the program ended without logging val/sharpe, the sweep's metric; it logged "
    with engine.begin() as connection:
        late = "the time cap of 9 s of work is used up"
        connection.exec_driver_sql(
            "UPDATE sweeps SET status = 'stopped', reason = ?, n_forgiven = 0, time_cap_s = 9, elapsed_s = 9",
            (late,),
        )
        for number, state, code, reason in (
            (1, "failed", 0, f"{silent}nothing"),
            (2, "finished", 1, "out of memory with width 512: MemoryError"),
            (3, "failed", 0, f"{silent}loss"),
        ):
            connection.exec_driver_sql(
                "UPDATE runs SET state = ?, exit_code = ?, reason = ?, ended_at = ? WHERE number = ?",
                (state, code, reason, float(number), number),
            )
    engine.dispose()
    harness = CoordinatorHarness(tmp_path)
    ended = Reader(tmp_path).takeover.ended_runs("old1")
    assert [run.cause for run in ended] == ["no_metric", "out_of_memory", "no_metric"]
    state = harness.state("old1")
    assert (state.cause, state.last_cause, state.n_failures) == ("time_cap", "no_metric", 2)
    harness.ask("edit", sweep_id="old1", changes={"time_cap_s": 30.0})
    assert harness.state("old1").status == "running"
    harness.close()


def test_the_backup_of_an_old_store_is_the_old_store(tmp_path: Path) -> None:
    engine = old_store(tmp_path)
    before = shape(tmp_path / FILE)
    assert migrate(engine, tmp_path / FILE) == list(range(2, schema.VERSION + 1))
    engine.dispose()
    assert shape(tmp_path / f"{FILE}.v1.backup") == before
    assert shape(tmp_path / FILE) != before


def add_column(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE agents ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'")


def fill(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.sweeps.insert(),
            {
                "id": "s1",
                "key": "k",
                "name": "n",
                "status": "running",
                "spec": "",
                "source": "",
                "workdir": "",
                "seed": 0,
                "created_at": 1.0,
            },
        )
        about = {"id": "a1", "sweep_id": "s1", "host": "h", "pid": 1, "born": "b", "started_at": 2.0}
        connection.execute(schema.agents.insert(), about)


def test_a_step_keeps_the_data_and_leaves_a_backup(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    fill(engine)
    before = shape(tmp_path / FILE)
    newer = schema.VERSION + 1
    assert migrate(engine, tmp_path / FILE, {**STEPS, newer: add_column}) == [newer]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id, colour FROM agents").all() == [("a1", "blue")]
    engine.dispose()
    backup = tmp_path / f"{FILE}.v{schema.VERSION}.backup"
    assert (version(tmp_path / FILE), version(backup)) == (newer, schema.VERSION)
    assert shape(backup) == before
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT id FROM agents").fetchall() == [("a1",)]
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    copy.close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    def broken(connection: sa.Connection) -> None:
        add_column(connection)
        connection.exec_driver_sql("SELECT * FROM nowhere")

    engine = open_writer(tmp_path)
    before = shape(tmp_path / FILE)
    with pytest.raises(sa.exc.OperationalError, match="nowhere"):
        migrate(engine, tmp_path / FILE, {**STEPS, schema.VERSION + 1: broken})
    assert migrate(engine, tmp_path / FILE, {**STEPS, schema.VERSION + 1: add_column}) == [schema.VERSION + 1]
    engine.dispose()
    assert version(tmp_path / FILE) == schema.VERSION + 1
    assert shape(tmp_path / FILE) != before


def test_a_newer_store_is_refused_to_writers_and_readers(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
    engine.dispose()
    for opener in (open_writer, open_reader):
        with pytest.raises(StoreError, match=r"schema version 99.*upgrade sharpen, or use another --home"):
            opener(tmp_path)


def test_a_reader_of_an_older_store_says_how_to_bring_it_up_to_date(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / FILE).close()
    (tmp_path / FILE).touch()
    with pytest.raises(StoreError, match="brings it up to date"):
        open_reader(tmp_path)


def test_no_store_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no store in"):
        open_reader(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opener", [open_writer, open_reader])
def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path, opener: object) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at " * 100)
    with pytest.raises(StoreError, match="not a database"):
        opener(tmp_path)  # type: ignore[operator]


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot open the store"):
        open_writer(tmp_path / "file" / "home")


@pytest.mark.parametrize("name", ["a b", "what?x=1", "50%25", "#1", "né:e"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    open_writer(tmp_path / name).dispose()
    assert (tmp_path / name / FILE).is_file()
    open_reader(tmp_path / name).dispose()
