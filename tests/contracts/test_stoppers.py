"""Every stop rule is under the suite that plugins are under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest

from sharpen.spec import EarlyTerminate
from sharpen.spec.stopping import STOP_RULES
from sharpen.stoppers import STOPPERS, Stopper, build, make
from sharpen.testing.stoppers import StopperContract
from sharpen.trial import GO_ON, StopDecision, Trial, TrialState

pytestmark = pytest.mark.filterwarnings("error")


class _Row(StopperContract):
    rule = ""
    options: ClassVar[dict[str, Any]] = {}

    def make(self) -> Stopper:
        return build(self.rule, self.options)


class TestHyperband(_Row):
    rule = "hyperband"
    options: ClassVar = {"min_iter": 2, "eta": 2.0}


class TestHyperbandLenient(_Row):
    rule = "hyperband"
    options: ClassVar = {"min_iter": 2, "eta": 2.0, "strict": False}


class TestHyperbandFromAbove(_Row):
    rule = "hyperband"
    options: ClassVar = {"max_iter": 9, "s": 2}


class TestAsha(_Row):
    rule = "asha"
    options: ClassVar = {"min_iter": 1, "eta": 2.0}


class TestAshaWithAnEnd(_Row):
    rule = "asha"
    options: ClassVar = {"max_iter": 9, "s": 1}


class TestMedian(_Row):
    rule = "median"
    options: ClassVar = {"min_iter": 2}


class TestMedianOfFoldsAlone(_Row):
    rule = "median"
    options: ClassVar = {"values": "each", "min_runs": 1, "interval": 2}


class TestRacing(_Row):
    rule = "racing"
    judges_spread = True


class TestRacingOfFoldsAlone(_Row):
    rule = "racing"
    options: ClassVar = {"values": "each", "level": 0.5, "min_runs": 1}
    judges_spread = True


class TestRacingWithoutPooling(_Row):
    rule = "racing"
    options: ClassVar = {"prior_folds": 0, "level": 0.3}
    judges_spread = True


class TestNever(StopperContract):
    stops_some = False

    def make(self) -> Stopper:
        return make(None)


class TestAsSweepFilesSayIt(StopperContract):
    def make(self) -> Stopper:
        return make(EarlyTerminate(min_iter=2, eta=2.0))


@dataclass(frozen=True)
class Threshold:
    """A rule that another package may bring: it knows by itself what is good enough."""

    least: float = 0.0

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        if (
            trial.state is not TrialState.RUNNING
            or not trial.reports
            or trial.reports[-1].value >= self.least
        ):
            return GO_ON
        return StopDecision(True, f"below {self.least:g}")


class TestThreshold(StopperContract):
    goes_by_others = False

    def make(self) -> Stopper:
        return Threshold()


def test_a_rule_that_goes_by_others_must_not_be_such_a_threshold() -> None:
    class Claims(TestThreshold):
        goes_by_others = True

    with pytest.raises(AssertionError):
        Claims().test_a_trial_alone_is_never_stopped()
    with pytest.raises(AssertionError):
        Claims().test_the_best_at_every_step_is_never_stopped()


def test_every_row_of_the_name_table_is_under_the_suite() -> None:
    assert {row.rule for row in _Row.__subclasses__()} == set(STOPPERS)


def test_sweep_files_have_every_rule_and_setting_with_the_rules_own_defaults() -> None:
    assert set(STOP_RULES) == {*STOPPERS, "custom"}
    for name in STOPPERS:
        written = {setting: key.default for setting, key in STOP_RULES[name].items()}
        settings = {f.name: f.default for f in fields(type(build(name))) if f.init}  # type: ignore[arg-type]
        assert written == {setting: value for setting, value in settings.items() if setting != "metric"}
