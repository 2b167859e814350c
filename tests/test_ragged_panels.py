"""Symbols that begin late, end early and miss bars: each by its own bars, and nothing of the others moved."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.backtest import backtest, buy_and_hold
from sharpen.bars import COLUMNS, Panel, find_problems
from sharpen.errors import UsageError
from sharpen.features import atr, compute
from sharpen.folds import WalkForward, split
from sharpen.labels import triple_barrier
from sharpen.objectives.boosted.scoring import decide, label, prepare, score, train_final
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.permutation import permuted
from sharpen.seeds import rng_for
from worlds import make_world, with_other_future

QUICK = ClassifierSettings(n_estimators=10, threshold=0.0, ramp=1.0)


def without(panel, s, rows):
    """Return the panel in which a symbol has no bar at some rows."""
    columns = {name: getattr(panel, name).copy() for name in COLUMNS}
    for column in columns.values():
        column[rows, s] = np.nan
    return replace(panel, **columns)


def ragged(seed=1, n_bars=900, edge=0.012):
    """Return a world of a whole symbol, a late one, one that is delisted, and one that misses bars."""
    panel = make_world(seed, n_bars, n_symbols=4, edge=edge)
    panel = without(panel, 1, slice(0, 400))
    panel = without(panel, 2, slice(700, None))
    return without(panel, 3, rng_for(seed, "missing").choice(n_bars, 60, replace=False))


def alone(panel, s):
    """Return the panel of one symbol's own bars."""
    return Panel.of([panel.instruments()[s]])


def test_features_and_labels_are_those_of_the_symbol_by_itself():
    panel = ragged()
    found, labels = compute(panel), triple_barrier(panel, atr(panel, 14), 1.0, 1.5, 10)
    for s, own in enumerate(panel.present.T):
        by_itself = alone(panel, s)
        np.testing.assert_array_equal(found.values[own, s], compute(by_itself).values[:, 0])
        assert np.isnan(found.values[~own, s]).all()
        expected = triple_barrier(by_itself, atr(by_itself, 14), 1.0, 1.5, 10)
        np.testing.assert_array_equal(labels.label[own, s], expected.label[:, 0])
        rows, ends = np.flatnonzero(own), expected.end_bar[:, 0]
        np.testing.assert_array_equal(labels.end_bar[own, s], np.where(ends < 0, -1, rows[ends]))
        assert (labels.end_bar[~own, s] == -1).all()
    assert found.warmup_bars == 100
    assert found.known[100, 0]
    assert not found.known[499, 1]
    assert found.known[500, 1]


def test_whole_symbols_beside_ragged_ones_are_as_without_them():
    whole, mixed = make_world(1, 900, 4), without(make_world(1, 900, 4), 3, slice(0, 500))
    a, b = compute(whole), compute(mixed)
    np.testing.assert_array_equal(a.values[:, :3], b.values[:, :3])
    one, other = (triple_barrier(p, atr(p), 1.0, 1.0, 5) for p in (whole, mixed))
    np.testing.assert_array_equal(one.label[:, :3], other.label[:, :3])
    np.testing.assert_array_equal(one.end_bar[:, :3], other.end_bar[:, :3])


def test_a_panel_in_which_nothing_is_known_yet_has_no_warm_up_to_end():
    short = ragged().slice(0, 90)
    assert compute(short).warmup_bars == 90


# --- the backtest -------------------------------------------------------------------------------------


def random_market(seed, n_bars=40):
    rng = rng_for(seed, "market")
    steps = np.exp(np.cumsum(rng.normal(0, 0.02, (2 * n_bars, 4)), axis=0))
    decision = rng.choice([-1.0, 0.0, 0.4, 1.0], (n_bars, 4))
    there = rng.random((n_bars, 4)) > 0.2
    there[: n_bars // 3, 1], there[n_bars // 2 :, 2], there[:, 0] = False, False, True
    hole = np.where(there, 1.0, np.nan)
    return decision, steps[::2] * hole, steps[1::2] * hole


@given(st.integers(0, 10_000), st.sampled_from([0.0, 10.0]))
def test_each_symbol_earns_what_it_earns_by_itself(seed, cost_bps):
    decision, open_, close = random_market(seed)
    found = backtest(decision, open_, close, cost_bps)
    there = ~np.isnan(close)
    earned, n_listed, trades = np.zeros(len(close)), np.zeros(len(close)), []
    for s, own in enumerate(there.T):
        rows = np.flatnonzero(own)
        by_itself = backtest(*(x[own, s : s + 1] for x in (decision, open_, close)), cost_bps)
        earned[rows] += by_itself.returns
        n_listed[rows[0] : rows[-1] + 1] += 1
        trades.append(by_itself.trade_returns)
        np.testing.assert_array_equal(found.held[own, s], by_itself.held[:, 0])
    np.testing.assert_allclose(found.returns, earned / n_listed, atol=1e-15)
    np.testing.assert_allclose(found.trade_returns, np.concatenate(trades), atol=1e-15)


def test_a_position_is_held_across_a_bar_that_the_symbol_lacks():
    nan = np.nan
    close = np.array([[10.0, 10], [10, 10], [nan, 10], [12, 10]])
    found = buy_and_hold(close, close, 0.0)
    assert found.held.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
    assert found.returns.tolist() == pytest.approx([0, 0, 0, 0.1])
    decided = np.array([[1.0, 0], [1, 0], [0, 0], [0, 0]])  # out at a bar that is not there: no decision
    assert backtest(decided, close, close, 0.0).returns[3] == pytest.approx(0.1)


@pytest.mark.parametrize(("delisting_return", "last"), [(0.0, 0.1), (-0.3, 1.1 * 0.7 - 1), (-1.0, -1.0)])
def test_a_delisting_settles_at_the_last_close(delisting_return, last):
    close = np.array([[10.0, 10], [10, 10], [11, 10], [np.nan, 10], [np.nan, 11]])
    found = buy_and_hold(close, close, 0.0, delisting_return)
    assert found.returns.tolist() == pytest.approx([0, 0, last / 2, 0, 0.1])  # then all money is in the other
    assert found.trade_returns.tolist() == pytest.approx([last, 0.1])
    short = backtest(-np.ones((5, 2)), close, close, 0.0, delisting_return)
    assert short.returns[2] == pytest.approx((0.9 * (1 - delisting_return) - 1) / 2)
    end_of_the_data = buy_and_hold(close[:3], close[:3], 0.0, delisting_return)
    assert end_of_the_data.returns[2] == pytest.approx(0.05)  # nobody was delisted there


def test_leaving_at_a_delisting_costs_once():
    close = np.array([[10.0, 10], [10, 10], [10, 10], [np.nan, 10], [np.nan, 10]])
    decision = np.zeros((5, 2))
    decision[:, 0] = 1.0
    found = backtest(decision, close, close, 10.0)
    assert found.returns.tolist() == pytest.approx([0, -0.0005, -0.0005, 0, 0])
    assert (found.turnover, found.exposure) == pytest.approx((2 / 8, 2 / 8))


def test_a_symbol_without_bars_or_with_one_takes_no_money():
    close = np.full((5, 3), 10.0)
    close[:, 1], close[1:, 2] = np.nan, np.nan
    close[-1, 0] = 11
    assert buy_and_hold(close, close, 0.0).returns.tolist() == pytest.approx([0, 0, 0, 0, 0.1])


def test_a_delisting_return_out_of_range_is_refused():
    with pytest.raises(UsageError, match="delisting_return is -30"):
        buy_and_hold(np.ones((3, 1)), np.ones((3, 1)), 0.0, -30)


def test_after_ruin_a_symbol_earns_nothing():
    open_ = np.array([[100.0], [100], [100], [100], [100], [100]])
    close = np.array([[100.0], [100], [250], [100], [120], [130]])  # short at 100, and it closes at 250
    found = backtest(-np.ones((6, 1)), open_, close, 0.0)
    assert found.returns.tolist() == [0, 0, -1, 0, 0, 0]
    assert found.trade_returns.tolist() == [-1]
    gap = np.array([[100.0], [100], [300], [300], [200], [100]])
    over_night = backtest(np.array([-1.0, -1, 1, 1, 1, 1])[:, None], gap, gap, 0.0)
    assert over_night.returns.tolist() == [0, 0, -1, 0, 0, 0]
    assert over_night.trade_returns.tolist() == [-1]
    flipped = backtest(np.array([-1.0, 1, 1, 1, 1, 1])[:, None], gap, gap, 0.0)
    assert flipped.trade_returns.tolist() == [-1]
    assert flipped.held[:, 0].tolist() == [0, -1, 0, 0, 0, 0]


# --- a model ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_a_model_trains_and_trades_where_symbols_have_bars(model):
    panel = ragged()
    settings = replace(QUICK, model=model)
    examples = label(settings, prepare(panel))
    folds = split(len(panel), WalkForward(n_folds=3), first_bar=examples.prepared.features.warmup_bars)
    for fold in folds:
        found = score(settings, examples, fold, seed=0)
        values = [getattr(found, f.name) for f in fields(found) if f.name != "time"]
        assert all(np.isfinite(x).all() for x in values if isinstance(x, float | np.ndarray))
    features = examples.prepared.features.values
    position = decide(settings, train_final(settings, examples, seed=0), features)
    assert (position[:500, 1] == 0).all()  # late, and warming up
    assert position[600:, 1].any()
    gaps = np.flatnonzero(~panel.present[1:, 3]) + 1
    np.testing.assert_array_equal(position[gaps, 3], position[gaps - 1, 3])


def test_decisions_on_own_bars_are_those_of_the_symbol_by_itself():
    panel = ragged()
    model = train_final(QUICK, label(QUICK, prepare(panel)), seed=0)
    together = decide(QUICK, model, compute(panel).values)
    for s, own in enumerate(panel.present.T):
        by_itself = decide(QUICK, model, compute(alone(panel, s)).values)
        np.testing.assert_array_equal(together[own, s], by_itself[:, 0])


MASKS = st.fixed_dictionaries({"symbol": st.integers(0, 3), "share": st.floats(0.05, 0.9)})


@given(seed=st.integers(0, 1000), after=st.integers(520, 880), mask=MASKS)
def test_neither_prices_nor_gaps_of_the_future_move_the_past(seed, after, mask):
    panel = ragged()
    bent = with_other_future(panel, after, seed)
    gone = after + 1 + np.flatnonzero(rng_for(seed, "gone").random(len(panel) - after - 1) < mask["share"])
    bent = without(bent, mask["symbol"], gone)
    told, untold = (compute(p).values[: after + 1] for p in (panel, bent))
    np.testing.assert_array_equal(told, untold)
    a, b = (triple_barrier(p, atr(p), 1.0, 1.0, 10) for p in (panel, bent))
    known = (a.end_bar >= 0) & (a.end_bar <= after)
    np.testing.assert_array_equal(known, (b.end_bar >= 0) & (b.end_bar <= after))
    np.testing.assert_array_equal(a.label[known], b.label[known])
    model = _trained_on_the_first_bars()
    there, here = (decide(QUICK, model, compute(p).values)[: after + 1] for p in (panel, bent))
    np.testing.assert_array_equal(there, here)


@cache
def _trained_on_the_first_bars():
    return train_final(QUICK, label(QUICK, prepare(ragged().slice(0, 500))), 0)


def test_an_edge_in_ragged_bars_is_found():
    panel = ragged(n_bars=1200)
    examples = label(ClassifierSettings(), prepare(panel))
    folds = split(len(panel), WalkForward(n_folds=3), first_bar=examples.prepared.features.warmup_bars)
    found = [score(ClassifierSettings(), examples, fold, seed=0) for fold in folds]
    assert np.mean([f.val_sharpe for f in found]) > 1.0


# --- permuted histories -------------------------------------------------------------------------------


@given(st.integers(0, 10_000))
def test_a_permuted_history_keeps_each_symbols_bars_and_its_return(seed):
    panel = ragged(seed % 7, n_bars=120 + seed % 300 + 400)
    found = permuted(panel, rng_for(seed, "bars"))
    np.testing.assert_array_equal(found.present, panel.present)
    for before, after in zip(panel.instruments(), found.instruments(), strict=True):
        assert find_problems(after, min_rows=1) == []
        assert (after.open[0], after.close[0]) == (before.open[0], before.close[0])
        assert after.close[-1] == pytest.approx(before.close[-1], rel=1e-10)
        np.testing.assert_allclose(np.sort(after.volume), np.sort(before.volume))
        moves = [np.sort(np.diff(np.log(bars.close))) for bars in (before, after)]
        assert not np.allclose(np.diff(np.log(before.close)), np.diff(np.log(after.close)))
        assert np.std(moves[0]) == pytest.approx(np.std(moves[1]), rel=0.3)


def test_symbols_of_the_same_bars_move_together_and_a_listing_parts_the_history():
    panel = without(make_world(3, 300, 3), 2, slice(0, 200))
    found = permuted(panel, rng_for(0, "bars"))
    for part, end in ((slice(1, 201), 200), (slice(201, 300), 299)):
        gap, other = (np.log(p.open[part] / p.close[part.start - 1 : part.stop - 1]) for p in (panel, found))
        columns = 2 if end == 200 else 3
        gap, other = gap[:, :columns], other[:, :columns]
        near = np.abs(gap[:, None] - other[None]).max(axis=2)
        assert near.min(axis=1).max() < 1e-9
        assert (near.argmin(axis=1) != np.arange(len(gap))).any()
        np.testing.assert_allclose(found.close[end, :2], panel.close[end, :2], rtol=1e-12)
