"""A slow search method is asked aside: agents wait for what it proposes, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from sharpen.optimizers import Done, RandomSearch, Wait
from sharpen.sweep import Question, SweepStatus, question, step
from sharpen.sweep.effects import Granted, NothingNow, SweepOver
from sharpen.sweep.events import LeaseAsked, ProgramExited, Proposed, Reported
from sharpen.trial import Proposal

from .states import ask, move, sweep


def lease(agent: str, n: int) -> LeaseAsked:
    return LeaseAsked(agent, f"{agent}-{n}", 0.0)


def finish(number: int, token: int, value: float):
    return Reported(number, token, 1, value, 0.0), ProgramExited(number, token, 0)


def slow(**rules: Any):
    return sweep(is_slow_search=True, **rules)


def asked(state) -> Question:
    found = question(state)
    assert found is not None
    return found


def hear(state):
    """Return the state after its question was asked and the answer taken in."""
    return move(state, asked(state).ask())


def test_an_agent_waits_until_the_method_has_answered():
    state = slow()
    assert question(state) is None, "nobody has asked"
    state, effects = step(state, lease("a", 1))
    assert effects == [NothingNow()]
    assert asked(state).n == 1
    state = hear(state)
    assert question(state) is None
    assert ask(state, lease("a", 2)) == Granted(1, 1)


def test_it_proposes_what_it_would_have_proposed_at_once():
    quick = move(sweep(), lease("a", 1), lease("b", 1))
    aside = hear(move(slow(), lease("a", 1), lease("b", 1)))
    aside = move(aside, lease("a", 2), lease("b", 2))
    assert aside.trials[0].config == quick.trials[0].config
    assert aside.trials[0].config != aside.trials[1].config


def test_it_is_asked_for_one_proposal_for_each_agent_that_waits_and_no_more_than_the_cap_has_room_for():
    state = move(slow(run_cap=3), lease("a", 1), lease("a", 1), lease("b", 1))
    assert asked(state).n == 2
    assert len(hear(state).proposed) == 2
    state = move(state, *(lease(name, 1) for name in "cdef"))
    assert asked(state).n == 3


def test_one_is_made_ahead_while_two_are_at_work():
    state = move(hear(move(slow(run_cap=9), lease("a", 1))), lease("a", 2))
    assert question(state) is None, "the first run's result is worth waiting for"
    state = move(hear(move(state, lease("b", 1))), lease("b", 2))
    assert asked(state).n == 1
    assert ask(hear(state), lease("c", 1)) == Granted(3, 1)


class Waiting:
    def ask(self, space, history, n, rng):
        done = [trial for trial in history if trial.state.is_final]
        return Wait() if len(done) < len(history) else RandomSearch().ask(space, history, 1, rng)


def test_a_method_that_waits_is_asked_again_when_somebody_asks_and_ahead_only_when_a_run_has_ended():
    state = move(hear(move(slow(run_cap=9, optimizer=Waiting()), lease("a", 1))), lease("a", 2))
    state = hear(move(state, lease("b", 1)))
    assert not state.proposed
    assert question(state) is None
    state = move(state, lease("b", 2))
    assert asked(state).n == 1
    state = hear(move(state, *finish(1, 1, 0.5)))
    assert ask(state, lease("b", 3)) == Granted(2, 1)


def test_a_method_that_waits_for_nothing_ends_the_sweep_as_failed():
    class Idle:
        def ask(self, space, history, n, rng):
            return Wait()

    state = hear(move(slow(optimizer=Idle()), lease("a", 1)))
    assert state.status is SweepStatus.FAILED
    assert "it waits, and no trial is pending or running" in state.reason


@pytest.mark.parametrize("answer", [[], Done()])
def test_a_method_that_is_done_ends_the_sweep(answer):
    class Ended:
        def ask(self, space, history, n, rng):
            return answer

    state = hear(move(slow(optimizer=Ended()), lease("a", 1)))
    assert state.status is SweepStatus.FINISHED
    assert isinstance(ask(state, lease("a", 2)), SweepOver)


def test_a_method_that_breaks_ends_the_sweep_as_failed_and_what_is_at_work_works_on():
    class Breaks:
        def ask(self, space, history, n, rng):
            if history:
                raise ZeroDivisionError("no more")
            return [Proposal({"x": 0.5}, origin="breaks")]

    state = move(hear(move(slow(optimizer=Breaks()), lease("a", 1))), lease("a", 2))
    state = hear(move(state, lease("b", 1)))
    assert state.status is SweepStatus.FAILED
    assert "ZeroDivisionError: no more" in state.reason
    assert 1 in state.live


def test_an_answer_that_comes_after_the_end_changes_nothing():
    over = move(slow(run_cap=1), lease("a", 1))
    over = move(hear(over), lease("a", 2), *finish(1, 1, 0.1))
    assert over.status is SweepStatus.FINISHED
    assert step(over, Proposed([Proposal({"x": 0.5}, origin="late")])) == (over, [])


def test_prior_configurations_need_no_question():
    state = slow(prior=({"x": 0.25},))
    assert ask(state, lease("a", 1)) == Granted(1, 1)
    assert question(move(state, lease("a", 1))) is None
