"""Frozen values with something changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sharpen.frozen import with_changes
from sharpen.report_log import ReportLog
from sharpen.sweep.state import Lease, LiveRun
from sharpen.trial import Trial, TrialState


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (Trial(3, {"x": 1}), {"state": TrialState.FINISHED, "score": 0.5}),
        (LiveRun(Trial(1, {})), {"lease": Lease("agent", "key", 3.0), "token": 2}),
        (LiveRun(Trial(1, {}), watched={"loss": ReportLog.of([(1, 0.5)])}), {}),
    ],
)
def test_the_same_comes_back_as_from_the_standard_library(value: object, changes: dict[str, object]) -> None:
    before = repr(value)
    assert with_changes(value, **changes) == replace(value, **changes)  # type: ignore[type-var]
    assert repr(value) == before


def test_what_a_value_does_not_have_cannot_be_changed() -> None:
    with pytest.raises(KeyError, match="scores_"):
        with_changes(Trial(1, {}), scores_=())
