"""Conditions as expressions: what they mean, what is wrong with them and where; nothing in them is run."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen import spec
from sharpen.errors import SpecError
from sharpen.optimizers import make
from sharpen.optimizers.grid import points
from sharpen.space import Space
from sharpen.space.encoding import cube_of

FILE = """
program: t.py
method: random
metric: {{name: loss}}
parameters:
  booster: {{values: [gbtree, dart, gblinear]}}
  depth: {{min: 1, max: 6}}
  lr: {{min: 0.001, max: 1.0}}
  bag: {{values: [true, false, null]}}
  drop: {{values: [0.1, 0.2], when: {}}}
"""


def space_of(when: str) -> Space:
    return spec.parse(FILE.format(when), where="s.yaml").space


def _nested(c: dict[str, Any]) -> bool:
    return c["bag"] is True and (c["depth"] > 3 or c["booster"] == "dart")


CONFIGS = [
    {"booster": b, "depth": d, "lr": lr, "bag": bag}
    for b, d, lr, bag in product(
        ("gbtree", "dart", "gblinear"), (1, 3, 4, 6), (0.001, 0.1, 0.5), (True, False, None)
    )
]


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("booster == 'dart' and depth > 3", lambda c: c["booster"] == "dart" and c["depth"] > 3),
        ("'dart' == booster", lambda c: c["booster"] == "dart"),
        ("booster != 'gblinear'", lambda c: c["booster"] != "gblinear"),
        ("booster in ['dart', 'gbtree']", lambda c: c["booster"] != "gblinear"),
        ("booster not in ('dart', 'gbtree')", lambda c: c["booster"] == "gblinear"),
        ("depth <= 3 or lr > 0.1", lambda c: c["depth"] <= 3 or c["lr"] > 0.1),
        ("3 < depth < 6", lambda c: 3 < c["depth"] < 6),
        ("0.1 <= lr", lambda c: c["lr"] >= 0.1),
        ("bag == true and (depth > 3 or booster == 'dart')", _nested),
        ("bag == null", lambda c: c["bag"] is None),
        ("bag in [false, null]", lambda c: not c["bag"]),
        ("depth == 4.0", lambda c: c["depth"] == 4),
    ],
)  # fmt: skip
def test_an_expression_says_what_python_would(when: str, holds: Any) -> None:
    space = space_of(f'"{when}"')
    for config in CONFIGS:
        assert ("drop" in space.active(config)) == holds(config), (when, config)


def test_the_mapping_form_means_the_same() -> None:
    assert space_of("{booster: [dart, gbtree]}") == space_of("\"booster in ['dart', 'gbtree']\"")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("boster == 'dart'", "there is no parameter 'boster'; did you mean 'booster'?"),
        ("drop > 0.1", "'drop' would wait for itself"),
        ("booster == 'drat'", "cannot be 'drat': the parameter takes 'gbtree', 'dart', 'gblinear'"),
        ("booster == dart", "compares with dart, which is no value; write 'dart' in quotes if it is a text"),
        ("booster > 3", "'booster' takes values that are no numbers: compare it by == or in"),
        ("lr == 0.1", "'lr' takes any number of a range: compare it by < or >"),
        ("depth > 'x'", "asks whether 'depth' > 'x', which is no number"),
        ("depth > 6", "leaves no value of 'depth'"),
        ("lr > 1.5", "never holds: 'lr' goes from 0.001 to 1"),
        ("depth > > 3", "is no expression, at letter 9"),
        ("3 > 2", "compares '2' with no parameter"),
        ("depth", "knows no 'depth' by itself"),
        ("not depth == 3", "by itself"),
        ("depth is 3", "compare by =="),
        ("__import__('os').system('x') == 3", "with no parameter"),
        ("depth == __import__('os')", "which is no value"),
        ("depth == {1: 2}", "which is no number, text, true, false or null"),
        ("", "is no expression"),
        ("(" * 260 + "depth" + ")" * 230, "is no expression"),
        ("depth > 3 and " * 60 + "depth > 3", "letters: 500 at most"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(when: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        space_of(f'"{when}"')
    [(path, sentence)] = caught.value.facts["problems"]
    assert path == "$.parameters.drop.when"
    assert said in sentence


def test_circles_over_several_parents_and_chains_are_found() -> None:
    text = FILE.format("\"booster == 'dart' and depth > 2\"").replace(
        "depth: {min: 1, max: 6}", 'depth: {min: 1, max: 6, when: "drop > 0.1 or lr > 0.5"}'
    )
    with pytest.raises(SpecError, match="waits for itself: depth waits for drop waits for depth"):
        spec.parse(text, where="s.yaml")


def test_a_part_about_what_is_not_there_does_not_hold() -> None:
    text = FILE.format("\"depth > 3 or booster == 'dart'\"").replace(
        "depth: {min: 1, max: 6}", "depth: {min: 1, max: 6, when: {booster: gbtree}}"
    )
    space = spec.parse(text, where="s.yaml").space
    there = {"lr": 0.5, "bag": True}
    assert "drop" in space.active({**there, "booster": "dart", "depth": 1})
    assert "drop" not in space.active({**there, "booster": "gblinear", "depth": 6})
    assert space.needed("drop") == ["depth", "booster"]


def test_a_countable_space_is_counted_and_its_grid_has_each_configuration_once() -> None:
    text = FILE.format("\"booster == 'dart' and depth > 3\"").replace("  lr: {min: 0.001, max: 1.0}\n", "")
    space = spec.parse(text.replace("random", "grid"), where="s.yaml").space
    found = list(points(space))
    assert len(found) == len({space.key(config) for config in found}) == space.size
    assert space.size == 3 * 6 * 3 + 3 * 3  # drop's second value, for dart and three depths
    assert all(space.contains(config) for config in found)


@pytest.mark.parametrize("method", ["random", "tpe", "gp", "cmaes"])
def test_search_methods_take_it(method: str) -> None:
    import numpy as np

    space = space_of("\"booster == 'dart' and lr > 0.1\"")
    found = make(method, {}, seed=3).ask(space, [], 6, np.random.default_rng(1))
    assert isinstance(found, list | tuple)
    assert all(space.contains(proposal.config) for proposal in found)


def test_coordinates_of_what_is_not_there_are_one_place() -> None:
    import numpy as np

    space = space_of("\"booster == 'dart' and lr > 0.1\"")
    cube = cube_of(space)
    configs = [space.from_unit(u) for u in np.random.default_rng(0).random((50, 5)).tolist()]
    u = cube.encode(configs)
    np.testing.assert_allclose(cube.snap(u.copy()), u, atol=1e-12)
    assert [cube.decode(row).keys() for row in u] == [config.keys() for config in configs]


NAMES = st.sampled_from(["booster", "depth", "lr", "bag", "drop", "nobody", "a.b", "__class__"])
VALUES = st.one_of(
    st.integers(-9, 9), st.floats(-2, 2), st.sampled_from(["'dart'", "'x'", "true", "null", "[1, 2]"])
)
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "=", "and", "+", "("])


@settings(max_examples=40)
@given(st.one_of(st.text(max_size=60), st.lists(st.tuples(NAMES, SIGNS, VALUES), min_size=1, max_size=5)))
def test_any_text_is_a_condition_or_a_problem_at_its_place(given: Any) -> None:
    text = given if isinstance(given, str) else " and ".join(f"{n} {s} {v}" for n, s, v in given)
    quoted = text.replace("\\", "").replace('"', "")
    quoted = "".join(c for c in quoted if c.isprintable())
    places: list[str] = []
    try:
        space = space_of(f'"{quoted}"')
    except SpecError as problem:
        places = [path for path, _ in problem.facts["problems"]]
    else:
        config = space.from_unit([random.Random(1).random() for _ in space.dimensions])
        assert space.contains(config)
    assert all(place.startswith("$.parameters.drop") for place in places), quoted
