"""The JSON schema that editors check sweep files by."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import sharpen.errors
import sharpen.spec
from sharpen.spec import DEFAULT_COMMAND, load, parse, schema
from sharpen.spec.command import MACROS
from sharpen.spec.distributions import DISTRIBUTIONS
from sharpen.spec.json_schema import as_text
from sharpen.spec.stopping import STOP_RULES
from sharpen.spec.sweep_file import SWEEP

SHIPPED = Path(sharpen.spec.__file__).parent / "sweep.schema.json"
SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
EDITOR = jsonschema.Draft7Validator(schema())
GOOD = {
    "program": "t.py",
    "method": "random",
    "metric": {"name": "m"},
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
}


def test_the_file_that_ships_is_what_the_tables_say() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == as_text(), (
        "run: python -m sharpen.spec.json_schema > src/sharpen/spec/sweep.schema.json"
    )


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(as_text()))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.name)
def test_every_sweep_that_ships_is_right_for_editors_and_for_us(path) -> None:
    EDITOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert load(path).run_cap


@pytest.mark.parametrize(
    "changed",
    [
        {"metod": "random"},
        {"method": "baies"},
        {"metric": {"name": "m", "goal": "max"}},
        {"run_cap": 0},
        {"parameters": {}},
        {"parameters": {"x": {"vales": [1]}}},
        {"parameters": {"x": 3}},
        {"parameters": {"x": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}}},
        {"parameters": {"x": {"distribution": "log_uniform_values", "min": 0, "max": 1}}},
        {"parameters": {"g": {"parameters": {"x": {"min": 1}}}}},
        {"early_terminate": {"type": "hyperband", "min_itr": 3}},
        {"early_terminate": {"type": "median", "eta": 3}},
        {"folds": {"window": "roling"}},
        {"prior": {"x": 1}},
    ],
)
def test_it_refuses_what_the_reader_refuses(changed) -> None:
    assert EDITOR.is_valid(GOOD)
    assert not EDITOR.is_valid({**GOOD, **changed})
    with pytest.raises(sharpen.errors.SpecError):
        parse(yaml.safe_dump({**GOOD, **changed}))


@pytest.mark.parametrize(
    "added",
    [
        {"prior": [{}]},
        {"description": None, "project": "", "constraints": {}, "forbidden": []},
        {"command": ["${program}", 5, 1.5]},
        {"time_cap": "1h 30m", "constraints": {"n": [">= 1", "<1e3"]}},
        {"optimizer": {"type": "tpe", "n_candidates": 48}, "resources": {"gpu": 0.5}},
    ],
)
def test_it_takes_what_the_reader_takes(added) -> None:
    EDITOR.validate({**GOOD, **added})
    assert parse(yaml.safe_dump({**GOOD, **added}))


def test_every_key_says_what_it_means_and_whose_it_is() -> None:
    properties = schema()["properties"]
    assert list(properties) == list(SWEEP)
    for name, key in SWEEP.items():
        assert properties[name]["description"].startswith(key.doc)
        assert ("sharpen's own" in properties[name]["description"]) is key.is_extension


def test_it_knows_every_distribution_and_stop_rule() -> None:
    forms = schema()["definitions"]["parameters"]["additionalProperties"]["anyOf"]
    named = [
        form["properties"]["distribution"]["const"] for form in forms if "distribution" in form["properties"]
    ]
    assert named == list(DISTRIBUTIONS)
    rules = schema()["properties"]["early_terminate"]["anyOf"]
    assert [rule["properties"]["type"]["const"] for rule in rules] == list(STOP_RULES)


def test_the_default_command_is_made_of_macros() -> None:
    assert set(DEFAULT_COMMAND) <= {f"${{{name}}}" for name in MACROS}
