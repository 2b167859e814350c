"""What the coordinator has in memory: the sweeps' states, and the moves that keep store and memory one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sharpen import spec
from sharpen.coordinator.project_limits import ProjectLimits
from sharpen.coordinator.restore import restore
from sharpen.coordinator.row_writer import create, keep_reports, write
from sharpen.errors import NotFound, Refused
from sharpen.run_ids import split_last_dash, split_run_id
from sharpen.store.port import Writer
from sharpen.store.queries import Reader
from sharpen.sweep import SweepState, leased, step
from sharpen.sweep.effects import CreateRun, Effect, KeepReport, LeaseRun, NothingNow, Rejected
from sharpen.sweep.events import Event
from sharpen.wire import processes

Reply = dict[str, Any]
SHORTEST_S = 1e-6
SILENCE_S = 120.0  # a writer without a lease that is silent for longer is taken for dead


class Clock(Protocol):
    """Two clocks: one for people, one that never jumps."""

    def time(self) -> float:
        """Return Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...


class SteadyClock:
    """A clock whose dates never go back, not even behind those that a store has; a date is given once.

    While the wall clock is behind, dates go on at the pace of the monotonic one.

    Args:
        clock: The clocks to go by.
        newest: The newest date in the store.

    >>> class Back:
    ...     def time(self): return 50.0
    ...     def monotonic(self): return 0.0
    >>> clock = SteadyClock(Back(), newest=100.0)
    >>> 100.0 < clock.time() < clock.time()
    True
    """

    def __init__(self, clock: Clock, newest: float) -> None:
        self._clock = clock
        self._newest = newest
        self._given_at = clock.monotonic()

    def time(self) -> float:
        """Return Unix seconds, more than ever before."""
        wall, now = self._clock.time(), self._clock.monotonic()
        if wall <= self._newest:
            wall = self._newest + max(now - self._given_at, SHORTEST_S)
        self._newest, self._given_at = wall, now
        return wall

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return self._clock.monotonic()


@dataclass(frozen=True, slots=True)
class OpenSweep:
    """A sweep in memory.

    Attributes:
        spec: Its file.
        state: Where it is.
        read_at: When it was read from the store, on the clock that never jumps; before all time where it was
            made here.
    """

    spec: spec.Sweep
    state: SweepState
    read_at: float = -math.inf

    @property
    def unheard(self) -> frozenset[str]:
        """The agents that hold a run, and have not been heard since the sweep was read from the store."""
        given_anew = self.read_at + self.state.rules.lease_s
        leases = [live.lease for live in self.state.live.values() if live.lease is not None]
        heard = {lease.agent for lease in leases if lease.deadline > given_anew}
        return frozenset(lease.agent for lease in leases) - heard


@dataclass(frozen=True, slots=True)
class JoinedAgent:
    """An agent's process, so that its death can be seen."""

    pid: int
    identity: str


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run of no sweep that is being written.

    Attributes:
        token: Only who has this one may write.
        pid: The writer's process; None when nobody said.
        identity: What tells that process from others.
        heard_at: When it was last heard of, on the clock that never jumps.
        stop: Why it was told to end; empty while it was not.
        project: Whose limits it counts for.
        kept_at: Its ``heard_at`` when a heartbeat was last written.
    """

    token: int
    pid: int | None
    identity: str | None
    heard_at: float
    stop: str = ""
    project: str = ""
    kept_at: float = 0.0


@dataclass(frozen=True, slots=True)
class GrantedRun:
    """A run whose token was right: a lease gives one, or the making of a run of no sweep."""

    run_id: str
    sweep_id: str | None = None
    number: int | None = None


@dataclass
class Session:
    """The open sweeps and their agents.

    Attributes:
        reader: The store, to read what is not in memory yet.
        clock: The :mod:`time` module, or a test's.
        open: Sweeps in memory, by id.
        agents: Processes that have joined them, by agent id.
        tracked: Runs of no sweep that are being written, by id.
        projects: What limits there are.
        writer: The transaction that is open; set anew for each.
    """

    reader: Reader
    clock: Clock
    writer: Writer = field(init=False)
    open: dict[str, OpenSweep] = field(default_factory=dict[str, OpenSweep])
    agents: dict[str, JoinedAgent] = field(default_factory=dict[str, JoinedAgent])
    tracked: dict[str, OpenRun] = field(default_factory=dict[str, OpenRun])
    projects: ProjectLimits = field(default_factory=ProjectLimits)

    def sweep(self, sweep_id: str) -> OpenSweep:
        """Return a sweep in memory, read from the store when it is not there yet."""
        if sweep_id not in self.open:
            row = self.reader.sweep(sweep_id, deleted=True)
            if row.id != sweep_id:
                raise NotFound(f"no sweep {sweep_id!r}")
            sweep = spec.parse(row.spec, where=row.source)
            now = self.clock.monotonic()
            self.open[sweep_id] = OpenSweep(sweep, restore(self.reader, row, sweep, now), now)
            for name, _, pid, identity in self.reader.agents(sweep_id):
                self.agents[name] = JoinedAgent(pid, identity)
        return self.open[sweep_id]

    def advance(self, sweep_id: str, *events: Event) -> Effect | None:
        """Move a sweep by events, write what that says, and return the answer to the last.

        While its project has as many runs at work as may be, nobody gets one of them.

        Raises:
            Refused: Its project may make no more runs; nothing has changed.
        """
        sweep = self.sweep(sweep_id)
        state, effects = sweep.state, list[Effect]()
        for event in events:
            state, more = step(state, event)
            effects += more
        if any(isinstance(effect, LeaseRun) for effect in effects) and self.is_full(sweep.spec.project):
            return NothingNow()
        new = [(effect, self.clock.time()) for effect in effects if isinstance(effect, CreateRun)]
        if new:
            self.projects.count(sweep.spec.project, len(new), self.writer)
            create(self.writer, sweep_id, new)
        reports = [(effect, self.clock.time()) for effect in effects if isinstance(effect, KeepReport)]
        if reports:
            keep_reports(self.writer, sweep_id, sweep.spec.metric, reports)
        for effect in effects:
            write(self.writer, sweep_id, sweep.spec, effect, self.clock.time())
        self.open[sweep_id] = OpenSweep(sweep.spec, state, sweep.read_at)
        return effects[-1] if effects else None

    def n_at_work(self, project: str) -> int:
        """Return how many runs of a project are at work, of its sweeps or of programs alone."""
        sweeps = [sweep for sweep in self.open.values() if sweep.spec.project == project]
        n_leases = sum(live.lease is not None for sweep in sweeps for live in sweep.state.live.values())
        return n_leases + sum(live.project == project for live in self.tracked.values())

    def is_full(self, project: str) -> bool:
        """Return whether a project has as many runs at work as its limit allows."""
        most = self.projects.of(project).runs_at_once
        return most is not None and self.n_at_work(project) >= most

    def granted_run(self, run_id: str, token: int) -> GrantedRun:
        """Return what a token lets its holder write: a run that is leased, or one of no sweep.

        Raises:
            Refused: It has ended, or somebody else has it.
        """
        live = self.tracked.get(run_id)
        if live is None:
            if not self._is_of_open_sweep(run_id) and self._belongs_to_no_sweep(run_id):
                raise Refused(f"run {run_id} has ended", why="ended")
            return GrantedRun(run_id, *self.leased(run_id, token))
        if live.token != token:
            raise Refused(f"run {run_id}: somebody else has taken it up", why="stale")
        self.tracked[run_id] = replace(live, heard_at=self.clock.monotonic())
        return GrantedRun(run_id)

    def _is_of_open_sweep(self, run_id: str) -> bool:
        """Return whether memory knows that a run is one of a sweep: there is then no need to read it."""
        sweep_id, number = split_last_dash(run_id)
        sweep = self.open.get(sweep_id)
        # "3" of "x-03" is at work in sweep x, but the run "x-03" is another one
        return sweep is not None and any(number == str(n) for n in sweep.state.live)

    def _belongs_to_no_sweep(self, run_id: str) -> bool:
        existing = self.writer.run(run_id)
        return existing is not None and existing["sweep_id"] is None

    def silent(self) -> dict[str, str]:
        """Return why, for each run of no sweep whose writer is no more or has been silent for too long."""
        now = self.clock.monotonic()
        reasons: dict[str, str] = {}
        for run_id, live in self.tracked.items():
            if live.pid is not None and live.identity and processes.is_dead(live.pid, live.identity):
                reasons[run_id] = f"its process {live.pid} died"
            elif now - live.heard_at > SILENCE_S:
                reasons[run_id] = f"nothing was heard of it for {SILENCE_S:g} s"
        return reasons

    def leased(self, run_id: str, token: int) -> tuple[str, int]:
        """Return the sweep and number of a run that is held under a token.

        Raises:
            Refused: It has ended, or somebody else has it.
        """
        sweep_id, n = split_run_id(run_id)
        live = leased(self.sweep(sweep_id).state, n, token)
        if isinstance(live, Rejected):
            raise Refused(f"{run_id}: {live.message}", why=live.why)
        return sweep_id, n

    def is_dead(self, agent_id: str) -> bool:
        """Return whether an agent of this machine is no more; False for one of another machine."""
        agent = self.agents.get(agent_id)
        return agent is not None and processes.is_dead(agent.pid, agent.identity)
