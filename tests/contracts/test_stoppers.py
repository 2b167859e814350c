"""What every stop rule must do, whatever its name."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sharpen.spec import EarlyTerminate
from sharpen.stoppers import STOPPERS, Stopper, make
from sharpen.trial import Trial, TrialState

from .histories import COUNTABLE, HISTORIES, history, trial

RULES = {
    "never": None,
    "hyperband": EarlyTerminate(min_iter=2, eta=2.0),
    "hyperband-lenient": EarlyTerminate(min_iter=2, eta=2.0, strict=False),
    "hyperband-max_iter": EarlyTerminate(max_iter=9, s=2),
}


@pytest.fixture(params=RULES.values(), ids=RULES.keys())
def stopper(request) -> Stopper:
    return make(request.param)


def running(trials: list[Trial]) -> list[Trial]:
    return [t for t in trials if t.state is TrialState.RUNNING]


def test_every_rule_of_the_name_table_is_here() -> None:
    assert {rule.type for rule in RULES.values() if rule} == set(STOPPERS)


@pytest.mark.parametrize("states", HISTORIES.values(), ids=HISTORIES.keys())
def test_verdicts_repeat_and_a_stop_has_a_reason(stopper, states) -> None:
    past = history(COUNTABLE, states)
    for t in past:
        verdict = stopper.judge(t, past)
        assert verdict == stopper.judge(t, past)
        assert verdict.stop == bool(verdict.reason)


@pytest.mark.parametrize("states", HISTORIES.values(), ids=HISTORIES.keys())
def test_only_running_trials_are_stopped(stopper, states) -> None:
    past = history(COUNTABLE, states)
    assert not any(stopper.judge(t, past).stop for t in past if t.state is not TrialState.RUNNING)


def test_a_trial_alone_is_never_stopped(stopper) -> None:
    for n in range(12):
        alone = trial(1, *[-1.0 * i for i in range(n)])
        assert not stopper.judge(alone, [alone]).stop


def test_the_best_at_every_step_is_never_stopped_whatever_the_others_are(stopper) -> None:
    others = [
        trial(n, *[math.nan if n % 2 else -float(n)] * 9, state=TrialState.FINISHED) for n in range(1, 9)
    ]
    for n_reports in range(10):
        top = trial(9, *[5.0] * n_reports)
        assert not stopper.judge(top, [*others, top]).stop


def test_larger_is_better(stopper) -> None:
    """Raising a trial's values never turns a verdict from going on to stopping."""
    past = history(COUNTABLE, (TrialState.FINISHED,) * 6 + (TrialState.RUNNING,) * 6)
    for t in running(past):
        raised = replace(t, reports=[replace(r, value=r.value + 0.7) for r in t.reports])
        lifted = [raised if u is t else u for u in past]
        assert stopper.judge(raised, lifted).stop <= stopper.judge(t, past).stop


def test_nan_never_beats_a_number_and_never_crashes(stopper) -> None:
    lost = trial(1, *[math.nan] * 4)
    good = trial(2, *[0.1] * 4)
    verdict = stopper.judge(lost, [lost, good])
    assert not stopper.judge(good, [lost, good]).stop
    assert not verdict.stop or "not a number" in verdict.reason
    both = [lost, trial(2, *[math.nan] * 4)]
    assert not any(stopper.judge(t, both).stop for t in both)


def test_a_long_lived_rule_and_a_fresh_one_agree_as_a_sweep_goes_on(request, stopper) -> None:
    rule = request.node.callspec.params["stopper"]
    past = history(COUNTABLE, (TrialState.FINISHED, TrialState.FAILED, TrialState.RUNNING) * 6)
    for turn in range(len(past)):
        here = past[: turn + 1]
        assert [stopper.judge(t, here) for t in here] == [make(rule).judge(t, list(here)) for t in here]
    changed = [replace(past[0], reports=past[1].reports), *past[1:]]
    assert [stopper.judge(t, changed) for t in changed] == [make(rule).judge(t, changed) for t in changed]
