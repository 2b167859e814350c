"""The queue before a coordinator: what is asked at the same time is committed together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

from sharpen.coordinator import background_ask, tracking_ops
from sharpen.coordinator.checkpoint_cleanup import CheckpointCleanup
from sharpen.coordinator.core import Coordinator, Reply, Request
from sharpen.errors import StoreError
from sharpen.sweep.events import Proposed

LOG = logging.getLogger(__name__)
TICK_S = 0.5
AWAY_S = 15.0  # half a lease
LONGEST_GATHERING_S = 0.004
LONGEST_WATCH_S = 60.0
QUIET = frozenset(
    ("report", "beat", "console", "summarize", "artifact", "leads", "ping", "heard", "note", "tag", "sweep")
) | frozenset(tracking_ops.OPERATIONS)
"""Requests that give no waiting agent a run."""


class Committer:
    """Hands requests to a coordinator in groups, and lets it see to its leases between them.

    All of it runs in one event loop; whatever carries messages awaits :meth:`submit`.

    Args:
        coordinator: The one writer.
        name: Of the store, for the log.
    """

    def __init__(self, coordinator: Coordinator, name: str) -> None:
        self._coordinator = coordinator
        self._name = name
        self._clearing = CheckpointCleanup(coordinator.home)
        self._asked: list[tuple[Sequence[Request], asyncio.Future[list[Reply]]]] = []
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._n_expected = 1
        self._changed = asyncio.Event()

    async def watch(self, sweep_id: str, known_mark: Any, wait_s: float) -> Any:
        """Return what tells a sweep's state apart, as soon as it differs from what an agent has seen.

        That lets an agent that waits for a run be told, in place of asking again and again.

        Args:
            sweep_id: The sweep.
            known_mark: What the last answer was; None to be answered at once.
            wait_s: For how long to wait; then the same comes back.

        Raises:
            SharpenError: There is no such sweep, or it cannot be read.
        """
        deadline = time.monotonic() + min(wait_s, LONGEST_WATCH_S)
        while True:
            changed, mark = self._changed, self._coordinator.mark(sweep_id)
            left_s = deadline - time.monotonic()
            if mark != known_mark or left_s <= 0:
                return mark
            await _wait(changed, left_s)

    def _ask_slow_methods(self) -> None:
        """Have search methods that may think for long asked in threads of their own."""
        for sweep_id, question in self._coordinator.questions().items():
            background_ask.start(question, partial(self._hear, sweep_id))

    def _hear(self, sweep_id: str, answer: Proposed) -> None:
        with contextlib.suppress(StoreError):  # the disk may be full for a while: it is asked again
            self._coordinator.take_proposal(sweep_id, answer)
        self._tell_watchers()
        self._ask_slow_methods()

    def _tell_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def submit(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the replies to some requests, which share a commit; by then it is on the disk."""
        answered: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._asked.append((requests, answered))
        self._wake.set()
        if len(self._asked) >= self._n_expected:
            self._enough.set()
        return await answered

    async def commit_groups(self) -> None:
        """Commit in groups: what arrives while one transaction is written goes into the next.

        It goes on for as long as this process may write to the store.

        Those who have just been answered are about to ask again. To wait for them, for less time than the
        disk takes anyway, lets all agents share a commit where they would take turns.
        """
        commit_s = 0.0
        sizes = deque([1], maxlen=4)
        while self._coordinator.may_write():
            await self._wake.wait()
            self._n_expected = max(sizes)
            await self._gather(min(commit_s / 2, LONGEST_GATHERING_S))
            self._wake.clear()
            asked, self._asked = self._asked, []
            began = time.monotonic()
            replies = iter(self._coordinator.answer([one for requests, _ in asked for one in requests]))
            commit_s = time.monotonic() - began
            for requests, answered in asked:
                own = list(islice(replies, len(requests)))
                if not answered.done():
                    answered.set_result(own)
            self._ask_slow_methods()
            if any(request.get("op") not in QUIET for requests, _ in asked for request in requests):
                self._tell_watchers()
            await asyncio.sleep(0)  # what has arrived meanwhile was asked by others: they count, too
            sizes.append(len(asked) + len(self._asked))

    async def _gather(self, seconds: float) -> None:
        """Wait until as many have asked as did lately, or for so long."""
        if len(self._asked) < self._n_expected and seconds > 0:
            self._enough.clear()
            await _wait(self._enough, seconds)

    async def tick(self) -> None:
        """Let the coordinator see to its leases, for as long as this process may write to the store."""
        slept_s = 0.0
        last_problem = ""
        while (
            self._coordinator.may_write()
        ):  # the first time at once: agents that died while nobody hosted are no longer at work
            try:
                if slept_s > AWAY_S:  # Ctrl-Z, a debugger: agents have waited in vain
                    self._coordinator.reset_leases()
                else:
                    self._coordinator.tick()
            except StoreError:
                pass  # the disk may be full for a while; whoever writes hears of it
            except Exception as problem:  # one that nobody foresaw must not end the ticks of all sweeps
                if repr(problem) != last_problem:
                    last_problem = repr(problem)
                    LOG.exception("sharpen cannot look after the runs of %s; it tries again", self._name)
            self._ask_slow_methods()
            self._tell_watchers()
            self._clearing.start_when_due()
            slept_s = await _sleep()
            if slept_s > 2 * TICK_S:  # a long request: first answer who has asked meanwhile, beats among them
                slept_s = max(slept_s, await _sleep())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or for so long.

    Python 3.11's ``asyncio.wait_for`` forgets that its task was canceled when the event happens at that very
    moment. A host that shuts down would then wait for ever, and keep the store's lock.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _sleep() -> float:
    """Sleep until the next tick is due, and return how many seconds that took."""
    began = time.monotonic()
    await asyncio.sleep(TICK_S)
    return time.monotonic() - began
