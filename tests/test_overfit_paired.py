"""Paired tests against scipy's, and Holm's correction by its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sharpen.errors import UsageError
from sharpen.overfit import holm, paired_test

PS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_the_test_is_students(n):
    rng = np.random.default_rng(n)
    ours, theirs = rng.normal(0.3, 1.0, n), rng.normal(0.0, 1.0, n)
    found, wanted = paired_test(ours, theirs), stats.ttest_rel(ours, theirs)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    ends = wanted.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((ends.low, ends.high), rel=1e-9)
    assert (found.n, found.mean) == (n, pytest.approx(np.mean(ours - theirs)))


def test_differences_that_never_vary_tell_nothing():
    ours = np.array([1.3, 2.3, 0.3])
    assert math.isnan(paired_test(ours, ours - 0.1).p)
    assert paired_test(ours, ours).p == 1.0
    assert math.isnan(paired_test(ours[:1], ours[1:2]).p)
    with pytest.raises(UsageError, match="3 and 2 values are no pairs"):
        paired_test(ours, ours[:2])


@given(PS)
def test_holm_lies_between_each_p_and_bonferroni_and_keeps_the_order(p_values):
    found = holm(p_values)
    for p, q in zip(p_values, found, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(found)[order]) >= 0.0)


@given(PS, st.floats(0.001, 0.2))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values, level):
    rejected = set()
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        if (len(p_values) - rank) * p_values[place] > level:
            break
        rejected.add(int(place))
    assert {k for k, q in enumerate(holm(p_values)) if q <= level} == rejected


def test_a_test_that_could_not_be_made_is_not_counted():
    assert holm([0.01, math.nan, 0.04])[::2] == pytest.approx([0.02, 0.04])
