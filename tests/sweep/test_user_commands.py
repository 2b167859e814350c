"""What people say to a sweep: each verb in each state, and what becomes of the runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from sharpen import optimizers
from sharpen.optimizers import GridSearch
from sharpen.sweep import Assessment, StoredCheckpoint, SweepState, SweepStatus, step
from sharpen.sweep.causes import SweepCause
from sharpen.sweep.effects import (
    Accepted,
    BeatAnswer,
    CreateRun,
    DeleteRun,
    DeleteSweep,
    EndRun,
    Granted,
    KeepCheckpoint,
    LeaseRun,
    NothingNow,
    Rejected,
    RequeueRun,
    SetElapsed,
    SetLimits,
    SetStatus,
    StopRun,
    SweepOver,
)
from sharpen.sweep.events import (
    AgentLost,
    Beat,
    Canceled,
    CheckpointSaved,
    Event,
    LeaseAsked,
    LimitsSet,
    Paused,
    ProgramExited,
    Released,
    Reopened,
    Reported,
    RunAdded,
    RunCanceled,
    RunDeleted,
    RunsAdded,
    Stopped,
    SweepDeleted,
    Ticked,
)
from sharpen.trial import Report, Trial, TrialState

from .states import StopBelow, ask, lease, move, run_once, sweep

R, P, F, S, X, C = (
    SweepStatus.RUNNING,
    SweepStatus.PAUSED,
    SweepStatus.FINISHED,
    SweepStatus.STOPPED,
    SweepStatus.FAILED,
    SweepStatus.CANCELED,
)


def at_work() -> SweepState:
    """Return a sweep with an ended run, one at work and one that waits, and room for more."""
    state = run_once(sweep(run_cap=5))
    state, _, _ = lease(state)
    return move(state, RunAdded(3, {"x": 0.5}, "queued"))


def failed(n: int = 5, cap: int = 9) -> SweepState:
    state = sweep(run_cap=cap)
    for _ in range(n):
        state = run_once(state, None, 1, "boom")
    return state


STATES: dict[str, Callable[[], SweepState]] = {
    "running": at_work,
    "idle": lambda: run_once(sweep()),
    "paused": lambda: move(at_work(), Paused()),
    "finished": lambda: run_once(sweep(run_cap=1)),
    "stopped": lambda: move(run_once(sweep()), Stopped()),
    "stopped, at work": lambda: move(at_work(), Stopped()),
    "failed": failed,
    "canceled": lambda: move(run_once(sweep()), Canceled("no")),
    "canceled, at work": lambda: move(at_work(), Canceled("no")),
    "deleted": lambda: move(run_once(sweep()), SweepDeleted()),
}
VERBS: dict[str, Event] = {
    "pause": Paused(),
    "resume": Reopened(),
    "stop": Stopped(),
    "cancel": Canceled("enough"),
    "edit": LimitsSet(50, None, None),
    "delete": SweepDeleted(),
}
NO = None  # refused
TABLE: dict[str, dict[str, SweepStatus | None]] = {
    "pause": {"running": P, "idle": P, "paused": P},
    "resume": {
        **{"running": R, "idle": R, "paused": R, "finished": F, "stopped": R, "stopped, at work": R},
        **{"failed": R, "canceled": R, "canceled, at work": R},
    },
    "stop": {"running": S, "idle": S, "paused": S, "stopped": S, "stopped, at work": S},
    "cancel": {
        **{"running": C, "idle": C, "paused": C, "stopped, at work": C, "canceled": C},
        **{"canceled, at work": C, "deleted": C},
    },
    "edit": {
        **{"running": R, "idle": R, "paused": P, "finished": R, "stopped": S, "stopped, at work": S},
        **{"failed": X, "canceled": C, "canceled, at work": C},
    },
    "delete": {"idle": C, "finished": F, "stopped": S, "failed": X, "canceled": C, "deleted": C},
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", STATES)
def test_each_verb_in_each_state(name: str, verb: str) -> None:
    before = STATES[name]()
    after, effects = step(before, VERBS[verb])
    expected = TABLE[verb].get(name, NO)
    if expected is NO:
        assert isinstance(effects[-1], Rejected)
        assert effects[-1].why == "illegal"
        assert (after, len(effects)) == (before, 1)
    else:
        assert effects[-1] == Accepted()
        assert after.status is expected
    assert step(after, VERBS[verb])[0] == after, "said twice is said once"


def test_refusals_say_why() -> None:
    assert ask(STATES["finished"](), Paused()) == Rejected(
        "illegal", "the sweep has finished: there is nothing to pause"
    )
    assert ask(STATES["running"](), SweepDeleted()) == Rejected(
        "illegal", "1 of its runs are running: cancel the sweep first"
    )
    assert ask(STATES["deleted"](), Reopened()) == Rejected("illegal", "the sweep has been deleted")
    assert ask(STATES["running"](), LimitsSet(2, None, None)) == Rejected(
        "illegal", "run_cap 2 is below the 3 runs that the sweep already has"
    )


def test_a_paused_sweep_lets_runs_end_and_agents_wait() -> None:
    state = STATES["paused"]()
    assert ask(state, LeaseAsked("b", "new", 0.0)) == NothingNow()
    assert ask(state, Reported(2, 1, 1, 0.5, 0.0)) == Accepted()
    state = move(state, Reported(2, 1, 1, 0.5, 0.0), ProgramExited(2, 1, 0))
    assert (state.trials[1].state, state.status) == (TrialState.FINISHED, P)
    assert ask(move(state, Reopened()), LeaseAsked("b", "new", 0.0)) == Granted(3, 1)


def test_a_lease_asked_twice_is_answered_alike_in_a_pause() -> None:
    state, n, token = lease(sweep(), key="k")
    assert ask(move(state, Paused()), LeaseAsked("a", "k", 1.0)) == Granted(n, token)


def test_a_paused_sweep_ends_when_its_last_run_does() -> None:
    state, n, token = lease(sweep(run_cap=1))
    state = move(state, Paused(), Reported(n, token, 1, 0.5, 0.0), ProgramExited(n, token, 0))
    assert state.status is F


def test_a_stopped_sweep_keeps_its_queue_and_begins_nothing() -> None:
    state, effects = step(at_work(), Stopped())
    assert effects == [SetStatus(S, "", 5), Accepted()]
    assert ask(state, LeaseAsked("b", "new", 0.0)) == SweepOver(S, "")
    state = move(state, AgentLost("a"))
    assert sorted(state.live) == [2, 3]
    assert ask(move(state, Reopened()), LeaseAsked("b", "new", 0.0)) == Granted(2, 2)


def test_canceling_a_sweep_tells_those_at_work_and_ends_those_that_wait() -> None:
    state, effects = step(at_work(), Canceled("enough"))
    waiting = state.trials[2]
    assert effects == [
        SetStatus(C, "enough", 5),
        StopRun(2, "enough", is_canceled=True),
        EndRun(waiting, None, "enough"),
        Accepted(),
    ]
    assert (waiting.state, waiting.score) == (TrialState.CANCELED, None)
    assert ask(state, Beat("a", ((2, 1),), 0.0)) == BeatAnswer({2: "enough"}, (), {2: "enough"})
    assert ask(state, Reported(2, 1, 1, 0.5, 0.0)) == Accepted("enough")
    assert ask(state, LeaseAsked("b", "new", 0.0)) == SweepOver(C, "enough")


LEAVING = [
    ProgramExited(1, 1, 0),
    ProgramExited(1, 1, 1, "x"),
    ProgramExited(1, 1, -15),
    AgentLost("a"),
    Ticked(99.0),
]


@pytest.mark.parametrize("event", [*LEAVING, Released(1, 1)])
def test_a_run_told_to_end_by_a_person_ends_canceled_however_it_ends(event: Event) -> None:
    state = move(lease(sweep())[0], Reported(1, 1, 1, 0.5, 0.0))
    state, effects = step(state, RunCanceled(1, "no good"))
    assert effects == [StopRun(1, "no good", is_canceled=True), Accepted()]
    assert ask(state, RunCanceled(1, "another reason")) == Accepted()
    state, effects = step(state, event)
    end = next(effect for effect in effects if isinstance(effect, EndRun))
    assert (end.trial.state, end.trial.score, end.reason) == (TrialState.CANCELED, None, "no good")
    assert len(end.trial.reports) == 1
    assert state.status is R
    assert ask(state, RunCanceled(1, "again")) == Accepted()


def test_a_run_that_waits_is_canceled_on_the_spot() -> None:
    state = move(sweep(), RunAdded(1, {"x": 0.5}, "queued"))
    state, effects = step(state, RunCanceled(1, "no good"))
    assert effects == [EndRun(state.trials[0], None, "no good"), Accepted()]


def test_a_person_s_word_is_above_the_stop_rule_s() -> None:
    state, n, token = lease(sweep(stopper=StopBelow()))
    state = move(state, Reported(n, token, 1, -1.0, 0.0), RunCanceled(1, "no good"))
    assert move(state, ProgramExited(n, token, 0)).trials[0].state is TrialState.CANCELED


def test_what_has_ended_cannot_be_canceled() -> None:
    assert ask(run_once(sweep()), RunCanceled(1, "no")) == Rejected(
        "ended", "run 1 has ended as finished: there is nothing to cancel"
    )
    assert ask(sweep(), RunCanceled(1, "no")) == Rejected("illegal", "there is no run 1")


def test_canceled_runs_are_no_failures() -> None:
    state = sweep(run_cap=20)
    for _ in range(6):
        state, n, _ = lease(state)
        state = move(state, RunCanceled(n, "no"), ProgramExited(n, 1, 1, "boom"))
    assert (state.status, state.n_failures, state.n_same_failures) == (R, 0, 0)


def test_an_added_run_goes_before_a_new_one_and_remembers_its_parent() -> None:
    state = run_once(sweep())
    config = state.trials[0].config
    state, effects = step(state, RunAdded(2, config, "rerun", 1))
    assert effects == [CreateRun(state.trials[1]), Accepted()]
    assert (state.live[2].trial.parent, state.trials[1].config, state.trials[1].origin) == (
        1,
        config,
        "rerun",
    )
    assert ask(state, LeaseAsked("a", "new", 0.0)) == Granted(2, 1)
    assert ask(state, RunAdded(2, {"x": 9}, "queued")) == Rejected(
        "illegal", "the next run is number 3, not 2"
    )


def test_a_cap_without_room_grows_and_a_finished_sweep_goes_on() -> None:
    state = run_once(sweep(run_cap=1))
    state, effects = step(state, RunAdded(2, {"x": 0.5}, "queued"))
    assert effects == [
        SetLimits(2, None, None),
        CreateRun(state.trials[1]),
        SetStatus(R, "", 2),
        Accepted(),
    ]
    assert run_once(state).status is F


@pytest.mark.parametrize("name", ["paused", "stopped", "failed", "canceled"])
def test_adding_to_a_sweep_that_does_not_run_lets_it_wait(name: str) -> None:
    state = STATES[name]()
    after = move(state, RunAdded(state.n_created + 1, {"x": 0.5}, "queued"))
    assert (after.status, len(after.live)) == (state.status, len(state.live) + 1)


def test_prior_configurations_come_first() -> None:
    state = sweep(run_cap=4, prior=({"x": 0.5}, {"x": 0.25}))
    for _ in range(3):
        state = run_once(state)
    assert [(t.origin, t.config["x"]) for t in state.trials[:2]] == [("prior", 0.5), ("prior", 0.25)]
    assert state.trials[2].origin == "random"
    assert state.n_prior == 2


@pytest.mark.parametrize("repeats", [1, 2])
def test_many_added_at_once_are_what_they_are_one_by_one(repeats: int) -> None:
    before = run_once(sweep(run_cap=2, repeats=repeats))
    runs = tuple(RunAdded(n, {"x": n / 9}, "queued", key=f"k/{n}") for n in range(2, 5))
    many, effects = step(before, RunsAdded(runs))
    assert many == move(before, *runs)
    assert [c for c in effects if isinstance(c, CreateRun)] == [
        CreateRun(many.trials[run.number - 1], run.key) for run in runs
    ]
    assert sum(isinstance(c, SetLimits) for c in effects) == 1
    assert step(many, RunsAdded(runs)) == (many, [Accepted()])


def test_of_runs_whose_numbers_do_not_follow_none_is_added() -> None:
    before = run_once(sweep())
    gap = RunsAdded((RunAdded(2, {"x": 0.1}, "queued"), RunAdded(4, {"x": 0.2}, "queued")))
    assert step(before, gap) == (before, [Rejected("illegal", "the next run is number 2, not 4")])


def test_deleted_runs_are_tombstones() -> None:
    state = run_once(run_once(sweep(run_cap=3)))
    state, effects = step(state, RunDeleted(1))
    assert effects == [DeleteRun(1), Accepted()]
    assert state.trials[0] == Trial(1, state.trials[0].config, TrialState.CANCELED, origin="random")
    assert state.trials[1].score == 0.5
    assert (state.n_created, [t.number for t in state.trials]) == (2, [1, 2])
    assert lease(state)[1] == 3
    assert ask(lease(state)[0], LeaseAsked("b", "k", 0.0)) == NothingNow(), "the cap counts it"
    assert ask(lease(state)[0], RunDeleted(3)) == Rejected("illegal", "run 3 is running: cancel it first")


def test_a_run_that_waits_is_canceled_when_it_is_deleted() -> None:
    state, effects = step(move(sweep(), RunAdded(1, {"x": 0.5}, "queued")), RunDeleted(1))
    assert effects == [EndRun(state.trials[0], None, "deleted"), DeleteRun(1), Accepted()]
    assert state.trials[0].state is TrialState.CANCELED


def test_a_stopper_sees_nothing_of_deleted_runs_but_their_configurations() -> None:
    class SeesAll(StopBelow):
        def should_stop(self, trial, history):  # type: ignore[no-untyped-def]
            seen.append([len(t.reports) for t in history])
            return super().should_stop(trial, history)

    seen: list[list[int]] = []
    state = move(run_once(run_once(sweep(stopper=SeesAll()))), RunDeleted(1))
    run_once(state)
    assert seen[-1] == [0, 1, 1]


@pytest.mark.parametrize("method", ["random", "gp", "nsga2", "cmaes", "tpe"])
@pytest.mark.parametrize("repeats", [1, 2])
def test_what_was_deleted_is_not_proposed_again(method: str, repeats: int) -> None:
    state = sweep(run_cap=None, optimizer=optimizers.make(method, {}, seed=0), repeats=repeats)
    for _ in range(3 * repeats):
        state = run_once(state)
    tried = [t.config["x"] for t in state.searched]
    for number in range(2 * repeats + 1, 3 * repeats + 1):
        state = move(state, RunDeleted(number))
    state, number, _ = lease(state)
    assert number == 3 * repeats + 1
    assert state.trials[-1].config["x"] not in tried


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_deleted_grid_point_comes_back_on_request_only(repeats: int) -> None:
    for retries, expected in ((0, None), (1, 1)):
        state = sweep(None, GridSearch(retries=retries), n_points=2, repeats=repeats)
        for _ in range(2 * repeats):
            state = run_once(state)
        assert ask(state, LeaseAsked("a", "k", 0.0)) == SweepOver(F, "every point has been tried")
        for number in range(repeats + 1, 2 * repeats + 1):
            state = move(state, RunDeleted(number))
        state, _ = step(state, LeaseAsked("a", "k", 0.0))
        found = state.trials[-1].config["x"] if state.n_created > 2 * repeats else None
        assert found == expected


def test_a_grid_that_has_ended_goes_on_with_a_point_deleted_since() -> None:
    state = run_once(run_once(sweep(None, GridSearch(retries=1), n_points=2)))
    state, _ = step(state, LeaseAsked("a", "k", 0.0))
    assert (state.status, state.exhausted) == (F, True)
    state, number, _ = lease(move(state, RunDeleted(1), Reopened()))
    assert (number, state.trials[-1].config["x"]) == (3, 0)


def test_a_history_with_a_deleted_run_is_handed_over_as_it_is() -> None:
    histories: list[object] = []

    class Keeping(StopBelow):
        def should_stop(self, trial, history):  # type: ignore[no-untyped-def]
            histories.append(history)
            return super().should_stop(trial, history)

    state = move(run_once(sweep(stopper=Keeping())), RunDeleted(1))
    state, number, token = lease(state)
    state = move(state, Reported(number, token, 1, 0.5, 0.0))
    assert histories[-1] is state.trials, "no copy is made at each step"
    assert state.searched is state.trials


def test_a_deleted_sweep_ends_what_waits_and_turns_agents_away() -> None:
    state = move(run_once(sweep()), RunAdded(2, {"x": 0.5}, "queued"))
    state, effects = step(state, SweepDeleted())
    assert effects[-2:] == [DeleteSweep(), Accepted()]
    assert (state.live, state.trials[1].state) == ({}, TrialState.CANCELED)
    assert ask(state, LeaseAsked("a", "k", 0.0)) == SweepOver(C, "deleted")


def test_a_finished_sweep_with_a_larger_cap_goes_on_and_a_full_one_ends() -> None:
    state = run_once(sweep(run_cap=1))
    state, effects = step(state, LimitsSet(3, None, None))
    assert effects == [SetLimits(3, None, None), SetStatus(R, "", 3), Accepted()]
    state, effects = step(run_once(state), LimitsSet(2, None, None))
    assert effects == [SetLimits(2, None, None), SetStatus(F, "", 2), Accepted()]


def test_max_failures_counts_all_and_takes_the_place_of_five_alike() -> None:
    state = sweep(run_cap=30, max_failures=7)
    for n in range(6):
        state = run_once(run_once(state, None, 1, "boom"))
        assert (state.status, state.n_failures) == (R, n + 1)
    state = run_once(state, None, 1, "bang")
    assert (state.status, state.reason) == (X, "7 runs failed, and max_failures is 7")
    state = move(state, Reopened())
    assert (state.status, state.n_failures) == (R, 0)
    many_alike = sweep(run_cap=30, max_failures=7)
    for _ in range(6):
        many_alike = run_once(many_alike, None, 1, "boom")
    assert many_alike.status is R


def test_a_lower_max_failures_ends_the_sweep_at_once() -> None:
    state = failed(3)
    assert move(state, LimitsSet(9, 3, None)).status is X
    assert move(state, LimitsSet(9, 4, None)).status is R


def test_the_words_of_a_reason_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    state, n, token = lease(sweep(time_cap_s=100.0, lease_s=1e9), now=0.0)
    state = move(state, Reported(n, token, 1, 0.5, 61.0), Ticked(101.0))
    assert state.status is S
    late = replace(state, reason="its hours are over")
    assert move(late, LimitsSet(3, None, 200.0)).status is R
    assert move(late, Stopped(), LimitsSet(3, None, 200.0)).status is S, "a person stopped it since"
    words = iter("abcde")
    monkeypatch.setattr("sharpen.sweep.agent_events.instead", lambda name, logged: f": {next(words)}")
    state = sweep(9)
    for _ in range(5):
        state, n, token = lease(state)
        state = move(state, ProgramExited(n, token, 0))
    assert state.status is SweepStatus.FAILED


def test_the_time_cap_counts_only_while_something_is_at_work() -> None:
    state, n, token = lease(sweep(time_cap_s=100.0, lease_s=1e9), now=50.0)
    state, effects = step(state, Ticked(54.0))
    assert effects == [], "not worth a write yet"
    state, effects = step(state, Ticked(60.0))
    assert effects == [SetElapsed(10.0)]
    state = move(state, Reported(n, token, 1, 0.5, 61.0), ProgramExited(n, token, 0), Ticked(62.0))
    assert (state.elapsed_s, state.counted_at) == (12.0, None)
    state = move(state, Ticked(9000.0))
    assert state.elapsed_s == 12.0
    state, n, token = lease(state, now=9000.0)
    state, effects = step(state, Ticked(9088.5))
    assert effects == [
        SetElapsed(100.5),
        SetStatus(S, "the time cap of 100 s of work is used up", 3, 0, SweepCause.TIME_CAP),
    ]
    assert isinstance(ask(state, Reopened()), Rejected)
    assert ask(state, Reported(n, token, 1, 0.5, 9089.0)) == Accepted(), "what is at work ends by itself"
    assert move(state, LimitsSet(3, None, 100.5)).status is S, "no more than is used up"
    assert move(state, LimitsSet(3, None, 200.0)).status is R
    assert move(state, LimitsSet(3, None, None)).status is R
    assert move(state, LimitsSet(3, None, 50.0), LimitsSet(3, None, 200.0)).status is R
    assert move(state, LimitsSet(3, None, 50.0)).reason == "the time cap of 50 s of work is used up"
    stopped = move(state, Stopped())
    assert (stopped.status, stopped.reason) == (S, "")
    assert move(stopped, LimitsSet(3, None, 200.0)).status is S, "somebody has stopped it since"


@pytest.mark.parametrize("cap_s", [None, 100.0])
def test_other_limits_wake_no_sweep_that_somebody_has_stopped(cap_s: float | None) -> None:
    state = move(run_once(sweep(run_cap=9, time_cap_s=cap_s)), Stopped())
    assert move(state, LimitsSet(20, None, 200.0)).status is S


def test_a_time_cap_is_met_to_the_tick() -> None:
    state, _, _ = lease(sweep(time_cap_s=3.0), now=0.0)
    assert step(move(state, Ticked(2.5)), Ticked(3.0))[0].status is S


def test_the_target_ends_the_search_and_resume_goes_on() -> None:
    state = run_once(sweep(run_cap=9, target=1.0), 0.9)
    assert state.status is R
    state = run_once(state, 1.0)
    assert (state.status, state.reason) == (S, "run 2 reached the target")
    state = run_once(move(state, Reopened()), 2.0)
    assert state.status is R, "who goes on wants more than the target"


def watching(**rules: object) -> SweepState:
    def assess(values: object) -> Assessment:
        last = dict(values)  # type: ignore[call-overload]
        loss = last.get("loss", math.nan)
        missed = 0.0 if loss <= 0.25 else math.inf if math.isnan(loss) else loss - 0.25
        return Assessment((0.0, -loss), missed, last.get("nodes"))

    return sweep(watched=("loss",), assess=assess, **rules)  # type: ignore[arg-type]


def test_several_metrics_come_from_their_last_values() -> None:
    state, n, token = lease(watching())
    for number, value, watched in (
        (1, 0.1, {"loss": 0.5}),
        (3, 0.3, {"loss": 0.75}),
        (2, None, {"loss": 9.0}),
        (4, 0.4, {}),
    ):
        state = move(state, Reported(n, token, number, value, 0.0, watched))
    trial = move(state, ProgramExited(n, token, 0)).trials[0]
    assert (trial.score, trial.scores, trial.violation) == (0.4, (0.4, -0.75), 0.5)
    assert trial.is_infeasible


@pytest.mark.parametrize(("loss", "status"), [(0.5, R), (0.25, S)])
def test_a_run_that_broke_a_constraint_does_not_reach_the_target(loss: float, status: SweepStatus) -> None:
    state, n, token = lease(watching(target=1.0))
    reported = Reported(n, token, 1, 2.0, 0.0, {"loss": loss})
    assert move(state, reported, ProgramExited(n, token, 0)).status is status


@pytest.mark.parametrize(("exit_code", "value"), [(1, 0.5), (0, math.nan)])
def test_a_run_without_a_score_has_none_at_all(exit_code: int, value: float) -> None:
    state, n, token = lease(watching())
    state = move(
        state, Reported(n, token, 1, value, 0.0, {"loss": 0.5}), ProgramExited(n, token, exit_code, "x")
    )
    assert (state.trials[0].score, state.trials[0].scores) == (None, ())
    assert state.trials[0].violation == (0.25 if exit_code == 0 else 0.0)


def saved(resume: bool = True, at: int = 2) -> SweepState:
    """Return a run that logged three steps and stored a checkpoint."""
    state, n, token = lease(watching(resume=resume))
    for number in (1, 2, 3):
        state = move(state, Reported(n, token, number, number / 10, 0.0, {"loss": float(number)}))
    state, effects = step(state, CheckpointSaved(n, token, "abc", at))
    assert effects == [KeepCheckpoint(1, StoredCheckpoint("abc", at)), Accepted()]
    return state


@pytest.mark.parametrize("event", [AgentLost("a"), Released(1, 1), ProgramExited(1, 1, -9), Ticked(99.0)])
def test_a_run_that_can_resume_keeps_what_its_checkpoint_holds(event: Event) -> None:
    state = move(saved(), event)
    assert state.live[1].trial.reports == (Report(1, 0.1), Report(2, 0.2))
    state, effects = step(state, LeaseAsked("b", "k", 100.0))
    assert effects == [LeaseRun(1, "b", "k", 2, StoredCheckpoint("abc", 2)), Granted(1, 2)]
    live = state.live[1]
    assert (live.resumed, live.last_step, live.watched) == (
        StoredCheckpoint("abc", 2),
        2,
        {"loss": (Report(1, 1.0), Report(2, 2.0))},
    )
    state = move(state, Reported(1, 2, 3, 0.7, 101.0), ProgramExited(1, 2, 0))
    assert [report.value for report in state.trials[0].reports] == [0.1, 0.2, 0.7]
    assert (state.trials[0].score, state.trials[0].scores[1]) == (0.7, -2.0)


def test_a_second_resumption_takes_the_newest_checkpoint() -> None:
    state = move(saved(), AgentLost("a"))
    state, _, _ = lease(state, "b", "k")
    state = move(state, Reported(1, 2, 3, 0.7, 0.0), CheckpointSaved(1, 2, "def", 3), AgentLost("b"))
    state, effects = step(state, LeaseAsked("c", "k3", 0.0))
    assert effects[0] == LeaseRun(1, "c", "k3", 3, StoredCheckpoint("def", 3))
    assert state.live[1].trial.reports == (Report(1, 0.1), Report(2, 0.2), Report(3, 0.7))


def test_without_resumption_a_run_begins_anew() -> None:
    state, effects = step(move(saved(resume=False), AgentLost("a")), LeaseAsked("b", "k", 0.0))
    assert effects[0] == LeaseRun(1, "b", "k", 2, None)
    assert (state.live[1].trial.reports, state.live[1].last_step, state.live[1].watched) == ((), -1, {})


def test_a_checkpoint_of_an_old_lease_is_refused() -> None:
    state = move(saved(), AgentLost("a"))
    assert isinstance(ask(state, CheckpointSaved(1, 1, "x", 9)), Rejected)
    state, effects = step(lease(state, "b", "k")[0], CheckpointSaved(1, 1, "x", 9))
    assert isinstance(effects[-1], Rejected)
    assert state.live[1].trial.checkpoint == StoredCheckpoint("abc", 2)


def test_a_rerun_begins_from_the_start() -> None:
    state = move(
        saved(), Reported(1, 1, 4, 0.5, 0.0), ProgramExited(1, 1, 0), RunAdded(2, {"x": 1}, "rerun", 1)
    )
    assert lease(state)[0].live[2].resumed is None


def test_requeued_runs_forget_that_they_were_told() -> None:
    state = move(at_work(), Paused(), AgentLost("a"))
    assert [c for c in step(state, Reopened())[1] if isinstance(c, RequeueRun)] == []
    assert (state.live[2].stop, state.live[2].is_canceled) == ("", False)
    assert replace(state.live[2]).trial.state is TrialState.PENDING
