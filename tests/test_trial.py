"""Trials, their states and the best of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.trial import BLOCK, GO_ON, Trial, TrialState, best, pareto


def done(number: int, score: float | None, state: TrialState = TrialState.FINISHED) -> Trial:
    return Trial(number, {}, state, (), score)


@pytest.mark.parametrize("state", TrialState)
def test_all_but_pending_and_running_are_final(state) -> None:
    assert state.is_final == (state.value not in ("pending", "running"))


def test_infeasible_is_an_end_without_a_score() -> None:
    assert [s.value for s in TrialState if done(1, None, s).is_infeasible] == ["finished", "stopped"]
    assert not any(done(1, 0.0, s).is_infeasible for s in TrialState)


def test_the_best_is_the_earliest_finished_trial_of_the_highest_score() -> None:
    trials = [
        done(1, 0.2),
        done(2, 9.0, TrialState.STOPPED),
        done(3, 0.5),
        done(4, 0.5),
        done(5, None),
        done(6, 7.0, TrialState.RUNNING),
        done(7, 8.0, TrialState.FAILED),
    ]
    found = best(trials)
    assert found is not None
    assert found.number == 3
    assert best(list(reversed(trials))) == found


def test_zero_and_negative_scores_count() -> None:
    found = best([done(1, -2.0), done(2, -1.0)])
    assert found is not None
    assert found.number == 2
    assert best([done(1, None)]) is None
    assert best([]) is None


def test_going_on_has_no_reason() -> None:
    assert (GO_ON.stop, GO_ON.reason) == (False, "")


def test_a_broken_constraint_keeps_a_trial_from_being_the_best() -> None:
    broken = Trial(1, {}, TrialState.FINISHED, (), 9.0, violation=0.1)
    kept = done(2, 1.0)
    assert broken.is_infeasible
    assert best([broken, kept]) == kept
    assert pareto([broken, kept]) == [kept]


def test_the_pareto_front_of_one_metric_is_every_trial_of_the_best_score() -> None:
    trials = [done(1, 0.5), done(2, 0.2), done(3, 0.5), done(4, None), done(5, 9.0, TrialState.STOPPED)]
    assert [t.number for t in pareto(trials)] == [1, 3]
    assert pareto([]) == []


def traded(points: Sequence[tuple[float, ...]]) -> list[Trial]:
    return [Trial(n, {}, TrialState.FINISHED, score=p[0], scores=p) for n, p in enumerate(points, 1)]


def unbeaten(points: Sequence[tuple[float, ...]]) -> list[int]:
    """The definition: those that no other is at least as good as in each metric and better than in one."""

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return a != b and all(x >= y for x, y in zip(a, b, strict=True))

    return [n for n, p in enumerate(points, 1) if not any(beats(other, p) for other in points)]


COORDINATES = st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, math.inf])
POINTS = st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[COORDINATES] * m), max_size=40))


@given(POINTS)
def test_the_pareto_front_is_what_its_definition_says(points: list[tuple[float, ...]]) -> None:
    assert [t.number for t in pareto(traded(points))] == unbeaten(points)


@pytest.mark.parametrize("n_metrics", [1, 2, 3, 5])
def test_the_pareto_front_of_many_trials(n_metrics: int) -> None:
    rng = np.random.default_rng(n_metrics)
    rows = rng.normal(size=(3 * BLOCK + 7, n_metrics)).round(1)
    points = [tuple(map(float, row)) for row in rows]
    assert [t.number for t in pareto(traded(points))] == unbeaten(points)


@pytest.mark.parametrize("n_metrics", [2, 3])
def test_a_pareto_front_may_be_every_trial_of_thousands(n_metrics: int) -> None:
    rng = np.random.default_rng(0)
    around = np.abs(rng.normal(size=(20_000, n_metrics)))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    assert len(pareto(traded([tuple(map(float, row)) for row in around]))) > 19_900


def test_a_trial_with_a_metric_that_is_not_a_number_is_not_on_the_pareto_front() -> None:
    assert [t.number for t in pareto(traded([(1.0, math.nan), (0.0, 0.0)]))] == [2]
