"""Hyperband by W&B's rule; expected verdicts are worked out by hand from the five sentences of its module."""

from __future__ import annotations

import math

import pytest

from sharpen.errors import UsageError
from sharpen.spec import EarlyTerminate, Metric
from sharpen.stoppers import Never, hyperband, make
from sharpen.stoppers.hyperband import Hyperband, bands
from sharpen.stoppers.reports import value_at
from sharpen.trial import Report, Trial, TrialState

NAN = math.nan


def trial(number: int, *values: float, state: TrialState = TrialState.RUNNING) -> Trial:
    return Trial(number, {}, state, tuple(Report(10 * i, v) for i, v in enumerate(values)))


def stopped(rule: EarlyTerminate, *histories: tuple[float, ...]) -> list[int]:
    """Return the numbers of the trials that are stopped when all of them run and are judged at once."""
    trials = [trial(n, *values) for n, values in enumerate(histories, 1)]
    return [t.number for t in trials if make(rule).should_stop(t, trials).stop]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (EarlyTerminate(min_iter=3), (3, 9, 27, 81)),
        (EarlyTerminate(min_iter=1, eta=2.5), (1, 2, 6, 15)),
        (EarlyTerminate(min_iter=4, s=1), (4, 12, 36, 108)),
        (EarlyTerminate(max_iter=81, s=3), (3, 9, 27)),
        (EarlyTerminate(max_iter=18, s=2), (2, 6)),
        (EarlyTerminate(max_iter=5, s=9, eta=2.0), (1, 2)),
    ],
)
def test_bands(rule, expected) -> None:
    found = bands(rule.min_iter, rule.max_iter, rule.s, rule.eta)
    assert found[: len(expected)] == expected
    assert rule.max_iter is None or found == expected


STRICT2 = EarlyTerminate(min_iter=2, eta=2.0)
LENIENT2 = EarlyTerminate(min_iter=2, eta=2.0, strict=False)
THIRD = EarlyTerminate(min_iter=1)


@pytest.mark.parametrize(
    ("rule", "histories", "expected"),
    [
        # before the first band nothing happens
        (STRICT2, [(0.0,), (9.0,)], []),
        # two at band 2, place int(2 / 2) = 1, the worse one is the mark: both go on
        (STRICT2, [(0, 1), (0, 2)], []),
        # three, place 1: mark 2, so 1 goes
        (STRICT2, [(0, 1), (0, 2), (0, 3)], [1]),
        # at the mark a trial goes on
        (STRICT2, [(0, 2), (0, 2), (0, 3)], []),
        # one that has not reached the band neither counts nor goes
        (STRICT2, [(0, 1), (0, 2), (-9,)], []),
        # strict: the value at the band, not the best; lenient: the best so far saves it
        (STRICT2, [(9, 1), (0, 2), (0, 3)], [1]),
        (LENIENT2, [(9, 1), (0, 2), (0, 3)], []),
        # lenient also looks past the band
        (LENIENT2, [(0, 1, 2.5), (0, 2), (0, 3)], []),
        (LENIENT2, [(0, 1, 1.5), (0, 2), (0, 3)], [1]),
        # strict between bands: still the value at band 2, whatever came after
        (STRICT2, [(0, 1, 99), (0, 2), (0, 3)], [1]),
        # past band 4 (alone there) band 2 is forgotten
        (STRICT2, [(0, 1, 0, 0), (0, 2), (0, 3)], []),
        # at eta 3, n = 2: place int(2 / 3) = 0, the mark is the best
        (THIRD, [(1,), (2,)], [1]),
        # n = 3: place 1; n = 5: place 1; n = 6: place 2
        (THIRD, [(1,), (2,), (3,)], [1]),
        (THIRD, [(1,), (2,), (3,), (4,), (5,)], [1, 2, 3]),
        (THIRD, [(1,), (2,), (3,), (4,), (5,), (6,)], [1, 2, 3]),
        # an infeasible report counts as an iteration below all values
        (STRICT2, [(NAN, 1), (0, 2), (0, 3)], [1]),
        (STRICT2, [(9, NAN), (0, 2), (0, 3)], [1]),
        (STRICT2, [(9, NAN), (9, NAN), (0, 3)], []),
        (STRICT2, [(9, -math.inf), (0, 2), (0, 3)], [1]),
        (LENIENT2, [(NAN, 1), (NAN, NAN), (0, 3)], [2]),
    ],
)  # fmt: skip
def test_verdicts_worked_out_by_hand(rule, histories, expected) -> None:
    assert stopped(rule, *histories) == expected


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.PENDING])
def test_every_trial_that_reached_the_band_counts_whatever_became_of_it(state) -> None:
    others = [trial(n, 0.0, float(n), state=state) for n in (1, 2, 3, 4)]
    low = trial(5, 0.0, 0.5)
    assert make(STRICT2).should_stop(low, [*others, low]).stop


def test_the_mark_may_rise_while_a_trial_is_between_bands() -> None:
    early = trial(1, 0.0, 1.0, 5.0)
    rule = make(STRICT2)
    assert not rule.should_stop(early, [early]).stop
    later = [early, trial(2, 0.0, 2.0, state=TrialState.FINISHED), trial(3, 0.0, 3.0)]
    assert rule.should_stop(early, later).stop


def test_the_reason_has_the_numbers_as_the_program_logged_them() -> None:
    sharpe, loss = Metric("val/sharpe", "maximize"), Metric("val/loss", "minimize")
    past = [trial(1, 0.12), trial(2, 0.34), trial(3, 0.5)]
    assert make(THIRD, sharpe).should_stop(past[0], past).reason == (
        "val/sharpe 0.12 at iteration 1 is below the top third's 0.34 (of 3 trials)"
    )
    past = [trial(1, -0.9), trial(2, -0.34), trial(3, -0.1)]
    assert make(THIRD, loss).should_stop(past[0], past).reason == (
        "val/loss 0.9 at iteration 1 is above the top third's 0.34 (of 3 trials)"
    )
    past = [trial(1, NAN, NAN), trial(2, 0.0, 1.0), trial(3, 0.0, 2.0)]
    assert make(LENIENT2, sharpe).should_stop(past[0], past).reason == (
        "best val/sharpe not a number judged at iteration 2 is below the top half's 1 (of 3 trials)"
    )
    past = [trial(n, float(n)) for n in range(1, 12)]
    assert "top 1/5's 9 (of 11" in make(EarlyTerminate(min_iter=1, eta=5.0)).should_stop(past[0], past).reason


def test_a_long_history_is_not_read_again_at_every_report(monkeypatch) -> None:
    reads = 0

    def counted(reports, iteration):
        nonlocal reads
        reads += 1
        return value_at(reports, iteration)

    monkeypatch.setattr(hyperband, "value_at", counted)
    ended = [trial(n, *[n / 1e4] * 9, state=TrialState.FINISHED) for n in range(1, 2001)]
    rule = make(EarlyTerminate(min_iter=3))

    def reads_of(*trials: Trial) -> int:
        nonlocal reads
        reads = 0
        rule.should_stop(trials[-1], trials)
        return reads

    assert reads_of(*ended, trial(2001, 2.0, 2.0)) == 0
    assert reads_of(*ended, trial(2001, 2.0, 2.0, 2.0)) == 2002
    assert reads_of(*ended, trial(2001, 2.0, 2.0, 2.0, 2.0)) == 2
    assert reads_of(*ended, trial(2001, *[2.0] * 9, state=TrialState.FINISHED), trial(2002, *[2.0] * 5)) == 3


def test_no_rule_never_stops_and_an_unknown_one_is_refused() -> None:
    assert make(None) == Never()
    assert isinstance(make(THIRD), Hyperband)
    with pytest.raises(UsageError, match=r"no stop rule is called 'bohb'\. Known: hyperband"):
        make(EarlyTerminate(min_iter=1, type="bohb"))
