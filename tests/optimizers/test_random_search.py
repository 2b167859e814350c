"""Random search."""

from __future__ import annotations

import numpy as np
from scipy import stats

from sharpen.optimizers import RandomSearch
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
