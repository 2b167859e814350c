from __future__ import annotations

import math

import numpy as np
import pytest

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit import long_run_variance, reality_check, stationary_blocks
from sharpen.overfit.reality_check import _of  # pyright: ignore[reportPrivateUsage]

oracle = pytest.importorskip("arch.bootstrap")


def world(seed: int, n_bars: int = 600, n: int = 12, phi: float = 0.0, edge: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    shocks = 0.7 * rng.normal(size=(n_bars, n)) + 0.7 * rng.normal(size=(n_bars, 1))
    for t in range(1, n_bars):
        shocks[t] += phi * shocks[t - 1]
    shocks[:, 0] += edge
    return 0.01 * shocks


@pytest.mark.parametrize("edge", [0.0, 0.05, 0.1])
@pytest.mark.parametrize(("phi", "block_bars"), [(0.0, 1), (0.4, 8)])
def test_it_agrees_with_an_independent_library(edge: float, phi: float, block_bars: int) -> None:
    returns = world(3, phi=phi, edge=edge)
    theirs = oracle.SPA(
        np.zeros(len(returns)), -returns, block_size=block_bars, reps=4000, bootstrap="stationary", seed=1
    )
    theirs.compute()
    found = reality_check(returns, np.random.default_rng(0), 4000, float(block_bars))
    assert found == pytest.approx(float(theirs.pvalues["consistent"]), abs=0.03)


@pytest.mark.parametrize("block_bars", [1.0, 5.0, 40.0])
def test_the_variance_is_that_of_resampled_means(block_bars: float) -> None:
    returns = world(4, n_bars=200, n=3, phi=0.4)
    blocks = stationary_blocks(200, block_bars, 20000, np.random.default_rng(0))
    means = _of(blocks, 200) @ returns / 200
    np.testing.assert_allclose(long_run_variance(returns, block_bars), 200 * means.var(axis=0), rtol=0.05)


def test_resamples_hold_the_bars_of_their_blocks() -> None:
    blocks = stationary_blocks(50, 7.0, 20, np.random.default_rng(2))
    counts = _of(blocks, 50)
    ends = [*blocks.first[1:], len(blocks.start)]
    for row, first, end in zip(counts, blocks.first, ends, strict=True):
        bars = [(blocks.start[k] + i) % 50 for k in range(first, end) for i in range(blocks.length[k])]
        np.testing.assert_array_equal(row, np.bincount(bars, minlength=50))


def test_noise_is_called_good_once_in_twenty_times() -> None:
    small = [reality_check(world(i, 250, 20), np.random.default_rng(i), 200) <= 0.05 for i in range(400)]
    assert 0.02 <= np.mean(small) <= 0.08


def test_poor_series_and_clones_take_no_power() -> None:
    returns = world(5, edge=0.12)
    rng = np.random.default_rng(0)
    alone = reality_check(returns, rng, 2000)
    poor = np.concatenate([returns, returns[:, 1:2] + np.linspace(-0.9, -0.02, 300)], axis=1)
    assert reality_check(poor, rng, 2000) == pytest.approx(alone, abs=0.01)
    clones = np.repeat(returns, 40, axis=1)
    assert reality_check(clones, rng, 2000) == pytest.approx(alone, abs=0.01)


def test_nothing_that_varies_has_no_p_value() -> None:
    rng = np.random.default_rng(0)
    for returns in (np.zeros((0, 3)), np.zeros((100, 3)), np.ones((2, 1)), np.zeros((50, 0))):
        assert math.isnan(reality_check(returns, rng))
    flat = np.concatenate([world(6), np.zeros((600, 2))], axis=1)
    assert reality_check(flat, np.random.default_rng(1)) == reality_check(world(6), np.random.default_rng(1))


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="resamples"):
        reality_check(world(7), np.random.default_rng(0), 0)
    with pytest.raises(UsageError, match=r"blocks of 0\.5 bars"):
        reality_check(world(7), np.random.default_rng(0), 10, 0.5)
