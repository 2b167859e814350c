"""A store that is none, has lost its content, or has a row that cannot be read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.errors import StoreError
from sharpen.store.location import FILE
from sharpen.store.queries import Reader
from sharpen.store.sqlite import open_reader, open_writer

SWEEP = "{program: t.py, method: random, metric: {name: s}, parameters: {x: {min: 0.0, max: 1.0}}}"


def change(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / FILE)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("open_it", [open_writer, open_reader])
def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path, open_it) -> None:
    change(tmp_path, "CREATE TABLE moz_places (url TEXT)")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match=r"database of another program \(tables: moz_places\)"):
        open_it(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_an_empty_database_beside_files_of_runs_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    open_writer(tmp_path).dispose()  # whoever began it was killed
    for file in tmp_path.glob(f"{FILE}*"):
        file.unlink()
    (tmp_path / FILE).touch()
    (tmp_path / "blobs" / "ab").mkdir(parents=True)
    (tmp_path / "blobs" / "ab" / ("c" * 62)).touch()
    for open_it in (open_writer, open_reader):
        with pytest.raises(StoreError, match="its history is gone"):
            open_it(tmp_path)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE sweeps SET spec = '{' WHERE name = 'one'", "is not YAML"),
        ("UPDATE sweeps SET tags = '{' WHERE name = 'one'", "cannot be read"),
        ("UPDATE sweeps SET created_at = 1e300 WHERE name = 'one'", "created_at 1e+300 is no date"),
        ("UPDATE runs SET config = 'x' WHERE sweep_id LIKE 'one%'", "cannot be read"),
        ("UPDATE runs SET state = 'zzz' WHERE sweep_id LIKE 'one%'", "'zzz' is no state of a run"),
        ("UPDATE runs SET ended_at = 'soon' WHERE sweep_id LIKE 'one%'", "cannot be read"),
    ],
)
def test_one_row_that_cannot_be_read_hides_no_other(tmp_path: Path, statement: str, why: str) -> None:
    with connect(tmp_path) as client:
        for name in ("one", "two"):
            text = SWEEP.replace("{program", f"{{name: {name}, program", 1)
            place = {"source": "s.yaml", "workdir": "/"}
            sweep_id = client.call("create_sweep", key=name, text=text, place=place)["sweep_id"]
            client.call("join", sweep_id=sweep_id, agent_id=name, host="h", pid=1, born="")
            run = client.call("lease", sweep_id=sweep_id, agent_id=name, key=name)["run"]
            lease = {"run_id": run["run_id"], "token": run["token"]}
            client.call("report", **lease, rows=[[1, {"s": 0.5}]])
            client.call("exit", **lease, exit_code=0, last_words="")
    ids = {row.name: row.id for row in Reader(tmp_path).sweeps()}
    change(tmp_path, statement.replace("LIKE 'one%'", f"= '{ids['one']}'"))
    said = CliRunner().invoke(main, ["--home", str(tmp_path), "ls", "--json"])
    assert said.exit_code == 0, said.output
    assert [row["name"] for row in json.loads(said.stdout)] == ["two"]
    assert "left out: " in said.stderr
    assert why in said.stderr
