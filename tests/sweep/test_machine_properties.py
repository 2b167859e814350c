"""Random interleavings of everything that can happen to a sweep, and what must hold all the same."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sharpen.sweep import SweepState, SweepStatus, step
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
from sharpen.trial import Trial, TrialState

from .states import StopBelow, sweep

ANSWERS = (Granted, Wait, Over, Accepted, Rejected, BeatAnswer)
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
    )
    def begin(self, run_cap: int | None, n_points: int | None, attempts: int) -> None:
        self.state = sweep(
            run_cap, n_points=n_points, stopper=StopBelow(), max_attempts=attempts, max_same_failures=3
        )
        self.now = 0.0
        self.ended: dict[int, Trial] = {}
        self.granted: dict[int, int] = {}
        self.keys = 0
        self.commands: list[Command] = []
        self.created = 0
        self.failures: list[str] = []

    def send(self, event: Event) -> Command | None:
        before = self.state
        self.state, commands = step(before, event)
        again, _ = step(self.state, event)
        assert again == self.state, "a repeated event changed something"
        answers = [command for command in commands if isinstance(command, ANSWERS)]
        asks = not isinstance(event, AgentLost | Ticked)
        assert answers == commands[-1:] if asks else not answers, "one answer, the last, to those who ask"
        self.check_writes(before, commands)
        if any(isinstance(command, SetStatus) and command.status == "running" for command in commands):
            self.failures = []
        return commands[-1] if commands else None

    def check_writes(self, before: SweepState, commands: list[Command]) -> None:
        """Replay what was to be written on the old state: it must say what the new one says."""
        for command in commands:
            match command:
                case CreateRun(trial):
                    self.created += 1
                    assert trial.number == self.created
                case LeaseRun(number, _, key, token):
                    assert token == self.granted.get(number, 0) + 1, "tokens grow by one"
                    self.granted[number] = token
                    lease = self.state.live[number].lease
                    assert lease is not None
                    assert lease.key == key
                case EndRun(trial, _, reason):
                    self.check_end(before, trial, reason)
                case RequeueRun(number, lost, _):
                    assert self.state.live[number].lost == lost
                    assert self.state.live[number].lease is None
                case StopRun(number, reason):
                    assert self.state.live[number].stop == reason
                case _:
                    pass
        words = [command for command in commands if isinstance(command, SetStatus)]
        now = self.state
        if words:
            assert words[-1] == SetStatus(now.status, now.reason, now.rules.run_cap, now.n_forgiven)
        else:
            assert (before.status, before.reason, before.rules) == (now.status, now.reason, now.rules)

    def check_end(self, before: SweepState, trial: Trial, reason: str) -> None:
        assert trial.number not in self.ended, "a run ends once"
        assert trial.number in before.live
        assert trial.state.is_final
        assert bool(before.live[trial.number].stop) == (trial.state is TrialState.STOPPED)
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
        assert isinstance(answer, Granted | Wait | Over)
        assert was_running or isinstance(answer, Over)
        assert not isinstance(answer, Over) or self.state.status is not SweepStatus.RUNNING

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

    @rule(data=st.data(), number=st.integers(0, 4), value=VALUES)
    def report(self, data: st.DataObject, number: int, value: float | None) -> None:
        if self.tokens():
            n, token = data.draw(st.sampled_from(self.tokens()))
            assert isinstance(self.send(Reported(n, token, number, value, self.now)), Accepted)

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
        assert set(answer.stop) == {n for n, t in {*mine, ghost} - lost if self.state.live[n].stop}

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

    @invariant()
    def numbers_have_no_gaps_and_the_cap_is_exact(self) -> None:
        state = self.state
        numbers = sorted([*state.live, *(t.number for t in state.ended)])
        assert numbers == list(range(1, self.created + 1))
        assert [t.number for t in state.history] == numbers
        assert state.rules.run_cap is None or state.n_created <= state.rules.run_cap

    @invariant()
    def what_has_ended_never_changes(self) -> None:
        assert {t.number: t for t in self.state.ended} == self.ended

    @invariant()
    def states_and_leases_agree(self) -> None:
        for live in self.state.live.values():
            running = live.trial.state is TrialState.RUNNING
            assert running == (live.lease is not None)
            assert live.trial.state in (TrialState.RUNNING, TrialState.PENDING)
            assert running or (live.trial.reports == () and live.stop == "" and live.last_step == -1)
            assert live.lost < self.state.rules.max_attempts
            assert live.token == self.granted.get(live.trial.number, 0)
            steps = [report.step for report in live.trial.reports]
            assert steps == sorted(set(steps))

    @invariant()
    def it_is_over_when_it_is(self) -> None:
        state, cap = self.state, self.state.rules.run_cap
        if not state.live and self.created and cap is not None and state.n_created >= cap:
            assert state.status is not SweepStatus.RUNNING
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
        if alike >= 3:
            assert self.state.status is not SweepStatus.RUNNING
        elif self.state.status is SweepStatus.FAILED:
            assert "failed alike" in self.state.reason


def test_the_state_is_a_value() -> None:
    state = sweep()
    assert state == replace(state)
    assert step(state, LeaseAsked("a", "k", 0.0))[0] == step(state, LeaseAsked("a", "k", 0.0))[0]
    assert state == sweep()


TestSweeping = Sweeping.TestCase
TestSweeping.settings = settings(stateful_step_count=60)
