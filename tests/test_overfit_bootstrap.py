from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError
from sharpen.overfit import bootstrap, optimal_block_length, sharpe_interval, stationary_blocks
from sharpen.overfit.bootstrap import Blocks

oracle = pytest.importorskip("arch.bootstrap")


def autoregressive(seed: int, n_bars: int, phi: float) -> Floats:
    shocks = np.random.default_rng(seed).normal(0.0005, 0.01, n_bars + 100)
    values = np.zeros(n_bars + 100)
    for t in range(1, n_bars + 100):
        values[t] = phi * values[t - 1] + shocks[t]
    return values[100:]


def bars_of(blocks: Blocks, n_bars: int) -> Ints:
    both = zip(blocks.start, blocks.length, strict=True)
    bars = np.concatenate([np.arange(start, start + length) % n_bars for start, length in both])
    return bars.reshape(len(blocks.first), n_bars)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.7, -0.4])
@pytest.mark.parametrize("n_bars", [100, 300, 1250, 3000])
def test_block_length_agrees_with_an_independent_library(n_bars: int, phi: float) -> None:
    same = 0
    for seed in range(10):
        returns = autoregressive(seed, n_bars, phi)
        expected = max(float(oracle.optimal_block_length(returns)["stationary"].iloc[0]), 1.0)
        same += optimal_block_length(returns) == pytest.approx(expected, rel=1e-9)
    # The library divides an autocovariance by the variance of the bars that overlap, the paper by that of all
    # bars; once in a while that moves a correlation across the bound where lags become negligible.
    assert same >= 8


def test_block_length_where_there_is_nothing_to_measure() -> None:
    assert optimal_block_length(np.zeros(0)) == 1.0
    assert optimal_block_length(np.array([0.1, 0.2])) == 1.0
    assert optimal_block_length(np.full(100, 0.1)) == 1.0
    assert optimal_block_length(np.zeros(100)) == 1.0


@pytest.mark.parametrize("block_bars", [1.0, 7.0, 40.0])
def test_blocks_have_the_asked_mean_length_and_every_bar_is_as_likely(block_bars: float) -> None:
    blocks = stationary_blocks(200, block_bars, 2000, np.random.default_rng(0))
    assert blocks.length.min() >= 1
    assert (np.add.reduceat(blocks.length, blocks.first) == 200).all()
    indices = bars_of(blocks, 200)
    follows = (indices[:, 1:] - indices[:, :-1]) % 200 == 1
    # a new block starts on the next bar by chance once in 200
    assert 1 - follows.mean() == pytest.approx((1 / block_bars) * (1 - 1 / 200), abs=0.003)
    counts = np.bincount(indices.ravel(), minlength=200)
    assert counts.min() > 0.8 * 2000
    assert counts.max() < 1.2 * 2000


@pytest.mark.parametrize(("phi", "level"), [(0.0, 0.95), (0.3, 0.9)])
def test_interval_agrees_with_an_independent_library(phi: float, level: float) -> None:
    returns = autoregressive(5, 800, phi)
    found = sharpe_interval(returns, 252, np.random.default_rng(0), level=level, n_resamples=4000)
    bootstrap = oracle.StationaryBootstrap(optimal_block_length(returns), returns, seed=1)

    def annual_sharpe(sample: Floats) -> float:
        return float(sample.mean() / sample.std(ddof=1) * 252**0.5)

    expected = bootstrap.conf_int(annual_sharpe, reps=4000, method="bca", size=level)
    width = float(expected[1, 0] - expected[0, 0])
    assert found.low == pytest.approx(float(expected[0, 0]), abs=0.05 * width)
    assert found.high == pytest.approx(float(expected[1, 0]), abs=0.05 * width)
    assert found.level == level


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    truth = 0.05
    covered = 0
    for _ in range(300):
        interval = sharpe_interval(rng.normal(truth, 1.0, 250), 1.0, rng, level=0.9, n_resamples=300)
        covered += interval.low < truth < interval.high
    assert covered / 300 == pytest.approx(0.9, abs=0.05)


def test_the_same_stream_gives_the_same_interval() -> None:
    returns = autoregressive(6, 300, 0.2)
    one, two = (sharpe_interval(returns, 252, np.random.default_rng(3)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.1] * 40, [0.0] * 40])
def test_undefined_is_nan(returns: list[float]) -> None:
    interval = sharpe_interval(np.array(returns), 252, np.random.default_rng(0), n_resamples=50)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_a_single_trade_leaves_resamples_without_variance_out() -> None:
    returns = np.zeros(50)
    returns[7] = 0.1
    interval = sharpe_interval(returns, 1, np.random.default_rng(0))
    assert 0 < interval.low < interval.high


def test_resamples_are_those_of_their_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = autoregressive(8, 60, 0.5)
    blocks = stationary_blocks(60, 4.0, 30, np.random.default_rng(1))
    resamples = returns[bars_of(blocks, 60)]
    expected = resamples.mean(axis=1) / resamples.std(axis=1, ddof=1)
    monkeypatch.setattr(bootstrap, "_percentiles", lambda *_: [0.25, 0.75])
    monkeypatch.setattr(bootstrap, "stationary_blocks", lambda *_: blocks)
    interval = sharpe_interval(returns, 1, np.random.default_rng(0), n_resamples=30, level=0.5)
    assert interval.low == pytest.approx(np.quantile(expected, 0.25), rel=1e-9)
    assert interval.high == pytest.approx(np.quantile(expected, 0.75), rel=1e-9)


def test_numbers_out_of_range_are_refused() -> None:
    for level, n_resamples in [(1.0, 10), (0.0, 10), (0.9, 0)]:
        with pytest.raises(UsageError, match="level"):
            sharpe_interval(np.zeros(10), 252, np.random.default_rng(0), level, n_resamples)


def skewed(rng: np.random.Generator, n_bars: int) -> Floats:
    """Return bars of mean 0.06 and variance 1 that lose much and seldom: skewness -2.8."""
    return 0.06 - (rng.gamma(0.5, size=n_bars) - 0.5) / math.sqrt(0.5)


def test_low_ends_of_skewed_returns_lie_above_the_truth_no_more_often_than_they_say() -> None:
    rng = np.random.default_rng(3)
    above = below = 0
    for _ in range(400):
        interval = sharpe_interval(skewed(rng, 504), 1.0, rng, n_resamples=500)
        above += interval.low > 0.06
        below += interval.high < 0.06
    assert above / 400 <= 0.04  # nominally 0.025; plain percentiles are at 0.042 in as many worlds
    assert (above + below) / 400 <= 0.07


def test_percentiles_are_corrected_as_the_equations_say() -> None:
    returns = skewed(np.random.default_rng(4), 300)
    ratios = np.linspace(-1.0, 1.0, 1001) + returns.mean() / returns.std(ddof=1)
    # no bias: half of the ratios are below the estimate. Jackknife values give the acceleration.
    left = np.array([np.delete(returns, t) for t in range(300)])
    jackknife = left.mean(axis=1) / left.std(axis=1, ddof=1)
    moved = jackknife.mean() - jackknife
    a = float((moved**3).sum() / (6 * (moved**2).sum() ** 1.5))
    low, high = bootstrap._percentiles(returns, ratios, 1.0, 0.95)  # pyright: ignore[reportPrivateUsage]
    z = 1.959964
    assert low == pytest.approx(stats.norm.cdf(-z / (1 + a * z)), rel=0.02)
    assert high == pytest.approx(stats.norm.cdf(z / (1 - a * z)), rel=0.02)
    assert low < 0.023
    assert bootstrap._percentiles(returns, ratios + 9.0, 1.0, 0.95)[1] < 0.01  # pyright: ignore[reportPrivateUsage]
