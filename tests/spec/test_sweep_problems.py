"""Sweep files that are wrong: every problem at once, each with its place and its fix."""

from __future__ import annotations

import pickle

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.errors import SpecError
from sharpen.spec import Sweep, lint, parse, schema
from sharpen.spec.distributions import DISTRIBUTIONS
from sharpen.spec.sweep_file import SWEEP

EDITOR = jsonschema.Draft7Validator(schema())
GOOD = {
    "program": "train.py",
    "method": "random",
    "metric": {"name": "loss"},
    "parameters": {"x": {"value": 1}},
}


def problems(text: str) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    found = caught.value.facts["problems"]
    assert len(str(caught.value).splitlines()) == len(found) + 1
    return dict(found)


def with_parameter(written: str) -> dict[str, str]:
    return problems(f"program: t.py\nmethod: random\nmetric: {{name: m}}\nparameters: {{lr: {written}}}")


def with_key(**changed: object) -> dict[str, str]:
    return problems(yaml.safe_dump({**GOOD, **changed}))


P = "$.parameters.lr"


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ("{distribution: q_norml}", f"{P}.distribution", "did you mean 'q_normal'?; known: constant,"),
        ("{distribution: normal, sigma: 0}", f"{P}.sigma", "above 0"),
        ("{distribution: normal, mu: 1.0e+9, sigma: 1.0e-9}", P, "too small beside mu"),
        ("{distribution: normal, sigma: 1.0e+308}", P, "make sigma smaller"),
        ("{distribution: log_normal, mu: 900}", P, "those of the logarithm"),
        ("{distribution: beta, a: 0}", f"{P}.a", "at least 0.001"),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0}", f"{P}.q", "at least 1"),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0.0}", f"{P}.q", "above 0"),
        ("{distribution: q_uniform, min: 0, max: 1, q: 1.0e-12}", f"{P}.q", "too small for the range"),
        ("{distribution: uniform, min: 0, max: 1, q: 1}", f"{P}.q", "unknown key"),
        ("{distribution: inv_log_uniform, min: 3, max: 2}", P, "min 3.0 is not below max 2.0"),
        ("{values: [1, 2], probabilities: [1.0]}", f"{P}.probabilities", "has 1 numbers for 2 values"),
        ("{values: [1, 2], probabilities: [0.5, 0.6]}", f"{P}.probabilities", "add up to 1.1"),
        ("{values: [1, 2], probabilities: [1.5, 0.5]}", f"{P}.probabilities[0]", "at most 1"),
        ("{values: [1], distribution: categorical_w_probabilities}", f"{P}.probabilities", "is missing"),
        ("{value: 1, when: 3}", f"{P}.when", "must be a mapping"),
        ("{value: 1, when: {a: 1, b: 2}}", f"{P}.when", "names one parameter"),
        ("{value: 1, when: {lr: 1}}", f"{P}.when.lr", "'lr' would wait for itself: name another"),
        ("{value: 1, when: {lrs: 1}}", f"{P}.when.lrs", "there is no parameter 'lrs'"),
        ("{min: '1', max: 3}", f"{P}.min", "write 1 without quotes"),
        ("{distribution: log_uniform_vals}", f"{P}.distribution", "did you mean 'log_uniform_values'?"),
        ("{distribution: 3}", f"{P}.distribution", "must be the name of a distribution"),
        ("{min: '1e-4', max: 1.0}", f"{P}.min", "not the text '1e-4': write 1.0e-4"),
        ("{min: 0.1, max: '2E3'}", f"{P}.max", "write 2.0e+3"),
        ("{min: '0.1', max: 2.0}", f"{P}.min", "write 0.1 without quotes"),
        ("{min: low, max: 2.0}", f"{P}.min", "must be a number, not the text 'low'"),
        ("{min: true, max: 2.0}", f"{P}.min", "must be a number, not true"),
        ("{min: .nan, max: 2.0}", f"{P}.min", "must be finite"),
        ("{min: 1.0, max: .inf}", f"{P}.max", "must be finite"),
        (f"{{min: 0, max: {2**53 + 1}}}", f"{P}.max", f"at most {2**53}"),
        ("{min: -1.7e+308, max: 1.7e+308}", P, "narrow the range"),
        ("{min: 3, max: 3}", P, "min 3 is not below max 3"),
        ("{min: 3, max: 1}", P, "swap them"),
        ("{min: 3}", f"{P}.max", "is missing"),
        ("{max: 3}", f"{P}.min", "is missing"),
        ("{distribution: int_uniform, min: 1.0, max: 3}", f"{P}.min", "write 1"),
        (
            "{distribution: int_uniform, min: 1.5, max: 3}",
            f"{P}.min",
            "must be a whole number, not the number 1.5",
        ),
        ("{distribution: log_uniform_values, min: 0, max: 3}", f"{P}.min", "must be above 0"),
        (
            "{distribution: log_uniform, min: 1.0e-4, max: 1000}",
            f"{P}.max",
            "log_uniform_values takes the values",
        ),
        ("{distribution: log_uniform, min: 2, max: 1}", P, "is not below"),
        ("{values: []}", f"{P}.values", "is empty"),
        ("{values: 3}", f"{P}.values", "must be a list, not the number 3"),
        ("{values: [1, 2, 1]}", f"{P}.values[2]", "1 is listed twice"),
        ("{values: [{a: 1}, 2020-01-01]}", f"{P}.values[1]", "put it in quotes"),
        ("{values: [[.nan]]}", f"{P}.values[0][0]", "must be finite"),
        (
            "{value: 1, min: 2}",
            f"{P}.min",
            "unknown key (known in a constant parameter: value, distribution, when)",
        ),
        ("{vales: [1]}", P, "did you mean 'values'?"),
        ("{}", P, "give value, values, min and max"),
        ("0.1", P, "write {value: …} for a constant"),
        ("null", P, "is empty"),
        ("{parameters: {}}", f"{P}.parameters", "is empty"),
        ("{parameters: 3}", f"{P}.parameters", "must be a mapping"),
        ("{parameters: {a: {value: 1}}, value: 2}", f"{P}.value", "unknown key"),
        ("{parameters: {a: {value: 1}, b: {min: 2, max: 1}}}", f"{P}.parameters.b", "is not below"),
    ],
)
def test_a_parameter_with_one_problem(written, path, says) -> None:
    found = with_parameter(written)
    assert list(found) == [path]
    assert says in found[path]


@pytest.mark.parametrize(
    ("changed", "path", "says"),
    [
        ({"metod": "x"}, "$.metod", "did you mean 'method'?"),
        ({"method": "baies"}, "$.method", "did you mean 'bayes'?"),
        ({"method": "custom"}, "$.method", "'custom' does not say which"),
        ({"method": None}, "$.method", "not empty"),
        ({"metric": "loss"}, "$.metric", "must be a mapping"),
        ({"metric": {"goal": "maximize"}}, "$.metric.name", "is missing"),
        ({"metric": {"name": "a", "goal": "max"}}, "$.metric.goal", "must be one of maximize, minimize"),
        ({"metric": {"name": "a", "target": "x"}}, "$.metric.target", "must be a number"),
        ({"metric": {"name": "a", "impute": "wrst"}}, "$.metric.impute", "did you mean 'worst'?"),
        ({"metric": {"name": "a", "impute_while_running": True}}, "$.metric.impute_while_running", "false"),
        ({"metrics": [{"name": "a"}, {"name": "b"}]}, "$.metrics", "stands beside metric"),
        ({"optimizer": {"type": "custom"}}, "$.optimizer.type", "write optimizer: {type: tpe}"),
        ({"method": "custom", "optimizer": {"type": "custom"}}, "$.optimizer.type", "{type: tpe}"),
        ({"run_cap": 2**63}, "$.run_cap", "must be at most"),
        ({"max_failures": 2**80}, "$.max_failures", "must be at most"),
        ({"name": ""}, "$.name", "is empty text"),
        ({"name": "two\nlines"}, "$.name", "must be one line"),
        ({"name": "\x1b[31mred"}, "$.name", "must be one line"),
        ({"optimizer": 3}, "$.optimizer", "must be a mapping"),
        ({"optimizer": {"type": 3}}, "$.optimizer.type", "must be text"),
        ({"constraints": ["a"]}, "$.constraints", "must be a mapping"),
        ({"constraints": {"a": "30"}}, "$.constraints.a", 'a bound such as ">= 30"'),
        ({"constraints": {"a": "== 30"}}, "$.constraints.a", "one of >=, <=, >, <"),
        ({"constraints": {"a": 30}}, "$.constraints.a", "not the number 30"),
        ({"constraints": {"a": []}}, "$.constraints.a", "is empty"),
        ({"constraints": {"a": [">= 1", "x"]}}, "$.constraints.a[1]", "must be a bound"),
        ({"repeats": 0}, "$.repeats", "at least 1"),
        ({"max_failures": 0}, "$.max_failures", "at least 1"),
        ({"cost_metric": ""}, "$.cost_metric", "is empty text"),
        ({"cost_metric": ["a"]}, "$.cost_metric", "must be text"),
        ({"on_oom": "half:x"}, "$.on_oom", "write halve: and a parameter's name, as in halve:batch_size"),
        ({"on_oom": "halve:y"}, "$.on_oom", "halves 'y', which is no parameter of this sweep"),
        ({"cost": "seconds"}, "$.cost", "did you mean 'cost_metric'?"),
        ({"time_cap": "2 weeks"}, "$.time_cap", "such as 2h, 90m"),
        ({"time_cap": 0}, "$.time_cap", "longer than 0"),
        ({"time_cap": "0s"}, "$.time_cap", "longer than 0"),
        ({"time_cap": "1h30"}, "$.time_cap", "such as 2h"),
        ({"time_cap": "36600d"}, "$.time_cap", "at most 100 years"),
        ({"time_cap": "1e400"}, "$.time_cap", "at most 100 years"),
        ({"time_cap": 2**53}, "$.time_cap", "at most 100 years"),
        ({"time_cap": [1]}, "$.time_cap", "not a list"),
        ({"time_cap": True}, "$.time_cap", "such as 2h"),
        ({"resume": "yes"}, "$.resume", "true or false"),
        ({"resources": {"thread": 2}}, "$.resources.thread", "did you mean 'threads'?"),
        ({"resources": {"gpu": -1}}, "$.resources.gpu", "at least 0"),
        ({"resources": {"gpu": 1.5}}, "$.resources.gpu", "a part of one or a whole number"),
        ({"data": 3}, "$.data", "must be text"),
        ({"folds": {"n_fold": 2}}, "$.folds.n_fold", "did you mean 'n_folds'?"),
        ({"folds": {"train_ratio": 1.0}}, "$.folds.train_ratio", "at most 0.999"),
        ({"folds": {"window": "roling"}}, "$.folds.window", "did you mean 'rolling'?"),
        ({"costs": {"bps": -1}}, "$.costs.bps", "at least 0"),
        ({"lockbox": {"share": 0}}, "$.lockbox.share", "above 0"),
        (
            {"data": "stocks", "parameters": {"data": {"value": "other"}}},
            "$.data",
            "sets 'data', which $.parameters.data sets too",
        ),
        ({"forbidden": {"x": 1}}, "$.forbidden", "must be a list"),
        ({"forbidden": [{"x": 1}]}, "$.forbidden[0]", "would forbid every configuration"),
        ({"forbidden": [{}]}, "$.forbidden[0]", "would forbid every configuration"),
        ({"forbidden": [3]}, "$.forbidden[0]", "must be a mapping"),
        ({"forbidden": [{"y": 1}]}, "$.forbidden[0].y", "there is no parameter 'y'"),
        ({"prior": [{"x": 2}]}, "$.prior[0].x", "cannot be 2: the parameter takes 1"),
        ({"prior": [{"xs": 2}]}, "$.prior[0].xs", "did you mean 'x'?"),
        ({"prior": [{"x": 1}, {}]}, "$.prior[1]", "same configuration as one above"),
        ({"run_cap": 0}, "$.run_cap", "at least 1"),
        ({"run_cap": 4.0}, "$.run_cap", "write 4"),
        ({"run_cap": True}, "$.run_cap", "must be a whole number, not true"),
        ({"seed": -1}, "$.seed", "at least 0"),
        ({"program": 3}, "$.program", "must be text"),
        ({"program": " "}, "$.program", "is empty text"),
        ({"command": "python x.py"}, "$.command", "must be a list"),
        ({"command": []}, "$.command", "is empty"),
        ({"command": ["${prog}"]}, "$.command[0]", "did you mean 'program'?"),
        ({"command": ["a", "${envvar:}"]}, "$.command[1]", "known: ${env}"),
        ({"command": [True]}, "$.command[0]", "must be text"),
        ({"parameters": {}}, "$.parameters", "is empty"),
        ({"parameters": []}, "$.parameters", "must be a mapping"),
        ({"parameters": {1: {"value": 2}}}, "$.parameters", "put it in quotes"),
        (
            {"parameters": {"g": {"parameters": {"a.b": {"value": 2}}}}},
            "$.parameters.g.parameters.a.b",
            "nest it, as a: {parameters: {b: …}}",
        ),
        (
            {"parameters": {"a.b": {"value": 1}, "a": {"parameters": {"b": {"value": 2}}}}},
            "$.parameters.a.b",
            "is also at $.parameters.a.parameters.b",
        ),
        ({"early_terminate": {"min_iter": 3}}, "$.early_terminate.type", "is missing"),
        ({"early_terminate": {"type": "hyperban", "min_iter": 3}}, "$.early_terminate.type", "'hyperband'?"),
        (
            {"early_terminate": {"type": "envelope", "min_iter": 3}},
            "$.early_terminate.type",
            "must be one of hyperband, asha, median, racing, custom",
        ),
        ({"early_terminate": {"type": "hyperband"}}, "$.early_terminate", "either min_iter, or max_iter"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 9}}, "$.early_terminate.s", "is missing"),
        (
            {"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 1}},
            "$.early_terminate.max_iter",
            "no band",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}},
            "$.early_terminate.eta",
            "above 1",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 1, "strict": 1}},
            "$.early_terminate.strict",
            "true or false",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_itr": 1, "min_iter": 1}},
            "$.early_terminate.min_itr",
            "'min_iter'?",
        ),
    ],
)
def test_a_sweep_with_one_problem(changed, path, says) -> None:
    found = with_key(**changed)
    assert list(found) == [path]
    assert says in found[path]


@pytest.mark.parametrize(
    ("changed", "path", "says"),
    [
        ({"type": "asha", "min_iter": 9, "max_iter": 9}, "max_iter", "must be above min_iter 9"),
        ({"type": "asha", "strict": True}, "strict", "unknown key"),
        ({"type": "median", "eta": 3}, "eta", "unknown key (known in early_terminate of type median: type"),
        ({"type": "racing", "min_iter": 1}, "min_iter", "at least 2"),
        ({"type": "racing", "level": 0.9}, "level", "at most 0.5"),
        ({"type": "custom"}, "name", "is missing"),
        ({"type": "custom", "name": "custom"}, "name", "does not say which"),
        ({"type": "custom", "name": "hyperband", "options": {"min_iter": 0}}, "options.min_iter", "at least"),
        ({"type": "custom", "name": "hyperband"}, "options", "needs either min_iter"),
    ],
)
def test_a_stop_rule_of_sharpens_own_with_one_problem(changed, path, says) -> None:
    found = with_key(early_terminate=changed)
    assert list(found) == [f"$.early_terminate.{path}"]
    assert says in found[f"$.early_terminate.{path}"]


def test_a_rule_of_sharpens_own_under_custom_is_read_as_if_it_were_the_type() -> None:
    text = yaml.safe_dump({**GOOD, "early_terminate": {"type": "hyperband", "min_iter": 3}})
    custom = {"type": "custom", "name": "hyperband", "options": {"min_iter": 3}}
    assert parse(text).stop == parse(yaml.safe_dump({**GOOD, "early_terminate": custom})).stop


def test_what_others_find_is_told_with_the_rest() -> None:
    seen: list[Sweep] = []

    def look(sweep: Sweep) -> list[tuple[str, str]]:
        seen.append(sweep)
        return [("$.program", "is no good")]

    for text, n in (("{}", 5), (yaml.safe_dump({**GOOD, "run_cap": 0}), 2), (yaml.safe_dump(GOOD), 1)):
        with pytest.raises(SpecError) as caught:
            parse(text, also=look)
        assert len(caught.value.facts["problems"]) == n
    assert [sweep.program for sweep in seen] == ["", "train.py", "train.py"]


BOOSTERS = {
    "booster": {"values": ["gbtree", "dart"]},
    "rate": {"min": 0.0, "max": 1.0},
    "n": {"min": 1, "max": 3},
}


@pytest.mark.parametrize(
    ("when", "path", "says"),
    [
        ({"boster": "dart"}, "boster", "did you mean 'booster'?"),
        ({"booster": "drt"}, "booster", "cannot be 'drt': the parameter takes 'gbtree', 'dart'"),
        ({"booster": ["dart", 1]}, "booster[1]", "cannot be 1"),
        ({"booster": []}, "booster", "is empty"),
        ({"rate": 0.5}, "rate", "takes any number of a range"),
        ({"n": 4}, "n", "cannot be 4: the parameter takes 1, 2, 3"),
    ],
)
def test_a_condition_with_one_problem(when, path, says) -> None:
    found = with_key(parameters={**BOOSTERS, "x": {"value": 1, "when": when}})
    assert list(found) == [f"$.parameters.x.when.{path}"]
    assert says in found[f"$.parameters.x.when.{path}"]


def test_parameters_that_wait_for_one_another_are_refused() -> None:
    a = {"values": [1, 2], "when": {"b": 1}}
    b = {"values": [1, 2], "when": {"c": 1}}
    c = {"values": [1, 2], "when": {"a": 1}}
    found = with_key(parameters={"a": a, "b": b, "c": c})
    assert found["$.parameters.a.when"] == "waits for itself: a waits for b waits for c waits for a"


def test_a_parameter_cannot_wait_for_two_others_at_once() -> None:
    group = {"when": {"booster": "dart"}, "parameters": {"m": {"value": 1, "when": {"n": 1}}}}
    found = with_key(parameters={**BOOSTERS, "g": group})
    assert list(found) == ["$.parameters.g.parameters.m.when"]
    assert "give 'n' the group's when" in found["$.parameters.g.parameters.m.when"]


@pytest.mark.parametrize(
    ("key", "config", "path", "says"),
    [
        ("forbidden", {"rate": 0.5}, ".rate", "never exactly one"),
        ("forbidden", {"booster": "dart", "n": []}, ".n", "is empty: list the values"),
        ("forbidden", {"booster": "dart", "n": [1, 99]}, ".n[1]", "cannot be 99"),
        ("prior", {"n": 2.5}, ".n", "the parameter takes 1, 2, 3"),
        ("prior", {"rate": 2}, ".rate", "goes from 0 to 1"),
        ("prior", {"rate": True}, ".rate", "cannot be True"),
        ("prior", {"booster": "gbtree", "drop": 0.5}, ".drop", "is only there when booster is 'dart'"),
        ("prior", {"booster": "dart", "n": 3}, "", "has a forbidden combination"),
    ],
)
def test_a_configuration_with_one_problem(key, config, path, says) -> None:
    drop = {"min": 0.0, "max": 1.0, "when": {"booster": "dart"}}
    fixed = {"parameters": {**BOOSTERS, "drop": drop}, "forbidden": [{"booster": "dart", "n": 3}]}
    found = with_key(**{**fixed, key: [config]})
    assert list(found) == [f"$.{key}[0]{path}"]
    assert says in found[f"$.{key}[0]{path}"]


def test_combinations_that_leave_nothing_are_refused() -> None:
    few = {"a": {"values": [1, 2]}, "b": {"values": [1, 2], "when": {"a": 2}}, "x": {"min": 0.0, "max": 1.0}}
    most = [{"a": 1}, {"a": 2, "b": 1}]
    assert parse(yaml.safe_dump({**GOOD, "parameters": few, "forbidden": most}))
    found = with_key(parameters=few, forbidden=[*most, {"b": 2}], prior=[{"a": 1}])
    assert list(found) == ["$.forbidden"]
    assert found["$.forbidden"].startswith("leaves no configuration")


def test_a_list_that_is_a_value_is_waited_for() -> None:
    parameters = {"a": {"values": [[1, 2], 1, 3]}, "b": {"value": 0, "when": {"a": [1, 2]}}}
    space = parse(yaml.safe_dump({**GOOD, "parameters": parameters})).space
    assert space.conditions["b"].values == ([1, 2],)
    parameters["b"]["when"] = {"a": [1, 3]}
    assert parse(yaml.safe_dump({**GOOD, "parameters": parameters})).space.conditions["b"].values == (1, 3)


@pytest.mark.parametrize("missing", GOOD)
def test_a_key_that_must_be_there(missing) -> None:
    bayes = {**GOOD, "method": "bayes"}  # which needs a metric
    found = problems(yaml.safe_dump({k: v for k, v in bayes.items() if k != missing}))
    assert list(found) == [f"$.{missing}"]
    assert "is missing" in found[f"$.{missing}"]


def test_grid_search_needs_values_it_can_count() -> None:
    inner = {"parameters": {"b": {"min": 0.0, "max": 1.0}}}
    found = with_key(method="grid", parameters={"a": inner, "n": {"min": 1, "max": 3}})
    assert list(found) == ["$.parameters.a.parameters.b"]
    assert "give values" in found["$.parameters.a.parameters.b"]


def test_all_problems_are_told_at_once_and_survive_pickling() -> None:
    text = "method: bays\nmetrics: []\nparameters: {a: {min: 2, max: 1}, b: 3, c: {values: []}}\nrun_cap: -1"
    found = problems(text)
    assert list(found) == [
        "$.method",
        "$.metrics",
        "$.parameters.a",
        "$.parameters.b",
        "$.parameters.c.values",
        "$.run_cap",
        "$.program",
    ]
    with pytest.raises(SpecError) as caught:
        parse(text, "dir/x.yaml")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.facts == caught.value.facts
    assert str(again).startswith("dir/x.yaml has 7 problems:\n  $.method: ")


def test_a_key_written_twice_is_a_problem_with_both_lines() -> None:
    text = yaml.safe_dump(GOOD) + "method: grid\n"
    assert problems(text) == {"$.method": "is written twice, on lines 1 and 8: keep one"}
    inner = "{a: {value: 1, value: 2}}"
    assert list(problems(yaml.safe_dump({**GOOD, "parameters": 0}).replace("0", inner))) == [
        "$.parameters.a.value"
    ]


def test_text_that_is_no_unicode_is_refused_wherever_it_is() -> None:
    text = r"""
name: "s\udfff"
program: t.py
method: random
metric: {name: "m\ud800"}
constraints: {"c\ud800": ">= 1"}
parameters: {"p\ud800": {values: [1, "x\udc00"]}}
"""
    found = problems(text)
    assert list(found) == [
        "$.name",
        "$.metric.name",
        "$.constraints",
        "$.parameters",
        r"$.parameters.p\ud800.values[1]",
    ]
    assert found["$.name"] == r"holds \udfff, half of a character: write the character itself"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1h 30m", 5400),
        ("90min", 5400),
        (" 1.5h ", 5400),
        ("1d2h3m4s", 93_784),
        ("5400", 5400),
        ("5.4e3", 5400),
        (".5m", 30),
        (0.5, 0.5),
    ],
)
def test_a_length_of_time(written, seconds) -> None:
    assert parse(yaml.safe_dump({**GOOD, "time_cap": written})).time_cap_s == seconds


# five lines, each ten times the one before: a hundred thousand values out of two hundred characters
BOMB = "a0: &a0 [0,0,0,0,0,0,0,0,0,0]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 5)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not empty"),
        ("just words", "must be a mapping"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("a: [1", "is not YAML: line"),
        ("a: *nobody", "undefined alias"),
        ("a: 1\n---\nb: 2", "single document"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 2020-13-45", "month"),
        ("a: \x00", "is not YAML"),
        ("a: &a [*a]", "an alias contains itself"),
        ("[" * 3000, "nested deeper"),
        ("{a: " * 3000, "nested deeper"),
        ("? [1, 2]\n: 3", "is not YAML"),
        (BOMB, "holds more than"),
    ],
)
def test_text_that_is_no_sweep_is_refused(text, says) -> None:
    found = problems(text)
    assert says in " ".join(found.values())


WORDS = st.sampled_from(
    """program method metric parameters command early_terminate run_cap seed name goal description
    distribution
    value values min max type min_iter max_iter s eta strict q mu a b.c hyperband random grid bayes maximize
    ${args} ${x} 1e-4 x asha median custom when probabilities sigma
    optimizer prior forbidden constraints data folds time_cap
    constant categorical categorical_w_probabilities int_uniform uniform q_uniform
    log_uniform log_uniform_values q_log_uniform q_log_uniform_values inv_log_uniform inv_log_uniform_values
    normal q_normal log_normal q_log_normal beta q_beta""".split()  # noqa: SIM905
)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
SCALARS = st.one_of(WORDS, PLAIN, st.dates(), st.binary(max_size=2))
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, SCALARS), inner, max_size=5)
    ),
    max_leaves=25,
)
SECTIONS = {key: TREES for key in SWEEP}  # noqa: C420


def problems_or_none(text: str) -> list[tuple[str, str]] | None:
    """Return the problems of a text; None when it is a sweep whose space works."""
    try:
        sweep = parse(text)
    except SpecError as error:
        return error.facts["problems"]
    config = sweep.space.from_unit([0.3] * len(sweep.space.dimensions))
    assert sweep.space.contains(config)
    assert all(advice.path.startswith("$.") and advice.sentence for advice in lint(sweep))
    assert EDITOR.is_valid(yaml.safe_load(text)), "an editor would refuse what the reader takes"
    return None


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional=SECTIONS))
def test_whatever_the_file_holds_it_is_a_sweep_or_a_list_of_problems(changed) -> None:
    found = problems_or_none(yaml.safe_dump({**GOOD, **changed}))
    assert found is None or (found and all(path.startswith("$") and sentence for path, sentence in found))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(WORDS, TREES, min_size=1, max_size=4))
def test_whatever_a_parameter_holds_it_is_a_dimension_or_a_list_of_problems(parameter) -> None:
    found = problems_or_none(yaml.safe_dump({**GOOD, "parameters": {"x": parameter}}))
    assert found is None or all(path.startswith("$.parameters") for path, _ in found)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!?|>%@`'\"#,\n \t1.e", max_size=60))
def test_whatever_the_text_is_it_is_refused_politely(text) -> None:
    assert problems_or_none(text)


def test_the_fuzz_knows_every_distribution() -> None:
    assert set(DISTRIBUTIONS) <= set(WORDS.elements)


@pytest.mark.parametrize("written", [{"values": [0.1, 0.2]}, {"min": 0.1, "max": 0.3}, {"value": 0}])
def test_all_runs_of_a_sweep_keep_one_lockbox(written: dict[str, object]) -> None:
    found = with_key(parameters={"lr": {"min": 0.1, "max": 0.2}, "lockbox_share": written})
    assert list(found) == ["$.parameters.lockbox_share"]
    assert ("above 0" if "value" in written else "must be a constant") in found["$.parameters.lockbox_share"]
    parse(yaml.safe_dump({**GOOD, "parameters": {"lockbox_share": {"value": 0.1}, "x": {"value": 1}}}))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("pruner", "did you mean 'early_terminate'?"),
        ("sampler", "did you mean 'method'? (its settings stand under optimizer)"),
        ("n_jobs", "sharpen run FILE --agents N"),
        ("timeout", "did you mean 'time_cap'?"),
        ("study_name", "did you mean 'name'?"),
        ("direction", "did you mean 'goal', in metric?"),
        ("directions", "did you mean 'metrics'?"),
        ("storage", "sharpen --home FOLDER"),
        ("n_trials", "did you mean 'run_cap'?"),
        ("num_samples", "did you mean 'run_cap'?"),
        ("max_evals", "did you mean 'run_cap'?"),
    ],
)
def test_a_key_of_another_library_is_known_by_what_it_is_here(word: str, says: str) -> None:
    assert says in with_key(**{word: 1})[f"$.{word}"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("loguniform", "log_uniform_values"),
        ("LogUniform", "log_uniform_values"),
        ("suggest_loguniform", "log_uniform_values"),
        ("qloguniform", "q_log_uniform_values"),
        ("lograndint", "q_log_uniform_values"),
        ("quniform", "q_uniform"),
        ("discrete_uniform", "q_uniform"),
        ("choice", "categorical"),
        ("pchoice", "categorical_w_probabilities"),
        ("CategoricalDistribution", "categorical"),
        ("suggest_categorical", "categorical"),
        ("randint", "int_uniform"),
        ("int", "int_uniform"),
        ("suggest_int", "int_uniform"),
        ("IntDistribution", "int_uniform"),
        ("float", "uniform"),
        ("FloatDistribution", "uniform"),
        ("lognormal", "log_normal"),
        ("qlognormal", "q_log_normal"),
        ("randn", "normal"),
        # a slip of the pen stays one
        ("log_unifrom", "log_uniform"),
    ],
)
def test_a_distribution_of_another_library_is_known_by_what_it_is_here(word: str, name: str) -> None:
    said = with_parameter(f"{{distribution: {word}, min: 1, max: 3}}")[f"{P}.distribution"]
    assert f"did you mean {name!r}?" in said


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ("{low: 1, high: 3}", P, "did you mean 'min' and 'max'?"),
        ("{high: 3, low: 1, step: 1}", P, "'min' and 'max'?; for multiples of a step write distribution: q_"),
        (
            "{lower: 1.0, upper: 3.0, log: true}",
            P,
            "write distribution: log_uniform_values, or q_log_uniform",
        ),
        ("{type: categorical, choices: [1]}", P, "did you mean 'values' and 'distribution'?"),
        ("{distribution: uniform, low: 1, max: 3}", f"{P}.low", "did you mean 'min'?"),
        ("{min: 1, max: 9, step: 2}", f"{P}.step", "write distribution: q_uniform, with the step as q"),
        ("{distribution: q_uniform, min: 1, max: 9, step: 2}", f"{P}.step", "did you mean 'q'?"),
        ("{min: 0.1, max: 9.0, log: true}", f"{P}.log", "write distribution: log_uniform_values, or"),
        ("{choices: [1, 2]}", P, "did you mean 'values'?"),
        ("{min: 1, max: 2, q: 1}", f"{P}.q", "(known in an int_uniform parameter: min, max,"),
        ("{min: 1.0, max: 2, q: 1}", f"{P}.q", "(known in a uniform parameter: min, max,"),
    ],
)
def test_a_range_in_the_words_of_another_library(written: str, path: str, says: str) -> None:
    assert says in with_parameter(written)[path]


@pytest.mark.parametrize(
    ("changed", "path", "name"),
    [
        ({"method": "TPESampler"}, "$.method", "tpe"),
        ({"method": "CmaEsSampler"}, "$.method", "cmaes"),
        ({"method": "NSGAIISampler"}, "$.method", "nsga2"),
        ({"early_terminate": {"type": "MedianPruner"}}, "$.early_terminate.type", "median"),
        ({"early_terminate": {"type": "SuccessiveHalvingPruner"}}, "$.early_terminate.type", "asha"),
        (
            {"early_terminate": {"type": "asha", "reduction_factor": 4}},
            "$.early_terminate.reduction_factor",
            "eta",
        ),
    ],
)
def test_a_method_or_rule_of_another_library(changed: dict[str, object], path: str, name: str) -> None:
    assert f"did you mean {name!r}?" in with_key(**changed)[path]
