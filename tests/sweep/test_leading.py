"""Whether a run that is at work would be the best of its sweep."""

from __future__ import annotations

import math

import pytest

from sharpen.sweep import Assessment, SweepState, leads
from sharpen.sweep.events import ProgramExited, Reported

from .states import lease, move, run_once, sweep


def at_work(state: SweepState, value: float | None, **watched: float) -> bool:
    """Return whether a run that has reported a value leads."""
    state, n, token = lease(state)
    if value is not None:
        state = move(state, Reported(n, token, 1, value, 0.0, watched))
    return leads(state, state.live[n])


@pytest.mark.parametrize(
    ("earlier", "value", "leading"),
    [
        ([], 0.1, True),
        ([0.5], 0.6, True),
        ([0.5], 0.5, False),  # the earliest of equals is the best
        ([0.5, 0.7], 0.6, False),
        ([math.nan], -3.0, True),
        ([], math.nan, False),
        ([], None, False),
    ],
)
def test_it_is_compared_with_what_has_finished(
    earlier: list[float], value: float | None, leading: bool
) -> None:
    state = sweep(run_cap=9)
    for score in earlier:
        state = run_once(state, score)
    assert at_work(state, value) is leading


def test_failed_and_running_ones_do_not_count() -> None:
    state = run_once(sweep(run_cap=9), 0.9, exit_code=1)
    state, n, token = lease(state, "other")
    state = move(state, Reported(n, token, 1, 0.8, 0.0))
    assert at_work(state, 0.1)


def test_of_several_metrics_one_that_none_beats_leads() -> None:
    state = sweep(run_cap=9, watched=("a", "b"), assess=lambda w: Assessment((w["a"], w["b"])))
    state, n, token = lease(state)
    state = move(state, Reported(n, token, 1, 0.5, 0.0, {"a": 0.5, "b": 0.5}))
    assert leads(state, state.live[n])
    state = move(state, ProgramExited(n, token, 0, ""))
    assert at_work(state, 0.1, a=0.1, b=0.6)
    assert at_work(state, 0.5, a=0.5, b=0.5)
    assert not at_work(state, 0.4, a=0.4, b=0.5)


def test_a_broken_constraint_does_not_lead() -> None:
    state = sweep(run_cap=9, watched=("n",), assess=lambda w: Assessment(violation=max(0.0, 5 - w["n"])))
    assert not at_work(state, 0.9, n=4.0)
    assert at_work(state, 0.1, n=5.0)


def test_with_repeats_every_usable_run_may_come_to_lead() -> None:
    state = run_once(sweep(run_cap=9, repeats=2), 0.9)
    assert at_work(state, 0.1)
    assert not at_work(state, math.nan)
