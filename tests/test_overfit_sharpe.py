from __future__ import annotations

import math

import numpy as np
import pytest
import skfolio.measures as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit import (
    Moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_backtest_length,
    min_track_record_length,
    moments,
    probabilistic_sharpe,
    probability_above,
)


def series(seed: int, n_bars: int = 300) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.standard_t(5, n_bars) * 0.01 + 0.001 - 0.002 * (rng.random(n_bars) < 0.05)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("benchmark", [0.0, 0.05, -0.1])
def test_probabilistic_sharpe_agrees_with_an_independent_library(seed: int, benchmark: float) -> None:
    returns = series(seed)
    assert probabilistic_sharpe(returns, benchmark) == pytest.approx(
        oracle.probabilistic_sharpe_ratio(returns, benchmark), rel=1e-9
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_trials", [1, 2, 10, 500])
def test_deflated_sharpe_agrees_with_an_independent_library(seed: int, n_trials: int) -> None:
    returns = series(seed)
    sharpes = np.random.default_rng(seed).normal(0, 0.05, n_trials)
    expected = oracle.deflated_sharpe_ratio(returns, sharpes)
    assert deflated_sharpe(returns, sharpes) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_trials", [2, 10, 500])
def test_trials_without_a_sharpe_were_tried_all_the_same(n_trials: int) -> None:
    returns = series(0)
    sharpes = np.random.default_rng(0).normal(0, 0.05, n_trials)
    with_gaps = np.concatenate([sharpes, [math.nan, math.nan]])
    luck = oracle.expected_max_sharpe_ratio(n_trials + 2, float(np.std(sharpes, ddof=1)))
    expected = oracle.probabilistic_sharpe_ratio(returns, luck)
    assert deflated_sharpe(returns, with_gaps) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_trials", [1, 2, 3, 46, 100, 100_000])
def test_expected_maximum_agrees_with_an_independent_library(n_trials: int) -> None:
    expected = oracle.expected_max_sharpe_ratio(n_trials, 0.3)
    assert expected_max_sharpe(n_trials, 0.09) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_trials", [10, 100])
def test_expected_maximum_is_what_noise_shows(n_trials: int) -> None:
    draws = np.random.default_rng(0).normal(0, 0.5, (20_000, n_trials)).max(axis=1)
    assert expected_max_sharpe(n_trials, 0.25) == pytest.approx(draws.mean(), rel=0.03)


@pytest.mark.parametrize(("n_trials", "probability"), [(100, 0.9004), (46, 0.9505)])
def test_deflated_sharpe_of_the_papers_example(n_trials: int, probability: float) -> None:
    # Bailey and Lopez de Prado (2014), "A numerical example": annual figures on 250 days a year
    estimate = Moments(sharpe=2.5 / math.sqrt(250), skew=-3.0, kurtosis=10.0, n_bars=1250)
    benchmark = expected_max_sharpe(n_trials, 0.5 / 250)
    assert probability_above(estimate, benchmark) == pytest.approx(probability, abs=5e-5)


def test_deflated_sharpe_of_normal_returns_in_the_papers_example() -> None:
    estimate = Moments(sharpe=2.5 / math.sqrt(250), skew=0.0, kurtosis=3.0, n_bars=1250)
    found = probability_above(estimate, expected_max_sharpe(88, 0.5 / 250))
    assert found == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize(
    ("skew", "kurtosis", "n_bars", "probability"),
    [(0.0, 3.0, 24, 0.982), (-2.448, 10.164, 24, 0.913), (-2.448, 10.164, 36, 0.953)],
)
def test_probabilistic_sharpe_of_the_papers_example(
    skew: float, kurtosis: float, n_bars: int, probability: float
) -> None:
    # Bailey and Lopez de Prado (2012), a monthly record of two and of three years
    estimate = Moments(sharpe=0.458, skew=skew, kurtosis=kurtosis, n_bars=n_bars)
    assert probability_above(estimate) == pytest.approx(probability, abs=6e-4)


def test_track_record_of_the_papers_example() -> None:
    # Bailey and Lopez de Prado (2012): 2.73 years of normal days show that an annual Sharpe of 2 is above 1
    days = np.tile([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 10_000) * math.sqrt(3.0)  # kurtosis 3
    bars = min_track_record_length(days + 2 / math.sqrt(250), benchmark_sharpe=1 / math.sqrt(250))
    assert bars / 250 == pytest.approx(2.73, abs=0.005)


def test_backtest_lengths_of_the_papers_examples() -> None:
    # Bailey, Borwein, Lopez de Prado and Zhu (2014): E[max] of 10 is 1.57; 45 trials need 5 years
    assert expected_max_sharpe(10, 1.0) == pytest.approx(1.57, abs=0.006)
    assert min_backtest_length(45) == pytest.approx(5.0, abs=0.01)
    # and the same the other way round: 50 trials of noise on 1.6 years show an annual Sharpe of 1.8
    assert expected_max_sharpe(50, 1 / 1.6) == pytest.approx(1.8, abs=0.005)
    assert min_backtest_length(50, annual_sharpe=1.8) == pytest.approx(1.6, abs=0.005)


@settings(deadline=None)
@given(n_trials=st.integers(2, 100_000))
def test_backtest_length_is_below_the_papers_bound(n_trials: int) -> None:
    assert min_backtest_length(n_trials) < 2 * math.log(n_trials)


@settings(deadline=None)
@given(seed=st.integers(0, 500), level=st.floats(0.6, 0.99), benchmark=st.floats(-0.05, 0.02))
def test_a_track_record_of_the_minimum_length_proves_its_level(
    seed: int, level: float, benchmark: float
) -> None:
    returns = series(seed)
    length = min_track_record_length(returns, benchmark, level)
    estimate = moments(returns)
    if estimate.sharpe <= benchmark:
        assert length == math.inf
        return
    score_at = probability_above(
        Moments(estimate.sharpe, estimate.skew, estimate.kurtosis, max(3, math.ceil(length))), benchmark
    )
    assert score_at >= level - 1e-12
    assert length > 3 or score_at > level - 1e-12
    if length > 4:
        shorter = Moments(estimate.sharpe, estimate.skew, estimate.kurtosis, math.ceil(length) - 1)
        assert probability_above(shorter, benchmark) < level


def test_probabilities_are_those_of_the_estimate_under_noise() -> None:
    # under no skill the probabilistic Sharpe ratio is uniform
    rng = np.random.default_rng(3)
    found = np.array([probabilistic_sharpe(rng.normal(0, 0.01, 250)) for _ in range(2000)])
    assert np.mean(found > 0.95) == pytest.approx(0.05, abs=0.015)
    assert np.mean(found > 0.5) == pytest.approx(0.5, abs=0.035)


@pytest.mark.parametrize("returns", [[], [0.1], [0.1] * 30, [0.0] * 30])
def test_undefined_is_nan(returns: list[float]) -> None:
    array = np.array(returns)
    assert math.isnan(moments(array).sharpe)
    assert math.isnan(probabilistic_sharpe(array))
    assert math.isnan(deflated_sharpe(array, np.array([0.1, 0.2])))
    assert math.isnan(min_track_record_length(array))


def test_one_trial_is_not_deflated() -> None:
    returns = series(1)
    alone = deflated_sharpe(returns, np.array([moments(returns).sharpe]))
    assert alone == probabilistic_sharpe(returns)
    assert deflated_sharpe(returns, np.zeros(0)) == alone


def test_more_trials_and_more_spread_deflate_more() -> None:
    assert expected_max_sharpe(2, 1.0) < expected_max_sharpe(3, 1.0) < expected_max_sharpe(4, 1.0)
    assert expected_max_sharpe(5, 1.0) < expected_max_sharpe(5, 2.0)
    assert expected_max_sharpe(5, 0.0) == 0.0


def test_numbers_out_of_range_are_refused() -> None:
    for n_trials, variance in [(0, 1.0), (5, -1.0), (5, math.nan)]:
        with pytest.raises(UsageError, match="expected maximum"):
            expected_max_sharpe(n_trials, variance)
    with pytest.raises(UsageError, match="annual_sharpe"):
        min_backtest_length(5, annual_sharpe=0.0)
