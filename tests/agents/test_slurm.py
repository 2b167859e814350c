"""Agents as jobs of a cluster that has Slurm's commands: limits, and preempted and cancelled jobs."""

import os
import time
from pathlib import Path

import pytest

from sharpen.agents.remote import slurm
from sharpen.agents.remote.placements import open_placement
from sharpen.agents.remote.process import KILLED, Ending
from sharpen.agents.remote.request import Request

from .slurm_cluster import SlurmCluster

pytestmark = pytest.mark.slow
REQUEST = Request("slurm", "", "http://desk:8420", "secret", "k3")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Give a cluster that takes two jobs; its agents end when there is a file "over"."""
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'sharpen[slurm]'")
    commands = tmp_path / "bin"
    commands.mkdir()
    cluster = SlurmCluster(commands, limit=2)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    over = str(tmp_path / "over")

    def wait_in_job(argv, environment):
        while not Path(over).exists():
            time.sleep(0.05)
        return Ending(0, "no more runs", 1.0)

    monkeypatch.setattr(slurm, "carry_out_in_job", wait_in_job)
    yield cluster
    cluster.close()


@pytest.fixture
def now():
    """Give a time that a test may change."""
    return [0.0]


@pytest.fixture
def jobs(cluster, now):
    placement = open_placement(REQUEST)
    placement._now = lambda: now[0]
    placement._looked_at = 0.0
    return placement


def all_that_end(jobs, agents):
    """Return how all of some agents end, in their order."""
    endings = {}
    until = time.monotonic() + 60.0
    while len(endings) < len(agents):
        assert time.monotonic() < until, endings
        left = [agent for agent in agents if agent not in endings]
        endings |= dict(jobs.ended(left, 0.5))
    return [endings[agent] for agent in agents]


def test_agents_wait_while_slurm_has_some_of_their_jobs_and_takes_no_more(
    jobs, cluster, now, tmp_path, capfd
):
    agents = [jobs.start(n) for n in range(4)]
    assert jobs.ended(agents, 0.0) == []
    assert "Slurm has taken 2 of 4 jobs; others are tried every 30 s (" in (said := capfd.readouterr().err)
    assert "QOSMaxSubmitJobPerUserLimit" in said
    (cluster.folder / "limit").write_text("3")
    now[0] = slurm.TRY_AGAIN_S
    assert jobs.ended(agents, 0.0) == []
    assert len(cluster.jobs()) == 2
    now[0] += 1.0
    assert jobs.ended(agents, 0.0) == []
    assert len(cluster.jobs()) == 3
    (cluster.folder / "limit").write_text("4")
    now[0] += slurm.TRY_AGAIN_S + 1.0
    (tmp_path / "over").touch()
    assert [how.code for how in all_that_end(jobs, agents)] == [0] * 4
    assert capfd.readouterr().err == ""


def test_a_preempted_job_has_ended_and_slurm_does_not_start_it_again(jobs, cluster, now):
    agent = jobs.start(0)
    assert "#SBATCH --no-requeue\n" in (cluster.folder / "jobs" / "1" / "script").read_text()
    assert jobs.ended([agent], 0.0) == []
    cluster.lose("1", "PREEMPTED")
    now[0] = slurm.LOOK_S + 1.0
    assert jobs.ended([agent], 5.0) == [(agent, Ending(KILLED, "job 1: Slurm has preempted it"))]


def test_a_job_that_is_asked_for_within_another_knows_nothing_of_that(cluster, now, monkeypatch):
    monkeypatch.setenv("SLURM_CPU_BIND", "mask_cpu:0x3")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    open_placement(REQUEST).start(0)
    environment = cluster.environment_of("1")
    assert environment["SLURM_CONF"] == "/etc/slurm.conf"
    assert "SLURM_CPU_BIND" not in environment


def test_a_job_that_cannot_be_cancelled_keeps_no_other_from_that(jobs, cluster):
    agents = [jobs.start(n) for n in range(3)]
    cluster.lose("1", "NODE_FAIL")
    jobs.end(agents)
    assert cluster.jobs() == []
    assert cluster.jobs("CANCELLED") == ["2"]
