"""What the coordinator has in memory: the sweeps' states, and the moves that keep store and memory one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sharpen import spec
from sharpen.coordinator import processes
from sharpen.coordinator.restoring import restore
from sharpen.coordinator.writing import create, split_run_id, write
from sharpen.errors import NotFound, Refused
from sharpen.store.port import Writer
from sharpen.store.queries import Reader
from sharpen.sweep import SweepState, held, step
from sharpen.sweep.effects import CreateRun, Effect, Rejected
from sharpen.sweep.events import Event

Reply = dict[str, Any]
SHORTEST_S = 1e-6


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
    """A sweep in memory: its file, and where it is."""

    spec: spec.Sweep
    state: SweepState


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """Where an agent runs, so that its death can be seen."""

    host: str
    pid: int
    born: str


@dataclass
class Session:
    """The open sweeps and their agents.

    Attributes:
        reader: The store, to read what is not in memory yet.
        clock: The :mod:`time` module, or a test's.
        open: Sweeps in memory, by id.
        agents: Processes that have joined them, by agent id.
        writer: The transaction that is open; set anew for each.
    """

    reader: Reader
    clock: Clock
    writer: Writer = field(init=False)
    open: dict[str, OpenSweep] = field(default_factory=dict[str, OpenSweep])
    agents: dict[str, AgentProcess] = field(default_factory=dict[str, AgentProcess])

    def sweep(self, sweep_id: str) -> OpenSweep:
        """Return a sweep in memory, read from the store when it is not there yet."""
        if sweep_id not in self.open:
            row = self.reader.sweep(sweep_id, deleted=True)
            if row.id != sweep_id:
                raise NotFound(f"no sweep {sweep_id!r}")
            sweep = spec.parse(row.spec, where=row.source)
            state = restore(self.reader, row, sweep, self.clock.monotonic())
            self.open[sweep_id] = OpenSweep(sweep, state)
            for name, host, pid, born in self.reader.agents(sweep_id):
                self.agents[name] = AgentProcess(host, pid, born)
        return self.open[sweep_id]

    def advance(self, sweep_id: str, event: Event) -> Effect | None:
        """Move a sweep by an event, write what that says, and return the answer."""
        sweep = self.sweep(sweep_id)
        state, effects = step(sweep.state, event)
        new = [(effect, self.clock.time()) for effect in effects if isinstance(effect, CreateRun)]
        if new:
            create(self.writer, sweep_id, new)
        for effect in effects:
            write(self.writer, sweep_id, sweep.spec, effect, self.clock.time())
        self.open[sweep_id] = replace(sweep, state=state)
        return effects[-1] if effects else None

    def leased(self, run_id: str, token: int) -> tuple[str, int]:
        """Return the sweep and number of a run that is held under a token.

        Raises:
            Refused: It has ended, or somebody else has it.
        """
        sweep_id, n = split_run_id(run_id)
        live = held(self.sweep(sweep_id).state, n, token)
        if isinstance(live, Rejected):
            raise Refused(f"{run_id}: {live.message}", why=live.why)
        return sweep_id, n

    def is_dead(self, agent_id: str) -> bool:
        """Return whether an agent of this machine is no more; False for one of another machine."""
        agent = self.agents.get(agent_id)
        return agent is not None and processes.is_dead(agent.pid, agent.born)
