"""What people say: pause, go on, stop, cancel, add, delete, and other limits.

Each is done from any state in which it means something, refused with the reason from any other, and changes
nothing when it has been done already.
"""

from __future__ import annotations

from sharpen.frozen import with_changes
from sharpen.sweep.causes import RunCause, SweepCause
from sharpen.sweep.effects import (
    Accepted,
    CreateRun,
    DeleteRun,
    DeleteSweep,
    Effect,
    Rejected,
    SetLimits,
    StopRun,
)
from sharpen.sweep.events import (
    Canceled,
    Closed,
    LimitsSet,
    Paused,
    Reopened,
    RunAdded,
    RunCanceled,
    RunDeleted,
    RunsAdded,
    RunStopped,
    Stopped,
    SweepDeleted,
)
from sharpen.sweep.repeats import RERUN
from sharpen.sweep.state import LiveRun, SweepState
from sharpen.sweep.status import SweepStatus
from sharpen.sweep.transitions import (
    Transition,
    end,
    finish_if_done,
    set_status,
    time_is_up,
    with_live,
    with_new,
    with_trial,
    without_answer,
)
from sharpen.sweep.trials import blank
from sharpen.trial import Trial, TrialState

WORDS = {
    SweepStatus.FINISHED: "the sweep has finished",
    SweepStatus.STOPPED: "the sweep has been stopped",
    SweepStatus.FAILED: "the sweep has failed",
    SweepStatus.CANCELED: "the sweep has been canceled",
}
DELETED = "the sweep has been deleted"


def pause(state: SweepState, event: Paused) -> Transition:
    """Begin no run until the sweep is reopened."""
    if state.status is SweepStatus.PAUSED:
        return state, [Accepted()]
    if state.status is not SweepStatus.RUNNING:
        return state, [_illegal(f"{WORDS[state.status]}: there is nothing to pause")]
    state, effects = set_status(state, SweepStatus.PAUSED, "")
    return state, [*effects, Accepted()]


def stop(state: SweepState, event: Stopped) -> Transition:
    """Begin no run any more."""
    if not state.status.is_open and not _is_late(state):
        if state.status is SweepStatus.STOPPED:
            return state, [Accepted()]
        return state, [_illegal(f"{WORDS[state.status]}: there is nothing to stop")]
    state, effects = set_status(state, SweepStatus.STOPPED, "")
    return state, [*effects, Accepted()]


def cancel(state: SweepState, event: Canceled) -> Transition:
    """End the sweep now: what waits is canceled, what works is told to end at once."""
    if not state.status.is_open and not state.live and state.status is not SweepStatus.CANCELED:
        return state, [_illegal(f"{WORDS[state.status]}: there is nothing to cancel")]
    effects: list[Effect] = []
    if state.status is not SweepStatus.CANCELED:
        state, effects = set_status(state, SweepStatus.CANCELED, event.reason)
    for live in list(state.live.values()):
        state, more = _cancel(state, live, event.reason)
        effects += without_answer(more)
    return state, [*effects, Accepted()]


def cancel_run(state: SweepState, event: RunCanceled) -> Transition:
    """End a run now."""
    live = state.live.get(event.number)
    if live is not None:
        return _cancel(state, live, event.reason)
    if not 1 <= event.number <= state.n_created:
        return state, [_illegal(f"there is no run {event.number}")]
    run_state = state.trials[event.number - 1].state
    if run_state is TrialState.CANCELED:
        return state, [Accepted()]
    return state, [
        Rejected("ended", f"run {event.number} has ended as {run_state}: there is nothing to cancel")
    ]


def stop_run(state: SweepState, event: RunStopped) -> Transition:
    """Tell a run to end, as a stop rule does; one that waits is canceled, for it has reported nothing."""
    live = state.live.get(event.number)
    if live is None or live.lease is None:
        return cancel_run(state, RunCanceled(event.number, event.reason))
    if live.stop:
        return state, [Accepted()]
    return with_live(state, with_changes(live, stop=event.reason)), [
        StopRun(event.number, event.reason),
        Accepted(),
    ]


def _cancel(state: SweepState, live: LiveRun, reason: str) -> Transition:
    if live.lease is None:
        return end(state, live, TrialState.CANCELED, None, reason)
    if live.is_canceled:
        return state, [Accepted()]
    state = with_live(state, with_changes(live, stop=reason, is_canceled=True))
    return state, [StopRun(live.trial.number, reason, is_canceled=True), Accepted()]


def reopen(state: SweepState, event: Reopened) -> Transition:
    """Go on with a sweep that is paused or has ended, if it has room, and forgive its failures."""
    cap = state.rules.run_cap if event.run_cap is None else event.run_cap
    if refusal := _refused(state, cap):
        return state, [refusal]
    if used_up := time_is_up(state):
        return state, [_illegal(f"{used_up}: give it more with 'sharpen edit --time-cap'")]
    state = with_changes(state, rules=with_changes(state.rules, run_cap=cap))
    if state.is_done and state.status is not SweepStatus.RUNNING:
        state, effects = set_status(state, state.status, state.reason, state.cause)
        return state, [*effects, Accepted()]
    state = with_changes(
        state,
        last_failure="",
        last_cause=RunCause.UNSAID,
        n_same_failures=0,
        n_failures=0,
        n_forgiven=state.n_ended,
    )
    state, effects = set_status(state, SweepStatus.RUNNING, "")
    state, ending = finish_if_done(state)
    return state, [*effects, *ending, Accepted()]


def close(state: SweepState, event: Closed) -> Transition:
    """Let no run be made any more, not even by who queues them: the sweep ends with the last of its runs.

    Its cap, which a restart reads, says so. A sweep without a run has no such cap, and is stopped.
    """
    if not state.status.is_open:
        return state, [Accepted()]
    if not state.n_created:
        return stop(state, Stopped())
    rules = state.rules
    n_owed = state.configurations.n_lacking(rules.repeats) if rules.repeats > 1 else 0
    return set_limits(state, LimitsSet(state.n_created + n_owed, rules.max_failures, rules.time_cap_s))


def set_limits(state: SweepState, event: LimitsSet) -> Transition:
    """Set the limits anew; a sweep that they had ended and that has room now goes on, one over them ends."""
    if refusal := _refused(state, event.run_cap):
        return state, [refusal]
    was_full = state.status is SweepStatus.FINISHED and state.is_full
    was_late = _is_late(state)
    limits = {name: getattr(event, name) for name in ("run_cap", "max_failures", "time_cap_s")}
    state = with_changes(state, rules=with_changes(state.rules, **limits))
    effects: list[Effect] = [SetLimits(**limits)]
    if (was_full and not state.is_full) or (was_late and not time_is_up(state)):
        state, more = set_status(state, SweepStatus.RUNNING, "")
        effects += more
    elif was_late:
        state, more = set_status(state, SweepStatus.STOPPED, time_is_up(state), SweepCause.TIME_CAP)
        effects += more
    state, ending = finish_if_done(state)
    return state, [*effects, *ending, Accepted()]


def _is_late(state: SweepState) -> bool:
    """Return whether it was the time cap that stopped a sweep, and nobody has stopped it since."""
    return state.status is SweepStatus.STOPPED and state.cause is SweepCause.TIME_CAP


def add(state: SweepState, event: RunAdded) -> Transition:
    """Let a configuration wait for an agent; a cap without room grows, and a finished sweep goes on."""
    return add_all(state, RunsAdded((event,)))


def add_all(state: SweepState, event: RunsAdded) -> Transition:
    """Let configurations wait for an agent, in order, all of them or none."""
    if state.is_deleted:
        return state, [_illegal(DELETED)]
    if all(_is_known(state, run) for run in event.runs):
        return state, [Accepted()]
    following = state.n_created + 1
    odd = [run.number for n, run in enumerate(event.runs, following) if run.number != n]
    if odd:
        return state, [_illegal(f"the next run is number {following}, not {odd[0]}")]
    effects: list[Effect] = []
    needed, cap = _runs_with(state, event), state.rules.run_cap
    if cap is not None and cap < needed:
        rules = with_changes(state.rules, run_cap=needed)
        state = with_changes(state, rules=rules)
        effects.append(SetLimits(rules.run_cap, rules.max_failures, rules.time_cap_s))
    trials = [_added(state, run) for run in event.runs]
    pairs = list(zip(trials, event.runs, strict=True))
    state = with_new(state, [LiveRun(trial) for trial in trials])
    effects += [CreateRun(trial, run.key) for trial, run in pairs]
    if state.status is SweepStatus.FINISHED:
        state, more = set_status(state, SweepStatus.RUNNING, "")
        effects += more
    return state, [*effects, Accepted()]


def _added(state: SweepState, run: RunAdded) -> Trial:
    """Return the trial of an added run; a rerun may spend what the run before could, any other the whole."""
    fidelity = state.rules.whole_fidelity
    if run.origin == RERUN and run.parent is not None:
        fidelity = state.trials[run.parent - 1].fidelity
    return Trial(
        run.number, run.config, origin=run.origin, repeat=run.repeat, parent=run.parent, fidelity=fidelity
    )


def _is_known(state: SweepState, run: RunAdded) -> bool:
    """Return whether a run has been added before."""
    if not 1 <= run.number <= state.n_created:
        return False
    existing = state.trials[run.number - 1]
    return (existing.asked, existing.origin) == (run.config, run.origin)


def _runs_with(state: SweepState, event: RunsAdded) -> int:
    """Return what the cap must be with added runs, their repeats and those that others still lack.

    With repeats a rerun takes the place of none: the cap is by so many larger.
    """
    repeats, n_runs = state.rules.repeats, state.n_created + len(event.runs)
    if repeats == 1:
        return n_runs
    n_again = sum(run.origin == RERUN for run in event.runs)
    n_owed = (len(event.runs) - n_again) * (repeats - 1) + state.configurations.n_lacking(repeats)
    return max(n_runs + n_owed, (state.rules.run_cap or 0) + n_again)


def delete_run(state: SweepState, event: RunDeleted) -> Transition:
    """Forget a run that is not at work; its number stays taken, and the cap goes on counting it.

    What it came to is forgotten; that it was tried is not, or methods would propose it again.
    """
    number = event.number
    if not 1 <= number <= state.n_created:
        return state, [_illegal(f"there is no run {number}")]
    if number in state.deleted:
        return state, [Accepted()]
    live = state.live.get(number)
    if live is not None and live.lease is not None:
        return state, [_illegal(f"run {number} is running: cancel it first")]
    effects: list[Effect] = []
    state = with_changes(state, deleted=state.deleted | {number}, exhausted=False)
    if live is not None:
        state, more = end(state, live, TrialState.CANCELED, None, "deleted")
        effects += without_answer(more)
    state = with_trial(state, blank(state.trials[number - 1]))
    return state, [*effects, DeleteRun(number), Accepted()]


def delete_sweep(state: SweepState, event: SweepDeleted) -> Transition:
    """Forget a sweep that is not at work."""
    if state.is_deleted:
        return state, [Accepted()]
    busy = sum(live.lease is not None for live in state.live.values())
    if busy:
        return state, [_illegal(f"{busy} of its runs are running: cancel the sweep first")]
    effects: list[Effect] = []
    if state.status.is_open or state.live:
        state, effects = cancel(state, Canceled("deleted"))
    return with_changes(state, is_deleted=True), [*without_answer(effects), DeleteSweep(), Accepted()]


def _refused(state: SweepState, cap: int | None) -> Rejected | None:
    if state.is_deleted:
        return _illegal(DELETED)
    if cap is not None and cap < state.n_created:
        return _illegal(f"run_cap {cap} is below the {state.n_created} runs that the sweep already has")
    return None


def _illegal(message: str) -> Rejected:
    return Rejected("illegal", message)
