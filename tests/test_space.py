"""The unit cube and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.space import Choice, Constant, Dimension, Float, Int, Space, nest

UNIT = st.floats(0.0, 1.0)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text(max_size=3))


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low = draw(st.floats(1e-9, 1e3) if log else st.floats(-1e6, 1e6))
    width = draw(st.floats(1e-3, 1e6))
    return Float(low, low + width, log=log)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(10**6), 10**6))
    return Int(low, low + draw(st.integers(0, 10**6)), log=log)


CHOICES = st.lists(SCALARS, min_size=1, max_size=6, unique_by=repr).map(lambda v: Choice(tuple(v)))
DIMENSIONS = st.one_of(floats(), ints(), CHOICES, SCALARS.map(Constant))
SPACES = st.dictionaries(st.text("abc", min_size=1, max_size=3), DIMENSIONS, max_size=4).map(Space)


def same(dimension: Dimension, a: object, b: object) -> bool:
    if isinstance(dimension, Float):
        width = abs(dimension.high - dimension.low) + abs(dimension.high)
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12 * width)  # type: ignore[arg-type]
    return type(a) is type(b) and a == b


@given(DIMENSIONS, UNIT)
def test_every_quantile_has_a_value_and_the_value_leads_back(dimension, u) -> None:
    value = dimension.from_unit(u)
    assert dimension.contains(value)
    back = dimension.to_unit(value)
    assert -1e-12 <= back <= 1 + 1e-12
    assert same(dimension, dimension.from_unit(min(max(back, 0.0), 1.0)), value)


@given(st.one_of(floats(), ints()), UNIT, UNIT)
def test_a_larger_quantile_has_no_smaller_value(dimension, u, v) -> None:
    low, high = sorted((u, v))
    assert dimension.from_unit(low) <= dimension.from_unit(high)


@given(DIMENSIONS)
def test_listed_values_are_contained_and_come_in_the_order_of_their_quantiles(dimension) -> None:
    values = dimension.grid()
    if values is None:
        assert isinstance(dimension, Float)
        return
    assert all(dimension.contains(value) for value in values[:50])
    quantiles = [dimension.to_unit(value) for value in values[:50]]
    assert quantiles == sorted(quantiles)
    assert dimension.from_unit(0.0) == values[0]
    assert dimension.from_unit(1.0) == values[-1]


@given(SPACES, st.data())
def test_a_space_contains_what_it_draws_and_nothing_else(space, data) -> None:
    config = space.from_unit([data.draw(UNIT) for _ in space.dimensions])
    assert space.contains(config)
    assert not space.contains({**config, "another": 1})
    assert len(space.to_unit(config)) == len(config)
    for name in config:
        assert not space.contains({k: v for k, v in config.items() if k != name})


def test_options_have_equal_shares() -> None:
    options = Choice((True, False, 0))
    drawn = [options.from_unit((i + 0.5) / 300) for i in range(300)]
    assert [sum(value is option for value in drawn) for option in options.options] == [100, 100, 100]


def test_whole_numbers_have_equal_shares_or_equal_shares_of_the_logarithm() -> None:
    n = 10_000
    even = [Int(1, 4).from_unit((i + 0.5) / n) for i in range(n)]
    assert [even.count(k) for k in (1, 2, 3, 4)] == [2500] * 4
    by_log = [Int(1, 4, log=True).from_unit((i + 0.5) / n) for i in range(n)]
    width = math.log(4.5 / 0.5)
    for k in (1, 2, 3, 4):
        assert by_log.count(k) / n == pytest.approx(math.log((k + 0.5) / (k - 0.5)) / width, abs=2e-4)


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Float(0.0, 1.0), [0.0, 1, 0.5], [True, -0.1, 1.1, math.nan, "0.5", None]),
        (Int(0, 3), [0, 3], [True, False, 1.0, 4, "1", None]),
        (Choice((1, "a", None)), [1, "a", None], [True, 1.0, "b", False]),
        (Choice((True, 1.0)), [True, 1.0], [1, False]),
        (Constant(0), [0], [False, 0.0, None]),
    ],
)
def test_values_of_the_wrong_kind_are_outside(dimension, inside, outside) -> None:
    assert all(dimension.contains(value) for value in inside)
    assert not any(dimension.contains(value) for value in outside)


def test_the_size_is_the_number_of_combinations() -> None:
    assert Space({"a": Int(1, 3), "b": Choice((0, None)), "c": Constant(1)}).size == 6
    assert Space({"a": Int(1, 3), "b": Float(0.0, 1.0)}).size is None
    assert Space({}).size == 1


def test_keys_tell_true_from_one_and_do_not_mind_the_order_of_names() -> None:
    space = Space({"a": Choice((1, True, 1.0, "1")), "b": Constant(2)})
    keys = {space.key({"b": 2, "a": value}) for value in (1, True, 1.0, "1")}
    assert len(keys) == 4
    assert space.key({"a": 1, "b": 2}) == space.key({"b": 2, "a": 1})


@given(st.dictionaries(st.sampled_from(["a.x", "a.y.z", "a.y.w", "b", "c.x"]), SCALARS))
def test_nesting_keeps_every_value_where_its_name_says(config) -> None:
    nested = nest(config)
    for name, value in config.items():
        room = nested
        for part in name.split("."):
            room = room[part]
        assert repr(room) == repr(value)
