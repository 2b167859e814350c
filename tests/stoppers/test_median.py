"""The median stopping rule; expected verdicts are worked out by hand from its module's three sentences."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.spec import Metric
from sharpen.stoppers import build
from sharpen.stoppers.median import Median
from sharpen.trial import Report, Trial, TrialState

NAN = math.nan


def trial(number: int, *values: float, state: TrialState = TrialState.RUNNING) -> Trial:
    return Trial(number, {}, state, tuple(Report(10 * i, v) for i, v in enumerate(values)))


def stopped(rule: Median, *values: tuple[float, ...]) -> list[int]:
    """Return the numbers of the trials that are stopped when all of them run and are judged at once."""
    trials = [trial(n, *v) for n, v in enumerate(values, 1)]
    return [t.number for t in trials if rule.should_stop(t, trials).stop]


TWO = Median(min_runs=2)
EACH = Median(min_runs=2, values="each")


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        # two others are needed
        (TWO, [(1,), (2,)], []),
        # 1 is below the median 2.5 of 2 and 3; 2 is at the median 2 of 1 and 3
        (TWO, [(1,), (2,), (3,)], [1]),
        # 2 is below 3, the median of 1, 3, 4; 3 is above 2, that of 1, 2, 4
        (TWO, [(1,), (2,), (3,), (4,)], [1, 2]),
        # only those that came as far count, by what they had then
        (TWO, [(9, 1), (0, 2), (0, 3), (99,)], [1]),
        (TWO, [(0, 1), (0, 2, -9), (0, 3, -9)], [1]),
        # running means 3, 2, 2 are compared as they are; of values alone the averages 1.5, 2, 1.75 are
        (TWO, [(0, 3), (2, 2), (1.5, 2)], [2, 3]),
        (EACH, [(0, 3), (2, 2), (1.5, 2)], [1]),
        # not a number is worse than every number; a median with one in its middle has none below it
        (TWO, [(NAN,), (2,), (3,)], [1]),
        (TWO, [(NAN,), (NAN,), (NAN,)], []),
        (TWO, [(-9,), (NAN,), (9,)], [2]),
        # a running mean is a number again after one that is none; of values alone one spoils the average
        (TWO, [(NAN, 9), (1, 1), (2, 2)], [2, 3]),
        (EACH, [(NAN, 9), (1, 1), (2, 2)], [1]),
    ],
)  # fmt: skip
def test_verdicts_worked_out_by_hand(rule, values, expected) -> None:
    assert stopped(rule, *values) == expected


def test_first_iteration_and_interval() -> None:
    good = [trial(n, *[9.0] * 12, state=TrialState.FINISHED) for n in range(1, 6)]
    rule = Median(min_iter=3, interval=4)

    def judged(n: int) -> bool:
        bad = trial(6, *[0.0] * n)
        return rule.should_stop(bad, [*good, bad]).stop

    assert [n for n in range(1, 13) if judged(n)] == [3, 7, 11]


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.PENDING])
def test_whatever_became_of_the_others(state) -> None:
    others = [trial(n, float(n), state=state) for n in range(1, 6)]
    low = trial(6, 2.5)
    assert Median().should_stop(low, [*others, low]).stop
    assert not Median().should_stop(low, [*others[:-1], low]).stop


@pytest.mark.parametrize("values", ["each", "running_mean"])
def test_pythons_median_of_the_averages_is_the_mark(values) -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        table = rng.normal(size=(int(rng.integers(6, 30)), 4))
        trials = [trial(n, *row) for n, row in enumerate(table.tolist(), 1)]
        at = table.mean(axis=1) if values == "each" else table[:, -1]
        expected = [at[i] < statistics.median(np.delete(at, i).tolist()) for i in range(len(table))]
        rule = Median(values=values)
        assert [rule.should_stop(t, trials).stop for t in trials] == expected


def test_the_reason_has_the_numbers_as_the_program_logged_them() -> None:
    rule = Median(min_runs=2, metric=Metric("val/loss", "minimize"))
    past = [trial(1, -0.9), trial(2, -0.4), trial(3, -0.2)]
    assert rule.should_stop(past[0], past).reason == (
        "val/loss 0.9 through iteration 1 is above the median 0.3 of 2 other trials"
    )


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="min_runs must be 1 or more; interval must be 1 or more"):
        Median(min_runs=0, interval=0)
    with pytest.raises(UsageError, match="median: values must be one of running_mean, each, not 'mean'"):
        build("median", {"values": "mean"})
