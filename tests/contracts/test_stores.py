"""Every backend of the store, under the contract suite; and what only a backend may know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sharpen
from sharpen.store.backends import BACKENDS, backend
from sharpen.store.location import link
from sharpen.testing.stores import CONTRACT

SOURCES = Path(sharpen.__file__).parent
ITS_OWN = {
    "store/__init__.py",
    "store/sqlite.py",
    "store/migrations.py",
    "store/backup.py",  # a copy is a file, wherever the store is
    "store/sqlite_file.py",  # for a store in a file only
    "store/schema_versions.py",
    "store/backends.py",
    "store/server_rows.py",  # sends the queries of a store in a file to its server
    "server/agents_api/rows.py",  # and there they are answered
    "report/optuna_study.py",  # a database of Optuna's, not of the store's
}
# the layout of a table, which other dialects pass over; which dialects are meant; what a room is about
ALLOWED = re.compile(r"sqlite_with_rowid|SQLite")


def _named(home: Path, request: pytest.FixtureRequest) -> None:
    link(home, request.getfixturevalue("postgres").new_database())


PREPARE = {"postgres": _named}
"""What a backend needs before a store can be opened in a folder."""
WRITTEN = [name for name in BACKENDS if name != "server"]  # that one only reads: its server writes
MARKED = [pytest.param(name, marks=pytest.mark.postgres if name in PREPARE else ()) for name in WRITTEN]


@pytest.mark.parametrize("check", CONTRACT)
@pytest.mark.parametrize("name", MARKED)
def test_a_backend_keeps_the_contract(
    name: str, check: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    PREPARE.get(name, lambda *_: None)(tmp_path, request)
    store = backend(name).open_store(tmp_path)
    try:
        CONTRACT[check](store)
    finally:
        store.close()


def test_nothing_but_the_backend_knows_sqlite() -> None:
    told = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for path in sorted(SOURCES.rglob("*.py"))
        if str(path.relative_to(SOURCES)) not in ITS_OWN and path.parent.name != "paper"  # has its own ledger
        for line in path.read_text().splitlines()
        if re.search(r"PRAGMA |sqlite", ALLOWED.sub("", line))
    ]
    assert told == []


def test_the_coordinator_writes_no_sql() -> None:
    told = [
        path.name
        for path in sorted((SOURCES / "coordinator").glob("*.py"))
        if re.search(r"sqlalchemy|store import schema|exec_driver_sql", path.read_text())
    ]
    assert told == []
