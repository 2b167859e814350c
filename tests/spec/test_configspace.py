"""Search spaces of ConfigSpace, by closed forms and as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from sharpen.spec.configspace import read_search_space


def read(value: Any) -> tuple[Any, list[tuple[str, str]]]:
    problems: list[tuple[str, str]] = []
    return read_search_space(value, "search_space", problems), problems


def test_every_type_becomes_a_parameter_of_a_sweep_file() -> None:
    space, problems = read(
        {
            "hyperparameters": {
                "a": {"type": "uniform_float", "lower": 0, "upper": 2},
                "b": {"type": "uniform_int", "lower": 1, "upper": 9},
                "c": {"type": "uniform_int", "lower": 1, "upper": 99, "log": True, "default_value": 7},
                "d": {"type": "categorical", "choices": ["x", "y"], "weights": [1, 3]},
                "e": {"type": "ordinal", "sequence": [1, 2, 4]},
                "f": {"type": "constant", "value": 5},
                "g": {"type": "normal_float", "mu": 0.0, "sigma": 2.0},
            },
            "conditions": [{"type": "EQ", "child": "a", "parent": "d", "value": "x"}],
            "forbiddens": [
                {
                    "type": "AND",
                    "clauses": [
                        {"type": "EQUALS", "name": "d", "value": "x"},
                        {"type": "IN", "name": "e", "values": [1, 2]},
                    ],
                }
            ],
        }
    )
    assert problems == []
    assert space.notes == ()
    assert space.parameters == {
        "a": {"distribution": "uniform", "min": 0.0, "max": 2.0, "when": {"d": "x"}},
        "b": {"min": 1, "max": 9},
        "c": {"distribution": "q_log_uniform_values", "min": 1, "max": 99, "q": 1},
        "d": {"values": ["x", "y"], "probabilities": [0.25, 0.75]},
        "e": {"values": [1, 2, 4]},
        "f": {"value": 5},
        "g": {"distribution": "normal", "mu": 0.0, "sigma": 2.0},
    }
    assert space.forbidden == ({"d": "x", "e": [1, 2]},)
    assert space.default == {"c": 7}


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ({}, "search_space", "without hyperparameters"),
        ({"hyperparameters": {"x": 3}}, "search_space.hyperparameters.x", "is the number 3"),
        (
            {"hyperparameters": {"x": {"lower": 0, "upper": 1}}},
            "search_space.hyperparameters.x",
            "has no type",
        ),
        (
            {"hyperparameters": {"x": {"type": "unifrm_float", "lower": 0, "upper": 1}}},
            "search_space.hyperparameters.x.type",
            "did you mean 'uniform_float'?",
        ),
        (
            {"hyperparameters": {"x": {"type": "float", "lower": 0}}},
            "search_space.hyperparameters.x",
            "lacks upper",
        ),
        ({"hyperparameters": {}, "conditons": []}, "search_space.conditons", "did you mean 'conditions'?"),
        (
            {
                "hyperparameters": {"x": {"value": 1}},
                "conditions": [{"type": "GE", "child": "x", "parent": "x", "value": 1}],
            },
            "search_space.conditions[0].type",
            "is 'GE': known are EQ, IN, NEQ, LT, GT, AND and OR",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: Any, place: str, words: str) -> None:
    _, problems = read(value)
    assert any(path == place and words in sentence for path, sentence in problems), problems


def test_conditions_of_several_parameters_become_an_expression() -> None:
    entries = {name: {"type": "uniform_int", "lower": 1, "upper": 9} for name in ("a", "b", "c")}
    parts = [
        {"type": "GT", "child": "c", "parent": "a", "value": 3},
        {
            "type": "OR",
            "child": "c",
            "conditions": [
                {"type": "NEQ", "child": "c", "parent": "b", "value": 2},
                {"type": "IN", "child": "c", "parent": "b", "values": [1, 2]},
            ],
        },
    ]
    condition = {"type": "AND", "child": "c", "conditions": parts}
    space, problems = read({"hyperparameters": entries, "conditions": [condition]})
    assert problems == []
    assert space.parameters["c"]["when"] == "(a > 3) and ((b != 2) or (b in [1, 2]))"
    parts[0]["parent"] = "d"
    _, problems = read({"hyperparameters": entries, "conditions": [condition]})
    assert problems == [("search_space.conditions[0]", "names 'd', which must all be hyperparameters")]


def test_forms_from_memory_are_read_and_noted_once_each() -> None:
    entry = {"type": "float", "lower": 1, "upper": 2, "default": 1.5}
    space, problems = read({"search_space": {"hyperparameters": {"a": entry, "b": entry}}})
    assert problems == []
    assert space.default == {"a": 1.5, "b": 1.5}
    assert [sentence for _, sentence in space.notes] == [
        "the file's search_space key is one level too many: begin it with hyperparameters",
        "type: float is read as type: uniform_float",
        "default is read as default_value",
    ]
