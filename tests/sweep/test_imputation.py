"""What stands for the scores that trials lack."""

import math

import numpy as np
import pytest

from sharpen import optimizers
from sharpen.space import Float, Space
from sharpen.sweep.imputation import Impute
from sharpen.trial import Report, Trial, TrialState

S = TrialState


def steps(*values):
    return tuple(Report(n, value) for n, value in enumerate(values))


PAST = (
    Trial(1, {}, S.FINISHED, steps(0.9, 0.5), score=0.7),
    Trial(2, {}, S.STOPPED, steps(0.2), score=0.2),
    Trial(3, {}, S.FAILED, steps(0.4, 0.6, math.nan, 0.3)),
    Trial(4, {}, S.CRASHED),
    Trial(5, {}, S.RUNNING, steps(0.8, 0.1)),
    Trial(6, {}, S.RUNNING, steps(math.nan)),
    Trial(7, {}, S.PENDING),
    Trial(8, {}, S.CANCELED, steps(0.9)),
    Trial(9, {}, S.FINISHED, steps(math.nan)),
)


@pytest.mark.parametrize(
    ("failed", "running", "scores"),
    [
        (None, None, {}),
        ("worst", None, {3: 0.2, 4: 0.2}),
        ("best", None, {3: 0.6, 4: 0.2}),
        ("latest", None, {3: 0.3, 4: 0.2}),
        (None, "worst", {5: 0.2, 6: 0.2}),
        (None, "best", {5: 0.8, 6: 0.2}),
        (None, "latest", {5: 0.1, 6: 0.2}),
        ("best", "latest", {3: 0.6, 4: 0.2, 5: 0.1, 6: 0.2}),
    ],
)
def test_what_each_word_stands_for(failed, running, scores):
    told = Impute(failed, running).imputed(PAST)
    assert {t.number: t.score for t, was in zip(told, PAST, strict=True) if t is not was} == scores
    assert {told[number - 1].state for number in scores} <= {S.FINISHED}
    assert [t.number for t in told] == [t.number for t in PAST]


def test_nothing_is_made_up_before_there_is_a_score():
    past = PAST[2:]
    assert Impute("worst", "best").imputed(past) is past


def test_a_search_that_is_told_the_worst_of_failed_trials_leaves_their_corner():
    space = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
    rng = np.random.default_rng(0)
    past = []
    for number in range(1, 31):  # better and better to the right, where every other program fails
        x, y = rng.uniform(size=2)
        fails = x > 0.8
        past.append(Trial(number, {"x": x, "y": y}, *((S.FAILED,) if fails else (S.FINISHED, (), x))))
    assert sum(trial.state is S.FAILED for trial in past) >= 4
    asked = []
    for impute in (Impute(), Impute(failed="worst")):
        proposals = optimizers.make("gp", {}, seed=0).ask(
            space, impute.imputed(past), 5, np.random.default_rng(1)
        )
        asked.append(np.mean([proposal.config["x"] for proposal in proposals]))
    silent, told = asked
    assert told < silent - 0.1, "a failure that is told of keeps the search away"
