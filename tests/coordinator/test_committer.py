"""A host that shuts down ends whatever it waits for, also when that happens at the very moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sharpen.coordinator import committer as module
from sharpen.coordinator.committer import Committer

PASSES = range(8)  # of the event loop, between what is awaited and the end


class Clock:
    """Goes only when it is told to."""

    now = 0.0

    def monotonic(self):
        return self.now


class CoordinatorStub:
    """Answers slowly enough, by a clock, for a committer to gather; its state never changes."""

    home = Path()

    def __init__(self, clock):
        self.clock = clock

    def answer(self, requests):
        self.clock.now += 120.0
        return [{"ok": None} for _ in requests]

    def may_write(self):
        return True

    def mark(self, sweep_id):
        return 1

    def questions(self):
        return {}


async def let_pass(n_passes):
    for _ in range(n_passes):
        await asyncio.sleep(0)


async def assert_ends(task):
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


@pytest.mark.parametrize("n_passes", PASSES)
def test_a_committer_that_gathers_ends_when_enough_have_asked_at_that_moment(monkeypatch, n_passes):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "LONGEST_GATHERING_S", 60.0)
    request = [{"op": "ping"}]

    async def scenario():
        committer = Committer(CoordinatorStub(clock), "stub")
        task = asyncio.create_task(committer.commit_groups())
        await asyncio.gather(committer.submit(request), committer.submit(request))
        asked = [asyncio.create_task(committer.submit(request))]
        await let_pass(2)
        asked.append(asyncio.create_task(committer.submit(request)))
        await let_pass(n_passes)
        await assert_ends(task)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(scenario())


@pytest.mark.parametrize("n_passes", PASSES)
def test_one_who_watches_is_dropped_when_something_changes_at_that_moment(n_passes):
    async def scenario():
        committer = Committer(CoordinatorStub(Clock()), "stub")
        task = asyncio.create_task(committer.watch("sweep", 1, 60.0))
        await let_pass(2)
        committer._tell_watchers()
        await let_pass(n_passes)
        await assert_ends(task)

    asyncio.run(scenario())
