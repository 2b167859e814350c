"""Sweep files that are right."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sharpen.errors import NotFound, UsageError
from sharpen.space import Choice, Constant, Float, Int
from sharpen.spec import DEFAULT_COMMAND, EarlyTerminate, Metric, arguments, load, parse

SWEEPS = Path(__file__).parents[2] / "sweeps"
HEAD = "program: train.py\nmethod: random\nmetric: {name: val/loss}\n"


def space_of(parameters: str) -> dict[str, object]:
    return dict(parse(f"{HEAD}parameters: {parameters}").space.dimensions)


def test_the_xgboost_sweep_says_what_its_comments_say() -> None:
    sweep = load(SWEEPS / "xgboost_sweep.yaml")
    assert sweep.name == "xgboost-classifier"
    assert sweep.program == "scripts/train_classifier.py"
    assert (sweep.method, sweep.run_cap, sweep.seed) == ("bayes", 40, None)
    assert sweep.metric == Metric("val/sharpe", "maximize")
    assert sweep.command == DEFAULT_COMMAND
    assert sweep.stop == EarlyTerminate(min_iter=3, s=2, eta=3.0, strict=True)
    assert dict(sweep.space.dimensions) == {
        "max_depth": Int(3, 8),
        "learning_rate": Float(0.01, 0.3, log=True),
        "n_estimators": Int(50, 500),
        "min_child_weight": Int(1, 10),
        "subsample": Float(0.5, 1.0),
        "colsample_bytree": Float(0.5, 1.0),
        "gamma": Float(0.0, 5.0),
        "reg_alpha": Float(0.001, 10.0, log=True),
        "reg_lambda": Float(0.1, 10.0, log=True),
        "tp_atr_mult": Float(1.5, 2.0),
        "sl_atr_mult": Float(0.8, 1.2),
        "horizon_bars": Int(3, 10),
    }
    assert sweep.source_text == (SWEEPS / "xgboost_sweep.yaml").read_text()


@pytest.mark.parametrize(
    ("written", "dimension"),
    [
        ("{value: null}", Constant(None)),
        ("{value: {a: [1, true]}}", Constant({"a": [1, True]})),
        ("{values: [adam, 0, false, null, 0.5]}", Choice(("adam", 0, False, None, 0.5))),
        ("{values: [1, true, 1.0, '1']}", Choice((1, True, 1.0, "1"))),
        ("{min: 3, max: 8}", Int(3, 8)),
        ("{min: -3, max: 8.0}", Float(-3.0, 8.0)),
        ("{min: 0.5, max: 1}", Float(0.5, 1.0)),
        ("{distribution: constant, value: 3}", Constant(3)),
        ("{distribution: categorical, values: [3]}", Choice((3,))),
        ("{distribution: int_uniform, min: 0, max: 1}", Int(0, 1)),
        ("{distribution: uniform, min: 0, max: 1}", Float(0.0, 1.0)),
        ("{distribution: log_uniform_values, min: 1.0e-4, max: 1}", Float(1e-4, 1.0, log=True)),
        ("{distribution: log_uniform, min: -7, max: 0}", Float(math.exp(-7), 1.0, log=True)),
    ],
)
def test_each_distribution_has_its_dimension(written, dimension) -> None:
    (found,) = space_of(f"{{x: {written}}}").values()
    assert repr(found) == repr(dimension)


def test_nested_parameters_get_dotted_names_in_the_order_of_the_file() -> None:
    found = space_of(
        "{z: {value: 1}, a: {value: 2}, "
        "model: {parameters: {kind: {value: tree}, deep: {parameters: {n: {min: 1, max: 2}}}}}, "
        "b: {value: 2}}"
    )
    assert list(found) == ["z", "a", "model.kind", "model.deep.n", "b"]


def test_what_a_file_leaves_out_has_w_and_bs_default() -> None:
    sweep = parse(f"{HEAD}parameters: {{x: {{value: 1}}}}", "some/where/my_sweep.yaml")
    assert sweep.name == "my_sweep"
    assert sweep.metric.goal == "minimize"
    assert sweep.command == ("${env}", "${interpreter}", "${program}", "${args}")
    assert (sweep.stop, sweep.run_cap, sweep.seed) == (None, None, None)
    assert (sweep.description, sweep.project, sweep.entity) == ("", "", "")


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("{type: hyperband, min_iter: 3}", EarlyTerminate(min_iter=3)),
        (
            "{type: hyperband, min_iter: 3, s: 2, eta: 2, strict: false}",
            EarlyTerminate(3, None, 2, 2.0, False),
        ),
        ("{type: hyperband, max_iter: 27, s: 2}", EarlyTerminate(max_iter=27, s=2)),
    ],
)
def test_early_termination(written, rule) -> None:
    assert parse(f"{HEAD}parameters: {{x: {{value: 1}}}}\nearly_terminate: {written}").stop == rule


def test_yaml_anchors_and_merges_may_be_used() -> None:
    found = space_of("{a: &unit {min: 0.0, max: 1.0}, b: *unit, c: {<<: *unit, max: 2.0}}")
    assert found == {"a": Float(0.0, 1.0), "b": Float(0.0, 1.0), "c": Float(0.0, 2.0)}


@pytest.mark.parametrize("value", [0.25, 0.0, -3.0])
def test_a_metric_to_minimise_is_turned_round_and_back(value) -> None:
    loss, score = Metric("loss", "minimize"), Metric("score", "maximize")
    assert loss.larger_is_better(value) == -value
    assert loss.larger_is_better(loss.larger_is_better(value)) == value
    assert score.larger_is_better(value) == value
    assert math.isnan(loss.larger_is_better(math.nan))
    assert str(loss.larger_is_better(0.0)) == "0.0"


def test_the_command_of_a_run() -> None:
    parameters = (
        "{lr: {min: 0.0, max: 1.0}, flag: {values: [true, false]}, opt: {parameters: {name: {value: adam}, "
        "eps: {value: 1.0e-8}}}, none: {value: null}}"
    )
    sweep = parse(f"{HEAD}parameters: {parameters}")
    config = {"none": None, "flag": False, "lr": 1e-05, "opt.name": "adam", "opt.eps": 1e-8}
    assert arguments(sweep, config, "/venv/bin/python") == [
        "/usr/bin/env",
        "/venv/bin/python",
        "train.py",
        "--lr=1e-05",
        "--flag=False",
        "--opt={'name': 'adam', 'eps': 1e-08}",
        "--none=None",
    ]


def test_a_command_of_ones_own_keeps_its_other_words() -> None:
    command = "[nice, '${program}', --, 'a b$c ${HOME}/x', '${args}']"
    sweep = parse(f"{HEAD}parameters: {{x: {{value: 1}}}}\ncommand: {command}")
    assert arguments(sweep, {"x": 1}, "python") == ["nice", "train.py", "--", "a b$c ${HOME}/x", "--x=1"]


def test_a_command_without_the_program_macro_needs_no_program() -> None:
    sweep = parse(
        "{method: random, metric: {name: m}, parameters: {x: {value: 1}}, command: [./run.sh, '${args}']}"
    )
    assert arguments(sweep, {"x": 1}, "python") == ["./run.sh", "--x=1"]


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    with pytest.raises(NotFound, match=r"gone\.yaml"):
        load(tmp_path / "gone.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(UsageError, match=r"latin\.yaml cannot be read as text"):
        load(tmp_path / "latin.yaml")
