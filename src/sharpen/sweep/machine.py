"""The rules of a sweep: one function an event, from a state to the next."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sharpen.seeds import rng_for
from sharpen.sweep.commands import (
    Accepted,
    BeatAnswer,
    Command,
    CreateRun,
    EndRun,
    Granted,
    LeaseRun,
    Over,
    Rejected,
    RequeueRun,
    SetStatus,
    StopRun,
    Wait,
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
from sharpen.sweep.state import NUMBER, Lease, Live, SweepState, SweepStatus
from sharpen.trial import Report, Trial, TrialState

SIGNAL_EXIT_CODES = frozenset({137, 143})  # how a shell reports SIGKILL and SIGTERM of its child

Outcome = tuple[SweepState, list[Command]]


def step(state: SweepState, event: Event) -> Outcome:
    """Return the next state and what to write and answer, in order.

    An event that asks for something gets exactly one answer, which comes last. The same event twice
    leaves the state as it was after the first.
    """
    return _RULES[type(event)](state, event)


def _lease(state: SweepState, event: LeaseAsked) -> Outcome:
    for number, live in state.live.items():
        if live.lease is not None and live.lease.key == event.key:
            return state, [Granted(number, live.token)]
    if state.status is not SweepStatus.RUNNING:
        return state, [Over(state.status, state.reason)]
    waiting = min((n for n, live in state.live.items() if live.lease is None), default=None)
    commands: list[Command] = []
    if waiting is None:
        state, commands, waiting = _propose(state)
    if waiting is None:
        if state.live:
            return state, [*commands, Wait()]
        state, ending = _finish_if_done(state)
        return state, [*commands, *ending, Over(state.status, state.reason)]
    live = state.live[waiting]
    token = live.token + 1
    lease = Lease(event.agent, event.key, event.now + state.rules.lease_s)
    trial = replace(live.trial, state=TrialState.RUNNING, reports=())
    state = _with_live(state, replace(live, trial=trial, lease=lease, token=token, last_step=-1, stop=""))
    commands += [LeaseRun(waiting, event.agent, event.key, token), Granted(waiting, token)]
    return state, commands


def _propose(state: SweepState) -> tuple[SweepState, list[Command], int | None]:
    """Ask the optimizer for one more trial, unless the cap is reached or it has none left."""
    rules = state.rules
    if state.exhausted or (rules.run_cap is not None and state.n_created >= rules.run_cap):
        return state, [], None
    number = state.n_created + 1
    proposals = rules.optimizer.ask(rules.space, state.history, 1, rng_for(rules.seed, "ask", number))
    if not proposals:
        return replace(state, exhausted=True), [], None
    trial = Trial(number, proposals[0].config, origin=proposals[0].origin)
    return _with_live(state, Live(trial)), [CreateRun(trial)], number


def _report(state: SweepState, event: Reported) -> Outcome:
    live = held(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    rules, trial = state.rules, live.trial
    is_new = event.value is not None and event.step > (trial.reports[-1].step if trial.reports else -1)
    lease = replace(_lease_of(live), deadline=event.now + rules.lease_s)
    live = replace(live, lease=lease, last_step=max(live.last_step, event.step))
    if event.value is None or not is_new or live.stop:
        return _with_live(state, live), [Accepted(live.stop)]
    trial = replace(trial, reports=(*trial.reports, Report(event.step, event.value)))
    state = _with_live(state, replace(live, trial=trial))
    verdict = rules.stopper.judge(trial, state.history)
    if not verdict.stop:
        return state, [Accepted()]
    state = _with_live(state, replace(live, trial=trial, stop=verdict.reason))
    return state, [StopRun(event.number, verdict.reason), Accepted(verdict.reason)]


def _exit(state: SweepState, event: ProgramExited) -> Outcome:
    live = held(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    if live.stop:
        return _end(state, live, TrialState.STOPPED, event.exit_code, live.stop)
    if event.exit_code < 0 or event.exit_code in SIGNAL_EXIT_CODES:
        state, commands = _requeue(state, live, f"the program was killed ({_exit_words(event.exit_code)})")
        return state, [*commands, Accepted()]
    if event.exit_code > 0:
        reason = event.last_words or f"exit code {event.exit_code}"
        return _end(state, live, TrialState.FAILED, event.exit_code, reason)
    if not live.trial.reports:
        reason = f"the program ended without logging {state.rules.metric}, the sweep's metric"
        return _end(state, live, TrialState.FAILED, 0, reason)
    return _end(state, live, TrialState.FINISHED, 0, "")


def _exit_words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _end(state: SweepState, live: Live, how: TrialState, exit_code: int | None, reason: str) -> Outcome:
    value = live.trial.reports[-1].value if live.trial.reports else math.nan
    has_score = how in (TrialState.FINISHED, TrialState.STOPPED) and math.isfinite(value)
    trial = replace(live.trial, state=how, score=value if has_score else None)
    rest = {n: other for n, other in state.live.items() if n != trial.number}
    place = bisect_left(state.ended, trial.number, key=NUMBER)
    failed = how in (TrialState.FAILED, TrialState.CRASHED)
    is_same = failed and reason == state.last_failure
    state = replace(
        state,
        live=rest,
        ended=(*state.ended[:place], trial, *state.ended[place:]),
        last_failure=reason if failed else "",
        n_same_failures=state.n_same_failures + 1 if is_same else int(failed),
    )
    state, ending = _finish_if_done(state)
    return state, [EndRun(trial, exit_code, reason), *ending, Accepted()]


def _finish_if_done(state: SweepState) -> Outcome:
    rules = state.rules
    if state.status is not SweepStatus.RUNNING:
        return state, []
    if state.n_same_failures >= rules.max_same_failures:
        reason = f"{state.n_same_failures} runs in a row failed alike: {state.last_failure}"
        return _set_status(state, SweepStatus.FAILED, reason)
    at_cap = rules.run_cap is not None and state.n_created >= rules.run_cap
    if not state.live and (at_cap or state.exhausted):
        return _set_status(state, SweepStatus.FINISHED, "" if at_cap else "every point has been tried")
    return state, []


def _set_status(state: SweepState, status: SweepStatus, reason: str) -> Outcome:
    state = replace(state, status=status, reason=reason)
    return state, [SetStatus(status, reason, state.rules.run_cap, state.n_forgiven)]


def _beat(state: SweepState, event: Beat) -> Outcome:
    stop: dict[int, str] = {}
    lost: list[tuple[int, int]] = []
    for number, token in event.held:
        live = held(state, number, token)
        if isinstance(live, Rejected):
            lost.append((number, token))
            continue
        lease = replace(_lease_of(live), deadline=event.now + state.rules.lease_s)
        state = _with_live(state, replace(live, lease=lease))
        if live.stop:
            stop[number] = live.stop
    return state, [BeatAnswer(stop, tuple(lost))]


def _release(state: SweepState, event: Released) -> Outcome:
    live = held(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    if live.stop:
        return _end(state, live, TrialState.STOPPED, None, live.stop)
    state, commands = _back_to_queue(state, live, "given back by its agent")
    return state, [*commands, Accepted()]


def _lose(state: SweepState, agent: str | None, now: float | None) -> Outcome:
    """Take runs back from one agent that is dead, or from every agent whose lease has lapsed."""
    commands: list[Command] = []
    for live in list(state.live.values()):
        lease = live.lease
        if lease is None:
            continue
        if lease.agent == agent:
            reason = f"agent {lease.agent} died"
        elif now is not None and lease.deadline < now:
            reason = f"agent {lease.agent} was silent for {state.rules.lease_s:g} s"
        else:
            continue
        if live.stop:
            state, more = _end(state, live, TrialState.STOPPED, None, live.stop)
        else:
            state, more = _requeue(state, live, reason)
        commands += [command for command in more if not isinstance(command, Accepted)]
    return state, commands


def _requeue(state: SweepState, live: Live, reason: str) -> Outcome:
    """Put a run that lost its lease to a crash back, or end it when that has happened too often."""
    live = replace(live, lost=live.lost + 1)
    if live.lost < state.rules.max_attempts:
        return _back_to_queue(state, live, reason)
    state, commands = _end(state, live, TrialState.CRASHED, None, f"lost {live.lost} times; {reason}")
    return state, [command for command in commands if not isinstance(command, Accepted)]


def _back_to_queue(state: SweepState, live: Live, reason: str) -> Outcome:
    trial = replace(live.trial, state=TrialState.PENDING, reports=())
    state = _with_live(state, replace(live, trial=trial, lease=None, last_step=-1))
    return state, [RequeueRun(trial.number, live.lost, reason)]


def _reopen(state: SweepState, event: Reopened) -> Outcome:
    cap = state.rules.run_cap if event.run_cap is None else event.run_cap
    if cap is not None and cap < state.n_created:
        message = f"run_cap {cap} is below the {state.n_created} runs that the sweep already has"
        return state, [Rejected("illegal", message)]
    state = replace(state, rules=replace(state.rules, run_cap=cap))
    is_full = not state.live and (state.exhausted or (cap is not None and state.n_created >= cap))
    if is_full and state.status is not SweepStatus.RUNNING:
        state, commands = _set_status(state, state.status, state.reason)
        return state, [*commands, Accepted()]
    state = replace(state, last_failure="", n_same_failures=0, n_forgiven=len(state.ended))
    state, commands = _set_status(state, SweepStatus.RUNNING, "")
    state, ending = _finish_if_done(state)
    return state, [*commands, *ending, Accepted()]


def held(state: SweepState, number: int, token: int) -> Live | Rejected:
    """Return the live run whose newest lease has this token, or why there is none."""
    live = state.live.get(number)
    if live is None:
        return Rejected("ended", f"run {number} has ended")
    if live.lease is None or live.token != token:
        return Rejected("stale", f"run {number} is no longer leased under token {token}")
    return live


def _lease_of(live: Live) -> Lease:
    assert live.lease is not None  # noqa: S101 - what _held returns is leased
    return live.lease


def _with_live(state: SweepState, live: Live) -> SweepState:
    return replace(state, live={**state.live, live.trial.number: live})


_RULES: Mapping[type, Callable[[SweepState, Any], Outcome]] = {
    LeaseAsked: _lease,
    Reported: _report,
    ProgramExited: _exit,
    Beat: _beat,
    Released: _release,
    AgentLost: lambda state, event: _lose(state, event.agent, None),
    Ticked: lambda state, event: _lose(state, None, event.now),
    Reopened: _reopen,
}
