"""The rules of a sweep, one by one: every event in every state of a run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sharpen.sweep import SweepState, SweepStatus, leased, step
from sharpen.sweep.effects import (
    Accepted,
    BeatAnswer,
    CreateRun,
    EndRun,
    Granted,
    KeepReport,
    LeaseRun,
    NothingNow,
    Rejected,
    RequeueRun,
    SetElapsed,
    SetStatus,
    StopRun,
    SweepOver,
)
from sharpen.sweep.events import (
    AgentLost,
    Beat,
    Event,
    LeaseAsked,
    ProgramExited,
    Released,
    Reopened,
    Reported,
    Ticked,
)
from sharpen.trial import Report, TrialState

from .states import LEASE_S, StopBelow, ask, lease, move, run_once, sweep


def pending() -> SweepState:
    state, n, token = lease(sweep())
    return move(state, Released(n, token))


def running() -> SweepState:
    return move(lease(sweep())[0], Reported(1, 1, 1, 0.5, 0.0))


def stopping() -> SweepState:
    state, n, token = lease(sweep(stopper=StopBelow()))
    return move(state, Reported(n, token, 1, -1.0, 0.0))


def again() -> SweepState:
    """Return a run whose first lease was lost and that another agent has under token 2."""
    state, _, _ = lease(sweep(), agent="b")
    state, n, token = lease(move(state, AgentLost("b")), agent="a", key="again")
    assert (n, token) == (1, 2)
    return state


def ended(exit_code: int = 0) -> SweepState:
    return move(running(), ProgramExited(1, 1, exit_code, "boom"))


def crashed() -> SweepState:
    return move(lease(sweep(max_lost=1))[0], AgentLost("a-0"), AgentLost("a"))


STATES = {
    "absent": sweep,
    "pending": pending,
    "running": running,
    "stopping": stopping,
    "leased again": again,
    "finished": ended,
    "failed": lambda: ended(1),
    "stopped": lambda: move(stopping(), ProgramExited(1, 1, 0)),
    "crashed": crashed,
}
STALE, ENDED, YES = "stale", "ended", "accepted"
EVENTS: dict[str, Event] = {
    "report": Reported(1, 1, 2, 0.7, 1.0),
    "exit": ProgramExited(1, 1, 0),
    "release": Released(1, 1),
}
EXPECTED = {
    "absent": ENDED,
    "pending": STALE,
    "running": YES,
    "stopping": YES,
    "leased again": STALE,
    "finished": ENDED,
    "failed": ENDED,
    "stopped": ENDED,
    "crashed": ENDED,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", STATES)
def test_words_under_token_1_are_taken_from_its_holder_only(name: str, event: str) -> None:
    before = STATES[name]()
    after, effects = step(before, EVENTS[event])
    answer = effects[-1]
    if EXPECTED[name] is YES:
        assert isinstance(answer, Accepted)
    else:
        assert isinstance(answer, Rejected)
        assert answer.why == EXPECTED[name]
        assert after == before
        assert len(effects) == 1


@pytest.mark.parametrize("token", [0, 2, -1])
@pytest.mark.parametrize("event", EVENTS)
def test_another_token_is_stale(event: str, token: int) -> None:
    before = running()
    after, effects = step(before, replace(EVENTS[event], token=token))
    assert (after, effects) == (
        before,
        [Rejected("stale", f"run 1 is no longer leased under token {token}")],
    )


@pytest.mark.parametrize("name", STATES)
def test_a_beat_names_what_must_stop_and_what_is_lost(name: str) -> None:
    before = STATES[name]()
    after, (answer,) = step(before, Beat("a", ((1, 1),), 100.0))
    if EXPECTED[name] is YES:
        stop = {1: "-1.0 is below 0.0"} if name == "stopping" else {}
        assert answer == BeatAnswer(stop, ())
        lease_now = after.live[1].lease
        assert lease_now is not None
        assert lease_now.deadline == 100.0 + LEASE_S
    else:
        assert (after, answer) == (before, BeatAnswer({}, ((1, 1),)))


def test_a_beat_for_two_leases_of_one_run_loses_only_the_older() -> None:
    assert ask(again(), Beat("a", ((1, 1), (1, 2)), 0.0)) == BeatAnswer({}, ((1, 1),))


@pytest.mark.parametrize("name", ["pending", "absent", "finished", "failed", "stopped", "crashed"])
def test_losing_an_agent_or_time_changes_nothing_when_nothing_is_leased(name: str) -> None:
    before = STATES[name]()
    assert step(before, AgentLost("a")) == (before, [])
    idle, effects = step(before, Ticked(1e9))  # the time at work is counted once more, and then no longer
    assert (replace(idle, counted_at=before.counted_at, elapsed_s=0.0), idle.counted_at) == (before, None)
    assert effects == ([] if name == "absent" else [SetElapsed(1e9)])
    assert step(idle, Ticked(2e9)) == (idle, [])


@pytest.mark.parametrize(
    ("event", "reason"),
    [(AgentLost("a"), "agent a died"), (Ticked(LEASE_S + 0.1), "agent a was silent for 30 s")],
)
def test_a_lost_run_waits_again_and_forgets_its_reports(event: Event, reason: str) -> None:
    after, effects = step(running(), event)
    counted = [SetElapsed(event.now)] if isinstance(event, Ticked) else []
    assert effects == [RequeueRun(1, 1, reason), *counted]
    live = after.live[1]
    assert (live.trial.state, live.trial.reports, live.lease) == (TrialState.PENDING, (), None)
    assert (live.token, live.lost, live.last_step) == (1, 1, -1)


def test_a_lease_lasts_until_its_deadline_and_a_report_renews_it() -> None:
    state = running()
    assert move(state, Ticked(LEASE_S)).live == state.live
    assert step(state, AgentLost("someone else")) == (state, [])
    later = move(state, Reported(1, 1, 2, None, 20.0))
    assert move(later, Ticked(20.0 + LEASE_S)).live == later.live
    assert move(later, Ticked(20.1 + LEASE_S)).live[1].lease is None


@pytest.mark.parametrize("event", [AgentLost("a"), Ticked(1e9), Released(1, 1), ProgramExited(1, 1, -9)])
def test_a_run_told_to_stop_ends_stopped_however_it_ends(event: Event) -> None:
    after = move(stopping(), event)
    assert [(t.state, t.score) for t in after.trials if t.state.is_final] == [(TrialState.STOPPED, -1.0)]
    assert after.live == {}


@pytest.mark.parametrize("exit_code", [0, 1, 127, 137, 143, -9, -15, -11])
def test_a_stopped_run_ends_stopped_whatever_its_exit_code(exit_code: int) -> None:
    after, effects = step(stopping(), ProgramExited(1, 1, exit_code, "Traceback"))
    end = effects[0]
    assert isinstance(end, EndRun)
    assert (end.trial.state, end.exit_code, end.reason) == (
        TrialState.STOPPED,
        exit_code,
        "-1.0 is below 0.0",
    )
    assert after.n_same_failures == 0


@pytest.mark.parametrize(
    ("at", "value", "counts", "is_next"),
    [(2, 0.7, True, True), (2, None, False, True), (1, 0.7, False, False), (0, 0.7, False, False)],
)
def test_all_that_is_logged_is_kept_and_a_later_metric_counts(
    at: int, value: float | None, counts: bool, is_next: bool
) -> None:
    metrics = {"loss": -0.7, "note": "x"}
    after, effects = step(running(), Reported(1, 1, at, value, 0.0, metrics=metrics))
    assert effects == [KeepReport(1, 1, at, metrics, counts=counts, is_next=is_next), Accepted()]
    assert len(after.live[1].trial.reports) == 1 + counts


def test_what_is_logged_after_the_word_to_stop_does_not_count() -> None:
    state = stopping()
    after, effects = step(state, Reported(1, 1, 2, 9.0, 0.0))
    assert effects == [KeepReport(1, 1, 2, {}, counts=False, is_next=True), Accepted("-1.0 is below 0.0")]
    assert after.live[1].trial == state.live[1].trial


def test_a_run_whose_agents_die_is_started_more_often_than_one_whose_program_is_killed() -> None:
    state = sweep()
    for attempt in range(1, 11):
        state, n, token = lease(state, f"a{attempt}")
        assert (n, token) == (1, attempt)
        state = move(state, AgentLost(f"a{attempt}"))
    assert state.trials[0].state is TrialState.CRASHED
    killed = sweep()
    for _ in range(2):
        killed, n, token = lease(killed)
        killed = move(killed, ProgramExited(n, token, -9))
    assert killed.trials[0].state is TrialState.CRASHED


@pytest.mark.parametrize("exit_code", [-9, -15, -6, -11, 137, 143])
def test_a_program_killed_by_a_signal_is_repeated_then_crashed(exit_code: int) -> None:
    state = sweep(max_attempts=3)
    for attempt in (1, 2, 3):
        state, n, token = lease(state)
        assert (n, token) == (1, attempt)
        state, effects = step(state, ProgramExited(n, token, exit_code))
        expected = RequeueRun if attempt < 3 else EndRun
        assert isinstance(effects[0], expected)
        assert effects[-1] == Accepted()
        assert sum(isinstance(effect, Accepted) for effect in effects) == 1
    words = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    assert [t.state for t in state.trials if t.state.is_final] == [TrialState.CRASHED]
    assert effects[0].reason == f"lost 3 times; the program was killed ({words})"
    assert lease(state)[1] == 2


@pytest.mark.parametrize(
    ("exit_code", "words", "reason"), [(1, "KeyError: 'x'", "KeyError: 'x'"), (3, "", "exit code 3")]
)
def test_a_failing_program_gives_a_failed_run_with_its_last_words(
    exit_code: int, words: str, reason: str
) -> None:
    after, effects = step(running(), ProgramExited(1, 1, exit_code, words))
    assert effects == [EndRun(after.trials[0], exit_code, reason), Accepted()]
    assert (after.trials[0].state, after.trials[0].score) == (TrialState.FAILED, None)


def test_a_program_that_never_logs_the_metric_has_failed() -> None:
    state, n, token = lease(sweep())
    state = move(state, Reported(n, token, 1, None, 0.0))
    _, (end, _) = step(state, ProgramExited(n, token, 0, logged=("train/loss", "val/sharp")))
    assert (end.trial.state, end.exit_code) == (TrialState.FAILED, 0)
    assert end.reason == (
        "the program ended without logging val/sharpe, the sweep's metric; "
        "it logged train/loss, val/sharp; did you mean 'val/sharp'?"
    )


def test_failures_for_want_of_the_metric_are_alike_whatever_was_logged_instead() -> None:
    state = sweep(9)
    for k in range(5):
        state, n, token = lease(state)
        state = move(state, ProgramExited(n, token, 0, logged=(f"loss_{k}",)))
    assert state.status is SweepStatus.FAILED
    assert state.reason.startswith("5 runs in a row failed alike: the program ended without logging")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_finishes_infeasible(value: float) -> None:
    trial = run_once(sweep(), value).trials[0]
    assert (trial.state, trial.score, trial.is_infeasible) == (TrialState.FINISHED, None, True)


def test_the_score_is_the_newest_report_and_older_steps_are_ignored() -> None:
    state, n, token = lease(sweep())
    reports = [(1, 0.1), (3, 0.3), (2, 9.0), (3, 9.0), (4, None), (5, 0.5), (5, None)]
    for number, value in reports:
        state = move(state, Reported(n, token, number, value, 0.0))
    state = move(state, ProgramExited(n, token, 0))
    assert state.trials[0].reports == (Report(1, 0.1), Report(3, 0.3), Report(5, 0.5))
    assert state.trials[0].score == 0.5


def test_the_first_lease_creates_a_run_and_writes_it_before_answering() -> None:
    state, effects = step(sweep(), LeaseAsked("a", "k", 5.0))
    assert effects == [
        CreateRun(replace(state.live[1].trial, state=TrialState.PENDING)),
        LeaseRun(1, "a", "k", 1),
        Granted(1, 1),
    ]
    assert state.live[1].lease is not None
    assert state.live[1].lease.deadline == 5.0 + LEASE_S


def test_a_waiting_run_goes_before_a_new_one_the_lowest_number_first() -> None:
    state = sweep(run_cap=None)
    for agent in "abc":
        state, _, _ = lease(state, agent)
    state = move(state, AgentLost("c"), AgentLost("b"))
    state, n, token = lease(state, "d", "d1")
    assert (n, token) == (2, 2)
    state, n, token = lease(state, "d", "d2")
    assert (n, token) == (3, 2)
    assert lease(state, "d", "d3")[1:] == (4, 1)


def test_the_same_key_gets_the_same_lease() -> None:
    state, n, token = lease(sweep(), key="k")
    assert step(state, LeaseAsked("a", "k", 9.0)) == (state, [Granted(n, token)])
    assert ask(state, LeaseAsked("a", "other", 9.0)) == Granted(2, 1)


def test_at_the_cap_others_wait_and_then_it_is_over() -> None:
    state, _, _ = lease(sweep(run_cap=1))
    assert step(state, LeaseAsked("b", "k2", 0.0)) == (state, [NothingNow()])
    state, effects = step(move(state, Reported(1, 1, 1, 0.5, 0.0)), ProgramExited(1, 1, 0))
    assert effects[1:] == [SetStatus(SweepStatus.FINISHED, "", 1), Accepted()]
    assert step(state, LeaseAsked("b", "k2", 0.0)) == (state, [SweepOver(SweepStatus.FINISHED, "")])


def test_a_grid_ends_when_every_point_has_been_tried() -> None:
    state = run_once(run_once(sweep(None, n_points=2)))
    assert state.status is SweepStatus.RUNNING  # it is the next request that finds the grid used up
    state, effects = step(state, LeaseAsked("a", "k", 0.0))
    reason = "every point has been tried"
    assert effects == [SetStatus(SweepStatus.FINISHED, reason, None), SweepOver(SweepStatus.FINISHED, reason)]
    assert sorted(trial.config["x"] for trial in state.trials if trial.state.is_final) == [0, 1]


def test_a_grid_used_up_while_others_work_waits_for_them() -> None:
    state, n, token = lease(sweep(None, n_points=1))
    state, effects = step(state, LeaseAsked("b", "k", 0.0))
    assert effects == [NothingNow()]
    done = move(state, Reported(n, token, 1, 0.5, 0.0), ProgramExited(n, token, 0))
    assert done.status is SweepStatus.FINISHED
    failed = move(state, ProgramExited(n, token, 1))
    assert failed.status is SweepStatus.RUNNING, "a point that failed may be proposed again"
    assert move(failed, LeaseAsked("b", "k", 0.0)).status is SweepStatus.FINISHED


def test_five_failures_alike_in_a_row_end_the_sweep() -> None:
    state = sweep(run_cap=20)
    for _ in range(4):
        state = run_once(state, exit_code=1, words="ImportError: no torch")
        assert state.status is SweepStatus.RUNNING
    state = run_once(state, exit_code=1, words="ImportError: no torch")
    assert state.status is SweepStatus.FAILED
    assert state.reason == "5 runs in a row failed alike: ImportError: no torch"
    assert ask(state, LeaseAsked("a", "k", 0.0)) == SweepOver(SweepStatus.FAILED, state.reason)


@pytest.mark.parametrize("other", [{"exit_code": 1, "words": "ValueError"}, {"exit_code": 0}])
def test_four_failures_and_something_else_do_not(other: dict[str, object]) -> None:
    state = sweep(run_cap=20)
    for _ in range(4):
        state = run_once(state, exit_code=1, words="ImportError: no torch")
    state = run_once(state, **other)  # type: ignore[arg-type]
    for _ in range(4):
        state = run_once(state, exit_code=1, words="ImportError: no torch")
    assert (state.status, state.n_same_failures) == (SweepStatus.RUNNING, 4)


def test_runs_that_crash_alike_count_as_failures_too() -> None:
    state = sweep(run_cap=20, max_attempts=1)
    for _ in range(5):
        state, n, token = lease(state)
        state = move(state, ProgramExited(n, token, -9))
    assert state.status is SweepStatus.FAILED


def test_runs_of_a_failed_sweep_may_still_end_but_none_begins() -> None:
    state, n, token = lease(sweep(run_cap=20), "slow", "slow")
    for _ in range(5):
        state = run_once(state, None, 1, "boom")
    state = move(state, Reported(n, token, 1, 0.5, 0.0), ProgramExited(n, token, 0))
    assert (state.status, state.trials[0].state) == (SweepStatus.FAILED, TrialState.FINISHED)


def test_a_failed_sweep_reopened_has_five_failures_again() -> None:
    state = sweep(run_cap=20)
    for _ in range(5):
        state = run_once(state, None, 1, "boom")
    state, effects = step(state, Reopened())
    assert effects == [SetStatus(SweepStatus.RUNNING, "", 20, 5), Accepted()]
    for _ in range(4):
        state = run_once(state, None, 1, "boom")
    assert state.status is SweepStatus.RUNNING
    assert run_once(state, None, 1, "boom").status is SweepStatus.FAILED


def test_a_finished_sweep_is_extended_by_a_larger_cap_only() -> None:
    state = run_once(sweep(run_cap=1))
    assert ask(state, Reopened(0)) == Rejected(
        "illegal", "run_cap 0 is below the 1 runs that the sweep already has"
    )
    same = move(state, Reopened(), Reopened(1))
    assert same == state
    more = move(state, Reopened(2))
    assert (more.status, more.rules.run_cap) == (SweepStatus.RUNNING, 2)
    assert lease(more)[1:] == (2, 1)


def test_a_cap_lowered_to_what_has_been_done_finishes_the_sweep() -> None:
    state = run_once(sweep(run_cap=9))
    state, effects = step(state, Reopened(1))
    assert state.status is SweepStatus.FINISHED
    assert effects[-2:] == [SetStatus(SweepStatus.FINISHED, "", 1, 1), Accepted()]


def test_held_says_why_not() -> None:
    assert leased(running(), 1, 1) == running().live[1]
    assert leased(running(), 2, 1) == Rejected("ended", "run 2 has ended")


def test_the_stopper_sees_the_report_and_the_whole_history() -> None:
    state = run_once(sweep(stopper=StopBelow()))
    state, n, token = lease(state)
    _, effects = step(state, Reported(n, token, 1, -2.0, 0.0))
    kept = KeepReport(2, 1, 1, {}, counts=True, is_next=True)
    assert effects == [kept, StopRun(2, "-2.0 is below 0.0"), Accepted("-2.0 is below 0.0")]


def test_one_agent_makes_the_same_sweep_twice() -> None:
    def whole() -> SweepState:
        state = sweep(run_cap=8, stopper=StopBelow())
        while state.status is SweepStatus.RUNNING:
            state = run_once(state, value=math.sin(9 * state.n_created))
        return state

    first, second = whole(), whole()
    assert first.trials == second.trials
    assert len({trial.config["x"] for trial in first.trials}) == 8
    assert run_once(sweep(seed=1)).trials[0].config != first.trials[0].config


def test_losing_an_agent_does_not_change_what_is_proposed() -> None:
    plain = run_once(run_once(sweep()))
    state = run_once(run_once(move(lease(sweep())[0], AgentLost("a"))))
    assert [t.config for t in state.trials if t.state.is_final] == [t.config for t in plain.trials]


def test_ended_runs_and_the_history_are_in_the_order_of_numbers_however_they_end() -> None:
    state = sweep(run_cap=None)
    held_ones = []
    for key in "abcde":
        state, n, token = lease(state, key, key)
        held_ones.append((n, token))
    for n, token in (held_ones[i] for i in (3, 0, 4, 2)):
        state = move(state, ProgramExited(n, token, 1, f"{n}"))
        assert [t.number for t in state.trials] == [1, 2, 3, 4, 5]
    assert [t.number for t in state.trials if t.state.is_final] == [1, 3, 4, 5]
