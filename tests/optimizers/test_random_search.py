"""Random search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from sharpen.errors import UsageError
from sharpen.optimizers import RandomSearch
from sharpen.optimizers.draws import sobol
from sharpen.optimizers.sobol import MOST_DIMENSIONS, Sobol
from sharpen.seeds import rng_for
from sharpen.space import Choice, Float, Int, Space
from sharpen.trial import Trial, TrialState


def test_draws_are_uniform_in_each_parameter() -> None:
    space = Space({"x": Float(2.0, 4.0), "lr": Float(1e-4, 1e-1, log=True), "c": Choice(("a", "b", "c"))})
    configs = [p.config for p in RandomSearch().ask(space, [], 3000, np.random.default_rng(5))]
    assert stats.kstest([c["x"] for c in configs], stats.uniform(2, 2).cdf).pvalue > 0.01
    logs = np.log10([c["lr"] for c in configs])
    assert stats.kstest(logs, stats.uniform(-4, 3).cdf).pvalue > 0.01
    counts = [sum(c["c"] == option for c in configs) for option in "abc"]
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_countable_space_is_drawn_without_repeating() -> None:
    space = Space({"a": Int(1, 10), "b": Int(1, 10)})
    found: list[Trial] = []
    for turn in range(25):
        for p in RandomSearch().ask(space, found, 4, np.random.default_rng(turn)):
            found.append(Trial(len(found) + 1, p.config, TrialState.FINISHED, (), 1.0, p.origin))
    assert len({space.key(t.config) for t in found}) == 100


def test_one_large_question_equals_many_small_ones_in_a_continuous_space() -> None:
    space = Space({"x": Float(0.0, 1.0)})
    together = RandomSearch().ask(space, [], 5, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    apart = [RandomSearch().ask(space, [], 1, rng)[0] for _ in range(5)]
    assert together == apart


CUBE = Space({f"x{i}": Float(0.0, 1.0) for i in range(4)})


def points_of(n: int, seed: int | None) -> np.ndarray:
    proposals = RandomSearch(seed).ask(CUBE, [], n, np.random.default_rng(3))
    return np.array([list(p.config.values()) for p in proposals])


def test_with_a_seed_they_are_a_scrambled_sobol_sequence() -> None:
    expected = Sobol(4, rng_for(5, "sobol")).points(0, 256)
    np.testing.assert_array_equal(points_of(256, seed=5), expected)
    np.testing.assert_array_equal(sobol(5, 4, 200), expected[200])
    assert not np.array_equal(points_of(8, seed=6), expected[:8])


def test_in_very_many_dimensions_draws_are_independent() -> None:
    assert sobol(5, MOST_DIMENSIONS + 1, 0) is None
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(MOST_DIMENSIONS + 1)})
    found = RandomSearch(5).ask(space, [], 2, np.random.default_rng(0))
    assert found[0].config != found[1].config


def test_they_cover_the_space_more_evenly_than_independent_draws() -> None:
    even, independent = (qmc.discrepancy(points_of(64, seed)) for seed in (5, None))
    assert even < independent / 3
    for column in points_of(64, seed=5).T:
        assert np.bincount((column * 64).astype(int), minlength=64).tolist() == [1] * 64


def test_which_point_a_trial_is_does_not_depend_on_the_other_trials() -> None:
    past = [Trial(n, {}, state) for n, state in enumerate((TrialState.FAILED, TrialState.RUNNING) * 3, 1)]
    (p,) = RandomSearch(5).ask(CUBE, past, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(list(p.config.values()), points_of(7, seed=5)[6])


def test_the_last_point_of_a_countable_space_is_found() -> None:
    space = Space({"a": Int(1, 100), "b": Int(1, 100)}, forbidden=({"a": 7},))
    every = [{"a": a, "b": b} for a in range(1, 101) for b in range(1, 101) if a != 7]
    past = [Trial(n, c, TrialState.FINISHED) for n, c in enumerate(every[:-1], 1)]
    (p,) = RandomSearch(1).ask(space, past, 1, np.random.default_rng(0))
    assert p.config == {"a": 100, "b": 100}


def test_a_space_of_which_everything_is_forbidden_is_an_error() -> None:
    space = Space({"x": Float(0.0, 1.0), "c": Choice((1, 2))}, forbidden=({"c": 1}, {"c": 2}))
    with pytest.raises(UsageError, match="leave next to nothing"):
        RandomSearch(1).ask(space, [], 1, np.random.default_rng(0))
