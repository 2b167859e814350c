"""What several events have in common: a run ends or goes back to the queue, and a sweep comes to its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sharpen.frozen import with_changes
from sharpen.report_log import ReportLog
from sharpen.sweep.causes import RunCause, SweepCause, is_alike
from sharpen.sweep.effects import Accepted, Effect, EndRun, Rejected, RequeueRun, SetStatus
from sharpen.sweep.repeats import RERUN
from sharpen.sweep.state import Assessment, Lease, LiveRun, SweepState
from sharpen.sweep.status import SweepStatus
from sharpen.trial import FAILURES, UNDECIDED, Report, Trial, TrialState, best, pareto

Transition = tuple[SweepState, list[Effect]]


def leased(state: SweepState, number: int, token: int) -> LiveRun | Rejected:
    """Return the live run whose newest lease has this token, or why there is none."""
    live = state.live.get(number)
    if live is None:
        return Rejected("ended", f"run {number} has ended")
    if live.lease is None or live.token != token:
        return Rejected("stale", f"run {number} is no longer leased under token {token}")
    return live


def lease_of(live: LiveRun) -> Lease:
    """Return the lease of a run that is known to have one."""
    assert live.lease is not None  # noqa: S101 - what leased() returns has a lease
    return live.lease


def with_live(state: SweepState, live: LiveRun) -> SweepState:
    """Return the state with a run that has not ended as given."""
    number = live.trial.number
    at_work = {**state.live, number: live}
    if number <= len(state.trials) and state.trials[number - 1] is live.trial:
        return with_changes(state, live=at_work)
    return with_trial(state, live.trial, live=at_work)


def with_new(state: SweepState, added: Sequence[LiveRun]) -> SweepState:
    """Return the state with runs that begin to wait, each of a configuration of its own or a rerun."""
    trials = [live.trial for live in added]
    state = with_changes(
        state,
        trials=state.trials.longer(trials),
        live={**state.live, **{live.trial.number: live for live in added}},
    )
    if state.rules.repeats == 1:
        return state
    firsts = [trial for trial in trials if trial.origin != RERUN]
    return with_changes(state, configurations=state.configurations.longer(firsts, state.rules.repeats))


def with_trial(state: SweepState, trial: Trial, **changes: Any) -> SweepState:
    """Return the state with a trial as given, with what that says of its configuration, and other changes."""
    trials = state.trials.put(trial)
    if state.rules.repeats > 1:
        changes["configurations"] = state.configurations.changed(trials, trial.number, state.rules.repeats)
    return with_changes(state, trials=trials, **changes)


def set_status(
    state: SweepState, status: SweepStatus, reason: str, cause: SweepCause = SweepCause.UNSAID
) -> Transition:
    """Return the state in another status, and the words that write it."""
    state = with_changes(state, status=status, reason=reason, cause=cause)
    return state, [SetStatus(status, reason, state.rules.run_cap, state.n_forgiven, cause)]


def end_as_told(state: SweepState, live: LiveRun, exit_code: int | None) -> Transition:
    """End a run that has been told to end, however it did."""
    how = TrialState.CANCELED if live.is_canceled else TrialState.STOPPED
    return end(state, live, how, exit_code, live.stop)


def end(
    state: SweepState,
    live: LiveRun,
    how: TrialState,
    exit_code: int | None,
    reason: str,
    cause: RunCause = RunCause.UNSAID,
) -> Transition:
    """End a run, and the sweep when that was its last or one failure too many.

    Args:
        state: The sweep.
        live: The run.
        how: The state that it ends in.
        exit_code: Its program's.
        reason: Why, in words.
        cause: Why, for decisions. A run that memory did not suffice for has no score, whatever it reported:
            it is infeasible.
    """
    trial = _scored(state, live, how)
    if cause is RunCause.OUT_OF_MEMORY:
        trial = with_changes(trial, score=None, scores=())
    failed = how in FAILURES
    is_same = failed and is_alike(cause, reason, state.last_cause, state.last_failure)
    state = with_trial(
        state,
        trial,
        live={n: other for n, other in state.live.items() if n != trial.number},
        last_failure=reason if failed else "",
        last_cause=cause if failed else RunCause.UNSAID,
        n_same_failures=state.n_same_failures + 1 if is_same else int(failed),
        n_failures=state.n_failures + failed,
        exhausted=state.exhausted and how not in UNDECIDED,  # it may be tried again
    )
    state, ending = finish_if_done(state, trial)
    return state, [EndRun(trial, exit_code, reason, cause), *ending, Accepted()]


def leads(state: SweepState, live: LiveRun) -> bool:
    """Return whether a run that ended as it stands would be the best, or one of those that none beats.

    With repeats every run may: the mean over a configuration's runs decides, and is known last.
    """
    trial = _scored(state, live, TrialState.FINISHED)
    if state.rules.repeats > 1:
        return not trial.is_infeasible
    trials = [trial, *(t for t in state.trials if t.number != trial.number)]
    return trial in pareto(trials) if trial.scores else trial is best(trials)


def _scored(state: SweepState, live: LiveRun, how: TrialState) -> Trial:
    value = live.trial.reports[-1].value if live.trial.reports else math.nan
    if how not in (TrialState.FINISHED, TrialState.STOPPED):
        return with_changes(live.trial, state=how)
    score = value if math.isfinite(value) else None
    scores, violation, cost = _assessed(state, live)
    scores = () if score is None or not scores else (score, *scores[1:])
    return with_changes(live.trial, state=how, score=score, scores=scores, violation=violation, cost=cost)


def _assessed(state: SweepState, live: LiveRun) -> Assessment:
    return state.rules.assess({name: log[-1].value for name, log in live.watched.items()})


def finish_if_done(state: SweepState, newest: Trial | None = None) -> Transition:
    """Bring a sweep to its end when there is nothing left to do, or no more may be done.

    Args:
        state: The sweep.
        newest: The trial that has just ended; None when it is not about one.
    """
    if not state.status.is_open:
        return state, []
    if why := _too_many_failures(state):
        return set_status(state, SweepStatus.FAILED, why)
    if used_up := time_is_up(state):
        return set_status(state, SweepStatus.STOPPED, used_up, SweepCause.TIME_CAP)
    if why := _target_reached(state, newest):
        return set_status(state, SweepStatus.STOPPED, why)
    if state.is_done:
        return set_status(state, SweepStatus.FINISHED, "" if state.is_full else "every point has been tried")
    return state, []


def _reaches(target: float, trial: Trial) -> bool:
    is_good = trial.state is TrialState.FINISHED and not trial.is_infeasible
    return is_good and trial.score is not None and trial.score >= target


def _too_many_failures(state: SweepState) -> str:
    rules = state.rules
    if rules.max_failures is not None:
        is_over = state.n_failures > 0 and state.n_failures >= rules.max_failures
        return f"{state.n_failures} runs failed, and max_failures is {rules.max_failures}" if is_over else ""
    if state.n_same_failures < rules.max_same_failures:
        return ""
    return f"{state.n_same_failures} runs in a row failed alike: {state.last_failure}"


def _target_reached(state: SweepState, newest: Trial | None) -> str:
    target = state.rules.target
    if newest is None or target is None:
        return ""
    judged = newest if state.rules.repeats == 1 else state.configurations.of_run(newest)
    if judged is None or not _reaches(target, judged):
        return ""
    if any(_reaches(target, other) for other in state.searched if other.number != judged.number):
        return ""  # who let the sweep go on after that wants more than the target
    if judged is newest:
        return f"run {newest.number} reached the target"
    return f"the mean of run {newest.repeat_of or newest.number} and its repeats reached the target"


def time_is_up(state: SweepState) -> str:
    """Return why no run may begin for want of time; empty when one may."""
    cap = state.rules.time_cap_s
    is_up = cap is not None and state.elapsed_s >= cap
    return f"the time cap of {cap:g} s of work is used up" if is_up else ""


def requeue(state: SweepState, live: LiveRun, reason: str, *, was_killed: bool = False) -> Transition:
    """Put a run that lost its lease to a crash back, or end it when that has happened too often.

    Args:
        state: The sweep.
        live: The run.
        reason: What happened.
        was_killed: Whether that was to its program, for want of memory perhaps: that is hardly chance.
    """
    live = with_changes(live, lost=live.lost + 1)
    if live.lost < (state.rules.max_attempts if was_killed else state.rules.max_lost):
        return back_to_queue(state, live, reason)
    explanation = f"lost {live.lost} {'time' if live.lost == 1 else 'times'}; {reason}"
    state, effects = end(state, live, TrialState.CRASHED, None, explanation)
    return state, without_answer(effects)


def back_to_queue(state: SweepState, live: LiveRun, reason: str) -> Transition:
    """Let a run wait again, with what its newest checkpoint holds when it can go on from there."""
    saved = live.trial.checkpoint if state.rules.resume else None
    last = -1 if saved is None else saved.step
    trial = with_changes(live.trial, state=TrialState.PENDING, reports=up_to(live.trial.reports, last))
    watched = {name: earlier for name, log in live.watched.items() if len(earlier := log.up_to(last))}
    live = with_changes(
        live, trial=trial, lease=None, last_step=-1, stop="", is_canceled=False, watched=watched
    )
    return with_live(state, live), [RequeueRun(trial.number, live.lost, reason)]


def up_to(reports: Sequence[Report], last_step: int) -> Sequence[Report]:
    """Return the reports up to a step."""
    if isinstance(reports, ReportLog):
        return reports.up_to(last_step)
    return tuple(report for report in reports if report.step <= last_step)


def without_answer(effects: list[Effect]) -> list[Effect]:
    """Return effects without the answer to whoever asked: nobody did."""
    return [effect for effect in effects if not isinstance(effect, Accepted)]
