"""An agent in a process of its own: what it says is heard, and one that cannot work is not started again."""

import sys

import pytest

from sharpen.agents import agent_process
from sharpen.agents.agent_process import AgentProcess
from sharpen.errors import UsageError


@pytest.fixture
def agent_that(tmp_path, monkeypatch):
    """Return what starts a script in place of an agent."""

    def start(script):
        program = tmp_path / "agent.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(agent_process.sys, "executable", str(program))
        agent = AgentProcess(tmp_path, "k3", 1)
        monkeypatch.setattr(agent_process.sys, "executable", sys.executable)
        return agent

    return start


def test_an_agent_that_cannot_do_what_it_was_told_to_is_not_started_again(agent_that):
    agent = agent_that("echo 'sharpen: $.resources.gpu: a run needs 2'; exit 2")
    agent._process.wait()
    with pytest.raises(UsageError, match=r"^the agent cannot work on it: \$\.resources\.gpu: a run needs 2$"):
        agent.supervise(lambda: True)


def test_what_an_agent_says_is_heard_once_and_line_by_line(agent_that, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "k3-agent.log").write_text("of another time\n")
    agent = agent_that("echo no room; echo still none; printf half")
    agent._process.wait()
    assert agent.news() == ["no room", "still none"]
    assert agent.news() == []
