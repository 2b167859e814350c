"""An agent without a run is told when there may be one: it need not ask again and again, nor wait long."""

import threading
import time

import pytest

from sharpen.agents import LocalAgent
from sharpen.errors import NotFound, UsageError
from sharpen.wire import Client, UnixChannel


def test_a_watch_is_answered_at_once_and_then_when_the_sweep_changes(shop, wait_until):
    sweep_id = shop.sweep("true", values=(1, 2))
    seen = shop.client.call("watch", sweep_id=sweep_id, seen=None, wait_s=0)
    assert shop.client.call("watch", sweep_id=sweep_id, seen=seen, wait_s=0.01) == seen
    other = Client(UnixChannel(shop.home))
    heard = []
    waiting = threading.Thread(
        target=lambda: heard.append(other.call("watch", sweep_id=sweep_id, seen=seen, wait_s=30))
    )
    waiting.start()
    shop.client.call("note", target=sweep_id, text="no news to an agent")
    assert not heard
    shop.client.call("pause", sweep_id=sweep_id)
    waiting.join(10)
    other.close()
    assert heard
    assert heard[0] != seen


def test_a_watch_of_nothing_is_refused(shop):
    with pytest.raises(NotFound, match="nothing"):
        shop.client.call("watch", sweep_id="nothing", seen=None, wait_s=1)
    with pytest.raises(UsageError, match="watch needs"):
        shop.client.call("watch", sweep_id=5, seen=None, wait_s="long")


def test_an_idle_agent_asks_almost_nothing_and_starts_a_new_run_at_once(shop, wait_until):
    sweep_id = shop.sweep("true", values=(1, 2, 3))
    shop.client.call("pause", sweep_id=sweep_id)
    asked, began = [], []
    shop.overhear(lambda op, _args, answer: asked.append(op) or answer)
    agent = LocalAgent(
        shop.client, shop.row(sweep_id), idle_timeout_s=1.5, news=lambda _: began.append(time.monotonic())
    )
    resumed = []

    def resume():
        other = Client(UnixChannel(shop.home))
        resumed.append(time.monotonic())
        other.call("reopen", sweep_id=sweep_id)
        other.close()

    timer = threading.Timer(1.0, resume)
    timer.start()
    agent.work()
    timer.join()
    before = asked[: next(n for n, op in enumerate(asked) if op == "exit")]
    assert before.count("lease") <= 4, "not five a second"
    assert len(shop.runs(sweep_id)) == 3
    assert began[0] - resumed[0] < 1.0


def test_an_agent_that_leaves_does_not_begin_to_wait(shop):
    sweep_id = shop.sweep("true", values=(1, 2))
    asked = []
    shop.overhear(lambda op, _args, answer: asked.append(op) or answer)
    LocalAgent(shop.client, shop.row(sweep_id)).work()
    assert asked.count("exit") == 2
    assert "watch" not in asked
