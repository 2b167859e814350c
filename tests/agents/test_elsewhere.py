"""Agents on other machines: another starts where one has died, and all end when they are told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sharpen.agents.elsewhere.keeping import MAX_FAILURES, Keeper
from sharpen.agents.elsewhere.process import carry_out
from sharpen.agents.elsewhere.request import Request
from sharpen.cli.served import address_towards, served
from sharpen.errors import SharpenError
from sharpen.http.connection import HttpConnection
from sharpen.server.auth import KeyFile


class Placement:
    """Starts nothing; agents end as they were told to beforehand."""

    def __init__(self, codes):
        self.codes = codes
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
                found.append((agent, code, "words"))
        return found

    def end(self, agents):
        self.told += [agent[0] for agent in agents]


class Clock:
    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_an_agent_that_died_is_replaced_and_one_that_ended_is_not():
    placement, said = Placement({0: [None, 0], 1: [9, 9, 0]}), []
    Keeper(placement, 2, said.append, Clock()).work(stop=[])
    assert sorted(placement.started) == [0, 1, 1, 1]
    assert said == [
        "agent 2 ended with code 9 (words); another starts in 1 s",
        "agent 2 ended with code 9 (words); another starts in 2 s",
    ]
    assert placement.told == []


def test_agents_end_when_one_dies_again_and_again():
    placement = Placement({0: [1] * MAX_FAILURES, 1: []})
    with pytest.raises(SharpenError, match=rf"agent 1 ended with code 1 \(words\), {MAX_FAILURES} times"):
        Keeper(placement, 2, lambda _: None, Clock()).work(stop=[])
    assert placement.told == [1]


def test_agents_end_when_they_are_told_to():
    placement, stop = Placement({0: [], 1: []}), []
    keeper = Keeper(placement, 2, lambda _: None, Clock())
    keeper.step()
    keeper.work([*stop, signal.SIGTERM])
    assert sorted(placement.told) == [0, 1]


def test_no_key_is_among_the_words_of_a_command_line():
    request = Request("ray", "auto", "http://desk:8420", "secret", "k3", words=("--slots", "2"), ship="/work")
    assert request.agent_words == [
        *("agent", "k3", "--server", "http://desk:8420", "--quiet", "--workdir", ".", "--slots", "2")
    ]
    assert request.agent_environment == {"SHARPEN_API_KEY": "secret"}


def test_an_agent_says_how_it_ended():
    code, words = carry_out(["agent"], {})
    assert code == 2
    assert "Missing argument" in words


def test_an_agent_hears_of_its_parents_death(wait_until):
    script = "from sharpen.agents.elsewhere import process as p; import sys; "
    script += "p.sys.executable = '/bin/sh'; "  # which takes -m for an option of its own
    script += "p.subprocess.Popen, old = (lambda words, **k: (print((q := old(['sleep', '60'], **k)).pid,"
    script += " flush=True), q)[1]), p.subprocess.Popen; p.carry_out([], {})"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert os.getpgid(pid) == pid
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the agent to be gone")


@pytest.mark.slow
def test_a_store_is_served_for_as_long_as_agents_need_it(tmp_path):
    home = tmp_path / "store"
    with served(home, "127.0.0.1", "auto") as site:
        assert [key.scope for key in KeyFile(home).all()] == ["agent"]
        connection = HttpConnection(site.url)
        connection.read(connection.send("GET", "/healthz"))
        site._process.kill()
        site._process.wait()
        site.look_after()
        connection.close()
        connection.read(connection.send("GET", "/healthz"))
        connection.close()
    assert KeyFile(home).all() == []
    with pytest.raises(OSError, match="refused"):
        connection.send("GET", "/healthz")


def test_this_machine_has_an_address_for_others():
    began = time.monotonic()
    assert address_towards("127.0.0.1:6379") == "127.0.0.1"
    assert address_towards("auto").count(".") == 3
    assert time.monotonic() - began < 5.0
