"""Sweep files that are right."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sharpen.errors import NotFound, UsageError
from sharpen.space import (
    Beta,
    Choice,
    Condition,
    Constant,
    Float,
    Int,
    Normal,
    Rounded,
    Weighted,
)
from sharpen.spec import (
    DEFAULT_COMMAND,
    Constraint,
    EarlyTerminate,
    Metric,
    Resources,
    load,
    parse,
)

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
        ("{distribution: inv_log_uniform, min: 0, max: 7}", Float(math.exp(-7), 1.0, log=True)),
        ("{distribution: inv_log_uniform_values, min: 0.5, max: 4}", Float(0.5, 4.0, log=True)),
        ("{distribution: q_uniform, min: 0, max: 10}", Rounded(Float(0.0, 10.0), 1)),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0.1}", Rounded(Float(0.0, 1.0), 0.1)),
        (
            "{distribution: q_log_uniform, min: 0, max: 2, q: 2}",
            Rounded(Float(1.0, math.exp(2), log=True), 2),
        ),
        (
            "{distribution: q_log_uniform_values, min: 16, max: 512, q: 16}",
            Rounded(Float(16.0, 512.0, log=True), 16),
        ),
        ("{distribution: normal}", Normal(0.0, 1.0)),
        ("{distribution: normal, mu: 3, sigma: 0.5}", Normal(3.0, 0.5)),
        ("{distribution: q_normal, mu: 3, q: 0.5}", Rounded(Normal(3.0, 1.0), 0.5)),
        ("{distribution: log_normal, mu: -3, sigma: 0.5}", Normal(-3.0, 0.5, log=True)),
        ("{distribution: q_log_normal, mu: 3}", Rounded(Normal(3.0, 1.0, log=True), 1)),
        ("{distribution: beta}", Beta(1.0, 1.0)),
        ("{distribution: beta, a: 2, b: 7}", Beta(2.0, 7.0)),
        ("{distribution: q_beta, a: 2, b: 7, q: 0.05}", Rounded(Beta(2.0, 7.0), 0.05)),
        ("{values: [a, b], probabilities: [0.25, 0.75]}", Weighted(("a", "b"), (0.25, 0.75))),
        (
            "{distribution: categorical_w_probabilities, values: [1], probabilities: [1]}",
            Weighted((1,), (1.0,)),
        ),
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
        ("{type: asha}", EarlyTerminate(min_iter=1, s=0, type="asha")),
        ("{type: asha, min_iter: 2, max_iter: 9, eta: 2}", EarlyTerminate(2, 9, 0, 2.0, type="asha")),
        (
            "{type: median, min_iter: 3}",
            EarlyTerminate(
                min_iter=3, type="median", options={"min_runs": 5, "interval": 1, "values": "running_mean"}
            ),
        ),
        (
            "{type: racing, level: 0.1}",
            EarlyTerminate(
                min_iter=2,
                type="racing",
                options={"min_runs": 5, "level": 0.1, "prior_folds": 8.0, "values": "running_mean"},
            ),
        ),
        ("{type: custom, name: mine, options: {a: [1]}}", EarlyTerminate(type="mine", options={"a": [1]})),
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


OWN = """
program: train.py
method: bayes
optimizer: {type: gp, n_startup: 20}
metric: {name: val/sharpe, goal: maximize, target: 3, impute: best, impute_while_running: false}
parameters:
  booster: {values: [gbtree, dart]}
  drop: {min: 0, max: 1.0, when: {booster: dart}}
  tree: {parameters: {depth: {min: 1, max: 9}, leaves: {min: 2, max: 99, when: {depth: [8, 9]}}}}
forbidden:
  - {booster: dart, tree.depth: 9}
prior:
  - {booster: gbtree, tree: {depth: 8.0, leaves: 31}}
  - {booster: dart, tree.depth: 2}
constraints: {val/n_trades: ">= 30", val/turnover: ["> 0", "<= 5e-1"]}
cost_metric: train/n_nodes
repeats: 3
max_failures: 7
time_cap: 1h 30m
resume: true
resources: {threads: 2, gpu: 0.5}
seed: 4
data: stocks
folds: {n_folds: 9, window: rolling}
costs: {bps: 5}
lockbox: {share: 0.2}
"""


def test_a_list_in_forbidden_stands_for_any_of_its_values() -> None:
    own = "{a: {values: [1, 2, 3]}, b: {values: [x, y]}, c: {values: [[1, 2], [3]]}}"
    words = "[{a: [1, 3], b: x}, {b: [x, y], a: 2}, {c: [1, 2], a: 1}]"
    sweep = parse(
        f"{{program: t.py, method: grid, metric: {{name: s}}, parameters: {own}, forbidden: {words}}}"
    )
    assert sweep.space.forbidden == (
        {"a": 1, "b": "x"},
        {"a": 3, "b": "x"},
        {"b": "x", "a": 2},
        {"b": "y", "a": 2},
        {"c": [1, 2], "a": 1},
    )


def test_sharpens_own_keys() -> None:
    sweep = parse(OWN)
    assert (sweep.method, dict(sweep.options)) == ("gp", {"n_startup": 20})
    assert sweep.metric == Metric("val/sharpe", "maximize", 3.0, "best", None)
    assert (sweep.metric.impute, sweep.metric.impute_while_running) == ("best", None)
    assert sweep.metrics == (sweep.metric,)
    assert dict(sweep.space.conditions) == {
        "drop": Condition("booster", ("dart",)),
        "tree.leaves": Condition("tree.depth", (8, 9)),
    }
    assert sweep.space.forbidden == ({"booster": "dart", "tree.depth": 9},)
    constants = {"data": "stocks", "n_folds": 9, "window": "rolling", "cost_bps": 5.0, "lockbox_share": 0.2}
    assert sweep.prior == (
        {"booster": "gbtree", "tree.depth": 8, "tree.leaves": 31, **constants},
        {"booster": "dart", "drop": 0.5, "tree.depth": 2, **constants},
    )
    assert sweep.constraints == (
        Constraint("val/n_trades", ">=", 30.0),
        Constraint("val/turnover", ">", 0.0),
        Constraint("val/turnover", "<=", 0.5),
    )
    assert sweep.cost_metric == "train/n_nodes"
    assert (sweep.repeats, sweep.max_failures, sweep.time_cap_s, sweep.resume) == (3, 7, 5400.0, True)
    assert (sweep.resources, sweep.seed) == (Resources(2, 0.5), 4)
    added = {name: dim for name, dim in sweep.space.dimensions.items() if isinstance(dim, Constant)}
    assert added == {name: Constant(value) for name, value in constants.items()}
    assert list(sweep.space.dimensions)[:4] == ["booster", "drop", "tree.depth", "tree.leaves"]


def test_a_group_may_wait_and_names_mean_the_nearest_parameter() -> None:
    found = parse(
        f"""{HEAD}parameters:
  kind: {{values: [a, b]}}
  kind_of_c: {{values: [1, 2], when: {{kind: b}}}}
  g:
    when: {{kind: a}}
    parameters:
      kind: {{values: [1, 2]}}
      x: {{min: 0.0, max: 1.0, when: {{kind: 2}}}}
"""
    ).space
    assert dict(found.conditions) == {
        "kind_of_c": Condition("kind", ("b",)),
        "g.kind": Condition("kind", ("a",)),
        "g.x": Condition("g.kind", (2,)),
    }
    assert found.size is None
    assert found.contains({"kind": "b", "kind_of_c": 1})


def test_several_metrics_make_a_search_for_trade_offs() -> None:
    both = "{metrics: [{name: a, goal: maximize}, {name: b}], program: t, parameters: {x: {value: 1}}, "
    sweep = parse(f"{both} method: custom}}")
    assert sweep.metrics == (Metric("a", "maximize"), Metric("b"))
    assert (sweep.metric, sweep.method) == (sweep.metrics[0], "nsga2")
    assert parse(f"{both} method: random}}").method == "random"


def test_keys_of_w_and_bs_service_are_taken_and_named() -> None:
    sweep = parse(
        f"{HEAD}parameters: {{x: {{value: 1}}}}\ncontroller: {{type: local}}\nscheduler: {{engine: optuna}}\n"
        "apiVersion: v1\nkind: sweep\njob: j\nimage_uri: u\nlaunch: {queue: q}"
    )
    assert set(sweep.ignored) == {
        *("controller", "scheduler", "apiVersion", "kind", "job", "image_uri", "launch")
    }


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("2h", 7200),
        ("90m", 5400),
        ("90 min", 5400),
        ("1d2h3m4s", 93784),
        ("0.5 h", 1800),
    ],
)
def test_lengths_of_time(written, seconds) -> None:
    assert parse(f"{HEAD}parameters: {{x: {{value: 1}}}}\ntime_cap: {written}").time_cap_s == seconds


@pytest.mark.parametrize(
    ("op", "bound", "kept", "missed"),
    [
        (">=", 30.0, [(30.0), (99.0)], {24.0: 0.2, 0.0: 1.0}),
        ("<=", 0.5, [0.5, -1.0], {1.0: 1.0}),
        ("<=", -2.0, [-2.0, -3.0], {-1.0: 0.5}),
        (">=", 0.0, [0.0], {-0.25: 0.25}),
        (">", 1.0, [1.1], {0.5: 0.5, math.nan: math.inf}),
        ("<", 1.0, [0.9], {1.5: 0.5, math.inf: math.inf}),
    ],
)
def test_a_violation_is_counted_in_units_of_the_bound(op, bound, kept, missed) -> None:
    constraint = Constraint("m", op, bound)
    assert all(constraint.violation(value) == 0.0 for value in kept)
    assert {value: constraint.violation(value) for value in missed} == pytest.approx(missed, nan_ok=True)
    if op in "<>":
        assert 0 < constraint.violation(bound) < 1e-9


def test_names_with_dots_stay_flat_where_they_are_written_flat() -> None:
    sweep = parse(f"{HEAD}parameters: {{a.lr: {{value: 1}}, b: {{parameters: {{lr: {{value: 2}}}}}}}}")
    assert sweep.dotted == {"a.lr"}
    assert sweep.nested({"b.lr": 2, "a.lr": 1}) == {"a.lr": 1, "b": {"lr": 2}}


def test_files_that_cannot_be_read_are_named(tmp_path) -> None:
    with pytest.raises(NotFound, match=r"gone\.yaml"):
        load(tmp_path / "gone.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(UsageError, match=r"latin\.yaml cannot be read as text"):
        load(tmp_path / "latin.yaml")
