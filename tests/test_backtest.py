from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.arrays import Floats
from sharpen.backtest import Backtest, backtest, buy_and_hold
from sharpen.errors import UsageError


def market(seed: int, n_bars: int = 60, n_symbols: int = 3) -> tuple[Floats, Floats, Floats]:
    """Random decisions on {-1, -0.5, 0, 0.5, 1} and a market with overnight gaps."""
    rng = np.random.default_rng(seed)
    steps = np.exp(np.cumsum(rng.normal(0, 0.01, (2 * n_bars, n_symbols)), axis=0))
    decision = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], (n_bars, n_symbols))
    return decision, 50 * steps[::2], 50 * steps[1::2]


def spelled_out(decision: Floats, open_: Floats, close: Floats, cost_bps: float) -> Floats:
    """The same accounting in vectors: old position overnight, new one intraday, costs at the open."""
    held = np.vstack([np.zeros((1, decision.shape[1])), decision[:-1]])
    old = np.vstack([np.zeros((1, decision.shape[1])), held[:-1]])
    overnight = np.vstack([np.ones((1, decision.shape[1])), open_[1:] / close[:-1]]) - 1
    cost = cost_bps / 1e4
    growth = (1 + old * overnight) * (1 - cost * np.abs(held - old)) * (1 + held * (close / open_ - 1))
    growth[-1] *= 1 - cost * np.abs(held[-1])
    return growth.mean(axis=1) - 1


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), cost_bps=st.sampled_from([0.0, 1.0, 25.0]))
def test_agrees_with_the_accounting_in_vectors(seed: int, cost_bps: float) -> None:
    decision, open_, close = market(seed)
    result = backtest(decision, open_, close, cost_bps)
    np.testing.assert_allclose(result.returns, spelled_out(decision, open_, close, cost_bps), atol=1e-14)
    np.testing.assert_array_equal(result.held[1:], decision[:-1])
    assert not result.held[0].any()


def test_a_constant_position_compounds_from_the_second_open_to_the_last_close() -> None:
    _, open_, close = market(1, n_symbols=1)
    result = backtest(np.ones_like(close), open_, close, cost_bps=0.0)
    assert np.prod(1 + result.returns) == pytest.approx(close[-1, 0] / open_[1, 0], rel=1e-12)
    assert result.returns[0] == 0.0
    assert result.returns[1] == pytest.approx(close[1, 0] / open_[1, 0] - 1)
    assert result.trade_returns == pytest.approx([close[-1, 0] / open_[1, 0] - 1])


def test_a_round_trip_pays_twice() -> None:
    flat = np.full((6, 1), 100.0)
    decision = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None]
    result = backtest(decision, flat, flat, cost_bps=10.0)
    assert result.returns == pytest.approx([0, 0, -0.001, 0, -0.001, 0])
    assert result.trade_returns == pytest.approx([0.999**2 - 1])
    assert result.turnover == pytest.approx(2 / 6)
    assert result.exposure == pytest.approx(2 / 6)


def test_a_flip_pays_for_both_sides_and_makes_two_trades() -> None:
    flat = np.full((4, 1), 100.0)
    result = backtest(np.array([1.0, -1.0, -1.0, -1.0])[:, None], flat, flat, cost_bps=10.0)
    assert result.returns == pytest.approx([0, -0.001, -0.002, -0.001])
    assert result.trade_returns == pytest.approx([0.999**2 - 1] * 2)
    assert result.turnover == pytest.approx(4 / 4)


def test_positions_are_closed_at_the_last_close_and_pay_for_it() -> None:
    flat = np.full((3, 1), 100.0)
    result = backtest(np.full((3, 1), 0.5), flat, flat, cost_bps=100.0)
    assert result.returns == pytest.approx([0, -0.005, -0.005])
    assert result.n_trades == 1


def test_a_decision_never_earns_the_gap_into_its_fill() -> None:
    open_ = np.array([100.0, 100.0, 150.0, 150.0])[:, None]  # jumps overnight between bars 1 and 2
    close = np.array([100.0, 100.0, 150.0, 150.0])[:, None]

    def earned(*decision: float) -> list[float]:
        return backtest(np.array(decision)[:, None], open_, close, 0.0).returns.tolist()

    assert earned(0, 1, 0, 0) == [0, 0, 0, 0]  # decided at the close before the gap: fills after it
    assert earned(1, 0, 0, 0) == [0, 0, 0.5, 0]  # held before the gap, given up after it
    assert earned(0, 0, 1, 1) == [0, 0, 0, 0]


def test_the_last_decision_never_fills() -> None:
    decision, open_, close = market(2)
    other = decision.copy()
    other[-1] = -other[-1]
    assert_same(backtest(decision, open_, close, 5.0), backtest(other, open_, close, 5.0))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), bar=st.integers(0, 57))
def test_the_future_does_not_move_the_past(seed: int, bar: int) -> None:
    decision, open_, close = market(seed)
    other_decision, other_open, other_close = market(seed + 1)
    changed = [
        np.vstack([mine[: bar + 1], theirs[bar + 1 :]])
        for mine, theirs in ((decision, other_decision), (open_, other_open), (close, other_close))
    ]
    before = backtest(decision, open_, close, 5.0)
    after = backtest(changed[0], changed[1], changed[2], 5.0)
    np.testing.assert_array_equal(before.returns[: bar + 1], after.returns[: bar + 1])
    np.testing.assert_array_equal(before.held[: bar + 2], after.held[: bar + 2])
    assert (before.returns[bar + 1 :] != after.returns[bar + 1 :]).any()


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_trades_are_stretches_of_one_sign_and_compound_to_the_symbols_growth(seed: int) -> None:
    decision, open_, close = market(seed, n_symbols=1)
    result = backtest(decision, open_, close, cost_bps=0.0)
    signs = np.sign(result.held[:, 0])
    stretches = int(((signs != 0) & (np.concatenate([[0.0], signs[:-1]]) != signs)).sum())
    assert result.n_trades == stretches == len(result.trade_returns)
    assert np.prod(1 + result.trade_returns) == pytest.approx(np.prod(1 + result.returns), rel=1e-12)


def test_resizing_with_the_same_sign_is_one_trade() -> None:
    _, open_, close = market(3, n_bars=8, n_symbols=1)
    decision = np.array([0.5, 1.0, 0.25, 0.0, -0.5, -1.0, 0.0, 0.0])[:, None]
    result = backtest(decision, open_, close, cost_bps=3.0)
    assert result.n_trades == 2
    assert np.prod(1 + result.trade_returns) == pytest.approx(np.prod(1 + result.returns), rel=1e-12)


def test_symbols_are_weighted_equally_and_trades_come_by_symbol() -> None:
    decision, open_, close = market(4)
    together = backtest(decision, open_, close, 5.0)
    alone = [
        backtest(decision[:, s : s + 1], open_[:, s : s + 1], close[:, s : s + 1], 5.0) for s in range(3)
    ]
    np.testing.assert_allclose(
        together.returns, np.mean([result.returns for result in alone], axis=0), atol=1e-15
    )
    np.testing.assert_allclose(together.trade_returns, np.concatenate([r.trade_returns for r in alone]))
    assert together.n_trades == sum(result.n_trades for result in alone)
    assert together.turnover == pytest.approx(np.mean([result.turnover for result in alone]))


def test_buy_and_hold_is_always_fully_long() -> None:
    _, open_, close = market(5)
    held = buy_and_hold(open_, close, 5.0)
    assert_same(held, backtest(np.ones_like(close), open_, close, 5.0))
    assert held.n_trades == 3
    expected = close[-1] / open_[1] * (1 - 5e-4) ** 2 - 1
    np.testing.assert_allclose(held.trade_returns, expected, rtol=1e-12)


def test_nan_is_flat_and_views_of_larger_arrays_do() -> None:
    decision, open_, close = market(6)
    holes = decision.copy()
    holes[10:20] = np.nan
    zeros = decision.copy()
    zeros[10:20] = 0.0
    assert_same(backtest(holes, open_, close, 1.0), backtest(zeros, open_, close, 1.0))
    assert_same(
        backtest(zeros[::2, ::2], open_[::2, ::2], close[::2, ::2], 1.0),
        backtest(zeros[::2, ::2].copy(), open_[::2, ::2].copy(), close[::2, ::2].copy(), 1.0),
    )


def test_a_short_cannot_lose_more_than_its_money() -> None:
    open_ = np.array([100.0, 100.0, 500.0])[:, None]
    result = backtest(-np.ones((3, 1)), open_, open_, 0.0)
    assert result.returns.tolist() == [0.0, 0.0, -1.0]


@pytest.mark.parametrize("n_bars", [0, 1])
def test_too_few_bars_to_trade_earn_nothing(n_bars: int) -> None:
    prices = np.full((n_bars, 2), 10.0)
    result = backtest(np.ones((n_bars, 2)), prices, prices, 5.0)
    assert result.returns.tolist() == [0.0] * n_bars
    assert (result.n_trades, result.turnover, result.exposure) == (0, 0.0, 0.0)


def test_inputs_that_make_no_sense_are_refused() -> None:
    decision, open_, close = market(7)
    with pytest.raises(UsageError, match="share one"):
        backtest(decision[:-1], open_, close, 0.0)
    with pytest.raises(UsageError, match="share one"):
        backtest(decision[:, 0], open_[:, 0], close[:, 0], 0.0)
    with pytest.raises(UsageError, match="cost_bps is -1"):
        backtest(decision, open_, close, -1)
    decision[4, 1] = 1.5
    with pytest.raises(UsageError, match=r"decision 1\.5 at bar 4, symbol 1") as caught:
        backtest(decision, open_, close, 0.0)
    assert caught.value.facts == {"bar": 4, "symbol": 1}


def assert_same(one: Backtest, other: Backtest) -> None:
    np.testing.assert_array_equal(one.returns, other.returns)
    np.testing.assert_array_equal(one.trade_returns, other.trade_returns)
    assert (one.n_trades, one.turnover, one.exposure) == (other.n_trades, other.turnover, other.exposure)
