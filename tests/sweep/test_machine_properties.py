"""Random interleavings of everything that can happen to a sweep, and what must hold all the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sharpen.sweep import Assessment, Configurations, SweepState, SweepStatus, step
from sharpen.sweep.effects import (
    Accepted,
    BeatAnswer,
    CreateRun,
    DeleteRun,
    DeleteSweep,
    Effect,
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
    Closed,
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
    RunStopped,
    Stopped,
    SweepDeleted,
    Ticked,
)
from sharpen.trial import Trial, TrialState

from .states import StopBelow, sweep

ANSWERS = (Granted, NothingNow, SweepOver, Accepted, Rejected, BeatAnswer)
AGENTS = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(0, 6)
TOKENS = st.integers(0, 5)
VALUES = st.sampled_from([None, 0.5, 0.2, -1.0, math.inf])
EXIT_CODES = st.sampled_from([0, 0, 1, 2, -9, -15, 137])
WORDS = st.sampled_from(["boom", "boom", "bang"])


class Sweeping(RuleBasedStateMachine):
    """A sweep under events that are sometimes stale, absurd or repeated."""

    state: SweepState

    @initialize(
        run_cap=st.sampled_from([None, 0, 1, 3, 6]),
        n_points=st.sampled_from([None, 1, 4]),
        attempts=st.integers(1, 3),
        resume=st.booleans(),
        n_prior=st.integers(0, 2),
        repeats=st.sampled_from([1, 1, 2, 3]),
    )
    def begin(self, run_cap: int | None, n_points: int | None, n_prior: int, **more: Any) -> None:
        self.state = sweep(
            run_cap,
            n_points=n_points,
            stopper=StopBelow(),
            max_attempts=more["attempts"],
            max_lost=more["attempts"],
            max_same_failures=3,
            resume=more["resume"],
            repeats=more["repeats"],
            prior=tuple({"x": 0.5 + n} for n in range(n_prior)),
            watched=("loss",),
            assess=lambda values: Assessment((0.0, values.get("loss", math.nan)), values.get("loss", 0.0)),
        )
        self.deleted: set[int] = set()
        self.told: dict[int, str] = {}
        self.now = 0.0
        self.ended: dict[int, Trial] = {}
        self.granted: dict[int, int] = {}
        self.keys = 0
        self.effects: list[Effect] = []
        self.created = 0
        self.failures: list[str] = []

    def send(self, event: Event) -> Effect | None:
        before = self.state
        self.state, effects = step(before, event)
        again, _ = step(self.state, event)
        assert again == self.state, "a repeated event changed something"
        answers = [effect for effect in effects if isinstance(effect, ANSWERS)]
        asks = not isinstance(event, AgentLost | Ticked)
        assert answers == effects[-1:] if asks else not answers, "one answer, the last, to those who ask"
        self.check_writes(before, effects)
        if isinstance(event, Reopened) and any(isinstance(effect, SetStatus) for effect in effects):
            self.failures = [] if self.state.status is SweepStatus.RUNNING else self.failures
            self.forgiven = self.state.n_forgiven
        return effects[-1] if effects else None

    def check_writes(self, before: SweepState, effects: list[Effect]) -> None:
        """Replay what was to be written on the old state: it must say what the new one says."""
        for effect in effects:
            match effect:
                case CreateRun(trial):
                    self.created += 1
                    assert trial.number == self.created
                case LeaseRun(number, _, key, token, resumed):
                    assert resumed == self.state.live[number].resumed
                    assert resumed is None or self.state.rules.resume
                    assert token == self.granted.get(number, 0) + 1, "tokens grow by one"
                    self.granted[number] = token
                    lease = self.state.live[number].lease
                    assert lease is not None
                    assert lease.key == key
                case EndRun(trial, _, reason, _):
                    self.check_end(before, trial, reason)
                case RequeueRun(number, lost, _):
                    assert self.state.live[number].lost == lost
                    assert self.state.live[number].lease is None
                case StopRun(number, reason, is_canceled):
                    live = self.state.live[number]
                    assert (live.stop, live.is_canceled) == (reason, is_canceled)
                case _:
                    self.check_note(before, effect)
        self.check_status(before, effects)

    def check_status(self, before: SweepState, effects: list[Effect]) -> None:
        words = [effect for effect in effects if isinstance(effect, SetStatus)]
        now = self.state
        if words:
            rules = now.rules
            assert words[-1] == SetStatus(now.status, now.reason, rules.run_cap, now.n_forgiven, now.cause)
        else:
            assert (before.status, before.reason, before.cause) == (now.status, now.reason, now.cause)
        limits = [effect for effect in effects if isinstance(effect, SetLimits)]
        rules = now.rules
        if limits:
            assert limits[-1] == SetLimits(rules.run_cap, rules.max_failures, rules.time_cap_s)
        elif not words:
            assert before.rules == rules

    def check_note(self, before: SweepState, effect: Effect) -> None:
        """Check what is written of a run's or the sweep's other sides."""
        match effect:
            case DeleteRun(number):
                assert before.trials[number - 1].state.is_final or number in self.ended
                self.deleted.add(number)
            case DeleteSweep():
                assert self.state.is_deleted
                assert not self.state.live
            case SetElapsed(elapsed_s):
                assert elapsed_s == self.state.elapsed_s >= before.elapsed_s
            case KeepCheckpoint(number, checkpoint):
                assert self.state.live[number].trial.checkpoint == checkpoint
            case _:
                pass

    def check_end(self, before: SweepState, trial: Trial, reason: str) -> None:
        assert trial.number not in self.ended, "a run ends once"
        assert trial.number in before.live
        assert trial.state.is_final
        live = before.live[trial.number]
        assert (bool(live.stop) and not live.is_canceled) == (trial.state is TrialState.STOPPED)
        if trial.state is TrialState.CANCELED:
            assert live.lease is None or live.is_canceled
            assert trial.score is None
        if trial.score is not None:
            assert trial.scores[0] == trial.score
        self.ended[trial.number] = trial
        failed = trial.state in (TrialState.FAILED, TrialState.CRASHED)
        self.failures = [*self.failures, reason] if failed else []

    def tokens(self) -> list[tuple[int, int]]:
        return [(n, live.token) for n, live in self.state.live.items() if live.lease is not None]

    @rule(agent=AGENTS)
    def lease(self, agent: str) -> None:
        self.keys += 1
        was_running = self.state.status is SweepStatus.RUNNING
        answer = self.send(LeaseAsked(agent, f"k{self.keys}", self.now))
        assert isinstance(answer, Granted | NothingNow | SweepOver)
        assert was_running or isinstance(
            answer, NothingNow if self.state.status is SweepStatus.PAUSED else SweepOver
        )
        assert not isinstance(answer, SweepOver) or not self.state.status.is_open

    @rule(agent=AGENTS, back=st.integers(0, 20))
    def lease_with_an_old_key(self, agent: str, back: int) -> None:
        key = f"k{self.keys - back}"
        holders = [
            (n, v.token) for n, v in self.state.live.items() if v.lease is not None and v.lease.key == key
        ]
        before = self.state
        if holders:
            answer = self.send(LeaseAsked(agent, key, self.now))
            assert answer == Granted(*holders[0])
            assert self.state == before

    @rule(data=st.data(), number=st.integers(0, 4), value=VALUES, loss=st.sampled_from([None, 0.0, 0.5]))
    def report(self, data: st.DataObject, number: int, value: float | None, loss: float | None) -> None:
        if self.tokens():
            n, token = data.draw(st.sampled_from(self.tokens()))
            watched = {} if loss is None else {"loss": loss}
            assert isinstance(self.send(Reported(n, token, number, value, self.now, watched)), Accepted)

    @rule(data=st.data(), number=st.integers(0, 4))
    def save_checkpoint(self, data: st.DataObject, number: int) -> None:
        if self.tokens():
            n, token = data.draw(st.sampled_from(self.tokens()))
            assert self.send(CheckpointSaved(n, token, f"at {number}", number)) == Accepted()

    @rule(data=st.data(), code=EXIT_CODES, words=WORDS)
    def leave(self, data: st.DataObject, code: int, words: str) -> None:
        if self.tokens():
            n, token = data.draw(st.sampled_from(self.tokens()))
            assert self.send(ProgramExited(n, token, code, words)) == Accepted()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.tokens():
            n, token = data.draw(st.sampled_from(self.tokens()))
            assert self.send(Released(n, token)) == Accepted()

    @rule(number=NUMBERS, token=TOKENS, kind=st.sampled_from([Reported, ProgramExited, Released]))
    def stale(self, number: int, token: int, kind: type) -> None:
        if (number, token) in self.tokens():
            return
        extra = {Reported: (1, -5.0, self.now), ProgramExited: (0,), Released: ()}[kind]
        before = self.state
        answer = self.send(kind(number, token, *extra))
        assert isinstance(answer, Rejected)
        assert answer.why == ("stale" if number in before.live else "ended")
        assert self.state == before

    @rule(agent=AGENTS, data=st.data(), ghost=st.tuples(NUMBERS, TOKENS))
    def beat(self, agent: str, data: st.DataObject, ghost: tuple[int, int]) -> None:
        mine = data.draw(st.lists(st.sampled_from(self.tokens()), unique=True)) if self.tokens() else []
        lost = {ghost} - set(self.tokens())
        answer = self.send(Beat(agent, (*mine, ghost), self.now))
        assert isinstance(answer, BeatAnswer)
        assert set(answer.lost) == lost
        told = {n: self.state.live[n] for n, _ in {*mine, ghost} - lost if self.state.live[n].stop}
        assert set(answer.stop) == set(told)
        assert set(answer.cancel) == {n for n, live in told.items() if live.is_canceled}

    @rule(agent=AGENTS)
    def lose(self, agent: str) -> None:
        self.send(AgentLost(agent))
        assert all(v.lease is None or v.lease.agent != agent for v in self.state.live.values())

    @rule(seconds=st.sampled_from([0.0, 10.0, 31.0]))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.send(Ticked(self.now))
        assert all(v.lease is None or v.lease.deadline >= self.now for v in self.state.live.values())

    @rule(run_cap=st.sampled_from([None, 0, 1, 4, 8]))
    def reopen(self, run_cap: int | None) -> None:
        answer = self.send(Reopened(run_cap))
        assert isinstance(answer, Accepted | Rejected)

    @rule()
    def pause(self) -> None:
        was_open = self.state.status.is_open
        assert isinstance(self.send(Paused()), Accepted) == was_open
        assert not was_open or self.state.status is SweepStatus.PAUSED

    @rule()
    def stop(self) -> None:
        legal = self.state.status.is_open or self.state.status is SweepStatus.STOPPED
        assert isinstance(self.send(Stopped()), Accepted) == legal
        assert not legal or self.state.status is SweepStatus.STOPPED

    @rule()
    def cancel(self) -> None:
        before = self.state
        if isinstance(self.send(Canceled("enough")), Accepted):
            assert self.state.status is SweepStatus.CANCELED
            assert all(live.is_canceled for live in self.state.live.values())
        else:
            assert not before.live
            assert before.status in (SweepStatus.FINISHED, SweepStatus.STOPPED, SweepStatus.FAILED)

    @rule(number=NUMBERS)
    def cancel_run(self, number: int) -> None:
        live = self.state.live.get(number)
        answer = self.send(RunCanceled(number, "no good"))
        if live is not None:
            assert answer == Accepted()
            now = self.state.live.get(number)
            assert now.is_canceled if now else self.ended[number].state is TrialState.CANCELED
        elif isinstance(answer, Accepted):
            assert self.state.trials[number - 1].state is TrialState.CANCELED

    @rule(number=NUMBERS)
    def stop_run(self, number: int) -> None:
        live = self.state.live.get(number)
        answer = self.send(RunStopped(number, "poor"))
        if live is not None:
            assert answer == Accepted()
            now = self.state.live.get(number)
            assert now.stop if now else self.ended[number].state is TrialState.CANCELED

    @rule()
    def close(self) -> None:
        was_open = self.state.status.is_open
        assert self.send(Closed()) == Accepted()
        if was_open and self.state.status.is_open:
            assert self.state.n_left == self.state.configurations.n_lacking(self.state.rules.repeats)

    @rule(
        origin=st.sampled_from(["rerun", "queued"]),
        offset=st.sampled_from([1, 1, 1, 0, 2]),
        n=st.sampled_from([1, 1, 3]),
    )
    def add(self, origin: str, offset: int, n: int) -> None:
        before = self.state
        first = before.n_created + offset
        runs = [RunAdded(first + i, {"x": 0.25}, origin, None) for i in range(n)]
        answer = self.send(runs[0] if n == 1 else RunsAdded(tuple(runs)))
        if offset == 1 and not before.is_deleted:
            assert answer == Accepted()
            assert [self.state.live[first + i].trial.origin for i in range(n)] == [origin] * n
            assert self.state.status is not SweepStatus.FINISHED
        elif isinstance(answer, Rejected):
            assert self.state == before

    @rule(
        run_cap=st.sampled_from([None, 0, 2, 8]),
        max_failures=st.sampled_from([None, None, 1, 2]),
        time_cap_s=st.sampled_from([None, None, 15.0, 60.0]),
    )
    def edit(self, run_cap: int | None, max_failures: int | None, time_cap_s: float | None) -> None:
        assert isinstance(self.send(LimitsSet(run_cap, max_failures, time_cap_s)), Accepted | Rejected)

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        before = self.state
        answer = self.send(RunDeleted(number))
        is_busy = number in before.live and before.live[number].lease is not None
        assert isinstance(answer, Accepted) == (1 <= number <= before.n_created and not is_busy)

    @rule(sure=st.integers(0, 9))
    def delete_sweep(self, sure: int) -> None:
        if sure == 9:
            before = self.state
            legal = before.is_deleted or not self.tokens()
            assert isinstance(self.send(SweepDeleted()), Accepted) == legal
            assert not legal or not self.state.status.is_open

    @invariant()
    def deleted_runs_are_counted_and_blank(self) -> None:
        assert self.state.deleted == self.deleted
        assert all(n in self.ended for n in self.deleted)
        for number in self.deleted:
            known = self.state.trials[number - 1]
            empty = Trial(number, known.config, TrialState.CANCELED, origin=known.origin)
            assert known == replace(empty, repeat=known.repeat, repeat_of=known.repeat_of)

    @invariant()
    def no_run_begins_in_a_sweep_that_is_over(self) -> None:
        state = self.state
        if state.is_deleted:
            assert not state.live
            assert not state.status.is_open
        assert state.n_ended == len(self.ended)
        assert state.elapsed_s >= 0

    @invariant()
    def numbers_have_no_gaps_and_the_cap_is_exact(self) -> None:
        state = self.state
        numbers = sorted([*state.live, *(t.number for t in state.trials if t.state.is_final)])
        assert numbers == list(range(1, self.created + 1))
        assert [t.number for t in state.trials] == numbers
        assert all(state.trials[n - 1] is live.trial for n, live in state.live.items())
        assert state.rules.run_cap is None or state.n_created <= state.rules.run_cap

    @invariant()
    def configurations_are_what_their_runs_say(self) -> None:
        state, repeats = self.state, self.state.rules.repeats
        if repeats == 1:
            assert state.configurations == Configurations()
            assert state.searched is state.trials
            return
        assert state.configurations == Configurations.of(state.trials, repeats)
        seen = state.searched
        firsts = [t for t in state.trials if t.repeat_of is None and t.origin != "rerun"]
        assert len(state.configurations) == len(firsts)
        assert [t.number for t in seen] == list(range(1, len(firsts) + 1))
        assert state.n_prior == sum(t.origin == "prior" for t in firsts)
        for first in firsts:
            group = [t for t in state.trials if first.number in (t.number, t.repeat_of)]
            assert [t.repeat for t in group] == list(range(len(group)))
            assert len(group) <= repeats
            assert {(t.config["x"], t.origin) for t in group} == {(first.config["x"], first.origin)}

    @invariant()
    def what_has_ended_never_changes(self) -> None:
        kept = {n: trial for n, trial in self.ended.items() if n not in self.deleted}
        assert {
            t.number: t for t in self.state.trials if t.state.is_final and t.number not in self.deleted
        } == kept

    @invariant()
    def states_and_leases_agree(self) -> None:
        for live in self.state.live.values():
            running = live.trial.state is TrialState.RUNNING
            assert running == (live.lease is not None)
            assert live.trial.state in (TrialState.RUNNING, TrialState.PENDING)
            assert running or (live.stop == "" and not live.is_canceled and live.last_step == -1)
            kept = live.trial.checkpoint.step if live.trial.checkpoint and self.state.rules.resume else -1
            assert running or all(report.step <= kept for report in live.trial.reports)
            assert running or all(log[-1].step <= kept for log in live.watched.values())
            assert live.lost < self.state.rules.max_attempts
            assert live.token == self.granted.get(live.trial.number, 0)
            steps = [report.step for report in live.trial.reports]
            assert steps == sorted(set(steps))

    @invariant()
    def it_is_over_when_it_is(self) -> None:
        state, cap = self.state, self.state.rules.run_cap
        if not state.live and self.created and cap is not None and state.n_created >= cap:
            assert not state.status.is_open
        if state.status is SweepStatus.FINISHED:
            assert not state.live

    @invariant()
    def as_many_failures_alike_as_allowed_end_it(self) -> None:
        alike = 0
        for reason in reversed(self.failures):
            if reason != self.failures[-1]:
                break
            alike += 1
        assert self.state.n_same_failures == alike
        limit = self.state.rules.max_failures
        if limit is None and alike >= 3:
            assert not self.state.status.is_open
        if limit is not None and self.state.n_failures >= limit:
            assert not self.state.status.is_open
        if self.state.status is SweepStatus.FAILED:
            assert "failed alike" in self.state.reason or "max_failures" in self.state.reason


def test_the_state_is_a_value() -> None:
    state = sweep()
    assert state == replace(state)
    assert step(state, LeaseAsked("a", "k", 0.0))[0] == step(state, LeaseAsked("a", "k", 0.0))[0]
    assert state == sweep()


TestSweeping = Sweeping.TestCase
TestSweeping.settings = settings(stateful_step_count=60)
