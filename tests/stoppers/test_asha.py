"""Successive halving: verdicts worked out by hand, and the same ones from Optuna's pruner."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.spec import Metric
from sharpen.stoppers.asha import Asha, rungs
from sharpen.trial import Report, Trial, TrialState

NAN = math.nan


def trial(number: int, *values: float, state: TrialState = TrialState.RUNNING) -> Trial:
    return Trial(number, {}, state, tuple(Report(10 * i, v) for i, v in enumerate(values)))


def stopped(rule: Asha, *values: tuple[float, ...]) -> list[int]:
    """Return the numbers of the trials that are stopped when all of them run and are judged at once."""
    trials = [trial(n, *v) for n, v in enumerate(values, 1)]
    return [t.number for t in trials if rule.should_stop(t, trials).stop]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"min_iter": 1, "eta": 3.0, "max_iter": 81}, (1, 3, 9, 27)),
        ({"min_iter": 1, "eta": 3.0, "max_iter": 82}, (1, 3, 9, 27, 81)),
        ({"min_iter": 2, "eta": 2.0, "max_iter": 8, "s": 1}, (4,)),
        ({"min_iter": 1, "eta": 1.2, "max_iter": 5}, (1, 2, 3, 4)),
        ({"min_iter": 9, "eta": 3.0, "max_iter": 9}, ()),
        ({"min_iter": 1, "eta": 1e300}, (1,)),
    ],
)
def test_rungs(settings, expected) -> None:
    assert rungs(**settings) == expected


def test_without_an_end_rungs_go_on() -> None:
    assert rungs(1, 10.0)[:4] == (1, 10, 100, 1000)


HALF, THIRD = Asha(min_iter=1, eta=2.0), Asha(min_iter=1, eta=3.0)


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        # of two or three, int(n / 2) = 1 goes on
        (HALF, [(1,), (2,)], [1]),
        (HALF, [(1,), (2,), (3,)], [1, 2]),
        # of four, two
        (HALF, [(1,), (2,), (3,), (4,)], [1, 2]),
        # equal values share a place
        (HALF, [(4,), (4,), (4,), (1,)], [4]),
        (HALF, [(2,), (2,)], []),
        # of fewer than eta one, never none
        (THIRD, [(1,)], []),
        (THIRD, [(1,), (2,)], [1]),
        (THIRD, [(1,), (2,), (3,), (4,), (5,), (6,)], [1, 2, 3, 4]),
        # at rung 2 only those that reached it count, with their values there
        (HALF, [(9, 1), (0, 2), (9,)], [1]),
        # between rungs and after them nothing happens
        (HALF, [(1, 1, 1), (2, 2, 2)], []),
        # not a number is worse than every number, and as good as another that is none
        (HALF, [(NAN,), (-9,)], [1]),
        (HALF, [(NAN,), (NAN,)], []),
        (HALF, [(math.inf,), (0,)], [1]),
    ],
)  # fmt: skip
def test_verdicts_worked_out_by_hand(rule, values, expected) -> None:
    assert stopped(rule, *values) == expected


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.PENDING])
def test_every_trial_that_reached_the_rung_counts_whatever_became_of_it(state) -> None:
    others = [trial(n, float(n), state=state) for n in (1, 2, 3)]
    low = trial(4, 0.5)
    assert HALF.should_stop(low, [*others, low]).stop


def test_a_mark_that_rises_later_ends_no_trial_between_rungs() -> None:
    early = trial(1, 0.0, 0.0, 0.0)
    assert not HALF.should_stop(early, [early, trial(2, 9.0, 9.0, 9.0)]).stop


def test_the_reason_has_the_numbers_as_the_program_logged_them() -> None:
    loss = Asha(min_iter=1, eta=2.0, metric=Metric("val/loss", "minimize"))
    past = [trial(1, -0.9), trial(2, -0.34), trial(3, -0.1), trial(4, -0.5)]
    assert loss.should_stop(past[0], past).reason == (
        "val/loss 0.9 at rung 1 is above the top half's 0.34 (of 4 trials)"
    )
    past = [trial(1, NAN), *past[1:]]
    assert "val/loss not a number at rung 1" in loss.should_stop(past[0], past).reason


@pytest.mark.parametrize("eta", [2, 3, 4])
def test_optunas_pruner_gives_the_same_verdicts(eta) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=eta, min_early_stopping_rate=0
    )
    study = optuna.create_study(direction="maximize", pruner=pruner)
    rule, past, rng = Asha(min_iter=1, eta=float(eta)), [], np.random.default_rng(eta)
    n_stopped = 0
    for number in range(1, 61):
        theirs, values = study.ask(), []
        for step in range(1, 10):
            values.append(float(rng.normal()))
            ours = trial(number, *values)
            decision = rule.should_stop(ours, [*past, ours])
            theirs.report(values[-1], step)
            assert decision.stop == theirs.should_prune(), (number, step)
            if decision.stop:
                break
        state = optuna.trial.TrialState.PRUNED if decision.stop else optuna.trial.TrialState.COMPLETE
        study.tell(theirs, None if decision.stop else values[-1], state=state)
        past.append(
            trial(number, *values, state=TrialState.STOPPED if decision.stop else TrialState.FINISHED)
        )
        n_stopped += decision.stop
    assert 30 <= n_stopped < 60


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"eta": 1.0}, "eta must be above 1"), ({"min_iter": 0, "s": -1}, "min_iter must be 1 or more; s must")],
)
def test_settings_that_make_no_sense_are_refused(settings, words) -> None:
    with pytest.raises(UsageError, match=words):
        Asha(**settings)
