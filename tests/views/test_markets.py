"""The same market under another name is found by what holding it made; another market is not."""

from __future__ import annotations

import numpy as np
import pytest

from sharpen.views.markets import is_same_market
from sharpen.views.returns import Series

N = 1500
DAYS = np.busday_offset("2010-01-04", np.arange(N), roll="forward").astype("datetime64[us]")
MARKET = np.random.default_rng(0).standard_t(4, N) * 0.008


def held(returns, time=DAYS):
    return Series(time, np.ones(len(time), dtype=np.int64), np.zeros(len(time)), np.asarray(returns))


def weeks():
    week, first = np.unique(DAYS.astype("datetime64[W]"), return_index=True)
    return held(np.expm1(np.add.reduceat(np.log1p(MARKET), first)), week.astype("datetime64[us]"))


@pytest.mark.parametrize(
    "other",
    [
        held(MARKET),
        held(MARKET[:-1], DAYS[:-1]),
        held(MARKET[1:], DAYS[:-1]),
        held(MARKET[700:], DAYS[:800]),
        held(MARKET + 0.0001),
        held(2.0 * MARKET),
        held(np.delete(MARKET, 5), np.delete(DAYS, 5)),
        weeks(),
        held(MARKET[-50:], DAYS[-50:]),
    ],
    ids=[
        "copied",
        "a bar fewer",
        "a bar later",
        "moved",
        "a rate added",
        "levered",
        "a row left out",
        "weekly",
        "little in common",
    ],
)
def test_a_market_is_known_again(other):
    assert is_same_market(held(MARKET), other)
    assert is_same_market(other, held(MARKET))


@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.97, -1.0])
def test_another_market_is_not_taken_for_it(correlation):
    own = np.random.default_rng(1).standard_t(4, N) * 0.008
    other = correlation * MARKET + np.sqrt(1.0 - correlation**2) * own
    assert not is_same_market(held(MARKET), held(other))


def test_a_baseline_that_nobody_kept_is_like_no_other():
    assert not is_same_market(held(np.zeros(N)), held(np.zeros(N)))
    assert not is_same_market(held(MARKET[:30], DAYS[:30]), held(MARKET[:30], DAYS[:30]))
