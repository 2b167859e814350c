"""What agents and programs say: lease, report, exit, beat, release; and what time says of them."""

from __future__ import annotations

from sharpen.frozen import with_changes
from sharpen.report_log import ReportLog
from sharpen.sweep.ask import fail, next_proposal
from sharpen.sweep.causes import RunCause
from sharpen.sweep.effects import (
    Accepted,
    BeatAnswer,
    CreateRun,
    Effect,
    Granted,
    KeepCheckpoint,
    KeepReport,
    LeaseRun,
    NothingNow,
    Rejected,
    SetConfig,
    SetElapsed,
    StopRun,
    SweepOver,
)
from sharpen.sweep.events import (
    AgentLost,
    Beat,
    CheckpointSaved,
    LeaseAsked,
    MadeSmaller,
    ProgramExited,
    Released,
    Reported,
    Ticked,
)
from sharpen.sweep.missing_metric import instead
from sharpen.sweep.out_of_memory import as_searched, is_out_of_memory, smaller_values
from sharpen.sweep.out_of_memory import reason as out_of_memory
from sharpen.sweep.plugin_calls import PluginError, may_wait_idle, should_stop
from sharpen.sweep.repeats import RERUN
from sharpen.sweep.state import Lease, LiveRun, SweepState
from sharpen.sweep.status import SweepStatus
from sharpen.sweep.transitions import (
    Transition,
    back_to_queue,
    end,
    end_as_told,
    finish_if_done,
    lease_of,
    leased,
    requeue,
    with_live,
    without_answer,
)
from sharpen.trial import Report, StoredCheckpoint, Trial, TrialState

SIGNAL_EXIT_CODES = frozenset({137, 143})  # how a shell reports SIGKILL and SIGTERM of its child
COUNT_S = 5.0  # how often working time is put on the disk; a restart forgets at most as much


def lease(state: SweepState, event: LeaseAsked) -> Transition:
    """Grant the run that has waited longest, or a new one: first what a configuration lacks in repeats."""
    try:
        return _lease(state, event)
    except PluginError as error:
        state, failing = fail(state, str(error))
        return state, [*failing, SweepOver(state.status, state.reason)]


def _lease(state: SweepState, event: LeaseAsked) -> Transition:
    for number, live in state.live.items():
        if live.lease is not None and live.lease.key == event.key:
            return state, [Granted(number, live.token)]
    if state.status is SweepStatus.PAUSED:
        return state, [NothingNow()]
    if state.status is not SweepStatus.RUNNING:
        return state, [SweepOver(state.status, state.reason)]
    waiting = min((n for n, live in state.live.items() if live.lease is None), default=None)
    return _lease_new(state, event) if waiting is None else _grant(state, event, state.live[waiting])


def _lease_new(state: SweepState, event: LeaseAsked) -> Transition:
    """Grant a run that is made for it; where none may be, say whether to ask again."""
    state, trial = _begin(state, event.key)
    if trial is not None:
        state, granting = _grant(state, event, LiveRun(trial))
        return state, [CreateRun(trial), *granting]
    awaits_more = state.askers or may_wait_idle(state.rules.optimizer)
    if state.live or (awaits_more and not state.is_full):
        return state, [NothingNow()]
    state, ending = finish_if_done(state)
    return state, [*ending, SweepOver(state.status, state.reason)]


def _grant(state: SweepState, event: LeaseAsked, live: LiveRun) -> Transition:
    number, token = live.trial.number, live.token + 1
    resumed = _begin_from(state, live.trial)
    live = with_changes(
        live,
        trial=with_changes(live.trial, state=TrialState.RUNNING),
        lease=Lease(event.agent, event.key, event.now + state.rules.lease_s),
        token=token,
        resumed=resumed,
        last_step=-1 if resumed is None else resumed.step,
    )
    state = with_live(state, live)
    if state.counted_at is None:
        state = with_changes(state, counted_at=event.now)
    is_inherited = resumed is not None and resumed is not live.trial.checkpoint
    leased = LeaseRun(number, event.agent, event.key, token, resumed, is_inherited)
    return state, [leased, Granted(number, token)]


def _begin_from(state: SweepState, trial: Trial) -> StoredCheckpoint | None:
    """Return what a run goes on from: its own checkpoint after a crash, else its parent's."""
    if trial.checkpoint is not None and state.rules.resume:
        return trial.checkpoint
    if trial.parent is None or trial.origin == RERUN:  # a rerun begins anew
        return None
    return state.trials[trial.parent - 1].checkpoint


def _begin(state: SweepState, key: str) -> tuple[SweepState, Trial | None]:
    """Return the next repeat that is due, or else the trial of a new configuration, if the cap has room."""
    if state.is_full:
        return state, None
    number = state.n_created + 1
    if state.configurations.lacking:
        first, repeat = state.configurations.next_repeat()
        first_run = state.trials[first - 1]
        trial = Trial(
            number,
            first_run.config,
            origin=first_run.origin,
            repeat=repeat,
            repeat_of=first,
            parent=state.configurations.parent_of_repeat(first_run, repeat),
            fidelity=first_run.fidelity,
        )
        return state, trial
    state, chosen = next_proposal(state, key)
    if chosen is None:
        return state, None
    trial = Trial(number, chosen.config, origin=chosen.origin, parent=chosen.parent, fidelity=chosen.fidelity)
    return state, trial


def report(state: SweepState, event: Reported) -> Transition:
    """Take in a step, and say whether the run goes on."""
    live = leased(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    rules, trial = state.rules, live.trial
    is_new = event.value is not None and event.step > (trial.reports[-1].step if trial.reports else -1)
    counts = event.value is not None and is_new and not live.stop
    keep = KeepReport(
        event.number, event.token, event.step, event.metrics, counts, event.step > live.last_step
    )
    if event.value is not None and counts:
        trial = with_changes(trial, reports=ReportLog.after(trial.reports, Report(event.step, event.value)))
    live = with_changes(
        live,
        trial=trial,
        lease=_renewed(live, event.now + rules.lease_s),
        last_step=max(live.last_step, event.step),
        watched={**live.watched, **_logged(live, event)} if event.watched else live.watched,
    )
    state = with_live(state, live)
    if not counts:
        return state, [keep, Accepted(live.stop)]
    try:
        decision = should_stop(rules.stopper, trial, state.trials)
    except PluginError as error:
        state, failing = fail(state, str(error))
        return state, [keep, *failing, Accepted()]
    if not decision.stop:
        return state, [keep, Accepted()]
    state = with_live(state, with_changes(live, stop=decision.reason))
    return state, [keep, StopRun(event.number, decision.reason), Accepted(decision.reason)]


def _renewed(live: LiveRun, deadline: float) -> Lease:
    """Return the lease of a run that is leased, until later."""
    lease = lease_of(live)
    return Lease(lease.agent, lease.key, deadline)


def _logged(live: LiveRun, event: Reported) -> dict[str, ReportLog]:
    """Return what was logged under each watched name, with what an event says."""
    return {
        name: ReportLog.after(live.watched.get(name, ()), Report(event.step, value))
        for name, value in event.watched.items()
    }


def save_checkpoint(state: SweepState, event: CheckpointSaved) -> Transition:
    """Remember what a run can go on from."""
    live = leased(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    checkpoint = StoredCheckpoint(event.digest, event.step)
    state = with_live(state, with_changes(live, trial=with_changes(live.trial, checkpoint=checkpoint)))
    return state, [KeepCheckpoint(event.number, checkpoint), Accepted()]


def make_smaller(state: SweepState, event: MadeSmaller) -> Transition:
    """Let a run count for smaller values of its parameters, for the search and for every view."""
    live = leased(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    trial = live.trial
    config = {**trial.config, **smaller_values(event.values, trial.config)}
    if config == trial.config:
        return state, [Accepted()]
    searched = as_searched(state.rules.space, with_changes(trial, config=config, proposed=trial.asked))
    written = SetConfig(event.number, config, trial.asked)
    return with_live(state, with_changes(live, trial=searched)), [written, Accepted()]


def leave(state: SweepState, event: ProgramExited) -> Transition:
    """Tell a program's end from its failure and its death."""
    live = leased(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    if live.stop:
        return end_as_told(state, live, event.exit_code)
    if event.exit_code < 0 or event.exit_code in SIGNAL_EXIT_CODES:
        reason = f"the program was killed ({_exit_words(event.exit_code)})"
        state, effects = requeue(state, live, reason, was_killed=True)
        return state, [*effects, Accepted()]
    if event.exit_code > 0:
        return _break_off(state, live, event)
    if not live.trial.reports and state.rules.metric:
        metric = state.rules.metric
        reason = f"the program ended without logging {metric}, the sweep's metric"
        reason += instead(metric, event.logged)
        return end(state, live, TrialState.FAILED, 0, reason, RunCause.NO_METRIC)
    return end(state, live, TrialState.FINISHED, 0, "")


def _break_off(state: SweepState, live: LiveRun, event: ProgramExited) -> Transition:
    """End a run whose program failed: one that wants more memory than there is is infeasible."""
    if is_out_of_memory(event.last_words):
        reason = out_of_memory(event.last_words, live.trial.config)
        return end(state, live, TrialState.FINISHED, event.exit_code, reason, RunCause.OUT_OF_MEMORY)
    reason = event.last_words or f"exit code {event.exit_code}"
    return end(state, live, TrialState.FAILED, event.exit_code, reason)


def _exit_words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def beat(state: SweepState, event: Beat) -> Transition:
    """Renew an agent's leases, and say which of its runs must end or are no longer its own."""
    stop: dict[int, str] = {}
    cancel: dict[int, str] = {}
    lost: list[tuple[int, int]] = []
    for number, token in event.held:
        live = leased(state, number, token)
        if isinstance(live, Rejected):
            lost.append((number, token))
            continue
        lease = _renewed(live, event.now + state.rules.lease_s)
        state = with_live(state, with_changes(live, lease=lease))
        if live.stop:
            stop[number] = live.stop
        if live.is_canceled:
            cancel[number] = live.stop
    return state, [BeatAnswer(stop, tuple(lost), cancel)]


def release(state: SweepState, event: Released) -> Transition:
    """Take a run back from an agent that gives it up."""
    live = leased(state, event.number, event.token)
    if isinstance(live, Rejected):
        return state, [live]
    if live.stop:
        return end_as_told(state, live, None)
    state, effects = back_to_queue(state, live, "given back by its agent")
    return state, [*effects, Accepted()]


def lose(state: SweepState, event: AgentLost) -> Transition:
    """Take the runs back from an agent that is dead."""
    return _take_back(state, event.agent, None)


def tick(state: SweepState, event: Ticked) -> Transition:
    """Take runs back from every agent whose lease has lapsed, and count the time at work."""
    state, effects = _take_back(state, None, event.now)
    state, counting = _count(state, event.now)
    return state, [*effects, *counting]


def _take_back(state: SweepState, agent: str | None, now: float | None) -> Transition:
    effects: list[Effect] = []
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
            state, more = end_as_told(state, live, None)
        else:
            state, more = requeue(state, live, reason)
        effects += without_answer(more)
    return state, effects


def _count(state: SweepState, now: float) -> Transition:
    """Add the time since it was last counted, when that is worth a line or the sweep falls idle."""
    is_at_work = any(live.lease is not None for live in state.live.values())
    if state.counted_at is None:
        return (with_changes(state, counted_at=now) if is_at_work else state), []
    passed_s = now - state.counted_at
    cap = state.rules.time_cap_s
    is_up = cap is not None and passed_s > 0 and state.elapsed_s + passed_s >= cap
    if is_at_work and passed_s < COUNT_S and not is_up:
        return state, []
    elapsed_s = state.elapsed_s + passed_s
    state = with_changes(state, elapsed_s=elapsed_s, counted_at=now if is_at_work else None)
    state, ending = finish_if_done(state)
    return state, [SetElapsed(elapsed_s), *ending]
