"""Values as JSON holds them: numbers that JSON lacks, other libraries' numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.errors import UsageError
from sharpen.jsonable import DEEPEST, dumps, null_for_nan, number, refuse_deep

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def strict(text: str) -> Any:
    """Parse JSON without the constants that JSON lacks."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def with_words(value: Any) -> Any:
    """Put words in the place of numbers that are not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, dict):
        return {k: with_words(v) for k, v in value.items()}
    return [with_words(v) for v in value] if isinstance(value, list) else value


@given(VALUES)
def test_what_is_written_is_one_line_of_strict_json_and_reads_back(value: Any) -> None:
    text = dumps(value)
    assert "\n" not in text
    assert strict(text) == with_words(value)


@given(st.floats())
def test_a_float_comes_back_exactly(value: float) -> None:
    back = number(strict(dumps(value)))
    assert back is not None
    assert np.array_equal([back], [value], equal_nan=True)
    assert math.copysign(1, back) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "0.5"),
        (np.float64("nan"), '"NaN"'),
        (np.float32("-inf"), '"-Infinity"'),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.array(0.25), "0.25"),
        (np.array([np.nan]), '"NaN"'),
        (np.array([1, 2]), '"[1 2]"'),
        (Path("a/b"), '"a/b"'),
        ((1, math.inf), '[1,"Infinity"]'),
        ({"a": np.float32("nan"), "b": [np.int8(1), {"c": math.nan}]}, '{"a":"NaN","b":[1,{"c":"NaN"}]}'),
        ({1: math.nan}, '{"1":"NaN"}'),
    ],
)
def test_numbers_of_other_libraries_are_numbers(value: Any, text: str) -> None:
    assert dumps(value) == text
    assert dumps([math.nan, value]) == f'["NaN",{text}]'


@pytest.mark.parametrize(
    "value", ["fast", "nan", "inf", "1.0", "", None, [1], {}, np.array([1.0, 2.0]), b"NaN"]
)
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None


@pytest.mark.parametrize(
    ("value", "found"), [(10**400, math.inf), (-(10**400), -math.inf), (True, 1.0), (2, 2.0)]
)
def test_whole_numbers_of_any_size_are_floats(value: int, found: float) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            {"a": math.nan, "b": [1.5, -math.inf, (math.inf, "NaN")]},
            {"a": None, "b": [1.5, None, [None, "NaN"]]},
        ),
        ({1: True, "x": {}}, {"1": True, "x": {}}),
        (None, None),
    ],
)
def test_null_stands_for_numbers_that_json_lacks(value: Any, found: Any) -> None:
    assert null_for_nan(value) == found
    json.dumps(null_for_nan(value), allow_nan=False)


def test_what_nests_too_deep_is_refused_at_the_door_and_shown_in_part() -> None:
    deep: Any = 1.0
    for _ in range(DEEPEST):
        deep = [{"a": deep}]
    refuse_deep("summary", [[{"a": [1, 2]}]])
    with pytest.raises(UsageError, match="summary: a value nests deeper than 100 levels"):
        refuse_deep("summary", deep)
    for _ in range(20 * DEEPEST):
        deep = [deep]
    assert "nested deeper than 100 levels" in json.dumps(null_for_nan(deep))
