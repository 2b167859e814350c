"""Configurations that people name: made whole, or refused with every problem."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.space import Choice, Condition, Constant, Float, Int, Space
from sharpen.sweep.queued_configs import complete

SPACE = Space(
    {
        "depth": Int(3, 8),
        "rate": Float(0.01, 1.0, log=True),
        "net.kind": Choice(("a", "b", None)),
        "net.on": Choice((True, False)),
        "data": Constant("stocks"),
    }
)
MIDDLE = {"depth": 6, "rate": 0.1, "net.kind": "b", "net.on": False, "data": "stocks"}


@pytest.mark.parametrize(
    ("given_", "changed"),
    [
        ({}, {}),
        ({"depth": 3}, {"depth": 3}),
        ({"rate": 1}, {"rate": 1.0}),
        ({"depth": 3.0}, {"depth": 3}),
        ({"net.kind": None}, {"net.kind": None}),
        ({"net": {"kind": "a", "on": True}, "data": "stocks"}, {"net.kind": "a", "net.on": True}),
        ({"rate": 0.123456789012345}, {"rate": 0.123456789012345}),
    ],
)
def test_what_is_left_out_gets_the_middle(given_: dict[str, Any], changed: dict[str, Any]) -> None:
    config, problems = complete(SPACE, given_)
    assert problems == []
    assert config == MIDDLE | changed
    assert list(config) == list(SPACE.dimensions)
    assert SPACE.key(config) == SPACE.key(MIDDLE | changed)
    assert SPACE.contains(config)


@pytest.mark.parametrize(
    ("given_", "problem"),
    [
        ({"depth": 9}, ("$.depth", "cannot be 9: the parameter takes 3, 4, 5, 6, 7, 8")),
        ({"depth": 3.5}, ("$.depth", "cannot be 3.5: the parameter takes 3, 4, 5, 6, 7, 8")),
        ({"rate": 0}, ("$.rate", "cannot be 0: the parameter goes from 0.01 to 1")),
        (
            {"rate": "1e-1"},
            ("$.rate", "cannot be '1e-1': the parameter goes from 0.01 to 1; write 0.1 without quotes"),
        ),
        ({"net": {"kind": "c"}}, ("$.net.kind", "cannot be 'c': the parameter takes 'a', 'b', None")),
        ({"net": "a"}, ("$.net", "there is no parameter 'net'; did you mean 'net.kind'?")),
        ({"zz": "a"}, ("$.zz", "there is no parameter 'zz'")),
        ({"z\ud800": 1}, ("$.z\\ud800", "there is no parameter 'z\\ud800'")),
        ({"net.on": 1}, ("$.net.on", "cannot be 1: the parameter takes True, False")),
        ({"detph": 3}, ("$.detph", "there is no parameter 'detph'; did you mean 'depth'?")),
        ({"data": "fx"}, ("$.data", "cannot be 'fx': the parameter takes 'stocks'")),
        ({"net.on": True, "net": {"on": True}}, ("$.net.on", "'net.on' is given twice: keep one")),
    ],
)
def test_what_does_not_fit_is_said(given_: dict[str, Any], problem: tuple[str, str]) -> None:
    assert complete(SPACE, given_)[1] == [problem]


def test_all_problems_come_at_once() -> None:
    assert [path for path, _ in complete(SPACE, {"depth": 9, "x": 1, "rate": 0.5, "net": {"y": 2}})[1]] == [
        "$.depth",
        "$.x",
        "$.net.y",
    ]


def test_a_forbidden_combination_is_refused() -> None:
    class Picky(Space):
        def allows(self, config: dict[str, Any]) -> bool:
            return config["depth"] != 3

    picky = Picky(SPACE.dimensions)
    assert complete(picky, {"depth": 3})[1] == [("$", "has a forbidden combination")]
    assert complete(picky, {"depth": 4})[1] == []


@given(
    st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5), st.sets(st.sampled_from(list(SPACE.dimensions)))
)
def test_any_part_of_a_configuration_is_kept_to_the_letter(point: list[float], names: set[str]) -> None:
    config = SPACE.from_unit(point)
    part = {name: config[name] for name in names}
    whole, problems = complete(SPACE, part)
    assert problems == []
    assert {name: whole[name] for name in names} == part


def test_a_number_spelled_as_text_and_a_parameter_that_waits_are_explained() -> None:
    space = Space(
        {"lr": Float(1e-4, 1.0), "opt": Choice(("adam", "sgd")), "momentum": Float(0.0, 1.0)},
        conditions={"momentum": Condition("opt", ("sgd",))},
    )
    assert complete(space, {"lr": "1e-2"})[1] == [
        ("$.lr", "cannot be '1e-2': the parameter goes from 0.0001 to 1; write 0.01 without quotes")
    ]
    assert complete(space, {"opt": "adam", "momentum": 0.3})[1] == [
        ("$.momentum", "is only there when opt is 'sgd': remove it")
    ]
