from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import skfolio.measures as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen import metrics
from sharpen.arrays import Floats

ANNUAL: list[Callable[[Floats, float], float]] = [
    metrics.annual_return,
    metrics.annual_volatility,
    metrics.sharpe,
    metrics.sortino,
]


def series(seed: int, n_bars: int = 400) -> Floats:
    return np.random.default_rng(seed).standard_t(4, n_bars) * 0.01 + 0.0005


@pytest.mark.parametrize("seed", range(5))
def test_sharpe_and_volatility_agree_with_an_independent_library(seed: int) -> None:
    returns = series(seed)
    deviation = float(oracle.standard_deviation(returns))
    assert metrics.annual_volatility(returns, 252) == pytest.approx(deviation * 252**0.5)
    assert metrics.sharpe(returns, 252) == pytest.approx(float(oracle.mean(returns)) / deviation * 252**0.5)


@pytest.mark.parametrize("seed", range(5))
def test_drawdown_agrees_with_an_independent_library(seed: int) -> None:
    returns = series(seed)
    equity = np.concatenate([[1.0], np.cumprod(1 + returns)])
    expected = max(1 - equity[j] / equity[i] for i in range(len(equity)) for j in range(i, len(equity)))
    assert metrics.max_drawdown(returns) == pytest.approx(expected)
    drawdowns = oracle.get_drawdowns(returns, compounded=True)
    assert metrics.max_drawdown(returns) >= -drawdowns.min() - 1e-12


def test_sortino_counts_only_losses_against_zero() -> None:
    returns = np.array([0.02, -0.01, 0.03, -0.02])
    downside = math.sqrt((0.01**2 + 0.02**2) / 4)
    assert metrics.sortino(returns, 12) == pytest.approx(0.005 / downside * 12**0.5)


def test_sortino_of_the_papers_example() -> None:
    # Rollinger and Hoffman (2013): eight years, a target of 0, no annualising
    years = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert metrics.sortino(years, 1) == pytest.approx(4.417, abs=5e-4)


def test_constant_growth_has_its_closed_forms() -> None:
    returns = np.full(24, 0.01)
    assert metrics.total_return(returns) == pytest.approx(1.01**24 - 1)
    assert metrics.annual_return(returns, 12) == pytest.approx(1.01**12 - 1)
    assert metrics.max_drawdown(returns) == 0.0


def test_a_loss_on_the_first_bar_is_a_drawdown() -> None:
    assert metrics.max_drawdown(np.array([-0.25, 0.1])) == pytest.approx(0.25)


def test_all_lost_stays_lost() -> None:
    assert metrics.annual_return(np.array([0.5, -1.0, 0.5]), 252) == -1.0
    assert metrics.annual_return(np.array([0.5, -1.5, 0.5]), 252) == -1.0


def test_trades() -> None:
    trades = np.array([0.04, -0.01, 0.0, -0.01])
    assert metrics.profit_factor(trades) == pytest.approx(2.0)
    assert metrics.profit_factor(np.array([0.01])) == math.inf
    assert math.isnan(metrics.profit_factor(np.array([0.0])))
    assert math.isnan(metrics.profit_factor(np.zeros(0)))


@pytest.mark.parametrize("measure", ANNUAL)
@pytest.mark.parametrize("returns", [[], [0.01], [0.01, math.nan, 0.02]])
def test_undefined_is_nan(measure: Callable[[Floats, float], float], returns: list[float]) -> None:
    assert math.isnan(measure(np.array(returns), 252))


@pytest.mark.parametrize("value", [0.0, 0.1, -0.003, 1e-9])
def test_without_variance_there_is_no_sharpe(value: float) -> None:
    returns = np.full(37, value)
    assert math.isnan(metrics.sharpe(returns, 252))
    assert math.isnan(metrics.sortino(returns, 252))


def test_no_loss_no_sortino() -> None:
    returns = np.array([0.01, 0.02])
    assert math.isnan(metrics.sortino(returns, 252))


def test_nothing_happened_in_no_bars() -> None:
    assert metrics.total_return(np.zeros(0)) == 0.0
    assert metrics.max_drawdown(np.zeros(0)) == 0.0


@settings(deadline=None)
@given(seed=st.integers(0, 1000), leverage=st.floats(0.1, 5.0))
def test_sharpe_and_sortino_do_not_depend_on_leverage(seed: int, leverage: float) -> None:
    returns = series(seed, 50)
    assert metrics.sharpe(leverage * returns, 252) == pytest.approx(metrics.sharpe(returns, 252))
    assert metrics.sortino(leverage * returns, 252) == pytest.approx(metrics.sortino(returns, 252))


@pytest.mark.parametrize("cost_bps", [0.0, 3.0, 12.5])
def test_at_the_break_even_cost_nothing_is_left(cost_bps: float) -> None:
    rng = np.random.default_rng(0)
    gross, turnover = rng.normal(0.001, 0.01, 500), rng.random(500)
    break_even = metrics.break_even_cost_bps(gross, turnover)
    assert float(np.sum(gross - turnover * break_even / 1e4)) == pytest.approx(0.0, abs=1e-12)
    net = gross - turnover * cost_bps / 1e4
    np.testing.assert_allclose(metrics.at_costs(gross, net, 2.0), gross - 2 * turnover * cost_bps / 1e4)
    assert math.isnan(metrics.break_even_cost_bps(gross, np.zeros(500)))


def test_interest_compounds_to_the_annual_rate() -> None:
    each = metrics.rate_per_bar(0.05, 252)
    assert (1 + each) ** 252 == pytest.approx(1.05)
    lent = np.full(252, each)
    np.testing.assert_allclose(metrics.above_rate(lent, 0.05, 252), 0.0, atol=1e-15)
    positions = np.array([[1.0, -1.0], [-0.5, -0.5], [0.3, 0.0]])
    np.testing.assert_allclose(metrics.borrow_cost(positions, 0.05, 252), np.array([1.0, 1.0, 0.0]) * each)


def test_years_and_days_are_those_of_the_calendar() -> None:
    rng = np.random.default_rng(1)
    time = np.arange("2020-01-01", "2022-07-01", np.timedelta64(6, "h"), dtype="datetime64[us]")
    returns = rng.normal(0.001, 0.01, len(time))
    found = metrics.sharpe_by_year(returns, time, 1460)
    assert list(found) == [2020, 2021, 2022]
    of_2020 = returns[: 366 * 4]
    assert found[2020] == pytest.approx(of_2020.mean() / of_2020.std(ddof=1) * 1460**0.5)
    days = metrics.daily_returns(returns, time)
    assert len(days) == len(time) / 4
    assert np.prod(1 + days) == pytest.approx(np.prod(1 + returns))
    assert metrics.daily_returns(np.zeros(0), time[:0]).size == 0
    assert metrics.sharpe_by_year(np.zeros(0), time[:0], 1460) == {}


def test_the_best_few_of_many_equal_ones_made_their_share() -> None:
    assert metrics.best_share(np.full(50, 0.01), 5) == pytest.approx(0.1)
    assert metrics.best_share(np.array([0.05, -0.04]), 1) == pytest.approx(5.0)
    assert math.isnan(metrics.best_share(np.array([0.05, -0.06]), 1))
    assert math.isnan(metrics.best_share(np.zeros(0)))
