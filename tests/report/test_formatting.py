"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.report.formatting import MAX_DECIMALS, decimals_for, fixed


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.879, 0.868, 0.806], ["0.879", "0.868", "0.806"]),
        ([0.05202, 0.06165], ["0.0520", "0.0617"]),
        ([0.05202, 0.06165, 0.071, 9.0], ["0.052", "0.062", "0.071", "9.000"]),
        ([1.5, -0.25], ["1.50", "−0.25"]),
        ([0.5, 0.5], ["0.50", "0.50"]),
        ([0.5, 0.5 + 1e-15], ["0.50", "0.50"]),
        ([0.0123], ["0.0123"]),
        ([0.0, 0.0], ["0.00", "0.00"]),
        ([12345.6, 12890.1], ["12,345.60", "12,890.10"]),
        ([1e-7, 0.0], ["1.000e−07", "0.000"]),
        ([1.000001, 1.000002], ["1.000001", "1.000002"]),
        ([0.000120, 0.000121], ["0.0001200", "0.0001210"]),
        ([2.5e8, -3e7], ["2.500e+08", "−3.000e+07"]),
        ([12345678.25, 12345678.5], ["12,345,678.250", "12,345,678.500"]),
        ([None, math.nan, math.inf, 0.0123, 0.0256], ["–", "–", "∞", "0.0123", "0.0256"]),
    ],
)
def test_a_column_has_the_decimals_that_tell_its_values_apart(values, shown) -> None:
    decimals = decimals_for(values)
    assert [fixed(value, decimals) for value in values] == shown


def test_a_least_number_of_decimals() -> None:
    assert decimals_for([1.0, 2.0], least=3) == 3
    assert decimals_for([], least=3) == 3
    assert decimals_for([0.001, 0.002], least=3) == 5


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_any_values_have_a_number_of_decimals(values) -> None:
    decimals = decimals_for(values)
    assert decimals is None or 2 <= decimals <= MAX_DECIMALS


@given(st.floats(1e-4, 1e3), st.floats(-1e3, 1e3))
def test_the_spread_fills_32_to_316_units_between_the_limits(spread, lowest) -> None:
    highest = lowest + spread
    decimals = decimals_for([lowest, highest])
    assert decimals is not None
    units = (highest - lowest) * 10.0**decimals
    assert units > 31.6 * (1 - 1e-9)
    assert units < 316.3 or decimals == 2
