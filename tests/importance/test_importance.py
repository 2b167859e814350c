from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.study import create_study
from optuna.trial import create_trial

from sharpen.errors import UsageError
from sharpen.importance import (
    Forest,
    Observations,
    ablation,
    fanova,
    fit,
    local_importance,
    observe,
    ped_anova,
    weigh,
)
from sharpen.importance.forest import Tree
from sharpen.importance.observations import MOST_TRIALS
from sharpen.space import Choice, Float, Space
from sharpen.space.encoding import cube_of
from sharpen.trial import Trial, TrialState

from .worlds import additive, ishigami, seen


def _values(shares):
    return {share.names: share.value for share in shares}


def test_shares_of_an_additive_function():
    world = seen(additive, 500)
    found = _values(fanova(fit(world, seed=0), world.names))
    assert found["x0",] == pytest.approx(16 / 21, abs=0.03)
    assert found["x1",] == pytest.approx(4 / 21, abs=0.05)
    assert found["x2",] == pytest.approx(1 / 21, abs=0.04)
    assert all(found[pair] < 0.03 for pair in (("x0", "x1"), ("x0", "x2"), ("x1", "x2")))


def test_shares_of_ishigami_with_its_interaction():
    world = seen(ishigami, 2000)
    found = _values(fanova(fit(world, seed=0), world.names))
    assert found["x0",] == pytest.approx(0.3139, abs=0.05)
    assert found["x1",] == pytest.approx(0.4424, abs=0.09)
    assert found["x2",] < 0.03
    assert found["x0", "x2"] == pytest.approx(0.2437, abs=0.06)


def test_a_tree_by_hand():
    # 1 on the lower half of a, on the upper half 2 or 4 by b: V = 1.5, of which a alone explains 1, b 0.25
    low = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]])
    high = np.array([[0.5, 1.0], [1.0, 0.5], [1.0, 1.0]])
    tree = Tree(low, high, np.array([1.0, 2.0, 4.0]))
    assert tree.mean == pytest.approx(2.0)
    assert tree.variance == pytest.approx(1.5)
    found = _values(fanova(Forest((tree,), 1.0), ["a", "b"]))
    assert found == pytest.approx({("a",): 1.0 / 1.5, ("b",): 0.25 / 1.5, ("a", "b"): 0.25 / 1.5})


def test_the_order_agrees_with_optuna():
    world = seen(additive, 100)
    study = create_study(direction="maximize")
    distributions = {name: FloatDistribution(0, 1) for name in world.names}
    for point, score in zip(world.points, world.scores, strict=True):
        params = dict(zip(world.names, map(float, point), strict=True))
        study.add_trial(create_trial(params=params, distributions=distributions, value=float(score)))
    theirs = FanovaImportanceEvaluator(n_trees=16, seed=0).evaluate(study)
    ours = fanova(fit(world, seed=0), world.names, pairs=False)
    assert [share.names[0] for share in ours] == list(theirs)
    divergences = PedAnovaImportanceEvaluator().evaluate(study)
    assert ped_anova(world, seed=0)[0].names[0] == next(iter(divergences))


def test_local_importance_equals_the_closed_form_where_effects_add():
    world = seen(additive, 1000)
    middle = np.full(3, 0.5)
    found = _values(local_importance(fit(world, seed=0), world.cube, middle))
    assert found["x0",] == pytest.approx(16 / 21, abs=0.05)
    assert found["x1",] == pytest.approx(4 / 21, abs=0.05)


def test_planted_inert_parameters_rank_last_in_each_method():
    world = seen(additive, 200, n_inert=2)
    forest = fit(world, seed=0)
    for shares in (
        fanova(forest, world.names, pairs=False),
        local_importance(forest, world.cube, world.points[world.incumbent]),
    ):
        assert {share.names[0] for share in shares[-2:]} == {"x3", "x4"}
    assert {share.names[0] for share in ped_anova(world, seed=0)[:1]} == {"x0"}


def test_ablation_takes_the_largest_step_first_and_its_gains_add_up():
    world = seen(additive, 500)
    forest = fit(world, seed=0)
    low, high = np.full(3, 0.1), np.full(3, 0.9)
    steps = ablation(forest, world.cube, low, high)
    assert [step.name for step in steps] == ["x0", "x1", "x2"]
    whole = float((forest.predict(high[None]) - forest.predict(low[None])).mean())
    assert sum(step.gain for step in steps) == pytest.approx(whole)
    assert whole == pytest.approx(7 * 0.8, rel=0.1)


def test_what_is_the_same_in_both_has_no_step():
    world = seen(additive, 50)
    here = np.array([0.2, 0.5, 0.5])
    there = np.array([0.9, 0.5, 0.5])
    assert [step.name for step in ablation(fit(world, seed=0), world.cube, here, there)] == ["x0"]


def test_noise_is_said_to_tell_nothing_and_a_function_to_tell_something():
    def noise(points):
        return np.random.default_rng(5).normal(size=len(points))

    verdicts = [weigh(seen(noise, 60, seed=k), seed=k).can_tell for k in range(5)]
    assert sum(verdicts) <= 1
    told = weigh(seen(additive, 60), seed=0)
    assert told.can_tell
    assert "foretells" in told.sentence
    assert "cannot tell" in weigh(seen(noise, 60), seed=0).sentence


def test_the_same_seed_gives_the_same_forest_and_another_another():
    world = seen(additive, 60)
    one, again, other = (fit(world, seed).predict(world.points) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_forest_reads_its_own_trials_back():
    world = seen(additive, 300)
    foretold = fit(world, seed=0).predict(world.points).mean(axis=0)
    assert np.corrcoef(foretold, world.scores)[0, 1] > 0.99


def test_equal_scores_move_nothing():
    world = seen(lambda points: np.ones(len(points)), 30)
    forest = fit(world, seed=0)
    assert all(share.value == 0.0 for share in fanova(forest, world.names))
    assert all(share.value == 0.0 for share in local_importance(forest, world.cube, world.points[0]))
    assert not weigh(world, seed=0).can_tell


def test_categories_that_decide_come_first():
    space = Space({"kind": Choice(("a", "b", "c", "d")), "rate": Float(0.0, 1.0)})
    rng = np.random.default_rng(0)
    configs = [{"kind": str(rng.choice(list("abcd"))), "rate": float(rng.random())} for _ in range(120)]
    cube = cube_of(space)
    scores = np.array([{"a": 0.0, "b": 5.0, "c": 1.0, "d": 0.5}[c["kind"]] for c in configs])
    world = Observations(cube, cube.encode(configs), scores, tuple(range(120)))
    assert fanova(fit(world, seed=0), world.names)[0].names == ("kind",)
    assert ped_anova(world, seed=0)[0].names == ("kind",)


def _trials(n, **changes):
    rng = np.random.default_rng(0)
    plain = {"state": TrialState.FINISHED, "score": 1.0}
    return [Trial(k, {"rate": float(rng.random())}, **{**plain, **changes}) for k in range(1, n + 1)]


def test_only_finished_feasible_trials_count():
    space = Space({"rate": Float(0.0, 1.0)})
    trials = [
        *_trials(12),
        *_trials(5, state=TrialState.STOPPED),
        *_trials(5, score=None),
        *_trials(5, score=np.inf),
        *_trials(5, violation=1.0),
        *_trials(3, score=0.0),
    ]
    assert sorted(observe(space, trials).scores) == [0.0] * 3 + [1.0] * 12


def test_too_few_trials_are_refused():
    with pytest.raises(UsageError, match=r"9 trials finished with a score.*10 or more"):
        observe(Space({"rate": Float(0.0, 1.0)}), _trials(9))


def test_of_very_many_trials_the_best_and_random_others_are_taken():
    space = Space({"x": Float(0.0, 1.0), "side": Choice((0, 1))})
    trials = [
        Trial(n, {"x": n / 20_000, "side": n % 2}, TrialState.FINISHED, score=float(n == 7_777))
        for n in range(1, 12_001)
    ]
    taken = observe(space, trials)
    assert len(taken.scores) == MOST_TRIALS
    assert taken.numbers[taken.incumbent] == 7_777
    assert list(taken.numbers) == sorted(set(taken.numbers))
    sides = [n % 2 for n in taken.numbers]  # a grid's order is no pattern of the sample
    assert np.mean(sides) == pytest.approx(0.5, abs=0.05)


def test_only_the_largest_fidelity_counts_unless_another_is_asked_for():
    space = Space({"rate": Float(0.0, 1.0)})
    trials = [*_trials(20, fidelity=1.0), *_trials(12, fidelity=9.0)]
    assert len(observe(space, trials).scores) == 12
    assert len(observe(space, trials, fidelity=1.0).scores) == 20
    with pytest.raises(UsageError, match=r"at fidelity 3.*there are: 1, 9"):
        observe(space, trials, fidelity=3.0)


def test_a_space_without_a_choice_is_refused():
    with pytest.raises(UsageError, match="no parameter"):
        observe(
            Space({"rate": Choice((0.5,))}),
            [Trial(k, {"rate": 0.5}, TrialState.FINISHED, score=1.0) for k in range(1, 13)],
        )
