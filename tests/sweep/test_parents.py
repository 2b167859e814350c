"""Methods that wait, and runs that continue others: what generations and populations need."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sharpen.optimizers import Done, Wait
from sharpen.space import Float, Space
from sharpen.stoppers import make as make_stopper
from sharpen.sweep import SweepRules, SweepState, SweepStatus, step
from sharpen.sweep.effects import Granted, LeaseRun, NothingNow, SweepOver
from sharpen.sweep.events import CheckpointSaved, LeaseAsked, ProgramExited, Reported
from sharpen.trial import Proposal, StoredCheckpoint, TrialState


@dataclass(frozen=True)
class Generations:
    """Two at a time; the next two when both have ended; three generations."""

    def ask(self, space, history, n, rng):
        generation, place = divmod(len(history), 2)
        if generation == 3:
            return Done()
        if place == 0 and any(not trial.state.is_final for trial in history):
            return Wait()
        return [Proposal({"x": float(rng.random())}, origin="generation", fidelity=3.0**generation)]


@dataclass(frozen=True)
class Exploit:
    """One member: each run goes on from the one before with another value."""

    def ask(self, space, history, n, rng):
        if history and not history[-1].state.is_final:
            return Wait()
        parent = history[-1].number if history else None
        return [Proposal({"x": float(rng.random())}, parent=parent, origin="explore")]


@dataclass(frozen=True)
class Sleeper:
    """Waits for nothing."""

    def ask(self, space, history, n, rng):
        return Wait()


def _sweep(optimizer, **rules) -> SweepState:
    space = Space({"x": Float(0.0, 1.0)})
    return SweepState(SweepRules(space, optimizer, make_stopper(None, None), "loss", 1, **rules))


def _lease(state, agent="a", key=None, now=0.0):
    state, effects = step(state, LeaseAsked(agent, key or f"{agent}{state.n_created}", now))
    return state, effects


def _finish(state, number, value=0.5):
    token = state.live[number].token
    state, _ = step(state, Reported(number, token, 1, value, 0.0))
    return step(state, ProgramExited(number, token, 0))[0]


def test_a_generation_that_is_at_work_is_waited_for_and_the_sweep_goes_on():
    state = _sweep(Generations())
    state, first = _lease(state, "a", "1")
    state, second = _lease(state, "b", "2")
    assert [type(effects[-1]) for effects in (first, second)] == [Granted, Granted]
    state, third = _lease(state, "c", "3")
    assert third == [NothingNow()]
    assert state.status is SweepStatus.RUNNING
    state = _finish(state, 1)
    state, still = _lease(state, "c", "4")
    assert still == [NothingNow()]
    state = _finish(state, 2)
    for generation in (1, 2):
        state, _ = _lease(state, "a", f"{generation}a")
        state, _ = _lease(state, "b", f"{generation}b")
        for number in list(state.live):
            assert state.live[number].trial.fidelity == 3.0**generation
            state = _finish(state, number)
    state, over = _lease(state, "a", "end")
    assert isinstance(over[-1], SweepOver)
    assert (state.status, state.reason) == (SweepStatus.FINISHED, "every point has been tried")
    assert len(state.trials) == 6


def test_a_run_goes_on_from_its_parents_checkpoint_also_after_a_crash():
    state = _sweep(Exploit())
    state, _ = _lease(state, key="1")
    state, _ = step(state, CheckpointSaved(1, 1, "d1", 7))
    state = _finish(state, 1)
    assert state.trials[0].checkpoint == StoredCheckpoint("d1", 7)
    state, effects = _lease(state, key="2")
    assert LeaseRun(2, "a", "2", 1, StoredCheckpoint("d1", 7), is_inherited=True) in effects
    assert state.trials[1].parent == 1
    state, _ = step(state, ProgramExited(2, 1, -9))
    state, effects = _lease(state, key="3")
    assert LeaseRun(2, "a", "3", 2, StoredCheckpoint("d1", 7), is_inherited=True) in effects


@pytest.mark.parametrize(("resume", "expected"), [(True, "own"), (False, "parents")])
def test_its_own_checkpoint_comes_first_where_the_sweep_resumes(resume, expected):
    state = _sweep(Exploit(), resume=resume)
    state, _ = _lease(state, key="1")
    state, _ = step(state, CheckpointSaved(1, 1, "parents", 7))
    state = _finish(state, 1)
    state, _ = _lease(state, key="2")
    state, _ = step(state, CheckpointSaved(2, 1, "own", 9))
    state, _ = step(state, ProgramExited(2, 1, -9))
    state, _ = _lease(state, key="3")
    resumed = state.live[2].resumed
    assert resumed is not None
    assert resumed.digest == expected


def test_a_method_that_waits_for_nothing_fails_its_sweep_with_a_sentence():
    state, effects = _lease(_sweep(Sleeper()))
    assert state.status is SweepStatus.FAILED
    assert "it waits, and no trial is pending or running" in state.reason
    assert isinstance(effects[-1], SweepOver)


@pytest.mark.parametrize("fidelity", [0.0, -1.0, float("nan"), float("inf"), "3"])
def test_a_fidelity_that_is_no_amount_is_the_methods_failure(fidelity):
    @dataclass(frozen=True)
    class Odd:
        def ask(self, space, history, n, rng):
            return [Proposal({"x": 0.5}, origin="odd", fidelity=fidelity)]

    state, _ = _lease(_sweep(Odd()))
    assert state.status is SweepStatus.FAILED
    assert "fidelity" in state.reason


def test_no_proposal_still_means_the_end_for_methods_that_know_no_other_answer():
    @dataclass(frozen=True)
    class Old:
        def ask(self, space, history, n, rng):
            return []

    state, effects = _lease(_sweep(Old()))
    assert state.status is SweepStatus.FINISHED
    assert isinstance(effects[-1], SweepOver)


def test_a_rerun_of_a_continued_run_begins_anew():
    from sharpen.sweep.events import RunAdded

    state = _sweep(Exploit())
    state, _ = _lease(state, key="1")
    state, _ = step(state, CheckpointSaved(1, 1, "d1", 7))
    state = _finish(state, 1)
    state, _ = step(state, RunAdded(2, state.trials[0].config, "rerun", 1))
    state, effects = _lease(state, key="2")
    assert LeaseRun(2, "a", "2", 1, None) in effects
    assert state.live[2].trial.state is TrialState.RUNNING
