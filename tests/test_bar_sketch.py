"""The same prices are known under any name; other prices are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.bar_sketch import is_akin, sketch

CLOSES = 50.0 * np.cumprod(1.0 + np.random.default_rng(0).normal(0.0, 0.01, (2000, 28)), axis=0)
TICKS = np.round(CLOSES, 2)


def with_gaps(close):
    found = close.copy()
    found[:300, 3], found[700:720, 4] = np.nan, np.nan
    return found


@pytest.mark.parametrize("closes", [CLOSES, TICKS], ids=["exact", "to the cent"])
@pytest.mark.parametrize(
    "part",
    [
        lambda close: close[:1400],
        lambda close: close[1200:],
        lambda close: 3.0 * close,
        lambda close: close.astype(np.float32).astype(np.float64),
        lambda close: close[:, ::-1],
        lambda close: close[:, :7],
        with_gaps,
    ],
    ids=["the first part", "the last part", "scaled", "single precision", "in another order", "few", "gaps"],
)
def test_a_copy_or_a_part_is_known(closes, part):
    assert is_akin(sketch(closes), sketch(part(closes)))


@given(st.integers(0, 1000))
def test_other_prices_are_not(seed):
    other = np.cumprod(1.0 + np.random.default_rng(seed + 1).normal(0.0, 0.01, (300, 1)), axis=0)
    assert not is_akin(sketch(TICKS), sketch(np.round(20.0 * other, 2)))


def test_prices_that_move_by_a_tick_are_not_alike():
    rng = np.random.default_rng(5)
    one, other = (1.1 + 0.0001 * np.cumsum(rng.integers(-1, 2, (3000, 1)), axis=0) for _ in range(2))
    assert not is_akin(sketch(one), sketch(2.0 + other))


@pytest.mark.parametrize(
    "close", [np.ones((9, 2)), np.full((9, 1), np.nan), np.zeros((9, 1)), np.empty((0, 2))]
)
def test_prices_that_do_not_move_have_none(close):
    assert sketch(close) == ""
