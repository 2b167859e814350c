"""Every stop rule is under the suite that plugins are under."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from sharpen.spec import EarlyTerminate
from sharpen.stoppers import STOPPERS, Stopper, build, make
from sharpen.testing.stoppers import StopperContract

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


def test_every_row_of_the_name_table_is_under_the_suite() -> None:
    assert {row.rule for row in _Row.__subclasses__()} == set(STOPPERS)
