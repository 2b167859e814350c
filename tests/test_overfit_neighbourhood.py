from __future__ import annotations

import math

import numpy as np
import pytest

from sharpen.overfit import neighbourhood


def test_a_plateau_and_a_spike_on_a_known_hill() -> None:
    x = np.linspace(-1.0, 1.0, 201)
    for width, share in [(1.0, 1.0), (0.001, 0.0)]:
        scores = 2.0 * np.exp(-((x / width) ** 2))
        others = x != 0.0
        found = neighbourhood(2.0, np.abs(x[others]), scores[others], k=6)
        assert found.share == pytest.approx(share, abs=1e-3)
        assert (found.n_neighbours, found.radius) == (6, pytest.approx(0.03))


def test_neighbours_without_a_score_are_the_worst() -> None:
    scores = np.array([1.0, math.nan, math.nan, 0.5])
    found = neighbourhood(2.0, np.arange(4.0), scores, k=3)
    assert (found.median, found.share) == (-math.inf, -math.inf)
    assert neighbourhood(2.0, np.arange(4.0), scores, k=1).share == 0.5


def test_nobody_near_and_nothing_won() -> None:
    assert neighbourhood(2.0, np.zeros(0), np.zeros(0)).n_neighbours == 0
    assert math.isnan(neighbourhood(2.0, np.zeros(0), np.zeros(0)).share)
    assert math.isnan(neighbourhood(-1.0, np.zeros(2), np.ones(2)).share)
