"""export: the figures of a sweep as a table, complete, and readable by others."""

import csv
import io
import json

import polars as pl
import pytest

from cli.programs.strategy import N_FOLDS, mean
from sharpen.store.queries import Reader


def test_a_row_for_each_run(sharpen, store):
    said = sharpen("export", "last", home=store)
    assert (said.exit_code, said.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert [(row["number"], row["state"], row["config.tilt"]) for row in rows] == [
        (str(n + 1), "finished", str(n)) for n in range(4)
    ]
    assert float(rows[3]["score"]) == float(rows[3]["metric.score"]) == mean(3, N_FOLDS)
    assert rows[0]["started_at"] < rows[0]["ended_at"]
    assert rows[0]["seed"] == "3"


def test_a_row_for_each_step(sharpen, store):
    file = store / "steps.jsonl"
    assert (
        sharpen("export", "last", "--steps", "-o", file, home=store).stderr == f"{4 * N_FOLDS} rows: {file}\n"
    )
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    reader = Reader(store)
    logged = reader.reports(sweep_id=reader.sweep("last").id)
    assert [(row["run"], row["step"], row["metric.score"]) for row in rows] == [
        (report.run_id, report.step, report.value) for report in logged
    ]


@pytest.mark.parametrize("name", ["runs.xlsx", "runs"])
def test_a_file_of_another_kind_is_refused(sharpen, store, name):
    said = sharpen("export", "last", "-o", store / name, home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "call it *.csv or *.jsonl" in said.stderr
    assert not (store / name).exists()


def test_a_run_is_found_by_the_start_of_its_sweep(sharpen, store):
    sweep_id = Reader(store).sweep("last").id
    assert (
        sharpen("logs", f"{sweep_id[:4]}-2", home=store).stdout
        == sharpen("logs", "last-2", home=store).stdout
    )
    assert Reader(store).run(f"{sweep_id[:4]}-2").id == f"{sweep_id}-2"


def test_a_folder_that_is_missing_is_said_in_a_line(store, sharpen):
    said = sharpen("export", "last", "-o", store / "missing" / "runs.csv", home=store)
    assert said.exit_code == 2
    assert said.stderr.splitlines()[-1].endswith("runs.csv: No such file or directory")
    assert len(said.stderr.splitlines()) == 1


def test_a_kind_that_is_named_is_written_whatever_the_file_is_called(sharpen, store):
    said = sharpen("export", "last", "--to", "parquet", "-o", store / "runs.pq", home=store)
    assert said.exit_code == 0
    assert pl.read_parquet(store / "runs.pq").height == len(
        Reader(store).runs(Reader(store).sweep("last").id)
    )
    odd = sharpen("export", "last", "--to", "parquet", "-o", store / "runs.csv", home=store)
    assert (odd.exit_code, "--to parquet writes a .parquet file" in odd.stderr) == (2, True)
