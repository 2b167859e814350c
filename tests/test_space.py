"""The unit cube and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from sharpen.space import (
    Beta,
    Choice,
    Condition,
    Constant,
    Dimension,
    Float,
    Int,
    Normal,
    Rounded,
    Space,
    Weighted,
    nest,
)

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
NORMALS = st.builds(Normal, st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
LOG_NORMALS = st.builds(Normal, st.floats(-5, 5), st.floats(1e-2, 5), st.just(True))
BETAS = st.builds(Beta, st.floats(0.1, 50), st.floats(0.1, 50))
SHAPED = st.one_of(NORMALS, LOG_NORMALS, BETAS)


@st.composite
def weighted(draw: st.DrawFn) -> Weighted:
    options = draw(CHOICES).options
    weights = draw(st.lists(st.integers(0, 9), min_size=len(options), max_size=len(options)))
    assume(sum(weights) > 0)
    return Weighted(options, tuple(weight / sum(weights) for weight in weights))


@st.composite
def rounded(draw: st.DrawFn) -> Rounded:
    inner = draw(st.one_of(floats(), SHAPED))
    whole = draw(st.booleans())
    q = draw(st.integers(1, 50) if whole else st.floats(1e-3, 50))
    assume((inner.from_unit(1.0) - inner.from_unit(0.0)) / q < 1e6)
    assume(max(abs(inner.from_unit(0.0)), abs(inner.from_unit(1.0))) / q < 1e9)
    return Rounded(inner, q)


DIMENSIONS = st.one_of(floats(), ints(), CHOICES, SCALARS.map(Constant), SHAPED, weighted(), rounded())
SPACES = st.dictionaries(st.text("abc", min_size=1, max_size=3), DIMENSIONS, max_size=4).map(Space)


def same(dimension: Dimension, a: object, b: object) -> bool:
    if isinstance(dimension, Normal | Beta):
        width = dimension.from_unit(1.0) - dimension.from_unit(0.0)
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6 * width)  # type: ignore[arg-type]
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


@given(st.one_of(floats(), ints(), SHAPED, rounded()), UNIT, UNIT)
def test_a_larger_quantile_has_no_smaller_value(dimension, u, v) -> None:
    low, high = sorted((u, v))
    assert dimension.from_unit(low) <= dimension.from_unit(high)


@given(DIMENSIONS)
def test_listed_values_are_contained_and_come_in_the_order_of_their_quantiles(dimension) -> None:
    values = dimension.grid()
    if values is None:
        assert isinstance(dimension, Float | Normal | Beta | Rounded)
        return
    assert all(dimension.contains(value) for value in values[:50])
    quantiles = [dimension.to_unit(value) for value in values[:50]]
    assert quantiles == sorted(quantiles)
    assert dimension.from_unit(0.0) == values[0]
    assert dimension.from_unit(1.0) == values[-1]


N = 2003
GRID = [(i + 0.4) / N for i in range(N)]


@pytest.mark.parametrize(
    ("dimension", "law"),
    [
        (Float(-2.0, 3.0), stats.uniform(-2, 5)),
        (Float(1e-4, 1e-1, log=True), stats.loguniform(1e-4, 1e-1)),
        (Int(-3, 8), stats.randint(-3, 9)),
        (Normal(0.0, 1.0), stats.norm()),
        (Normal(-3.0, 0.1), stats.norm(-3, 0.1)),
        (Normal(-1.0, 0.7, log=True), stats.lognorm(0.7, scale=math.exp(-1))),
        (Beta(1.0, 1.0), stats.beta(1, 1)),
        (Beta(0.5, 0.5), stats.beta(0.5, 0.5)),
        (Beta(2.0, 7.0), stats.beta(2, 7)),
    ],
)
def test_quantiles_are_those_of_scipy(dimension, law) -> None:
    drawn = [dimension.from_unit(u) for u in GRID]
    np.testing.assert_allclose(drawn, law.ppf(GRID), rtol=1e-9, atol=1e-12)
    if not isinstance(dimension, Int):
        np.testing.assert_allclose([dimension.to_unit(x) for x in drawn], law.cdf(drawn), rtol=1e-9)


@pytest.mark.parametrize(
    ("inner", "law", "q"),
    [
        (Float(0.0, 1.0), stats.uniform(0, 1), 0.1),
        (Float(-10.0, 10.0), stats.uniform(-10, 20), 3),
        (Float(1.0, 100.0, log=True), stats.loguniform(1, 100), 5),
        (Normal(2.0, 3.0), stats.norm(2, 3), 0.5),
        (Normal(1.0, 0.5, log=True), stats.lognorm(0.5, scale=math.e), 1),
        (Beta(2.0, 3.0), stats.beta(2, 3), 0.05),
    ],
)
def test_each_multiple_has_the_share_of_what_is_rounded_to_it(inner, law, q) -> None:
    dimension = Rounded(inner, q)
    n = 20_000
    drawn = [dimension.from_unit((i + 0.5) / n) for i in range(n)]
    for value in set(drawn):
        share = law.cdf(value + q / 2) - law.cdf(value - q / 2)
        assert drawn.count(value) / n == pytest.approx(share, abs=2 / n)
        assert type(value) is type(q)
        assert value == pytest.approx(round(value / q) * q, abs=1e-12)


def test_options_have_the_shares_of_their_weights() -> None:
    options = Weighted(("a", "b", "c", "d"), (0.5, 0.0, 0.2, 0.3))
    drawn = [options.from_unit((i + 0.5) / 1000) for i in range(1000)]
    assert [drawn.count(option) for option in options.options] == [500, 0, 200, 300]
    assert (options.from_unit(0.0), options.from_unit(1.0)) == ("a", "d")
    assert list(options.grid()) == ["a", "c", "d"]
    assert not options.contains("b")
    last = Weighted(("a", "b"), (1.0, 0.0))
    assert {last.from_unit(u) for u in (0.0, 0.5, 1.0)} == {"a"}


def test_rounding_gives_the_decimals_that_people_write() -> None:
    assert Rounded(Float(0.0, 0.5), 0.1).grid() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert list(Rounded(Float(16.0, 64.0), 16).grid() or ()) == [16, 32, 48, 64]
    assert Rounded(Float(0.0, 1e6), 0.1).grid() is None


BOOSTERS = Space(
    {
        "drop": Float(0.0, 1.0),
        "booster": Choice(("gbtree", "dart")),
        "n": Int(1, 3),
        "skip": Choice((True, False)),
        "depth": Int(3, 8),
    },
    conditions={
        "drop": Condition("skip", (True,)),
        "skip": Condition("booster", ("dart",)),
        "n": Condition("booster", ("dart", "gbtree")),
    },
    forbidden=({"booster": "dart", "n": 3}, {"depth": 8}),
)


def test_a_parameter_whose_condition_does_not_hold_is_left_out() -> None:
    assert BOOSTERS.from_unit([0.5, 0.0, 0.5, 0.0, 0.0]) == {"booster": "gbtree", "n": 2, "depth": 3}
    full = BOOSTERS.from_unit([0.5, 1.0, 0.5, 0.0, 0.0])
    assert full == {"drop": 0.5, "booster": "dart", "n": 2, "skip": True, "depth": 3}
    assert list(full) == list(BOOSTERS.dimensions)
    assert "drop" not in BOOSTERS.from_unit([0.5, 1.0, 0.5, 1.0, 0.0])
    assert BOOSTERS.to_unit({"booster": "gbtree", "n": 2, "depth": 3})[0] == 0.5
    assert BOOSTERS.contains({"booster": "gbtree", "n": 2, "depth": 3})
    assert not BOOSTERS.contains({"booster": "gbtree", "n": 2, "depth": 3, "skip": True})
    assert not BOOSTERS.contains({"booster": "dart", "n": 2, "depth": 3})
    assert not BOOSTERS.contains({"n": 2, "depth": 3})


@given(st.lists(UNIT, min_size=5, max_size=5))
def test_a_space_with_conditions_contains_what_it_draws(point) -> None:
    config = BOOSTERS.from_unit(point)
    assert BOOSTERS.contains(config)
    assert BOOSTERS.from_unit(BOOSTERS.to_unit(config)).keys() == config.keys()
    is_forbidden = (config["booster"] == "dart" and config["n"] == 3) or config["depth"] == 8
    assert BOOSTERS.allows(config) is not is_forbidden


def test_a_partial_configuration_is_completed_with_the_middle() -> None:
    assert BOOSTERS.complete({"booster": "dart", "skip": True, "depth": 3}) == {
        "drop": 0.5,
        "booster": "dart",
        "n": 2,
        "skip": True,
        "depth": 3,
    }
    assert BOOSTERS.complete({"booster": "gbtree", "drop": 0.1}) == {"booster": "gbtree", "n": 2, "depth": 6}


@given(st.data())
def test_the_size_counts_each_configuration_once(data) -> None:
    names = ["a", "b", "c", "d"]
    dimensions = {name: Int(1, data.draw(st.integers(1, 3))) for name in names}
    conditions = {}
    for i, name in enumerate(names[1:], start=1):
        parent = data.draw(st.sampled_from([None, *names[:i]]))
        if parent:
            values = st.lists(st.integers(1, dimensions[parent].high), min_size=1, unique=True)
            conditions[name] = Condition(parent, tuple(data.draw(values)))
    space = Space(dimensions, conditions)
    points = np.stack(np.meshgrid(*[[0.1, 0.5, 0.9]] * 4), axis=-1).reshape(-1, 4)
    assert space.size == len({space.key(space.from_unit(list(point))) for point in points})


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
        (Normal(0.0, 1.0), [0, -4.7, 4.7], [True, math.nan, math.inf, 6.0, "0"]),
        (Normal(0.0, 1.0, log=True), [1, 0.01], [True, 0, -1.0, math.nan]),
        (Beta(1.0, 1.0), [0.5, 0.99999], [True, 1.1, -0.1, math.nan]),
        (Rounded(Float(0.0, 9.0), 3), [0, 3, 9], [True, 3.0, 4, 12, "3", math.nan]),
        (Rounded(Float(0.0, 1.0), 0.1), [0.1, 0.3, 1, 0.30000000000000004], [0.35, 1.1, True, math.inf]),
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
