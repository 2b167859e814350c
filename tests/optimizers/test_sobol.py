"""Sobol points: the plain sequence is scipy's to the bit; scrambled ones keep what makes them even."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from sharpen.optimizers.sobol import BITS, MOST_DIMENSIONS, Sobol


def test_the_plain_sequence_is_that_of_an_independent_library() -> None:
    theirs = qmc.Sobol(MOST_DIMENSIONS, scramble=False, bits=BITS).random(4096)
    assert (Sobol(MOST_DIMENSIONS, None).points(0, 4096) == theirs).all()


@pytest.mark.parametrize("seed", range(3))
def test_scrambled_points_have_one_in_each_part_of_every_dimension(seed: int) -> None:
    points = Sobol(MOST_DIMENSIONS, np.random.default_rng(seed)).points(0, 256)
    assert points.min() >= 0
    assert points.max() < 1
    parts = np.sort((points * 256).astype(int), axis=0)
    assert (parts == np.arange(256)[:, None]).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_first_two_dimensions_stay_even_together(seed: int) -> None:
    points = Sobol(2, np.random.default_rng(seed)).points(0, 64)
    for across in (1, 2, 4, 8, 16, 32, 64):  # a net: one point in each of 64 boxes, whatever their shape
        boxes = (points * [across, 64 // across]).astype(int)
        assert len({tuple(box) for box in boxes}) == 64


def test_scrambled_points_are_as_even_as_those_of_an_independent_library() -> None:
    ours = [qmc.discrepancy(Sobol(8, np.random.default_rng(s)).points(0, 128)) for s in range(20)]
    theirs = [qmc.discrepancy(qmc.Sobol(8, rng=np.random.default_rng(s)).random(128)) for s in range(20)]
    by_chance = [qmc.discrepancy(np.random.default_rng(s).random((128, 8))) for s in range(20)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.1)
    assert np.mean(ours) < 0.5 * np.mean(by_chance)


def test_each_point_is_uniform_over_scramblings() -> None:
    firsts = np.array([Sobol(3, np.random.default_rng(seed)).points(5, 1)[0] for seed in range(2000)])
    for column in firsts.T:
        counts, _ = np.histogram(column, bins=10, range=(0, 1))
        assert counts.min() > 140
        assert counts.max() < 260


def test_any_part_of_the_sequence_can_be_had_by_itself() -> None:
    def sequence() -> Sobol:
        return Sobol(5, np.random.default_rng(1))

    whole = sequence().points(0, 300)
    assert (np.concatenate([sequence().points(first, 100) for first in (0, 100, 200)]) == whole).all()
    assert sequence().points(7, 0).shape == (0, 5)
    assert (Sobol(5, np.random.default_rng(2)).points(0, 9) != whole[:9]).all()
