"""Stocks that begin late, are delisted and miss bars, in the portfolio market."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sharpen.bars import COLUMNS
from sharpen.errors import DataError
from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob
from sharpen.objectives.rl import technicals
from sharpen.objectives.rl.market import FILLS, MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.portfolio import PortfolioSettings, train
from sharpen.objectives.rl.turbulence import realized_volatility, turbulence

from .test_market import walk

LATE, GONE, GAP = 320, 380, 350


def without(panel, s, rows):
    columns = {name: getattr(panel, name).copy() for name in COLUMNS}
    for column in columns.values():
        column[rows, s] = np.nan
    return replace(panel, **columns)


def ragged(world, n_bars=420):
    """Return a world of a whole stock, a late one, and one that misses a bar and is delisted."""
    panel = without(world(seed=4, n_bars=n_bars), 1, slice(0, LATE))
    return without(without(panel, 2, slice(GONE, None)), 2, [GAP])


def test_turbulence_is_that_of_the_stocks_with_a_whole_window(world):
    close = world(seed=2, n_bars=700, n_symbols=4).close
    late = close.copy()
    late[:300, 3] = np.nan
    found = turbulence(late)
    np.testing.assert_allclose(found[253:553], turbulence(close[:, :3])[253:553], rtol=1e-9)
    np.testing.assert_allclose(found[553:], turbulence(close)[553:], rtol=1e-9)
    three, four = realized_volatility(close[:, :3]), realized_volatility(close)
    np.testing.assert_allclose(realized_volatility(late)[:300], three[:300], rtol=1e-9)
    np.testing.assert_allclose(realized_volatility(late)[331:], four[331:], rtol=1e-9)


@pytest.mark.parametrize("scaling", ["relative", "elegantrl"])
def test_the_state_is_known_and_says_who_trades(world, scaling):
    panel = ragged(world, 600)
    data, whole = (market_data(p, scaling=scaling) for p in (panel, world(seed=4, n_bars=600)))
    assert data.warmup_bars == whole.warmup_bars
    assert np.isfinite(data.table[data.warmup_bars :]).all()
    assert data.names[-5:-2] == tuple(f"tradable/{s}" for s in panel.symbols)
    np.testing.assert_array_equal(data.table[:, -5:-2], panel.present)
    of_first = [k for k, name in enumerate(whole.names) if name.endswith("/A")]
    np.testing.assert_array_equal(data.table[300:, of_first], whole.table[300:, of_first])
    of_late = [k for k, name in enumerate(data.names) if name.endswith("/B") and "tradable" not in name]
    ready = LATE + technicals.warmup(technicals.DEFAULT)
    assert not data.table[:ready, of_late].any()
    assert (data.table[ready:, of_late] != 0).any(axis=1).all()


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("trade_unit", ["shares", "value"])
def test_only_what_has_a_bar_is_traded(world, fill, trade_unit):
    panel = ragged(world)
    unit = 20.0 if trade_unit == "shares" else 0.02
    rules = MarketSettings(300, 410, 1e5, unit, trade_unit=trade_unit, fill=fill)
    market = PortfolioMarket(market_data(panel), [rules], n_envs=2)
    actions = np.random.default_rng(0).uniform(-0.4, 1, (100, 3))
    states, _ = walk(market, actions, (0, 0, 0))
    shares = np.array([state["shares"][0, 0].tolist() for state in states])  # after bar 300 + k
    assets = np.array([state["assets"][0, 0].item() for state in states])
    assert np.isfinite(assets).all()
    assert not shares[: LATE - 300 + 1, 1].any()
    assert shares[LATE - 300 + 3 :, 1].any()
    late = GONE - 300 if fill != "same_close_lookahead" else GONE - 300 + 1
    assert shares[GONE - 300 - 1, 2] > 0
    assert not shares[late:, 2].any()
    gap = GAP - 300 + (fill == "same_close_lookahead")
    assert shares[gap, 2] == shares[gap - 1, 2]


@pytest.mark.parametrize(("delisting_return", "paid"), [(0.0, 1.0), (-0.3, 0.7), (-1.0, 0.0)])
def test_a_delisted_stock_is_sold_at_its_last_close(world, delisting_return, paid):
    panel = ragged(world)
    data = market_data(panel)
    rules = MarketSettings(370, 400, 1e5, 10.0, cost_bps=0.0, delisting_return=delisting_return)
    market = PortfolioMarket(data, [rules], n_envs=1)
    states, _ = walk(market, np.zeros((20, 3)), (0, 0, 50))
    cash = [state["cash"].item() for state in states]
    before = GONE - 370 - 1
    assert cash[before] == 1e5
    assert cash[before + 1] == pytest.approx(1e5 + 50 * paid * panel.close[GONE - 1, 2])
    assert cash[-1] == cash[before + 1]
    worth = states[GAP - 370] if GAP > 370 else states[0]
    assert worth["assets"].item() == pytest.approx(1e5 + 50 * panel.close[370, 2])


def test_a_missing_bar_is_valued_at_the_last_close(world):
    panel = ragged(world)
    market = PortfolioMarket(market_data(panel), [MarketSettings(340, 400, 1e5, 10.0)], n_envs=1)
    states, _ = walk(market, np.zeros((12, 3)), (0, 0, 50))
    assert states[GAP - 340]["assets"].item() == pytest.approx(1e5 + 50 * panel.close[GAP - 1, 2])


def test_the_mask_of_the_future_moves_nothing_of_the_past(world, other_future):
    panel, after = ragged(world), 340
    bent = without(other_future(panel, after), 0, slice(after + 5, after + 25))
    ways, tables = [], []
    for p in (panel, bent):
        data = market_data(p)
        tables.append(data.table[: after + 1])
        market = PortfolioMarket(data, [MarketSettings(300, 400, 1e5, 20.0)], n_envs=1)
        actions = np.random.default_rng(0).uniform(-1, 1, (40, 3))
        ways.append(walk(market, actions, (0, 0, 0))[0])
    np.testing.assert_allclose(*tables, rtol=1e-9, atol=1e-12)
    for name in ("cash", "shares", "assets"):
        assert torch.allclose(*(torch.stack([s[name] for s in way[: after - 299]]) for way in ways))


def test_an_agent_trains_on_a_ragged_panel(world):
    data = market_data(ragged(world, 460), scaling="relative")
    wish = {"agent": "ppo", "break_step": 2000, "n_checks": 2, "n_envs": 8, "horizon_len": 32}
    settings = PortfolioSettings.of(wish)
    (found,) = train(data, [FoldJob(settings, Fold(1, data.warmup_bars, 370, 370, 460), 0)])
    assert found.problem is None
    assert np.isfinite(found.score.returns).all()
    assert np.isfinite(found.score.val_trade_returns).all()
    assert np.isfinite(found.score.baseline).all()


def test_a_stock_without_a_price_is_refused_by_name(world):
    panel = without(world(seed=4, n_bars=420), 1, slice(None))
    with pytest.raises(
        DataError, match="B without a price in the 420 bars that a search may see: leave it out"
    ):
        market_data(panel)
