"""Evolution towards a Pareto front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.study._multi_objective import _fast_non_domination_rank

from sharpen.optimizers import RandomSearch, make
from sharpen.optimizers.nsga2 import Nsga2, crowding, fronts, survivors
from sharpen.space import Choice, Float, Int, Space
from sharpen.trial import Trial, TrialState, pareto


def scored(number: int, *values: float, violation: float = 0.0, config=None) -> Trial:
    return Trial(number, config or {}, TrialState.FINISHED, (), values[0], "", values, violation)


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=25))
def test_fronts_are_those_of_optuna(points) -> None:
    values = np.array(points, dtype=float)
    expected = _fast_non_domination_rank(-values)
    np.testing.assert_array_equal(fronts(values), expected)
    some = fronts(values, most=3)
    assert (some[some >= 0] == expected[some >= 0]).all()
    assert (some >= 0).sum() >= min(3, len(values))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25))
def test_the_pareto_front_is_the_first(points) -> None:
    trials = [scored(n, float(a), float(b)) for n, (a, b) in enumerate(points, 1)]
    first = np.flatnonzero(fronts(np.array(points, dtype=float)) == 0) + 1
    assert [t.number for t in pareto(trials)] == first.tolist()


def test_crowding_is_the_side_of_the_box_between_the_neighbours() -> None:
    values = np.array([[0.0, 10.0], [2.0, 6.0], [3.0, 5.0], [10.0, 0.0]])
    assert crowding(values).tolist() == [np.inf, pytest.approx(0.3 + 0.5), pytest.approx(0.8 + 0.6), np.inf]
    assert np.isinf(crowding(np.ones((2, 2)))).all()


def test_survivors_keep_constraints_first_then_front_then_distance() -> None:
    trials = [
        scored(1, 9.0, 9.0, violation=0.5),
        scored(2, 8.0, 8.0, violation=0.1),
        scored(3, 0.0, 0.0),
        scored(4, 0.0, 4.0),
        scored(5, 4.0, 0.0),
        scored(6, 3.9, 0.1),
        scored(7, 2.0, 2.0),
    ]
    assert [t.number for t in survivors(trials, 9)] == [4, 5, 7, 6, 3, 2, 1]
    assert [t.number for t in survivors(trials[:2], 1)] == [2]


SPACE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0), "n": Int(1, 9), "c": Choice(("a", "b", "c"))})


def front_of(method: str, n: int, seed: int) -> float:
    """Return the area under the front of two metrics that pull x apart and agree on the rest."""
    optimizer, past = make(method, seed=seed), list[Trial]()
    for turn in range(n):
        (p,) = optimizer.ask(SPACE, past, 1, np.random.default_rng((seed, turn)))
        c = p.config
        cost = 2 * abs(c["y"] - 0.3) + abs(c["n"] - 4) / 8 + (c["c"] != "b") / 2
        both = (1 - c["x"] ** 2 - cost, 1 - (1 - c["x"]) ** 2 - cost)
        past.append(scored(turn + 1, *both, config=c))
    area, above = 0.0, 0.0
    for t in sorted(pareto(past), key=lambda t: t.scores, reverse=True):
        a, b = (max(0.0, v) for v in t.scores)
        area += a * max(0.0, b - above)
        above = max(above, b)
    return area


def test_its_front_is_wider_than_random_searchs() -> None:
    assert all(front_of("nsga2", 200, seed) > front_of("random", 200, seed) for seed in range(3))


def test_it_starts_with_random_trials_and_parents_are_finished_ones() -> None:
    proposals = RandomSearch().ask(SPACE, [], 30, np.random.default_rng(0))
    past = [scored(n, 1.0 / n, config=p.config) for n, p in enumerate(proposals[:19], 1)]
    stopped = [Trial(20 + i, p.config, TrialState.STOPPED, (), 9.0) for i, p in enumerate(proposals[19:])]
    (p,) = Nsga2().ask(SPACE, [*past, *stopped], 1, np.random.default_rng(0))
    assert p.origin == "random"
    (p,) = Nsga2().ask(
        SPACE, [*past, scored(20, 0.5, config=proposals[0].config)], 1, np.random.default_rng(0)
    )
    assert p.origin == "nsga2"


def test_tournaments_are_won_by_the_better_parent() -> None:
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
    past = [scored(n, -float(n), config={"x": n / 20, "y": n / 20}) for n in range(1, 21)]
    copies = Nsga2(crossover=0.0, eta_mutation=1e6).ask(space, past, 300, np.random.default_rng(0))
    places = [20 * p.config["x"] for p in copies]
    # of two places drawn from 1 to N, the smaller one is (N + 1)(2 N + 1) / 6 N in the mean
    assert np.mean(places) == pytest.approx(21 * 41 / 120, abs=0.7)
