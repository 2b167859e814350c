"""Keeping a number of agents alive elsewhere, until each has nothing more to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.remote.placements import Placement
from sharpen.agents.remote.process import Ending
from sharpen.errors import SharpenError, UsageError

WAIT_S = 0.5
LONGEST_PAUSE_S = 30.0
MAX_FAILURES = 20  # of one agent, one after the other
MAX_REFUSALS = 3  # the next node may have what this one lacks
STEADY_S = 60.0  # one that lived for so long had begun well


class GaveUp(SharpenError):
    """An agent has ended too often for another to be started."""


class NoneCanBegin(UsageError):
    """An agent was refused again and again, which no other try mends."""


class Supervisor:
    """Starts agents through a placement, and another where one has died.

    Args:
        placement: Starts them.
        n_agents: How many.
        say: Is told what people should know.
        now: Seconds that only grow.
    """

    def __init__(
        self,
        placement: Placement,
        n_agents: int,
        say: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._placement = placement
        self._say = say
        self._now = now
        self._n_failures = [0] * n_agents
        self._began = [0.0] * n_agents
        self._due: dict[int, float] = dict.fromkeys(range(n_agents), 0.0)
        self._at_work: dict[int, Any] = {}

    def work(self, stop: Sequence[object]) -> None:
        """Return when every agent has ended well, or have them end when there is something in ``stop``.

        Raises:
            GaveUp: One died again and again.
            NoneCanBegin: One was refused again and again.
            SharpenError: The placement is lost.
        """
        try:
            while not stop and (self._due or self._at_work):
                self.step()
        finally:
            if self._at_work:
                self._placement.end(list(self._at_work.values()))

    def step(self) -> None:
        """Start what is due, and see to what has ended."""
        now = self._now()
        for n in [n for n, at in self._due.items() if at <= now]:
            del self._due[n]
            self._began[n] = now
            self._at_work[n] = self._placement.start(n)
        ended = self._placement.ended(list(self._at_work.values()), WAIT_S)
        endings = {n: how for n, at_work in self._at_work.items() for one, how in ended if one is at_work}
        for n in endings:  # before one of them ends all of it: those that have ended cannot be ended again
            del self._at_work[n]
        for n, ending in endings.items():
            if ending.code:
                self._again(n, ending)

    def _again(self, n: int, ending: Ending) -> None:
        lived_s = ending.lived_s  # the time in a queue is no sign that it had begun well
        lived_s = self._now() - self._began[n] if lived_s is None else lived_s
        self._n_failures[n] = 1 if lived_s > STEADY_S else self._n_failures[n] + 1
        reason = f" ({ending.words})" if ending.words else ""
        how = f"agent {n + 1} ended with code {ending.code}{reason}"
        if ending.code == REFUSED and self._n_failures[n] >= MAX_REFUSALS:
            raise NoneCanBegin(f"{how}, {self._n_failures[n]} times")
        if self._n_failures[n] >= MAX_FAILURES:
            raise GaveUp(f"{how}, {MAX_FAILURES} times")
        pause_s = min(LONGEST_PAUSE_S, 2.0 ** (self._n_failures[n] - 1))
        self._say(f"{how}; another starts in {pause_s:g} s")
        self._due[n] = self._now() + pause_s
