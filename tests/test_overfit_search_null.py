from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sharpen.errors import UsageError
from sharpen.overfit import search_p_value, share_interval


@given(st.integers(1, 200), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_agrees_with_an_independent_library(n: int, data: st.DataObject, level: float) -> None:
    n_hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(n_hits, n).proportion_ci(level, method="exact")
    found = share_interval(n_hits, n, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_history_without_a_winner_is_worse_than_any() -> None:
    found = search_p_value(-5.0, [math.nan, math.nan, -6.0, -5.0])
    assert (found.n_as_good, found.n_histories, found.p_value) == (1, 4, 0.4)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(UsageError, match="1 history or more"):
        search_p_value(1.0, [])
    with pytest.raises(UsageError, match="winner nan"):
        search_p_value(math.nan, [1.0])
