"""The permuted-bar null: what a permutation keeps, what it breaks, and what scores on it say."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.bars import COLUMNS, PRICES, Panel, find_problems
from sharpen.facts import PERMUTED
from sharpen.jsonable import dumps
from sharpen.permutation import PermutationTest, PermutedFigure, permuted
from sharpen.seeds import rng_for
from worlds import make_world

SEEDS = st.integers(0, 2**31 - 1)
WORLDS = st.builds(make_world, SEEDS, n_bars=st.integers(2, 80), n_symbols=st.integers(1, 4))


def shuffled(panel, seed=0, **more):
    return permuted(panel, rng_for(seed, "bars"), **more)


def gaps(panel):
    return np.log(panel.open[1:] / panel.close[:-1])


def shapes(panel):
    """Return high, low and close against the open, and the volume, of each bar but the first. (T, S, 4)"""
    against = [np.log(getattr(panel, name) / panel.open) for name in ("high", "low", "close")]
    return np.stack([*against, panel.volume], axis=-1)[1:]


def source_of(found, given_rows):
    """Return which of the given rows each found row is."""
    found, given_rows = (rows.reshape(len(rows), -1) for rows in (found, given_rows))
    near = np.abs(found[:, None] - given_rows[None]).max(axis=2)
    assert near.min(axis=1).max() < 1e-9
    return near.argmin(axis=1)


@given(WORLDS, SEEDS)
def test_every_bar_is_valid(panel, seed):
    for bars in shuffled(panel, seed).instruments():
        assert find_problems(bars, min_rows=1) == []
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()


@given(WORLDS, SEEDS)
def test_gaps_and_shapes_change_places_alike_for_all_symbols(panel, seed):
    found = shuffled(panel, seed)
    for part in (gaps, shapes):
        # whole rows, of all symbols at once, are found again, and each of them once
        assert sorted(source_of(part(found), part(panel))) == list(range(len(panel) - 1))


@given(WORLDS, SEEDS)
def test_ends_and_calendar_stay(panel, seed):
    found = shuffled(panel, seed)
    assert (found.symbols, found.time is panel.time) == (panel.symbols, True)
    for name in COLUMNS:
        assert (getattr(found, name)[0] == getattr(panel, name)[0]).all()
        assert getattr(found, name).shape == panel.close.shape
    np.testing.assert_allclose(found.close[-1], panel.close[-1], rtol=1e-12)


@given(WORLDS, SEEDS, st.integers(0, 90))
def test_bars_up_to_the_first_stay(panel, seed, first_bar):
    found = shuffled(panel, seed, first_bar=first_bar)
    kept = first_bar + 1
    assert found.slice(0, kept).digest == panel.slice(0, kept).digest
    np.testing.assert_allclose(found.close[-1], panel.close[-1], rtol=1e-12)


@given(WORLDS, SEEDS)
def test_what_comes_later_changes_nothing(panel, seed):
    """The lockbox is cut off before; what it holds cannot matter, and the bars that were given stay."""
    before = panel.digest
    cut = len(panel) // 2 + 1
    found = shuffled(panel.slice(0, cut), seed)
    later = {name: getattr(panel, name).copy() for name in COLUMNS}
    for values in later.values():
        values[cut:] *= 1.5
    assert shuffled(replace(panel, **later).slice(0, cut), seed).digest == found.digest
    assert panel.digest == before


def test_a_seed_repeats_and_another_differs():
    panel = make_world(seed=1, n_bars=200)
    assert shuffled(panel, 3).digest == shuffled(panel, 3).digest
    assert len({shuffled(panel, seed).digest for seed in range(20)}) == 20


def test_gaps_and_shapes_go_by_two_permutations():
    panel = make_world(seed=1, n_bars=200)
    found = shuffled(panel)
    of_gaps, of_shapes = (source_of(part(found), part(panel)) for part in (gaps, shapes))
    assert (of_gaps != of_shapes).mean() > 0.9
    assert (of_gaps != np.arange(199)).mean() > 0.9


def test_every_order_is_as_likely():
    """Three gaps have six orders; so have three shapes, and the two do not know of each other."""
    panel = make_world(seed=2, n_bars=4, n_symbols=1)
    n = 3600
    counts = {}
    for seed in range(n):
        found = shuffled(panel, seed)
        order = (*source_of(gaps(found), gaps(panel)), *source_of(shapes(found), shapes(panel)))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 36
    expected = n / 36
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 66.6  # 99.9 % of a chi-square with 35 degrees of freedom


def trending(n=1000):
    """Return a panel whose daily moves follow one another: each is nine tenths of the one before."""
    rng = rng_for(0, "trend")
    move = np.zeros((n, 2))
    for t in range(1, n):
        move[t] = 0.9 * move[t - 1] + rng.normal(0, 0.004, 2)
    close = 100 * np.exp(np.cumsum(move, axis=0))
    open_ = np.concatenate([close[:1], close[:-1]])
    time = (np.datetime64("2015-01-01") + np.arange(n)).astype("datetime64[us]")
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return Panel(("A", "B"), time, open_, high, low, close, np.full((n, 2), 1e6))


def autocorrelation(panel):
    move = np.diff(np.log(panel.close[:, 0]))
    return float(np.corrcoef(move[:-1], move[1:])[0, 1])


def test_a_trend_is_gone_and_what_symbols_share_is_not():
    panel = trending()
    panel = replace(panel, **{name: _mixed(getattr(panel, name)) for name in PRICES})
    assert autocorrelation(panel) > 0.85
    together = np.corrcoef(np.diff(np.log(panel.close), axis=0).T)[0, 1]
    for seed in range(10):
        found = shuffled(panel, seed)
        assert abs(autocorrelation(found)) < 4 / math.sqrt(len(panel))
        again = np.corrcoef(np.diff(np.log(found.close), axis=0).T)[0, 1]
        assert again == pytest.approx(together, abs=0.02)


def _mixed(prices):
    """Return two symbols of which the second moves half like the first."""
    return np.column_stack([prices[:, 0], np.sqrt(prices[:, 0] * prices[:, 1])])


@pytest.mark.parametrize("n_bars", [0, 1, 2])
def test_with_nothing_to_permute_the_bars_stay(n_bars):
    panel = make_world(seed=1, n_bars=5).slice(0, n_bars)
    np.testing.assert_allclose(shuffled(panel).close, panel.close, rtol=1e-12)


# -- what scores say


def compared(score, scores, **more):
    return PermutationTest("val/sharpe", True, score, tuple(scores), seed=0, **more)


def test_ties_count_against_the_run_and_infeasible_histories_do_not():
    test = compared(1.0, [1.0, 2.0, 0.0, math.nan])
    assert (test.own.n_as_good, test.n_infeasible, test.own.p, test.least_p) == (2, 1, 0.6, 0.2)
    assert "2 of 4 permuted histories (1 infeasible, which counts as worse)" in test.sentence


def test_smaller_may_be_better():
    assert PermutedFigure("loss", 1.0, (0.5, 1.0, 2.0), maximize=False).n_as_good == 2
    assert "at least as low" in replace(compared(1.0, [0.5] * 20), maximize=False).sentence


@given(st.integers(1, 60), SEEDS)
def test_p_of_an_exchangeable_score_is_uniform(n, seed):
    """Whichever of n + 1 histories is the real one, the p-values are 1/(n+1), 2/(n+1), …, 1."""
    values = rng_for(seed, "scores").normal(size=n + 1)
    found = sorted(PermutedFigure("x", v, tuple(np.delete(values, i))).p for i, v in enumerate(values))
    assert found == pytest.approx([k / (n + 1) for k in range(1, n + 2)])


def test_sentences():
    high = [0.1] * 20
    assert compared(1.0, high).sentence.endswith("p = 0.048. The score needs the order of the bars.")
    assert "No sign" in compared(0.1, high).sentence
    assert "use 19 or more" in compared(1.0, high[:18]).sentence
    assert "cannot be below 0.048" in compared(1.0, high).limits


def test_a_score_that_only_held_the_market_is_not_said_to_need_the_order():
    """Where buy-and-hold had its best years in the validation windows, whoever was long did well, too."""
    market = {"baseline": 1.2, "baselines": (0.4,) * 20}
    test = compared(0.9, [0.3] * 20, **market)
    assert [each.p for each in test.comparisons] == pytest.approx([1 / 21, 1 / 21, 1])
    assert "But less buy-and-hold 20 did: p = 1. What needs the order of the bars may be" in test.sentence
    assert test.figures()["p_excess"] == 1
    skilled = compared(2.5, [0.3] * 20, **market)
    assert skilled.sentence.endswith("needs the order of the bars, also less buy-and-hold: p = 0.048.")
    assert replace(test, metric="val/return").excess is None
    assert replace(test, maximize=False).excess is None


@given(st.lists(st.floats(-9, 9) | st.just(math.nan), min_size=1, max_size=5), st.booleans())
def test_it_is_stored_and_read_back(scores, has_baseline):
    more = {"baseline": 0.5, "baselines": tuple(0.1 for _ in scores)} if has_baseline else {}
    test = compared(0.25, scores, **more)
    again = PermutationTest.of({PERMUTED: json.loads(dumps(test.stored()))})
    assert repr(again) == repr(test)
    assert PermutationTest.of({"data/hash": "x"}) is None
