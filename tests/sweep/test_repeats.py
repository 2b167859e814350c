"""Several runs of one configuration: which begin when, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from sharpen.optimizers import GridSearch, RandomSearch
from sharpen.space import Space
from sharpen.sweep import Configurations, SweepState, SweepStatus, fold, step
from sharpen.sweep.effects import Accepted, CreateRun, NothingNow, SetLimits, SweepOver
from sharpen.sweep.events import (
    AgentLost,
    LeaseAsked,
    LimitsSet,
    ProgramExited,
    Reopened,
    Reported,
    RunAdded,
    RunCanceled,
    RunDeleted,
)
from sharpen.trial import Proposal, Report, Trial, TrialState

from .states import StopBelow, ask, lease, move, run_once, sweep

F, S = TrialState.FINISHED, TrialState.STOPPED


class Watching:
    """Asks another optimizer, and keeps what it was shown."""

    def __init__(self, parent: int | None = None) -> None:
        self.shown: list[list[Trial]] = []
        self.draws: list[float] = []
        self.parent = parent

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        self.shown.append(list(history))
        self.draws.append(rng.random())
        return [Proposal({"x": len(history) / 10}, origin="own", parent=self.parent if history else None)]


def groups(state: SweepState) -> list[tuple[float, int, int | None]]:
    return [(t.config["x"], t.repeat, t.repeat_of) for t in state.trials]


def finish(state: SweepState, number: int, value: float = 0.5, code: int = 0, words: str = "") -> SweepState:
    """Report a value of a leased run, and end it."""
    token = state.live[number].token
    state = move(state, Reported(number, token, 1, value, 0.0))
    return move(state, ProgramExited(number, token, code, words))


def test_a_configuration_s_repeats_are_leased_before_the_next_is_asked_for() -> None:
    state = sweep(run_cap=6, repeats=3, n_points=5)
    for _ in range(6):
        state = run_once(state)
    assert groups(state) == [(0, 0, None), (0, 1, 1), (0, 2, 1), (1, 0, None), (1, 1, 4), (1, 2, 4)]
    assert state.status is SweepStatus.FINISHED
    assert {t.origin for t in state.trials} == {"grid"}


def test_agents_share_the_repeats_of_a_configuration() -> None:
    state = sweep(run_cap=5, repeats=2, n_points=5)
    for agent in "abcd":
        state, _, _ = lease(state, agent)
    assert groups(state) == [(0, 0, None), (0, 1, 1), (1, 0, None), (1, 1, 3)]
    assert [state.live[n].lease.agent for n in (1, 2, 3, 4)] == list("abcd")  # type: ignore[union-attr]
    state = move(state, AgentLost("b"))
    assert lease(state, "e")[1] == 2, "a run that waits goes before a new one"


def test_a_lease_that_is_asked_for_twice_begins_one_repeat() -> None:
    state = run_once(sweep(repeats=2))
    state, effects = step(state, LeaseAsked("a", "k", 0.0))
    assert effects[0] == CreateRun(Trial(2, state.trials[0].config, origin="random", repeat=1, repeat_of=1))
    assert step(state, LeaseAsked("a", "k", 0.0)) == (state, [effects[-1]])


@pytest.mark.parametrize("how", ["stopped", "failed", "crashed", "canceled", "deleted"])
def test_after_a_repeat_that_broke_off_the_others_do_not_begin(how: str) -> None:
    stopper = StopBelow(0.3) if how == "stopped" else None
    state = sweep(run_cap=9, repeats=3, n_points=5, stopper=stopper, max_attempts=1)
    state = run_once(state)
    state, n, token = lease(state)
    state = {
        "stopped": lambda: finish(state, n, 0.2),
        "failed": lambda: finish(state, n, code=1, words="boom"),
        "crashed": lambda: move(state, ProgramExited(n, token, -9)),
        "canceled": lambda: move(state, RunCanceled(n, "no"), ProgramExited(n, token, 1)),
        "deleted": lambda: move(finish(state, n), RunDeleted(n)),
    }[how]()
    state, _, _ = lease(state)
    assert groups(state) == [(0, 0, None), (0, 1, 1), (1, 0, None)]
    (first, _) = state.searched
    expected = {"deleted": "canceled"}.get(how, how)
    assert (first.state, first.score) == (expected, 0.35 if how == "stopped" else None)


def test_repeats_at_work_go_on_when_one_breaks_off() -> None:
    state = sweep(run_cap=9, repeats=3, n_points=5)
    for _ in range(2):
        state, _, _ = lease(state)
    state = finish(state, 1, code=1, words="boom")
    assert state.searched[0].state is TrialState.RUNNING
    state = finish(state, 2)
    assert state.searched[0].state is TrialState.FAILED
    assert groups(lease(state)[0])[-1] == (1, 0, None)


def test_a_cap_in_the_middle_of_a_configuration_is_exact_and_more_room_completes_it() -> None:
    state = sweep(run_cap=4, repeats=3, n_points=5)
    for _ in range(4):
        state = run_once(state)
    assert state.status is SweepStatus.FINISHED
    assert [t.state for t in state.searched] == [F, TrialState.RUNNING]
    assert isinstance(ask(state, LeaseAsked("a", "k", 0.0)), SweepOver)
    for more in (Reopened(7), LimitsSet(7, None, None)):
        again = move(state, more)
        for _ in range(3):
            again = run_once(again)
        assert groups(again)[4:] == [(1, 1, 4), (1, 2, 4), (2, 0, None)]


def test_a_space_that_is_used_up_ends_after_the_last_repeat() -> None:
    state = sweep(run_cap=None, repeats=2, n_points=1)
    state, first, _ = lease(state)
    state, second, _ = lease(state)
    state, effects = step(state, LeaseAsked("b", "b", 0.0))
    assert effects == [NothingNow()], "nothing is left to propose"
    state = finish(finish(state, first), second)
    assert (state.status, state.n_created) == (SweepStatus.FINISHED, 2)
    state = run_once(move(state, RunAdded(3, {"x": 0}, "queued")))
    assert state.status is SweepStatus.RUNNING, "the added one still lacks a repeat"
    assert run_once(state).status is SweepStatus.FINISHED


def test_prior_and_added_configurations_get_repeats_alike() -> None:
    state = sweep(run_cap=6, repeats=2, prior=({"x": 0.5}, {"x": 0.25}))
    state = run_once(state)
    state = move(state, RunAdded(2, {"x": 0.75}, "queued"))
    for _ in range(5):
        state = run_once(state)
    assert groups(state) == [
        (0.5, 0, None),
        (0.75, 0, None),
        (0.5, 1, 1),
        (0.75, 1, 2),
        (0.25, 0, None),
        (0.25, 1, 5),
    ]
    assert [t.origin for t in state.searched] == ["prior", "queued", "prior"]
    assert state.n_prior == 2


def test_the_cap_grows_for_an_added_configuration_with_all_of_its_repeats() -> None:
    state = run_once(sweep(run_cap=1, repeats=3))
    state, effects = step(state, RunAdded(2, {"x": 0.5}, "queued"))
    assert effects[0] == SetLimits(6, None, None), "three of its own, and two that the first still lacks"
    for _ in range(5):
        state = run_once(state)
    assert (state.status, len(state.searched)) == (SweepStatus.FINISHED, 2)


def test_a_rerun_is_one_run_outside_of_any_configuration() -> None:
    state = sweep(run_cap=2, repeats=2)
    for _ in range(2):
        state = run_once(state)
    before = state.searched
    state, effects = step(state, RunAdded(3, state.trials[1].config, "rerun", 2, repeat=1))
    assert effects[0] == SetLimits(3, None, None)
    state = run_once(state, 5.0)
    assert (state.status, state.searched) == (SweepStatus.FINISHED, before)
    assert (state.trials[2].repeat, state.trials[2].repeat_of) == (1, None), "it has the seed of the other"


def test_an_optimizer_sees_a_trial_a_configuration() -> None:
    watching = Watching(parent=1)
    state = sweep(run_cap=None, repeats=2, optimizer=watching)
    values = [0.25, 0.75, -1.0, 1.0]
    for value in values:
        state = run_once(state, value)
    state, number, _ = lease(state)
    assert (number, state.live[number].trial.parent) == (5, 1), (
        "a parent is the first run of its configuration"
    )
    assert [len(shown) for shown in watching.shown] == [0, 1, 2], "asked once a configuration"
    one, two = watching.shown[-1]
    assert one == Trial(1, {"x": 0.0}, F, (Report(1, 0.5),), 0.5, "own")
    assert two == Trial(2, {"x": 0.1}, F, (Report(1, 0.0),), 0.0, "own", parent=1)
    plain = Watching()
    state = sweep(run_cap=None, optimizer=plain)
    for _ in range(3):
        state = run_once(state)
    assert plain.draws == watching.draws, "proposals draw from the same streams"


def test_random_search_finds_the_same_configurations_with_repeats_as_without() -> None:
    found = []
    for repeats in (1, 2, 3):
        state = sweep(run_cap=8 * repeats, repeats=repeats, optimizer=RandomSearch(seed=5))
        for _ in range(8 * repeats):
            state = run_once(state)
        found.append([trial.config for trial in state.searched])
    assert found[0] == found[1] == found[2]


def test_without_repeats_optimizers_see_the_very_runs() -> None:
    state = run_once(sweep())
    assert state.searched is state.trials
    assert state.configurations == Configurations()


def test_a_grid_tries_a_configuration_again_whose_repeat_failed() -> None:
    state = sweep(run_cap=None, repeats=2, n_points=1, optimizer=GridSearch(retries=1))
    state = run_once(state, exit_code=1, words="boom")
    for _ in range(2):
        state = run_once(state)
    assert groups(state) == [(0, 0, None), (0, 0, None), (0, 1, 2)]


def test_a_target_is_reached_by_the_mean() -> None:
    state = sweep(run_cap=None, repeats=2, target=1.0)
    for value in (3.0, -2.0, 0.5):
        state = run_once(state, value)
    assert state.status is SweepStatus.RUNNING, "3 alone does not reach it, nor does the mean 0.5"
    state = run_once(state, 1.5)
    said = "the mean of run 3 and its repeats reached the target"
    assert (state.status, state.reason) == (SweepStatus.STOPPED, said)


def test_stop_rules_see_every_run() -> None:
    seen = []

    class Seeing(StopBelow):
        def should_stop(self, trial, history):
            seen.append([t.number for t in history])
            return super().should_stop(trial, history)

    state = sweep(repeats=3, stopper=Seeing())
    for _ in range(3):
        state = run_once(state)
    assert seen == [[1], [1, 2], [1, 2, 3]]


@pytest.mark.parametrize("n_before", [1, 2, 3])
def test_a_rerun_takes_the_place_of_no_repeat(n_before: int) -> None:
    state = sweep(run_cap=4, repeats=2, n_points=9)
    for _ in range(n_before):
        state = run_once(state)
    rerun = RunAdded(n_before + 1, state.trials[0].config, "rerun", 1)
    state, effects = step(state, rerun)
    assert SetLimits(5, None, None) in effects
    while state.status is SweepStatus.RUNNING:
        state = run_once(state)
    assert state.n_created == 5
    assert [t.state for t in state.searched] == [F, F]


def test_a_configuration_that_is_deleted_whole_is_seen_as_canceled() -> None:
    state = sweep(run_cap=4, repeats=2, n_points=3)
    for _ in range(4):
        state = run_once(state)
    state = move(state, RunDeleted(1))
    assert [t.state for t in state.searched] == [TrialState.CANCELED, F]
    state = move(state, RunDeleted(2))
    assert [(t.number, t.state, len(t.reports)) for t in state.searched] == [
        (1, TrialState.CANCELED, 0),
        (2, F, 1),
    ]
    assert ask(state, RunDeleted(2)) == Accepted()


def run(number: int, state: TrialState, *values: float, score: float | None = None, **more: object) -> Trial:
    reports = [Report(step, value) for step, value in enumerate(values, 1)]
    return Trial(number, {"x": 1}, state, reports, score, "own", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runs", "state", "values", "score"),
    [
        ([run(4, TrialState.PENDING)], TrialState.PENDING, [], None),
        ([run(4, F, 1.0, 2.0, score=2.0)], TrialState.RUNNING, [1.0, 2.0], None),
        ([run(4, F, 1.0, 2.0, score=2.0), run(5, TrialState.PENDING)], TrialState.RUNNING, [1.0, 2.0], None),
        ([run(4, F, 1.0, 2.0, score=2.0), run(5, TrialState.RUNNING, 0.0)], TrialState.RUNNING, [0.5], None),
        ([run(4, F, 1.0, 2.0, score=2.0), run(5, F, 0.0, 1.0, score=1.0)], F, [0.5, 1.5], 1.5),
        ([run(4, F, 1.0, 2.0, score=2.0), run(5, S, 0.0, score=0.0)], S, [0.5], 1.0),
        ([run(4, F, 1.0, score=1.0), run(5, F, math.nan)], F, [math.nan], None),
        ([run(4, S, 1.0, score=1.0), run(5, TrialState.CRASHED)], TrialState.CRASHED, [1.0], None),
    ],
)
def test_what_runs_come_to(runs, state, values, score) -> None:
    found = fold(7, runs, 2)
    assert (found.number, found.config, found.origin) == (7, {"x": 1}, "own")
    assert (found.state, found.score) == (state, score)
    assert [r.step for r in found.reports] == list(range(1, len(values) + 1))
    np.testing.assert_equal([r.value for r in found.reports], values)


def test_what_runs_come_to_in_several_metrics_and_constraints() -> None:
    pair = [
        run(1, F, score=1.0, scores=(1.0, -2.0), violation=0.0),
        run(2, F, score=3.0, scores=(3.0, -4.0), violation=0.5),
    ]
    found = fold(1, pair, 2)
    assert (found.score, found.scores, found.violation) == (2.0, (2.0, -3.0), 0.25)
    assert found.is_infeasible, "it broke a constraint under one of its seeds"


def test_one_run_s_reports_are_handed_on_as_they_are() -> None:
    reports = (Report(1, 0.5),)
    assert fold(1, [Trial(1, {}, TrialState.RUNNING, reports)], 3).reports is reports
