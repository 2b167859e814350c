"""Questions to a store, and what is said when there is no answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sharpen.errors import NotFound, StoreError
from sharpen.spec import Metric
from sharpen.store import schema
from sharpen.store.blobs import blob_path, put_file
from sharpen.store.location import FILE
from sharpen.store.queries import AT_ONCE, Reader
from sharpen.store.sqlite import open_writer

SWEEP = {"status": "running", "spec": "", "source": "s.yaml", "workdir": "/", "seed": 3, "run_cap": None}


def sweep(connection: sa.Connection, id: str, at: float) -> None:
    connection.execute(schema.sweeps.insert(), SWEEP | {"id": id, "key": id, "name": id, "created_at": at})


def run(
    connection: sa.Connection, sweep_id: str, number: int, state: str = "running", token: int = 1
) -> None:
    values = {"id": f"{sweep_id}-{number}", "sweep_id": sweep_id, "number": number, "state": state}
    connection.execute(
        schema.runs.insert(), values | {"config": '{"x":1}', "token": token, "created_at": 1.0}
    )


def report(connection: sa.Connection, run_id: str, token: int, step: int, value: float | None) -> None:
    row: dict[str, Any] = {"run_id": run_id, "token": token, "step": step, "metrics": "{}", "at": 1.0}
    connection.execute(schema.reports.insert(), row | {"has_metric": True, "value": value})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    engine = open_writer(tmp_path)
    with engine.begin() as connection:
        for at, name in enumerate(("abc1", "abd2", "xyz3")):
            sweep(connection, name, float(at))
        for number, state in ((10, "finished"), (9, "running"), (2, "finished")):
            run(connection, "abc1", number, state)
        run(connection, "xyz3", 1, token=2)
        report(connection, "xyz3-1", 1, 5, 0.1)
        report(connection, "xyz3-1", 2, 2, None)
        report(connection, "xyz3-1", 2, 1, 0.2)
        for first, text in ((1, "two\n"), (0, "one\n")):
            row = {"run_id": "xyz3-1", "token": 2, "first_line": first, "text": text, "at": 1.0}
            connection.execute(schema.console.insert(), row)
        old = {"run_id": "xyz3-1", "token": 1, "first_line": 0, "text": "old\n", "at": 1.0}
        connection.execute(schema.console.insert(), old)
    engine.dispose()
    return tmp_path


@pytest.fixture
def reader(home: Path) -> Iterator[Reader]:
    found = Reader(home)
    yield found
    found._engine.dispose()


@pytest.mark.parametrize(("maximize", "number"), [(True, 3), (False, 4)])
def test_the_best_run_is_a_finished_one_that_kept_every_constraint(
    home: Path, reader: Reader, maximize: bool, number: int
) -> None:
    engine = open_writer(home)
    with engine.begin() as connection:
        for n, score, violation in (
            (1, 9.0, 0.1),
            (2, -9.0, 0.1),
            (3, 1.0, 0.0),
            (4, 0.5, 0.0),
            (5, 1.0, 0.0),
        ):
            run(connection, "abd2", n, "finished")
            row = schema.runs.update().where(schema.runs.c.id == f"abd2-{n}")
            connection.execute(row.values(score=score, violation=violation))
    engine.dispose()
    best = reader.best("abd2", Metric("score", "maximize" if maximize else "minimize"))
    assert best is not None
    assert best.number == number


def test_sweeps_come_oldest_first_with_counts(reader: Reader) -> None:
    assert [(row.id, row.n_runs) for row in reader.sweeps()] == [
        ("abc1", {"finished": 2, "running": 1}),
        ("abd2", {}),
        ("xyz3", {"running": 1}),
    ]


@pytest.mark.parametrize(
    ("name", "found"), [("abc1", "abc1"), ("abc", "abc1"), ("x", "xyz3"), ("last", "xyz3")]
)
def test_a_sweep_is_found_by_id_prefix_or_as_the_last(reader: Reader, name: str, found: str) -> None:
    assert reader.sweep(name).id == found


@pytest.mark.parametrize(
    ("name", "words"),
    [("ab", "several.*abc1, abd2"), ("q", "no sweep 'q'"), ("", "no sweep ''"), ("abc12", "no sweep")],
)
def test_a_name_that_fits_none_or_several_is_not_found(reader: Reader, name: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        reader.sweep(name)


def test_an_exact_id_wins_over_longer_ones_and_over_last(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    with engine.begin() as connection:
        for at, name in enumerate(("ab", "abc", "last", "newest")):
            sweep(connection, name, float(at))
    engine.dispose()
    reader = Reader(tmp_path)
    assert (reader.sweep("ab").id, reader.sweep("last").id) == ("ab", "last")
    reader._engine.dispose()


def test_an_empty_store_has_no_last_sweep(tmp_path: Path) -> None:
    open_writer(tmp_path).dispose()
    reader = Reader(tmp_path)
    assert reader.sweeps() == []
    for ask in (lambda: reader.sweep("last"), lambda: reader.run("last-1")):
        with pytest.raises(NotFound, match=r"no (sweep 'last'|run 'last-1')"):
            ask()
    reader._engine.dispose()


def test_runs_come_by_number(reader: Reader) -> None:
    assert [row.number for row in reader.runs("abc1")] == [2, 9, 10]
    assert reader.runs("nowhere") == []
    assert (reader.run("last-1").id, reader.run("abc1-9").config) == ("xyz3-1", {"x": 1})
    with pytest.raises(NotFound, match="no run 'xyz3-2'"):
        reader.run("last-2")


@pytest.mark.parametrize("by", [{"run_id": "xyz3-1"}, {"sweep_id": "xyz3"}])
def test_reports_and_output_are_of_the_newest_lease_only(reader: Reader, by: dict[str, str]) -> None:
    rows = reader.reports(**by)
    assert [(row.step, row.value) for row in rows[:1]] == [(1, 0.2)]
    assert [row.step for row in rows] == [1, 2]
    assert math.isnan(rows[1].value)
    assert reader.console("xyz3-1") == "one\ntwo\n"
    assert reader.console("xyz3-1", first_line=1) == "two\n"
    assert reader.console("nowhere") == ""


def test_a_reader_cannot_write(reader: Reader) -> None:
    with pytest.raises(sa.exc.OperationalError, match="readonly"), reader._engine.begin() as connection:
        connection.execute(schema.runs.delete())


def test_a_reader_sees_commits_while_a_writer_is_at_work(home: Path, reader: Reader) -> None:
    engine = open_writer(home)
    with engine.connect() as connection:
        with connection.begin():
            sweep(connection, "zzz4", 9.0)
            assert reader.sweep("last").id == "xyz3"
        assert reader.sweep("last").id == "zzz4"
    engine.dispose()


def test_a_store_that_breaks_under_a_reader_is_a_store_error(home: Path) -> None:
    reader = Reader(home)
    reader._engine.dispose()
    for file in home.glob(f"{FILE}*"):
        file.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="cannot read the store"):
        reader.sweeps()
    reader._engine.dispose()


def test_a_blob_is_named_by_its_content_and_kept_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert put_file(tmp_path / "home", tmp_path / "a") == (digest, 3)
    assert put_file(tmp_path / "home", tmp_path / "b") == (digest, 3)
    assert [p for p in (tmp_path / "home").rglob("*") if p.is_file()] == [
        blob_path(tmp_path / "home", digest)
    ]


def test_a_large_and_an_empty_file_are_kept_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * (3 << 12) + b"end"
    for data in (content, b""):
        (tmp_path / "file").write_bytes(data)
        digest, n_bytes = put_file(tmp_path, tmp_path / "file")
        assert n_bytes == len(data)
        assert blob_path(tmp_path, digest).read_bytes() == data


def test_a_file_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_file(tmp_path, tmp_path / "nothing")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_only_runs_that_may_have_changed_are_read_again(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    with engine.begin() as connection:
        sweep(connection, "s", 1.0)
        for number, state in enumerate(("finished", "running", *["pending"] * 6), 1):
            run(connection, "s", number, state, token=int(state != "pending"))
    found = Reader(tmp_path)
    before = found.runs("s")
    assert [row.number for row in found.runs_since("s", before)] == [2]
    changes: dict[int, dict[str, Any]] = {
        4: {"state": "running", "token": 1},
        5: {"state": "canceled"},
        6: {"token": 1, "lost": 1},  # leased and lost: it waits again
        7: {"deleted_at": 9.0},
    }
    with engine.begin() as connection:
        for number, values in changes.items():
            connection.execute(schema.runs.update().where(schema.runs.c.number == number).values(values))
        run(connection, "s", 9, "pending", token=0)
    assert [(row.number, row.state) for row in found.runs_since("s", before)] == [
        (2, "running"),
        (4, "running"),
        (5, "canceled"),
        (6, "pending"),
        (9, "pending"),
    ]
    engine.dispose()
    found._engine.dispose()


def test_more_runs_may_have_changed_than_one_question_can_name(tmp_path: Path) -> None:
    engine = open_writer(tmp_path)
    with engine.begin() as connection:
        sweep(connection, "s", 1.0)
        for number in range(1, AT_ONCE + 3):
            run(connection, "s", number, "pending", token=0)
    found = Reader(tmp_path)
    before = found.runs("s")
    assert found.runs_since("s", before) == []
    with engine.begin() as connection:
        connection.execute(schema.runs.update().values(state="canceled"))
    assert found.runs_since("s", before) == found.runs("s")
    engine.dispose()
    found._engine.dispose()
