"""aggregate, compare and export --to: figures of whole sweeps, in this house's and other people's tables."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace

import pytest

from cli.programs.strategy import N_FOLDS, mean
from sharpen.report.deepcave_run import write_tables
from sharpen.spec import Metric, parse
from sharpen.store.queries import Reader
from sharpen.trial import TrialState
from sharpen.views.aggregates import aggregates, at_budget, best_so_far


def test_each_configuration_has_its_mean_and_count(sharpen, store):
    found = json.loads(sharpen("aggregate", "last", "--json", home=store).stdout)
    assert [one["config"]["tilt"] for one in found] == [3, 2, 1, 0]
    assert [one["mean"] for one in found] == [mean(tilt, N_FOLDS) for tilt in (3, 2, 1, 0)]
    assert {one["count"] for one in found} == {1}
    assert sharpen("aggregate", "last", home=store).stdout.splitlines()[1].split()[0] == "4"


def test_what_was_stopped_early_comes_after_what_had_all_folds(store):
    reader = Reader(store)
    runs = reader.runs(reader.sweep("last").id)
    early = [replace(run, state=TrialState.STOPPED) if run.config["tilt"] == 3 else run for run in runs]
    found = aggregates(Metric("score", "maximize"), early, [])
    assert [(one.config["tilt"], one.is_whole) for one in found] == [
        (2, True),
        (1, True),
        (0, True),
        (3, False),
    ]


def test_a_sweep_is_compared_once(sharpen, store):
    (row,) = json.loads(sharpen("compare", "last", "--json", home=store).stdout)
    assert (row["method"], row["sweeps"]) == ("grid", 1)
    assert row["1"] == [mean(0, N_FOLDS)]
    assert row["2"] == [mean(1, N_FOLDS)]
    sweep_id = Reader(store).sweep("last").id
    twice = sharpen("compare", "last", sweep_id[:5], home=store)
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert f"sweep {sweep_id} is named twice: name each sweep once" in twice.stderr


def test_a_cheap_look_costs_its_share_and_is_no_result(store):
    reader = Reader(store)
    runs = reader.runs(reader.sweep("last").id)
    cheap = replace(runs[0], fidelity=1.0, score=99.0, state=TrialState.FINISHED, ended_at=1.0)
    whole = replace(runs[1], fidelity=4.0, score=5.0, state=TrialState.FINISHED, ended_at=2.0)
    curve = best_so_far(Metric("score", "maximize"), [cheap, whole])
    assert curve[0][0] == 0.25
    assert math.isnan(curve[0][1])
    assert curve[1] == (1.25, 5.0)
    assert math.isnan(at_budget(curve, 2.0))


def test_optuna_opens_the_study(sharpen, store, tmp_path):
    optuna = pytest.importorskip("optuna")
    file = tmp_path / "study.db"
    said = sharpen("export", "last", "--to", "optuna", "-o", file, home=store)
    assert said.exit_code == 0, said.output
    study = optuna.load_study(study_name="tilts", storage=f"sqlite:///{file}")
    assert study.best_params == {"tilt": 3}
    assert study.best_value == mean(3, N_FOLDS)
    assert [trial.params["tilt"] for trial in study.trials] == [0, 1, 2, 3]
    again = sharpen("export", "last", "--to", "optuna", "-o", file, home=store)
    assert again.exit_code == 2
    assert "is there already" in again.stderr


def test_deepcaves_tables_have_the_form_that_its_reader_takes(sharpen, store, tmp_path):
    folder = tmp_path / "run"
    for _ in range(2):  # the second time over the first
        assert sharpen("export", "last", "--to", "deepcave", "-o", folder, home=store).exit_code == 0
    assert "is a folder: name a file" in sharpen("export", "last", "-o", folder, home=store).stderr
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    header = next(name for name in rows[0] if name.startswith("metric:"))
    bound = r"[+-]?\d+(\.\d+)?"
    assert re.fullmatch(rf"metric:\w+ \[{bound}; {bound}\] \((maximize|minimize)\)", header)
    assert [float(row[header]) for row in rows] == [mean(tilt, N_FOLDS) for tilt in range(4)]
    assert [row["tilt"] for row in rows] == ["c_0", "c_1", "c_2", "c_3"]
    assert {row["status"] for row in rows} == {"SUCCESS"}
    with (folder / "configspace.csv").open(newline="") as file:
        (tilt,) = csv.DictReader(file)
    assert (tilt["name"], tilt["type"], tilt["item_0"], tilt["item_3"]) == (
        "tilt",
        "categorical",
        "c_0",
        "c_3",
    )


def test_a_parameter_that_a_run_did_not_have_has_its_default_since_deepcave_refuses_an_empty_cell(
    store, tmp_path
):
    parameters = "{kind: {values: [a, b]}, lr: {min: 0.0, max: 1.0, when: \"kind == 'a'\"}}"
    sweep = parse(f"{{program: t, method: random, metric: {{name: m}}, parameters: {parameters}}}")
    reader = Reader(store)
    runs = reader.runs(reader.sweep("last").id)[:2]
    configs = ({"kind": "a", "lr": 0.25}, {"kind": "b"})
    write_tables(sweep, [replace(run, config=one) for run, one in zip(runs, configs, strict=True)], tmp_path)
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert [(row["kind"], row["lr"]) for row in csv.DictReader(file)] == [("a", "0.25"), ("b", "0.5")]


def test_deepcave_gets_the_defaults_of_the_sweep_and_no_parameter_of_one_value(tmp_path):
    parameters = "{lr: {min: 0.0, max: 1.0}, kind: {values: [a, b]}, data: {value: us20}, one: {values: [7]}}"
    head = f"{{program: t, method: random, metric: {{name: m}}, parameters: {parameters}, "
    sweep = parse(head + "prior: [{lr: 0.1, kind: b}]}")
    assert write_tables(sweep, [], tmp_path) == 0
    with (tmp_path / "configspace.csv").open(newline="") as file:
        rows = {row["name"]: row["default"] for row in csv.DictReader(file)}
    assert rows == {"lr": "0.1", "kind": "b"}


def test_parquet_holds_what_csv_does(sharpen, store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "runs.parquet"
    assert sharpen("export", "last", "--to", "parquet", "-o", file, home=store).exit_code == 0
    table = parquet.read_table(file).to_pydict()
    assert table["config.tilt"] == [0, 1, 2, 3]
    assert table["score"] == [mean(tilt, N_FOLDS) for tilt in range(4)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "deepcave"], "needs -o: a folder"),
        (["--to", "parquet"], "needs -o FILE.parquet"),
        (["--to", "csv", "-o", "x.jsonl"], "writes a .csv file"),
    ],
)
def test_what_is_missing_is_said(sharpen, store, words, said):
    found = sharpen("export", "last", *words, home=store)
    assert found.exit_code == 2
    assert said in found.stderr
