"""Agents on other machines: by ssh, in the queue of Slurm, and what the command line says of them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.remote.attached import BEGINS, ENDED
from sharpen.agents.remote.placements import open_placement
from sharpen.agents.remote.process import Ending, carry_out
from sharpen.agents.remote.request import Request
from sharpen.agents.remote.slurm import SlurmJobs
from sharpen.agents.remote.ssh import ending
from sharpen.agents.remote.watchdog import keep_agents
from sharpen.cli import main
from sharpen.cli import remote_store as serving
from sharpen.cli.agent import _passed_on
from sharpen.cli.remote_options import Remote
from sharpen.cli.remote_store import address_towards, served
from sharpen.errors import SharpenError, UsageError
from sharpen.http.connection import HttpConnection
from sharpen.server.auth import KeyFile
from sharpen.spec import Resources
from sharpen.store.queries import Reader

HERE = {"python": sys.executable}


def test_no_key_is_among_the_words_of_a_command_line():
    request = Request("ray", "auto", "http://desk:8420", "secret", "k3", options=("--slots", "2"))
    assert request.agent_argv == [*("agent", "k3", "--server", "http://desk:8420", "--quiet", "--slots", "2")]
    assert request.agent_environment == {"SHARPEN_API_KEY": "secret"}


def test_an_agent_says_how_it_ended():
    ending = carry_out(["agent"], {})
    assert ending.code == 2
    assert "Missing argument" in ending.words
    assert ending.lived_s > 0.0


def test_an_agent_hears_of_its_parents_death(wait_until):
    script = "from sharpen.agents.remote import process as p; import sys; "
    script += "p.sys.executable = '/bin/sh'; "  # which takes -m for an option of its own
    script += "p.subprocess.Popen, old = (lambda words, **k: (print((q := old(['sleep', '60'], **k)).pid,"
    script += " flush=True), q)[1]), p.subprocess.Popen; p.carry_out([], {})"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert os.getpgid(pid) == pid
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the agent to be gone")


@pytest.fixture
def fake_ssh(tmp_path, monkeypatch):
    """Put an ``ssh`` on the path that notes the host and runs the command here."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\necho "$2" >> {tmp_path}/hosts\n'
        f'[ "$2" = gone ] && echo "ssh: connect to host gone: Connection refused" >&2 && exit 255\n'
        f'[ "${{2#bad}}" != "$2" ] && echo "$2: Permission denied (publickey)." >&2 && exit 255\n'
        f'exec sh -c "$3"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    return tmp_path / "hosts"


def agents_of(placement, address, settings, url="http://127.0.0.1:9"):
    return open_placement(Request(placement, address, url, "secret", "k3", settings=settings))


def the_end(placement, agent):
    for _ in range(120):
        for _, found in placement.ended([agent], 0.5):
            return found.code, found.words
    pytest.fail("the agent has not ended")


def test_an_agent_that_died_goes_to_the_next_host(fake_ssh):
    placement = agents_of("ssh", "gone,gpu1", {"python": "/bin/false"})
    assert the_end(placement, placement.start(0)) == (
        255,
        "gone: ssh: connect to host gone: Connection refused; start its sshd, or leave it out of --hosts",
    )
    assert the_end(placement, placement.start(0)) == (1, "gpu1: it said nothing")
    placement = agents_of("ssh", "gpu1", {"python": "/no/such/python"})
    code, words = the_end(placement, placement.start(0))
    assert code == REFUSED
    assert words.endswith("not found; name with --python the host's that has sharpen")
    assert fake_ssh.read_text().split() == ["gone", "gpu1", "gpu1"]


@pytest.mark.usefixtures("fake_ssh")
def test_a_host_that_refuses_is_left_out_until_all_do():
    placement = agents_of("ssh", "bad1,bad2,gpu1", {"python": "/bin/false"})
    agents = [placement.start(n) for n in range(2)]
    for agent, host in zip(agents, ("bad1", "bad2"), strict=True):
        assert the_end(placement, agent) == (
            255,
            f"{host}: {host}: Permission denied (publickey).; ssh must get in without a question: "
            f"try 'ssh -o BatchMode=yes {host} true'",
        )
    agents = [placement.start(n) for n in range(2)]
    assert [(agent.host, the_end(placement, agent)[0]) for agent in agents] == [("gpu1", 1)] * 2
    placement = agents_of("ssh", "bad1,bad2", HERE)
    assert [the_end(placement, placement.start(n))[0] for n in range(2)] == [255, REFUSED]
    assert the_end(placement, placement.start(0))[0] == REFUSED


def test_words_at_login_and_logout_do_not_hide_how_an_agent_ended():
    noise = ["Welcome to gpu1!", BEGINS, f'{ENDED}{{"code": 9, "words": "killed", "lived_s": 2.0}}', "Bye!"]
    assert ending("gpu1", 0, noise, ["Connection to gpu1 closed."]) == Ending(9, "gpu1: killed", 2.0)
    found = ending("gpu1", 1, ["Bye!"], ["Authorized use only", "No module named sharpen"])
    assert found.code == REFUSED
    assert found.words.startswith("gpu1: Authorized use only | No module named sharpen; name with --python")


@pytest.mark.parametrize(
    "lost",
    [
        "ssh: Could not resolve hostname gpu1: Temporary failure in name resolution",
        "ssh: connect to host gpu1 port 22: Connection refused",
        "ssh: connect to host gpu1 port 22: No route to host",
        "ssh: connect to host gpu1 port 22: Connection timed out",
    ],
)
def test_a_host_that_was_never_reached_refuses_and_one_that_was_may_come_back(lost):
    assert ending("gpu1", 255, [], [lost]).code == REFUSED
    assert ending("gpu1", 255, [], [lost], was_reached=True).code == 255


def test_a_server_that_drops_connections_since_there_are_many_is_tried_again():
    dropped = "kex_exchange_identification: Connection closed by remote host"
    assert ending("gpu1", 255, [], [dropped]).code == 255


def test_a_machine_without_ssh_is_told_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SharpenError, match="there is no 'ssh' on this machine: install OpenSSH's client"):
        agents_of("ssh", "gpu1", HERE)


class Queue:
    """Takes no jobs."""

    def __init__(self, words):
        self.words = words

    def submit(self, *given):
        raise RuntimeError(self.words)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("sbatch: error: invalid partition specified: gpus\nsbatch: error: Batch job submission failed", 2),
        ("sbatch: error: Unable to contact slurm controller (connect failure)", 137),
    ],
)
def test_a_job_that_slurm_does_not_take_is_tried_again_where_that_may_pass(said, code):
    jobs = SlurmJobs(Queue(said), Request("slurm", "", "http://desk:8420", "secret"))
    job = jobs.start(0)
    found, words = the_end(jobs, job)
    assert found == code
    assert said.split()[-1] in words
    jobs.end([job])


@pytest.mark.slow
def test_an_agent_of_another_host_ends_when_it_is_told_to_and_when_its_connection_is_lost(
    fake_ssh, wait_until
):
    placement = agents_of("ssh", "gpu1", {"python": sys.executable})
    told, lost = placement.start(0), placement.start(1)
    wait_until(lambda: len(agents_below(told)) == len(agents_below(lost)) == 1, "both agents")
    agents = [*agents_below(told), *agents_below(lost)]
    assert all("secret" not in " ".join(agent.cmdline()) for agent in agents)
    lost.process.stdin.close()
    assert the_end(placement, lost)[0] != 0
    placement.end([told])
    assert not any(agent.is_running() for agent in agents)


def agents_below(connection):
    below = psutil.Process(connection.process.pid).children(recursive=True)
    return [process for process in below if "agent" in process.cmdline()]


@pytest.mark.slow
def test_an_agent_is_a_job_of_the_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SharpenError, match=r"no Slurm here: .*'--slurm cluster=local' tries it without"):
        agents_of("slurm", "", {})
    with pytest.raises(SharpenError, match="--slurm: Unknown argument 'queue' for executor 'slurm'"):
        agents_of("slurm", "", {"cluster": "local", "queue": "gpu"})
    placement = agents_of("slurm", "", {"cluster": "local"}, url="no address")
    job = placement.start(0)
    code, words = the_end(placement, job)
    assert code == 2
    assert words.startswith(f"job {job.job.job_id}: sharpen: ")
    assert (tmp_path / ".cache" / "sharpen" / "slurm" / "k3").stat().st_mode & 0o777 == 0o700


SWEEP = """
program: train.py
command: [{python}, "${{program}}", "${{args}}"]
method: grid
metric: {{name: loss}}
parameters: {{x: {{values: [1, 2]}}}}
"""
PROGRAM = """
from sharpen import tracking
with tracking.init({"x": 0}) as run:
    run.log({"loss": run.config.x})
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Be in a folder with a sweep of two runs; give the folder of a store that is not there yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "sweep.yaml").write_text(SWEEP.format(python=sys.executable))
    return tmp_path / "store"


@pytest.mark.slow
@pytest.mark.usefixtures("fake_ssh")
def test_where_no_agent_can_begin_run_says_why_and_resume_goes_on(home):
    words = ("--launcher", "ssh", "--agents", "1", "--serve-host", "127.0.0.1")
    lines = said(home, "run", "sweep.yaml", *words, "--hosts", "bad1", code=2).splitlines()
    sweep_id = lines[0].split()[1]
    assert "bad1: Permission denied (publickey)" in lines[1]
    way_on = f"sharpen --home {home} resume {sweep_id} --launcher ssh --hosts bad1"
    assert lines[-1].startswith(f"sharpen: nobody works on it: resume with: {way_on}")
    said(home, "resume", sweep_id, *words, "--hosts", "gpu1")
    assert [run.state for run in Reader(home).runs(sweep_id)] == ["finished"] * 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), r"no Slurm here: .*'--slurm cluster=local' tries it without"),
        (("--slurm", "cluster=local", "--slurm", "queue=gpu"), "--slurm: Unknown argument 'queue' for exec"),
    ],
)
def test_what_slurm_does_not_know_is_refused_before_there_is_a_sweep(home, words, sentence):
    words = ("run", "sweep.yaml", "--launcher", "slurm", "--agents", "1", *words)
    assert re.search(sentence, said(home, *words, code=2))
    assert not home.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("fake_ssh")
def test_a_sweep_is_run_by_agents_of_other_hosts(home):
    sweep_id = said(home, "sweep", "sweep.yaml")
    words = ("--launcher", "ssh", "--hosts", "gpu1,gpu2", "--agents", "2", "--serve-host", "127.0.0.1")
    said(home, "agent", sweep_id, *words)
    assert [(run.state, run.score) for run in Reader(home).runs(sweep_id)] == [
        ("finished", 1),
        ("finished", 2),
    ]


def test_where_there_is_no_cluster_it_is_said_at_once(monkeypatch):
    monkeypatch.setenv("PATH", "")
    request = Request("slurm", "", "http://127.0.0.1:9", "secret", "k3")
    with pytest.raises(SharpenError, match="no agents were started"):
        keep_agents(request, lambda: True, [], lambda _: None)


@pytest.mark.slow
@pytest.mark.usefixtures("fake_ssh")
def test_agents_that_are_refused_again_and_again_are_given_up():
    request = Request("ssh", "gpu1", "http://127.0.0.1:9", "", "k3", options=("--no-such",), settings=HERE)
    said = []
    with pytest.raises(UsageError, match="no agents were started"):
        keep_agents(request, lambda: True, [], said.append)
    assert said == []


@pytest.mark.parametrize(
    ("placement", "asked", "needs", "shares"),
    [
        ("ray", (None, None), Resources(threads=2, gpu=0.25), (4.0, 0.5)),
        ("ray", (1.0, 0.25), Resources(threads=2, gpu=1.0), (1.0, 0.25)),
        ("ray", (None, None), Resources(gpu=0.29), (2.0, 0.58)),
        ("slurm", (None, None), Resources(gpu=1.0), (2.0, 2.0)),
        ("ssh", (None, None), Resources(gpu=0.25), (2.0, 0.5)),
    ],
)
def test_an_agent_gets_what_its_runs_need(placement, asked, needs, shares):
    assert Remote(placement, "", *asked, False, None, {}).shares(needs, 2) == shares


def test_whole_gpus_are_whole_however_they_are_summed_up():
    assert Remote("ray", "", 1.0, None, False, None, {}).shares(Resources(gpu=0.07), 100) == (1.0, 7.0)


def test_words_of_an_agent_are_passed_on_as_they_are():
    words = _passed_on(1_234_567, 16, 0.5, cold=True)
    assert words == ["--count", "1234567", "--population", "16", "--idle-timeout", "0.5", "--cold"]


@pytest.mark.parametrize(
    ("placement", "gpu", "sentence"),
    [
        ("ray", 0.75, r"1\.5 GPUs .*Ray gives a part of one, or whole ones: say how many with --gpus-per"),
        ("slurm", 0.25, r"0\.5 GPUs .*Slurm gives whole ones"),
    ],
)
def test_a_share_that_nobody_gives_is_refused(placement, gpu, sentence):
    with pytest.raises(UsageError, match=sentence):
        Remote(placement, "", None, None, False, None, {}).shares(Resources(gpu=gpu), 2)


def said(home, *words, code=0):
    done = CliRunner().invoke(main, ["--home", str(home), *words])
    assert done.exit_code == code, done.output + done.stderr
    return done.stdout.strip() or done.stderr.strip()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--hosts", "a"], "--hosts is for --launcher ssh"),
        (["--slurm", "time=5", "--ray", "auto"], "--slurm is for --launcher slurm"),
        (
            ["--launcher", "ssh"],
            "needs hosts to start agents on: give --hosts gpu1,alice@gpu2",
        ),
        (["--launcher", "ssh", "--hosts", "a,-oProxyCommand=x"], "'-oProxyCommand=x' is no host"),
        (
            ["--launcher", "ssh", "--hosts", "me@a:2222"],
            "'me@a:2222' has a port: name the host, and its Port",
        ),
        (["--launcher", "ssh", "--hosts", "::1", "--slots", "0"], "Invalid value for '--slots'"),
        (["--launcher", "ssh", "--hosts", "a", "--gpus-per-agent", "1"], "is for --ray or --launcher slurm"),
        (["--launcher", "slurm", "--gpus-per-agent", "0.5"], "Slurm gives whole"),
        (
            ["--launcher", "slurm", "--slurm", "partition"],
            "is no NAME=VALUE, as in partition=gpu",
        ),
        (
            ["--launcher", "ssh", "--hosts", "a", "--ray", "auto"],
            "two ways to start agents",
        ),
        (
            ["--launcher", "ssh", "--hosts", "a", "--serve-host", "192.0.2.1"],
            "--serve-host: '192.0.2.1' is no address of this machine",
        ),
        (
            ["--launcher", "ssh", "--hosts", "a", "--serve-host", "no..name"],
            "--serve-host: 'no..name' is no address of this machine",
        ),
        (
            ["--launcher", "slurm", "--slurm", "cluster=local", "--serve-host", "::"],
            "--serve-host: :: stands for all addresses",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, words, sentence):
    assert sentence in said(tmp_path, "agent", "last", *words, code=2)


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


KILLED_AT_FIRST = """
import os, pathlib, sys, time
tried = pathlib.Path(sys.argv[1]) / "tried"
tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
if len(tried.read_text()) < {n_starts}:
    os.kill(os.getpid(), 9)
print("serving at http://127.0.0.1:1", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_a_server_that_is_killed_while_it_starts_is_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "SERVE", (sys.executable, "-c", KILLED_AT_FIRST.format(n_starts=3)))
    with served(tmp_path, "127.0.0.1", "auto") as site:
        assert site.url == "http://127.0.0.1:1"
    monkeypatch.setattr(serving, "SERVE", (sys.executable, "-c", KILLED_AT_FIRST.format(n_starts=99)))
    with pytest.raises(SharpenError, match="it was killed again and again"), served(tmp_path, "x", "auto"):
        pass


def test_this_machine_has_an_address_for_others():
    began = time.monotonic()
    assert address_towards("127.0.0.1:6379") == "127.0.0.1"
    assert address_towards("auto").count(".") == 3
    assert time.monotonic() - began < 5.0
