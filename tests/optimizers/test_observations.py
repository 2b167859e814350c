"""What is read out of a history."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sharpen.optimizers.observations import read
from sharpen.space import Float, Space
from sharpen.trial import Report, Trial, TrialState

SPACE = Space({"x": Float(0.0, 1.0)})


def ran(
    number: int, values, state: TrialState = TrialState.FINISHED, score: float | None = None, **more
) -> Trial:
    reports = tuple(Report(step, float(value)) for step, value in enumerate(values))
    score = float(np.mean(values)) if score is None and len(values) else score
    return Trial(number, {"x": 0.5}, state, reports, score, **more)


def test_easy_and_hard_folds_are_no_noise() -> None:
    easy_to_hard = np.array([3.0, 0.0, -2.0, 1.0])
    known = read(SPACE, [ran(n, easy_to_hard + 0.1 * n) for n in range(1, 9)], most=100)
    np.testing.assert_allclose(known.v, 0.0, atol=1e-20)


def test_what_folds_differ_by_chance_is_the_noise_of_their_mean() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(60, 1)) + rng.normal(size=9) * 2 + 0.3 * rng.normal(size=(60, 9))
    known = read(SPACE, [ran(n, row) for n, row in enumerate(table, 1)], most=100)
    assert known.v.mean() == pytest.approx(0.3**2 / 9, rel=0.1)
    assert not read(SPACE, [ran(n, row) for n, row in enumerate(table, 1)], 100, use_reports=False).v.any()


def test_the_steps_of_a_learning_curve_are_not_folds() -> None:
    curves = [ran(n, np.arange(5.0) * n, score=4.0 * n) for n in range(1, 9)]
    assert not read(SPACE, curves, most=100).v.any()


def test_a_stopped_trial_counts_as_what_it_had_and_what_others_gained() -> None:
    finished = [ran(n, (0.0, n, 2.0 * n), score=2.0 * n) for n in range(1, 7)]
    stopped = ran(7, (0.0, 2.5), TrialState.STOPPED, score=2.5)
    known = read(SPACE, [*finished, stopped], most=100)
    assert known.y[-1] == pytest.approx(2.5 + np.mean(range(1, 7)))
    assert known.v[-1] > 0
    np.testing.assert_allclose(known.y[:-1], [t.score for t in finished])


def test_how_much_gains_differ_is_how_little_a_stopped_trial_says() -> None:
    """The variance of few gains is drawn towards that of the scores, which counts as three more."""
    curves = [(0.0, 1.0), (1.0, 5.0), (0.5, 2.0), (2.0, 9.0)]
    finished = [ran(n, curve, score=curve[-1]) for n, curve in enumerate(curves, 1)]
    stopped = ran(5, (1.5,), TrialState.STOPPED, score=1.5)
    known = read(SPACE, [*finished, stopped], most=100)
    gains, scores = [1.0, 4.0, 1.5, 7.0], [1.0, 5.0, 2.0, 9.0]
    assert known.y[-1] == pytest.approx(1.5 + np.mean(gains))
    assert known.v[-1] == pytest.approx((4 * np.var(gains) + 3 * np.var(scores)) / 7)


def test_a_stopped_trial_of_folds_is_freed_of_the_folds_that_it_did_not_see() -> None:
    folds = np.array([4.0, 0.0, -4.0, -4.0])
    finished = [ran(n, folds + 0.1 * n) for n in range(1, 20)]
    stopped = ran(20, folds[:2] + 0.7, TrialState.STOPPED)
    known = read(SPACE, [*finished, stopped], most=100)
    assert stopped.score == pytest.approx(2.7)
    assert known.y[-1] == pytest.approx(folds.mean() + 0.7)


def test_without_others_to_learn_from_a_stopped_trial_says_little() -> None:
    trials = [ran(1, (1.0, 2.0)), ran(2, (3.0, 4.0)), ran(3, (5.0,), TrialState.STOPPED)]
    known = read(SPACE, trials, most=100)
    assert known.y[-1] == 5.0
    assert known.v[-1] == pytest.approx(np.var([1.5, 3.5]))


def test_feasible_ones_are_told_from_the_others_and_near_misses_from_far_ones() -> None:
    trials = [
        ran(1, (1.0,)),
        ran(2, (), score=None),
        ran(3, (1.0,), violation=0.2),
        ran(4, (1.0,), violation=70.0),
        ran(5, (), score=math.inf),
        ran(6, (1.0,), TrialState.FAILED),
        ran(7, (), TrialState.RUNNING),
    ]
    known = read(SPACE, trials, most=100)
    assert [t.number for t in known.scored] == [1, 3, 4]
    assert known.feasible.tolist() == [1.0, -1.0, -0.2, -1.0, -1.0]
    assert [t.number for t in known.waiting] == [7]


def test_the_best_half_and_the_newest_are_kept() -> None:
    trials = [ran(n, (float(-n),)) for n in range(1, 101)]
    assert [t.number for t in read(SPACE, trials, most=10).scored] == [*range(1, 6), *range(96, 101)]
