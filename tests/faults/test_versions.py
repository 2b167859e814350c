"""A store of an older version, whose migration is killed at any moment; and one of a version to come."""

import contextlib
import shutil
import signal
import sqlite3

import pytest

from coordinator.harness import SWEEP, CoordinatorHarness
from faults.bench import Bench, ask
from sharpen.coordinator import connect
from sharpen.store import schema
from sharpen.store.location import FILE
from store.test_migrations import old_store

N_REPORTS = 3000
NEVER = 1 << 40


def look(path):
    """Return a database's version, whether it is sound, and what matters of its rows."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (sound,) = database.execute("PRAGMA integrity_check").fetchone()
        rows = [
            database.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3").fetchall()
            for columns, table in (
                ("id, key, status, seed", "sweeps"),
                ("id, number, state, score, token", "runs"),
                ("run_id, token, step, metrics, value", "reports"),
            )
        ]
    return version, sound, rows


def test_a_migration_killed_at_any_moment_leaves_a_store_of_a_version_on_the_way(tmp_path):
    with Bench(tmp_path) as bench:
        home = tmp_path / "old"
        engine = old_store(home)
        with engine.begin() as connection:
            insert = "INSERT INTO reports VALUES ('old1-2', 1, ?, '{\"val/sharpe\":0.5}', 1, 0.5, 2.0)"
            for step in range(2, N_REPORTS):
                connection.exec_driver_sql(insert, (step,))
        engine.dispose()
        before, sound, rows = look(home / FILE)
        assert (before, sound) == (1, "ok")

        shutil.copytree(home, bench.home)
        whole = bench.start_program("migrator.py", str(NEVER))
        assert whole.wait(60) == 0, bench.said()
        n_steps = int(whole.stdout.read())
        seen = set()
        for part in (0.02, 0.5, 0.8, 0.95, 0.995):
            shutil.rmtree(bench.home)
            shutil.copytree(home, bench.home)
            doomed = bench.start_program("migrator.py", str(int(part * n_steps)))
            assert doomed.wait(60) == -signal.SIGKILL
            version, sound, found = look(bench.home / FILE)
            seen.add(version)
            assert (before <= version <= schema.VERSION, sound, found == rows) == (True, "ok", True)

            harness = CoordinatorHarness(bench.home)  # the next to open it brings it up to date
            assert harness.lease("old1", "new")["run"]["token"] == 1
            harness.close()
            assert look(bench.home / FILE)[:2] == (schema.VERSION, "ok")
            assert look(bench.home / f"{FILE}.v{before}.backup") == (before, "ok", rows)
        assert before in seen
        print(f"{n_steps} steps; versions seen after a kill: {seen}")


@pytest.mark.parametrize("words", [["ls"], ["info", "last"], ["resume", "last"], ["note", "last", "hi"]])
def test_a_newer_store_is_refused_with_both_versions_and_the_fix(tmp_path, words):
    with Bench(tmp_path) as bench:
        with connect(bench.home) as client:
            client.call("create_sweep", key="k", text=SWEEP, place={"source": "s", "workdir": "/"})
        newer = schema.VERSION + 1
        with contextlib.closing(sqlite3.connect(bench.home / FILE)) as database:
            database.execute(f"PRAGMA user_version = {newer}")
        before = look(bench.home / FILE)
        done = ask(bench, *words)
        assert done.exit_code == 1
        assert f"has schema version {newer}" in done.stderr
        assert f"{schema.VERSION}: upgrade sharpen, or use another --home" in done.stderr
        assert look(bench.home / FILE) == before
        assert not list(bench.home.glob("*.backup"))
