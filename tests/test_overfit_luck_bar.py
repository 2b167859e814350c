from __future__ import annotations

import math

import numpy as np
import pytest
import skfolio.measures as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.arrays import Floats
from sharpen.overfit import (
    annual_factor,
    autocorrelation_factor,
    dependent_sharpe,
    expected_max_sharpe,
    luck_bar,
    moments,
    noise_variance,
    probability_above,
)
from sharpen.overfit.luck_bar import correlations, leaders

T = 1001
FLOOR = noise_variance(T)


def noise(seed: int, n_trials: int, n_bars: int = T) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.01, (n_bars, n_trials))


def ratios(returns: Floats) -> Floats:
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1)


def bar_of(returns: Floats, n_trials: int | None = None, n_fitted: int = 0) -> float:
    n = returns.shape[1] if n_trials is None else n_trials
    return luck_bar(ratios(returns), returns, n, FLOOR, n_fitted).sharpe


def test_different_trials_give_the_published_bar() -> None:
    returns = 3.0 * noise(0, 40) + np.linspace(-0.01, 0.01, 40)  # spread wider than noise
    found = luck_bar(ratios(returns), returns, 40, FLOOR)
    spread = float(np.std(ratios(returns), ddof=1))
    assert found.sharpe == pytest.approx(oracle.expected_max_sharpe_ratio(40, spread))
    assert (found.n_effective, found.basis) == (40, "spread")


@pytest.mark.parametrize("jitter", [0.0, 1e-9, 1e-7])
def test_six_hundred_clones_are_one_trial(jitter: float) -> None:
    one = noise(1, 1)
    clones = np.repeat(one, 600, axis=1) * (1 + jitter * noise(2, 600))
    assert bar_of(one) == 0.0
    assert bar_of(clones) == pytest.approx(0.0, abs=1e-3 * math.sqrt(FLOOR))


def test_clones_beside_different_trials_change_nothing() -> None:
    different = noise(3, 40)
    with_clones = np.concatenate([different, np.repeat(different[:, :1], 600, axis=1)], axis=1)
    assert bar_of(with_clones) == pytest.approx(bar_of(different), rel=1e-9)
    assert bar_of(with_clones[:, ::-1]) == pytest.approx(bar_of(different), rel=1e-9)


def test_scaled_positions_are_clones() -> None:
    one = noise(4, 1)
    assert bar_of(one * np.array([1.0, 2.0, 0.5])) == 0.0


def test_trials_without_returns_count_each() -> None:
    one = np.repeat(noise(5, 1), 3, axis=1)
    expected = expected_max_sharpe(98, FLOOR)  # three clones are one, 97 kept none
    assert bar_of(one, n_trials=100) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.9999), st.integers(2, 60))
def test_the_bar_is_never_below_what_alike_trials_show(seed: int, rho: float, n: int) -> None:
    # the mean of the best of n that share a part: sqrt(1 - rho) times that of independent ones
    rng = np.random.default_rng(seed)
    returns = math.sqrt(rho) * rng.normal(size=(T, 1)) + math.sqrt(1 - rho) * rng.normal(size=(T, n))
    truth = math.sqrt((1 - rho) * FLOOR) * expected_max_sharpe(n, 1.0)
    found = luck_bar(ratios(returns), returns, n, FLOOR).sharpe
    assert found >= 0.9 * truth
    assert found <= expected_max_sharpe(n, max(FLOOR, float(np.var(ratios(returns), ddof=1)))) * (1 + 1e-9)


def test_a_chain_of_trials_each_like_the_next_is_not_one_trial() -> None:
    # neighbours correlate above 0.99, the ends not at all: single linkage would call them one
    angle = np.linspace(0.0, math.pi / 2, 40)
    two = noise(6, 2)
    chain = two[:, :1] * np.cos(angle) + two[:, 1:] * np.sin(angle)
    rho = correlations(chain)
    assert rho[0, 1] > 0.99
    assert abs(rho[0, -1]) < 0.1
    found = luck_bar(ratios(chain), chain, 40, FLOOR)
    assert 2 <= found.n_effective < 40
    directions = np.stack([np.cos(angle), np.sin(angle)])
    truth = float((np.random.default_rng(7).normal(size=(20000, 2)) @ directions).max(axis=1).mean())
    assert truth < found.sharpe / math.sqrt(FLOOR) < expected_max_sharpe(40, 1.0)


def test_fitted_parameters_raise_the_bar_to_what_fitting_noise_shows() -> None:
    # the best linear bet on d factors of noise has a chi distribution of d degrees
    rng = np.random.default_rng(8)
    for d in (5, 15, 40):
        best = float(np.linalg.norm(rng.normal(size=(20000, d)), axis=1).mean())
        alike = np.repeat(noise(9, 1), 200, axis=1)
        found = luck_bar(ratios(alike), alike, 200, FLOOR, n_fitted=d)
        assert found.sharpe == pytest.approx(best * math.sqrt(FLOOR), rel=0.02)
        assert found.basis == "fitted parameters"
    assert bar_of(noise(9, 1), n_trials=1, n_fitted=15) == 0.0
    assert bar_of(noise(9, 400), n_fitted=2) == bar_of(noise(9, 400))


def test_leaders_cover_all_and_are_unlike_each_other() -> None:
    returns = noise(10, 30)[:, np.repeat(np.arange(30), 3)] + 0.02 * noise(11, 90)
    rho = correlations(returns)
    found = leaders(rho, 0.99)
    assert len(found.index) == 30
    assert (rho[:, found.index].max(axis=1) >= 0.99).all()
    among = rho[np.ix_(found.index, found.index)] - np.eye(30)
    assert among.max() < 0.99
    assert found.least_correlation >= 0.99


def test_trials_that_never_moved_are_like_no_other() -> None:
    returns = np.concatenate([noise(12, 3), np.zeros((T, 5))], axis=1)
    rho = correlations(returns)
    assert np.isnan(rho[3:]).all()
    np.testing.assert_allclose(rho[:3, :3], np.corrcoef(noise(12, 3).T), atol=1e-12)
    assert len(leaders(rho, 0.9).index) == 8


@pytest.mark.parametrize(("phi", "truth"), [(0.4, 7 / 3), (0.0, 1.0), (-0.4, 1.0), (0.7, 17 / 3)])
def test_autocorrelation_shortens_a_record_and_never_lengthens_it(phi: float, truth: float) -> None:
    # closed form of an autoregression: (1 + phi) / (1 - phi), not below 1
    rng = np.random.default_rng(13)
    found: list[float] = []
    for _ in range(40):
        shocks = rng.normal(size=2000)
        values = np.zeros(2000)
        for t in range(1, 2000):
            values[t] = phi * values[t - 1] + shocks[t]
        found.append(autocorrelation_factor(values))
    assert min(found) >= 1.0
    assert float(np.mean(found)) == pytest.approx(truth, rel=0.15)


def test_the_factor_of_nothing_is_one() -> None:
    for returns in (np.zeros(0), np.ones(5), np.zeros(100)):
        assert autocorrelation_factor(returns) == 1.0


@pytest.mark.parametrize(("phi", "q"), [(0.2, 12), (-0.3, 12), (0.4, 252)])
def test_the_annual_factor_is_the_closed_form_of_an_autoregression(phi: float, q: int) -> None:
    closed = math.sqrt(q) / math.sqrt(1 + 2 * phi / (1 - phi) * (1 - (1 - phi**q) / (q * (1 - phi))))
    assert annual_factor(phi ** np.arange(1, q), q) == pytest.approx(closed)


def test_dependence_takes_from_the_annual_sharpe_what_it_gave() -> None:
    rng = np.random.default_rng(14)
    smooth = np.convolve(rng.normal(0.05, 1.0, 5003), np.full(4, 0.25), mode="valid")
    plain = float(smooth.mean() / smooth.std(ddof=1)) * math.sqrt(252)
    # a mean of four has rho = 3/4, 1/2, 1/4
    expected = annual_factor(np.array([0.75, 0.5, 0.25]), 252) / math.sqrt(252)
    assert dependent_sharpe(smooth, 252) / plain == pytest.approx(expected, rel=0.1)
    shocks = rng.normal(0.05, 1.0, 2000)
    plain = float(shocks.mean() / shocks.std(ddof=1)) * math.sqrt(252)
    assert dependent_sharpe(shocks, 252) == pytest.approx(plain, rel=1e-12)
    assert math.isnan(dependent_sharpe(np.ones(100), 252))
    assert math.isnan(dependent_sharpe(np.zeros(1), 252))


def test_the_best_fit_to_fifteen_factors_of_noise_passes_no_more_than_once_in_twenty_times() -> None:
    # nothing that learns can find a better bet than the one in closed form
    passed = 0
    for seed in range(300):
        factors = noise(seed, 15)
        best = factors @ np.linalg.solve(np.cov(factors.T), factors.mean(axis=0))
        alike = np.repeat(best[:, None], 40, axis=1)
        bar = luck_bar(ratios(alike), alike, 2000, FLOOR, n_fitted=15).sharpe
        passed += probability_above(moments(best), bar) >= 0.95
    assert passed <= 15
