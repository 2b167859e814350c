"""Search methods and stop rules that raise, as a plugin may: the sweep fails, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sharpen.optimizers import RandomSearch
from sharpen.sweep import SweepState, SweepStatus, step
from sharpen.sweep.effects import Accepted, KeepReport, SetStatus, SweepOver
from sharpen.sweep.events import LeaseAsked, Paused, ProgramExited, Reopened, Reported
from sharpen.trial import Proposal, StopDecision, Trial, TrialState

from .states import ask, lease, move, run_once, sweep


class Dull:
    """Proposes one thing, or raises what it is given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, space: Any, history: Any, n: int, rng: Any) -> list[Proposal]:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return [Proposal(self.answer, origin="dull") if isinstance(self.answer, dict) else self.answer]


class Falls:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def broken_by(answer: Any) -> SweepState:
    """Return a sweep with a run at work, whose method is from now on a dull one."""
    state, _, _ = lease(sweep(run_cap=5))
    return replace(state, rules=replace(state.rules, optimizer=Dull(answer)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (KeyError("lr"), r"the search method Dull failed: KeyError: 'lr' \(.*plugin_calls.py, line \d+\)"),
        (
            {"x": 7.0},
            r"the search method Dull failed: ValueError: {'x': 7.0} is no configuration of the space",
        ),
        ({}, "{} is no configuration of the space"),
        ({"x": 0.5, "y": 1}, "{'x': 0.5, 'y': 1} is no configuration of the space"),
        (SystemExit(3), "the search method Dull failed: SystemExit: 3"),
        (Speechless(), "the search method Dull failed: .*Speechless: <exception str"),
        (None, "TypeError: a proposal must be of type Proposal, not None"),
        (Proposal({"x": 0.5}, origin=None), "TypeError: the origin must be of type str, not None"),  # type: ignore[arg-type]
        (Proposal({"x": 0.5}, parent=0.5), "TypeError: the parent must be of type int, not 0.5"),  # type: ignore[arg-type]
        (Proposal({"x": 0.5}, parent=2), "ValueError: the parent 2 is none of 1 trials"),
    ],
)
def test_a_search_method_that_fails_ends_the_sweep_and_no_run(answer: Any, reason: str) -> None:
    state, effects = step(broken_by(answer), LeaseAsked("b", "key", 0.0))
    assert [type(effect) for effect in effects] == [SetStatus, SweepOver]
    assert effects[-1] == SweepOver(SweepStatus.FAILED, state.reason)
    with pytest.raises(ValueError, match=reason):
        raise ValueError(state.reason)
    assert state.n_created == 1
    state = move(state, Reported(1, 1, 1, 0.5, 0.0), ProgramExited(1, 1, 0))
    assert state.trials[0].state is TrialState.FINISHED
    assert state.status is SweepStatus.FAILED


def test_a_sweep_goes_on_with_a_method_that_has_been_mended() -> None:
    state = move(broken_by(KeyError("lr")), LeaseAsked("b", "key", 0.0))
    state = replace(state, rules=replace(state.rules, optimizer=RandomSearch()))
    state = run_once(move(state, Reopened()))
    assert state.status is SweepStatus.RUNNING
    assert state.trials[1].state is TrialState.FINISHED


def test_a_stop_rule_that_fails_ends_the_sweep_and_not_the_run() -> None:
    state, n, token = lease(sweep(stopper=Falls(LookupError("no such rung"))))
    state, effects = step(state, Reported(n, token, 1, 0.5, 0.0))
    assert [type(effect) for effect in effects] == [KeepReport, SetStatus, Accepted]
    assert effects[-1] == Accepted()
    assert state.status is SweepStatus.FAILED
    assert state.reason.startswith("the stop rule Falls failed: LookupError: no such rung (")
    assert [report.value for report in state.live[n].trial.reports] == [0.5], "the report is kept"
    again, effects = step(state, Reported(n, token, 2, 0.6, 0.0))
    assert [type(effect) for effect in effects] == [KeepReport, Accepted], "it has failed already"
    assert again.status is SweepStatus.FAILED
    assert isinstance(ask(again, ProgramExited(n, token, 0)), Accepted)


def test_a_paused_sweep_fails_too_and_a_stopped_one_stays_stopped() -> None:
    state, n, token = lease(sweep(stopper=Falls(LookupError("no such rung"))))
    assert move(state, Paused(), Reported(n, token, 1, 0.5, 0.0)).status is SweepStatus.FAILED
    stopped = replace(state, status=SweepStatus.STOPPED)
    assert move(stopped, Reported(n, token, 1, 0.5, 0.0)).status is SweepStatus.STOPPED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "TypeError: a decision must be of type StopDecision, not None"),
        (StopDecision(True, None), "TypeError: the reason must be of type str, not None"),  # type: ignore[arg-type]
        (SystemExit("bye"), "SystemExit: bye"),
    ],
)
def test_a_stop_rule_that_answers_nonsense_ends_the_sweep_and_not_the_run(answer: Any, reason: str) -> None:
    state, n, token = lease(sweep(stopper=Falls(answer)))
    state, effects = step(state, Reported(n, token, 1, 0.5, 0.0))
    assert effects[-1] == Accepted()
    assert state.status is SweepStatus.FAILED
    assert state.reason.startswith(f"the stop rule Falls failed: {reason} (")
    assert state.live[n].stop == ""
