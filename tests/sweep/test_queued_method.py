"""A sweep whose runs somebody queues: agents wait, the cap and its closing end it, and runs are stopped."""

from __future__ import annotations

import pytest

from sharpen import spec
from sharpen.optimizers import Wait, make
from sharpen.seeds import rng_for
from sharpen.sweep import SweepState, SweepStatus, step
from sharpen.sweep.effects import Accepted, NothingNow, Rejected, SetLimits, StopRun, SweepOver
from sharpen.sweep.events import (
    Closed,
    LeaseAsked,
    Paused,
    ProgramExited,
    Reported,
    RunAdded,
    RunStopped,
    Stopped,
)
from sharpen.trial import TrialState

from .states import ask, lease, move, run_once, sweep

ASKED = LeaseAsked("a", "k", 0.0)


def queued(run_cap: int | None = None, **rules: object) -> SweepState:
    return sweep(run_cap, make("queued"), **rules)


def added(state: SweepState, *values: float) -> SweepState:
    for value in values:
        state = move(state, RunAdded(state.n_created + 1, {"x": value}, "queued"))
    return state


def test_it_proposes_nothing_whatever_the_history() -> None:
    state = run_once(added(queued(), 0.5))
    for history in ([], state.trials):
        assert make("queued").ask(state.rules.space, history, 3, rng_for(0, "ask", 1)) == Wait()


@pytest.mark.parametrize("run_cap", [None, 3])
def test_an_agent_waits_before_between_and_after_what_is_queued(run_cap: int | None) -> None:
    state = queued(run_cap)
    assert ask(state, ASKED) == NothingNow()
    state = run_once(added(state, 0.5))
    assert state.status is SweepStatus.RUNNING
    assert ask(state, ASKED) == NothingNow()
    assert [dict(trial.config) for trial in state.trials] == [{"x": 0.5}]


def test_the_cap_ends_it() -> None:
    state = run_once(added(queued(1), 0.5))
    assert state.status is SweepStatus.FINISHED
    assert isinstance(ask(state, ASKED), SweepOver)


def test_a_closed_sweep_ends_with_its_last_run() -> None:
    state, _, token = lease(added(queued(), 0.5, 0.7))
    closed, effects = step(state, Closed())
    assert effects == [SetLimits(2, None, None), Accepted()]
    assert closed.status is SweepStatus.RUNNING
    assert step(closed, Closed())[0] == closed
    state = run_once(move(closed, Reported(1, token, 1, 0.5, 0.0), ProgramExited(1, token, 0)))
    assert state.status is SweepStatus.FINISHED
    assert move(state, Closed()) == state


def test_a_closed_sweep_gives_its_configurations_the_repeats_that_they_lack() -> None:
    state = move(added(queued(repeats=3), 0.5), Closed())
    for _ in range(3):
        assert state.status is SweepStatus.RUNNING
        state = run_once(state)
    assert state.status is SweepStatus.FINISHED
    assert state.n_created == 3


@pytest.mark.parametrize("before", [(), (Paused(),)])
def test_a_sweep_without_a_run_is_stopped_when_it_is_closed(before: tuple[Paused, ...]) -> None:
    assert move(queued(), *before, Closed()).status is SweepStatus.STOPPED


def test_what_a_stopped_run_reported_counts() -> None:
    state, n, token = lease(added(queued(), 0.5))
    state = move(state, Reported(n, token, 1, 0.25, 0.0))
    state, effects = step(state, RunStopped(n, "poor"))
    assert effects == [StopRun(n, "poor"), Accepted()]
    assert step(state, RunStopped(n, "again")) == (state, [Accepted()])
    state = move(state, ProgramExited(n, token, -15))
    assert (state.trials[0].state, state.trials[0].score) == (TrialState.STOPPED, 0.25)
    assert isinstance(ask(state, RunStopped(n, "poor")), Rejected)


def test_a_run_that_waits_is_canceled_when_it_is_stopped() -> None:
    state = move(added(queued(), 0.5), RunStopped(1, "poor"))
    assert state.trials[0].state is TrialState.CANCELED
    assert isinstance(ask(state, RunStopped(2, "poor")), Rejected)


def test_a_stopped_sweep_is_not_closed_anew() -> None:
    state = move(added(queued(), 0.5), Stopped())
    assert step(state, Closed()) == (state, [Accepted()])


@pytest.mark.parametrize("method", ["method: queued", "method: custom\noptimizer: {type: queued}"])
def test_a_file_names_it_and_needs_no_metric(method: str) -> None:
    read = spec.parse(f"program: t.py\n{method}\nparameters: {{x: {{values: [1, 2]}}}}\n")
    assert (read.method, read.has_metric) == ("queued", False)
