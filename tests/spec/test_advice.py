"""Advice on sweep files that are right."""

from __future__ import annotations

import pytest
import yaml

from sharpen.spec import lint, lint_command, lint_program, parse

QUIET = {
    "program": "train.py",
    "method": "random",
    "run_cap": 40,
    "metric": {"name": "val/sharpe", "goal": "maximize"},
    "parameters": {
        "depth": {"min": 3, "max": 8},
        "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "n_trees": {"min": 50, "max": 500},
        "kind": {"values": ["a", "b"]},
        "batch": {"distribution": "q_log_uniform_values", "min": 16, "max": 256, "q": 16},
    },
}


def advice(**changed: object) -> dict[str, str]:
    return {found.path: found.sentence for found in lint(parse(yaml.safe_dump({**QUIET, **changed})))}


def about(parameter: object, name: str = "x") -> dict[str, str]:
    return advice(parameters={name: parameter, "rest": {"min": 0.0, "max": 9.0}})


def test_a_good_file_needs_no_advice() -> None:
    assert advice() == {}
    assert advice(method="bayes", early_terminate={"type": "hyperband", "min_iter": 3}) == {}


def test_a_cap_that_cuts_a_configuration_s_repeats_short() -> None:
    assert advice(repeats=4) == {}
    said = advice(repeats=3)["$.run_cap"]
    assert said == "the last configuration gets 1 of its 3 runs, and cannot win: take 39 or 42"
    assert advice(repeats=3, run_cap=2)["$.run_cap"].endswith("gets 2 of its 3 runs, and cannot win: take 3")
    assert list(advice(repeats=100)) == ["$.run_cap"]
    assert "cannot win: take 100" in advice(repeats=100)["$.run_cap"]
    few = advice(repeats=5, method="bayes")["$.run_cap"]
    assert few.endswith("learns nothing from 8: raise it to 150 or more")


def test_a_method_for_another_number_of_metrics() -> None:
    two = "{program: t, run_cap: 60, metrics: [{name: a}, {name: b}], parameters: {x: {min: 0.0, max: 9.0}}, "
    said = {method: lint(parse(f"{two} method: {method}}}")) for method in ("tpe", "nsga2", "random")}
    assert [found.sentence for found in said.pop("tpe")] == [
        "tpe searches the first of the metrics alone: for trade-offs take nsga2"
    ]
    assert said == {"nsga2": [], "random": []}
    assert "for one metric take bayes" in advice(method="nsga2")["$.method"]


def test_a_target_of_another_metric_than_the_first() -> None:
    more = "method: nsga2, run_cap: 60, parameters: {x: {min: 0.0, max: 9.0}}"
    said = lint(parse(f"{{program: t, metrics: [{{name: a, target: 1}}, {{name: b, target: 2}}], {more}}}"))
    assert [(found.path, found.sentence) for found in said] == [
        ("$.metrics[1].target", "has no effect: only the first metric's ends a sweep")
    ]


def test_a_cost_that_the_method_does_not_ask_for() -> None:
    assert advice(method="bayes", cost_metric="train/n_nodes") == {}
    assert advice(method="bayes", optimizer={"type": "gp"}, cost_metric="train/n_nodes") == {}
    said = advice(method="tpe", cost_metric="train/n_nodes")
    assert said == {"$.cost_metric": "has no effect: tpe does not ask what a run costs; bayes does"}


def test_a_cap_that_leaves_nothing_to_learn_from() -> None:
    said = advice(method="tpe", run_cap=10)["$.run_cap"]
    assert said.startswith("the first 10 runs of tpe are random, so that it learns nothing from 10")
    assert advice(method="tpe", run_cap=10, optimizer={"n_startup_trials": 4}) == {}
    assert (
        "first 12 runs of gp"
        in advice(run_cap=10, optimizer={"type": "gp", "n_startup_trials": 12})["$.run_cap"]
    )


@pytest.mark.parametrize(
    ("name", "goal", "says"),
    [
        ("val/sharpe", "minimize", "write goal: maximize"),
        ("accuracy", "minimize", "write goal: maximize"),
        ("val_auc", "minimize", "write goal: maximize"),
        ("val/loss", "maximize", "write goal: minimize"),
        ("max_drawdown", "maximize", "write goal: minimize"),
        ("val/loss", "minimize", None),
        ("error_of_return", "minimize", None),
        ("accurate_thing", "minimize", None),
        ("basic", "minimize", None),
    ],
)
def test_goals_that_sound_the_wrong_way_round(name, goal, says) -> None:
    found = advice(metric={"name": name, "goal": goal})
    assert list(found) == ([] if says is None else ["$.metric.goal"])
    assert says is None or says in found["$.metric.goal"]


def test_goals_of_several_metrics() -> None:
    both = [{"name": "val/sharpe", "goal": "maximize"}, {"name": "val/sortino"}]
    text = yaml.safe_dump({**{k: v for k, v in QUIET.items() if k != "metric"}, "metrics": both})
    assert [found.path for found in lint(parse(text))] == ["$.metrics[1].goal"]


@pytest.mark.parametrize(
    ("name", "parameter", "says"),
    [
        ("lr", {"min": 0.01, "max": 0.1}, "add distribution: log_uniform_values"),
        (
            "net_lr",
            {"min": 0.0, "max": 0.1},
            "give a min such as 0.0001 and distribution: log_uniform_values",
        ),
        ("x", {"min": 0.001, "max": 1.0}, "between 0.1009 and 1, since the scale is linear"),
        ("x", {"min": 1, "max": 1000}, "add distribution: q_log_uniform_values"),
        ("x", {"distribution": "q_uniform", "min": 1, "max": 1000, "q": 1}, "q_log_uniform_values"),
        ("x", {"min": 0.01, "max": 1.0}, None),
        ("x", {"min": 0.0, "max": 1000.0}, None),
        ("lr", {"min": 0.09, "max": 0.1}, None),
        ("lr_decay_steps", {"min": 10, "max": 100}, None),
        ("x", {"distribution": "log_uniform_values", "min": 1e-9, "max": 1.0}, "spans 9 powers of ten"),
        ("x", {"distribution": "log_normal", "sigma": 4.0}, "powers of ten"),
        ("x", {"distribution": "log_uniform", "min": 0.001, "max": 0.1}, "takes exponents of e"),
        ("x", {"distribution": "q_uniform", "min": 1, "max": 10, "q": 4}, "gives 0 to 8, beyond 1 to 10"),
        ("x", {"distribution": "log_uniform_values", "min": 1e-320, "max": 1e308}, "spans 628 powers of ten"),
        ("x", {"distribution": "q_uniform", "min": 6, "max": 9, "q": 20}, "always gives 0: make q smaller"),
        ("x", {"values": ["a", "b"], "probabilities": [0, 1]}, "never draws 'a', whose probability is 0"),
        ("x", {"min": 0, "max": 1}, "only 0 and 1 are drawn"),
        ("x", {"values": [3]}, "write value:"),
        ("x", {"values": [1, 2, 4, 8]}, None),
    ],
)
def test_scales_and_ranges(name, parameter, says) -> None:
    found = about(parameter, name)
    assert list(found) == ([] if says is None else [f"$.parameters.{name}"])
    assert says is None or says in found[f"$.parameters.{name}"]


@pytest.mark.parametrize(("method", "says"), [("tpe", True), ("random", False), ("grid", False)])
def test_the_order_of_numbers_is_something_only_to_methods_that_learn(method: str, says: bool) -> None:
    found = advice(method=method, parameters={"x": {"values": [3, 4, 5, 6]}, "y": {"values": [1, 2]}})
    assert ("write min: 3 and max: 6" in found.get("$.parameters.x", "")) == says


def test_a_nested_parameter_is_named_where_it_is() -> None:
    inner = {"parameters": {"lr": {"min": 0.01, "max": 0.1}}}
    assert list(advice(parameters={"opt": inner})) == ["$.parameters.opt.parameters.lr"]


@pytest.mark.parametrize(
    ("changed", "path", "says"),
    [
        ({"run_cap": 8, "method": "bayes"}, "$.run_cap", "first 8 runs of bayes are random"),
        ({"parameters": {"x": {"min": 1, "max": 9}}}, "$.run_cap", "there are 9 configurations"),
        ({"parameters": {"x": {"value": 1}}}, "$.parameters", "nothing varies"),
        ({"constraints": {"a": [">= 5", "<= 1"]}}, "$.constraints.a", "no value is both >= 5 and <= 1"),
        ({"constraints": {"a": [">= 5", "< 5", "< 9"]}}, "$.constraints.a", "both >= 5 and < 5"),
        ({"method": "nsga2"}, "$.method", "for one metric take bayes"),
        (
            {"method": "grid", "parameters": {"x": {"min": 1, "max": 60}}},
            "$.run_cap",
            "has 60 configurations",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3, "s": 2}},
            "$.early_terminate.s",
            "no effect beside min_iter",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 9}, "folds": {"n_folds": 9}},
            "$.early_terminate.min_iter",
            "lower it to 3",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3}, "folds": {"n_folds": 9}},
            "$.early_terminate.min_iter",
            "take 8 or 10 folds",
        ),
        (
            {"early_terminate": {"type": "hyperband", "max_iter": 27, "s": 2}, "folds": {"n_folds": 9}},
            "$.early_terminate.max_iter",
            "write 9",
        ),
        (
            {"early_terminate": {"type": "median", "min_runs": 40}},
            "$.early_terminate.min_runs",
            "run_cap is 40: lower it",
        ),
        ({"controller": {"type": "local"}}, "$.controller", "has no effect here"),
        ({"command": ["--file=${program}"]}, "$.command[0]", "only filled in when it is a word by itself"),
        (
            {"run_cap": 1, "prior": [{"depth": 3}, {"depth": 4}]},
            "$.prior",
            "lists 2 configurations, but run_cap is 1",
        ),
    ],
)
def test_what_must_go_together(changed, path, says) -> None:
    found = advice(**changed)
    assert list(found) == [path]
    assert says in found[path]


def test_bounds_that_can_be_met_need_no_advice() -> None:
    assert advice(constraints={"a": [">= 5", "<= 5"], "b": "> 1", "c": ["< 3", "> 2"]}) == {}


def test_imputing_among_several_metrics() -> None:
    several = [{"name": "a", "impute": "worst"}, {"name": "b", "impute_while_running": "best"}]
    text = yaml.safe_dump({**{k: v for k, v in QUIET.items() if k != "metric"}, "metrics": several})
    assert [found.path for found in lint(parse(text))] == [
        "$.metrics[0].impute",
        "$.metrics[1].impute_while_running",
    ]


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        (["${env}", "${interpreter}", "${program}"], []),
        (["${env}", "A=1", "gone", "${program}"], ["$.command[2]"]),
        (["here", "${envvar:SET}", "x-${envvar:UNSET}"], ["$.command[2]"]),
        (["${envvar:SET}"], []),
    ],
)
def test_a_command_that_cannot_start_here(command, paths) -> None:
    sweep = parse(yaml.safe_dump({**QUIET, "command": command}))
    found = lint_command(sweep, {"SET": "1"}, {"here": "/bin/here"}.get)
    assert [one.path for one in found] == paths


@pytest.mark.parametrize(
    ("changed", "is_endless"),
    [
        ({}, True),
        ({"method": "bayes"}, True),
        ({"time_cap": "2h"}, False),
        ({"metric": {"name": "loss", "target": 0.1}}, False),
        ({"method": "grid", "parameters": {"x": {"value": 1}}}, False),
    ],
)
def test_a_search_without_an_end(changed, is_endless) -> None:
    text = yaml.safe_dump({**{k: v for k, v in QUIET.items() if k != "run_cap"}, **changed})
    found = {one.path: one.sentence for one in lint(parse(text))}
    assert ("$.run_cap" in found) is is_endless
    assert not is_endless or "add run_cap, or time_cap" in found["$.run_cap"]


@pytest.mark.parametrize(
    ("program", "is_silent"),
    [
        ("import wandb\nwandb.init()\n", True),
        ("import os\n\ndef main():\n    from wandb import log\n", True),
        ("import numpy; import wandb as w", True),
        ("import wandb.sklearn\n# sharpen it\n", True),
        ("import wandb\nfrom sharpen import tracking\n", False),
        ("import sharpen.tracking as t\ntry:\n  import wandb\nexcept ImportError: pass\n", False),
        ("# import wandb\nprint('import wandb')\n", True),
        ("import wandbox\n", True),
        ("", False),
    ],
)
def test_a_program_that_does_not_log_to_sharpen(program: str, is_silent: bool) -> None:
    said = [advice.sentence for advice in lint_program(program)]
    assert len(said) == is_silent
    assert all("log with sharpen.tracking, see docs/porting.md" in sentence for sentence in said)
