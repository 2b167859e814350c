"""Technicals and turbulence against their definitions, written anew."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sharpen.errors import DataError, UsageError
from sharpen.objectives.rl import technicals
from sharpen.objectives.rl.market_data import market_data
from sharpen.objectives.rl.turbulence import realized_volatility, turbulence


def test_turbulence_is_the_squared_mahalanobis_distance_from_the_year_before(world):
    close = world(seed=2, n_bars=300).close
    returns = close[1:] / close[:-1] - 1
    found = turbulence(close)
    assert np.isnan(found[:253]).all()
    for t in (253, 280, 299):
        past = returns[t - 1 - 252 : t - 1]
        odd = returns[t - 1] - past.mean(axis=0)
        expected = odd @ np.linalg.inv(np.cov(past, rowvar=False)) @ odd
        assert found[t] == pytest.approx(expected, rel=1e-9)


def test_turbulence_with_more_stocks_than_days_is_finite(world):
    close = np.concatenate([world(seed=s, n_bars=60, n_symbols=8).close for s in range(4)], axis=1)
    assert np.isfinite(turbulence(close, window_bars=20)[21:]).all()


def test_realized_volatility_is_that_of_the_equal_weight_market(world):
    close = world(seed=2, n_bars=200).close
    market = pd.DataFrame(close).pct_change().mean(axis=1)
    expected = market.rolling(30).std() * 100 * np.sqrt(252)
    np.testing.assert_allclose(realized_volatility(close), expected, rtol=1e-9)


def test_technicals_agree_with_the_definitions_of_stockstats(world):
    panel = world(seed=2, n_bars=900)
    values = technicals.compute(panel, technicals.DEFAULT)
    close = pd.Series(panel.close[:, 1])
    high, low = pd.Series(panel.high[:, 1]), pd.Series(panel.low[:, 1])
    move = close.diff()
    up, down = (
        part.ewm(alpha=1 / 30, adjust=True).mean() for part in (move.clip(lower=0), -move.clip(upper=0))
    )
    typical = (high + low + close) / 3
    mean = typical.rolling(30).mean()
    spread = (typical.rolling(30).apply(lambda x: np.abs(x - x.mean()).mean(), raw=True)) * 0.015
    middle, deviation = close.rolling(20).mean(), close.rolling(20).std()
    expected = {
        "macd": close.ewm(span=12).mean() - close.ewm(span=26).mean(),
        "boll_ub": middle + 2 * deviation,
        "boll_lb": middle - 2 * deviation,
        "rsi_30": 100 * up / (up + down),
        "cci_30": (typical - mean) / spread,
        "close_30_sma": close.rolling(30).mean(),
        "close_60_sma": close.rolling(60).mean(),
    }
    for name, series in expected.items():
        ours = values[600:, 1, technicals.DEFAULT.index(name)]
        np.testing.assert_allclose(ours, series[600:], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_state_of_28_stocks_and_8_technicals_has_283_numbers(world):
    panel = world(seed=2, n_bars=300)
    wide = replace(
        panel,
        symbols=tuple(f"S{i}" for i in range(28)),
        **{
            name: np.tile(getattr(panel, name), (1, 10))[:, :28]
            for name in ("open", "high", "low", "close", "volume")
        },
    )
    data = market_data(wide)
    assert 1 + 28 + data.table.shape[1] == 283
    assert len(data.names) == data.table.shape[1]
    assert data.names[0] == "close/S0"
    assert data.table[260, 0] == pytest.approx(panel.close[260, 0] / 128)


def test_the_warm_up_is_the_longest_column(world):
    panel = world(seed=2, n_bars=400)
    assert market_data(panel).warmup_bars == 253
    assert market_data(panel, columns=()).warmup_bars == technicals.warmup(technicals.DEFAULT)


def test_what_cannot_be_made_is_refused(world):
    with pytest.raises(UsageError, match="no technical 'rsi'"):
        technicals.warmup(["rsi"])
    with pytest.raises(UsageError, match="no market column 'vix'"):
        market_data(world(seed=2), columns=["vix"])
    with pytest.raises(UsageError, match="scaling is 'none'"):
        market_data(world(seed=2), scaling="none")
    with pytest.raises(DataError, match="253 bars to warm up"):
        market_data(world(seed=2, n_bars=200))
