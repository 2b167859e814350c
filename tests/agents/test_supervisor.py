"""Keeping agents elsewhere: another starts where one has died, and all end when they are told to."""

import signal

import pytest

from sharpen.agents.remote.process import Ending
from sharpen.agents.remote.supervisor import MAX_FAILURES, MAX_REFUSALS, Supervisor
from sharpen.errors import SharpenError, UsageError


class Placement:
    """Starts nothing; agents end as they were told to beforehand."""

    def __init__(self, codes, lived_s=None):
        self.codes = codes
        self.lived_s = lived_s
        self.started = []
        self.told = []

    def start(self, n):
        self.started.append(n)
        return [n]

    def ended(self, agents, wait_s):
        found = []
        for agent in agents:
            codes = self.codes[agent[0]]
            code = codes.pop(0) if codes else None
            if code is not None:
                found.append((agent, Ending(code, "words", self.lived_s)))
        return found

    def end(self, agents):
        self.told += [agent[0] for agent in agents]


class Clock:
    def __init__(self, step_s=1.0):
        self.now, self.step_s = 0.0, step_s

    def __call__(self):
        self.now += self.step_s
        return self.now


def test_an_agent_that_died_is_replaced_and_one_that_ended_is_not():
    placement, said = Placement({0: [None, 0], 1: [9, 9, 0]}), []
    Supervisor(placement, 2, said.append, Clock()).work(stop=[])
    assert sorted(placement.started) == [0, 1, 1, 1]
    assert said == [
        "agent 2 ended with code 9 (words); another starts in 1 s",
        "agent 2 ended with code 9 (words); another starts in 2 s",
    ]
    assert placement.told == []


def test_agents_that_end_together_are_not_ended_again():
    placement = Placement({0: [2, 2, 2], 1: [2, 2, 2]})
    with pytest.raises(UsageError, match=rf"code 2 \(words\), {MAX_REFUSALS} times"):
        Supervisor(placement, 2, lambda _: None, Clock()).work(stop=[])
    assert placement.told == []


def test_agents_end_when_one_dies_again_and_again():
    placement = Placement({0: [1] * MAX_FAILURES, 1: []})
    with pytest.raises(SharpenError, match=rf"agent 1 ended with code 1 \(words\), {MAX_FAILURES} times"):
        Supervisor(placement, 2, lambda _: None, Clock()).work(stop=[])
    assert placement.told == [1]


def test_agents_that_refuse_what_they_are_told_are_not_started_for_ever():
    placement = Placement({0: [2, 2, 2]})
    with pytest.raises(SharpenError, match=rf"code 2 \(words\), {MAX_REFUSALS} times"):
        Supervisor(placement, 1, lambda _: None, Clock()).work(stop=[])
    assert placement.started == [0] * MAX_REFUSALS


def test_the_time_that_an_agent_waited_for_room_is_no_sign_that_it_had_begun_well():
    placement = Placement({0: [2, 2, 2]}, lived_s=1.0)
    with pytest.raises(SharpenError, match=rf"code 2 \(words\), {MAX_REFUSALS} times"):
        Supervisor(placement, 1, lambda _: None, Clock(3600.0)).work(stop=[])


def test_an_agent_that_lived_long_may_die_often():
    placement = Placement({0: [*[9] * 2 * MAX_FAILURES, 0]}, lived_s=3600.0)
    Supervisor(placement, 1, lambda _: None, Clock()).work(stop=[])
    assert len(placement.started) == 2 * MAX_FAILURES + 1


def test_agents_end_when_they_are_told_to():
    placement, stop = Placement({0: [], 1: []}), []
    supervisor = Supervisor(placement, 2, lambda _: None, Clock())
    supervisor.step()
    supervisor.work([*stop, signal.SIGTERM])
    assert sorted(placement.told) == [0, 1]
