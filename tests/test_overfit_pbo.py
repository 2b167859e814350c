from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import rankdata

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.overfit import pbo, pbo_range


def spelled_out(returns: Floats, n_blocks: int) -> tuple[list[float], Floats, Floats]:
    """The paper's five steps on plain slices: logits, and the winners' Sharpe ratios inside and outside."""
    n_bars, n_columns = returns.shape
    blocks = [returns[n_bars * b // n_blocks : n_bars * (b + 1) // n_blocks] for b in range(n_blocks)]
    logits, inside, outside = [], [], []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        fit = np.vstack([blocks[b] for b in chosen])
        test = np.vstack([blocks[b] for b in range(n_blocks) if b not in chosen])
        fitted = fit.mean(axis=0) / fit.std(axis=0, ddof=1)
        best = int(np.argmax(fitted))
        ratios = test.mean(axis=0) / test.std(axis=0, ddof=1)
        w = rankdata(ratios)[best] / (n_columns + 1)
        logits.append(math.log(w / (1 - w)))
        inside.append(fitted[best])
        outside.append(ratios[best])
    return logits, np.array(inside), np.array(outside)


def r_normals(seed: int, n: int) -> Floats:
    """What R draws after ``set.seed(seed); rnorm(n)``: Mersenne Twister and inversion, its defaults."""
    key = [seed]
    for _ in range(50 + 1 + 624):
        key.append((69069 * key[-1] + 1) % 2**32)
    twister = np.random.MT19937()
    state = {"key": np.array(key[-624:], dtype=np.uint32), "pos": 624}
    twister.state = {"bit_generator": "MT19937", "state": state}
    uniform = twister.random_raw(2 * n) * 2.3283064365386963e-10
    return ndtri((np.floor(2**27 * uniform[::2]) + uniform[1::2]) / 2**27)


def fit_in_sample_on_out_of_sample(inside: Floats, outside: Floats) -> tuple[float, float]:
    """What the R package ``pbo`` calls slope, an intercept in truth, and its adjusted R squared."""
    intercept = np.polyfit(outside, inside, 1)[1]
    n_splits = len(inside)
    unexplained = 1 - np.corrcoef(inside, outside)[0, 1] ** 2
    return float(intercept), float(1 - unexplained * (n_splits - 1) / (n_splits - 2))


def test_r_draws_what_r_draws() -> None:
    # the first of the best known draws of R, set.seed(42)
    np.testing.assert_allclose(r_normals(42, 3), [1.37095845, -0.56469817, 0.36312841], atol=5e-9)


def test_the_vignette_of_an_independent_package() -> None:
    # R package pbo 1.3.5, vignette: p_bo 1.000000, slope -0.003046, ar^2 0.970000, p_loss 1.000000
    returns = r_normals(765, 100 * 2400).reshape(100, 2400).T
    returns = returns / returns.std(axis=0, ddof=1) / math.sqrt(252)
    returns = returns - returns.mean(axis=0) - 0.03 / 252
    logits, inside, outside = spelled_out(returns, 8)
    found = pbo(returns, 8)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    assert found.probability == 1.0
    assert np.mean(outside < 0) == 1.0
    intercept, explained = fit_in_sample_on_out_of_sample(inside, outside)
    assert intercept == pytest.approx(-0.003046, abs=5e-7)
    assert explained == pytest.approx(0.97, abs=0.005)


def test_the_unit_test_of_an_independent_package() -> None:
    # R package pbo 1.3.5, test_pbo_function.R, which gives ranges
    returns = r_normals(852, 200 * 40).reshape(200, 40) - 0.03 / 252
    logits, inside, outside = spelled_out(returns, 4)
    found = pbo(returns, 4)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    assert found.probability == 0.5
    assert np.mean(outside < 0) == 0.5
    intercept, explained = fit_in_sample_on_out_of_sample(inside, outside)
    assert 0.19 < intercept < 0.20
    assert -0.24 < explained < -0.22


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize(("shape", "n_blocks"), [((120, 5), 6), ((131, 12), 8), ((16, 2), 4), ((23, 3), 2)])
def test_agrees_with_the_papers_steps_on_slices(shape: tuple[int, int], n_blocks: int, copies: int) -> None:
    returns = np.tile(np.random.default_rng(0).normal(0.001, 0.01, shape), copies)
    expected, _, _ = spelled_out(returns, n_blocks)
    found = pbo(returns, n_blocks)
    np.testing.assert_allclose(found.logits, expected, atol=1e-12)
    share = np.mean(np.array(expected) < 0) + 0.5 * np.mean(np.array(expected) == 0)
    assert found.probability == pytest.approx(share)


@pytest.mark.parametrize("n_columns", [2, 3, 20])
def test_pure_noise_averages_one_half(n_columns: int) -> None:
    rng = np.random.default_rng(1)
    found = [pbo(rng.normal(size=(200, n_columns)), 8).probability for _ in range(300)]
    # each has a standard deviation of about 0.25
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_a_column_that_dominates_is_not_overfit() -> None:
    returns = np.random.default_rng(2).normal(0, 0.01, (800, 30))
    returns[:, 17] += 0.003
    assert pbo(returns).probability < 0.01


def test_configurations_fitted_to_their_half_are_overfit() -> None:
    # each column earns in some blocks what it loses in the others, more or less of it
    n_blocks, bars = 8, 50
    signs = np.array([[1.0 if b in half else -1.0 for half in combinations(range(8), 4)] for b in range(8)])
    drift = np.repeat(signs, bars, axis=0)
    returns = np.random.default_rng(3).normal(0, 0.01, drift.shape) + 0.005 * drift
    assert pbo(returns, n_blocks).probability > 0.99


def test_scale_of_a_column_does_not_matter_and_trends_keep_their_precision() -> None:
    returns = np.random.default_rng(4).normal(0.001, 0.01, (160, 6))
    scaled = returns * np.array([1e-6, 1.0, 1e6, 3.0, 0.5, 2.0])
    np.testing.assert_allclose(pbo(returns, 8).logits, pbo(scaled, 8).logits)


def test_a_column_that_never_trades_has_a_sharpe_of_zero() -> None:
    returns = np.random.default_rng(5).normal(-0.01, 0.01, (160, 4))
    returns[:, 2] = 0.0
    assert pbo(returns, 8).probability == 0.0  # doing nothing was best on every half


def test_identical_columns_tie_at_the_median() -> None:
    column = np.random.default_rng(6).normal(size=(64, 1))
    assert pbo(np.hstack([column, column, column]), 4).probability == 0.5


def test_every_split_of_sixteen_blocks_is_counted() -> None:
    found = pbo(np.random.default_rng(7).normal(size=(2000, 200)))
    assert len(found.logits) == math.comb(16, 8) == 12_870


def test_shapes_that_cannot_be_split_are_refused() -> None:
    for shape, n_blocks in [((100, 1), 4), ((7, 3), 4), ((100,), 4)]:
        with pytest.raises(UsageError, match="returns have shape"):
            pbo(np.zeros(shape), n_blocks)
    for n_blocks in (0, 3, 22):
        with pytest.raises(UsageError, match="n_blocks is"):
            pbo(np.zeros((100, 3)), n_blocks)


def test_the_range_is_that_of_rolled_bars() -> None:
    returns = np.random.default_rng(7).normal(size=(517, 9))
    low, high = pbo_range(returns, 10, n_shifts=51)
    each = [pbo(np.roll(returns, -k, axis=0), 10).probability for k in range(51)]
    assert (low, high) == (min(each), max(each))
    assert pbo_range(returns, 10, n_shifts=1) == (each[0], each[0])
    with pytest.raises(UsageError, match="n_shifts is 0"):
        pbo_range(returns, 10, n_shifts=0)
