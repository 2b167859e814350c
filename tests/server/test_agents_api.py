"""Agents and command lines that reach the store over HTTP only: whole, cut off, killed, refused."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from faults.bench import until
from proxy import Proxy
from sharpen.errors import UsageError
from sharpen.http import folder_of
from sharpen.server.auth import KeyFile
from sharpen.store.http_blobs import HttpBlobs
from sharpen.store.queries import Reader
from sharpen.wire import Client, open_channel
from sharpen.wire.http_channel import HttpChannel

PROGRAM = """\
import os, time
from pathlib import Path
from sharpen import tracking

with tracking.init() as run:
    for step in range(1, 9):
        run.log({"loss": run.config.x + 1 / step}, step=step)
        with open(os.environ["ACKS"], "a") as file:
            file.write(f"{os.environ['SHARPEN_RUN'].count('x')} {run.config.x} {step}\\n")
        time.sleep(float(os.environ.get("PACE", "0")))
    (run.dir / "model.txt").write_text(f"x = {run.config.x}")
    run.log_artifact(run.dir / "model.txt", type="model")
    print("trained", run.config.x)
"""
SWEEP = """\
program: train.py
method: grid
run_cap: 4
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1.0, 2.0, 3.0, 4.0]}
"""


@dataclass
class Site:
    """A served store, and another machine: a folder and an environment that know only the server's URL."""

    folder: Path
    port: int = 0
    key: str = ""
    processes: list = field(default_factory=list)

    @property
    def home(self):
        return self.folder / "store"

    @property
    def work(self):
        return self.folder / "work"

    @property
    def acks(self):
        return self.folder / "acks.txt"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def reader(self):
        return Reader(self.home)

    def close(self):
        """End what was started, and what that has started."""
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait(10)
            process.stderr.close()

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SHARPEN", "WANDB"))}
        own = {"SHARPEN_CACHE": str(self.folder / "cache"), "SHARPEN_API_KEY": self.key, "NO_COLOR": "1"}
        return kept | own | {"ACKS": str(self.acks), "HOME": str(self.folder)} | more

    def start(self, *words, program=("-m", "sharpen"), **more):
        process = subprocess.Popen(
            [sys.executable, *program, *words],
            cwd=self.work,
            env=self.environment(**more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def serve(self, *words, home=None, program=("-m", "sharpen")):
        place = ["--home", str(home or self.home), "serve", "--port", str(self.port)]
        process = self.start(*place, *words, program=program)
        said = process.stderr.readline()
        assert " at http" in said, said
        self.port = int(said.strip().rpartition(":")[2])
        return process

    def call(self, *words, **more):
        return subprocess.run(
            [sys.executable, "-m", "sharpen", *words],
            check=False,
            cwd=self.work,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def assert_all_is_there(self, n_runs=4, url=None):
        (row,) = self.reader.sweeps()
        runs = self.reader.runs(row.id)
        assert [run.state for run in runs] == ["finished"] * n_runs
        kept = {
            (run.config["x"], report.step) for run in runs for report in self.reader.reports(run_id=run.id)
        }
        acknowledged = {
            (float(x), int(step)) for _, x, step in map(str.split, self.acks.read_text().splitlines())
        }
        assert acknowledged <= kept
        assert {(run.config["x"], 8) for run in runs} <= kept
        for run in runs:
            (artifact,) = self.reader.artifacts(run_id=run.id)
            assert artifact.path.read_text() == f"x = {run.config['x']}"
            assert self.reader.console(run.id).endswith(f"trained {run.config['x']}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    here = Site(tmp_path)
    here.work.mkdir()
    (here.work / "train.py").write_text(PROGRAM)
    (here.work / "s.yaml").write_text(SWEEP)
    here.key = KeyFile(here.home).add("test")
    monkeypatch.setenv("SHARPEN_API_KEY", here.key)
    monkeypatch.setenv("SHARPEN_CACHE", str(tmp_path / "cache"))
    here.server = here.serve()
    yield here
    here.close()


@pytest.fixture
def proxy(site):
    one = Proxy(site.port)
    yield one
    one.close()


def n_acks(site):
    return len(site.acks.read_text().splitlines()) if site.acks.exists() else 0


def test_an_agent_needs_no_more_than_the_url_and_a_key(site):
    made = site.call("sweep", "s.yaml", "--server", site.url)
    assert made.returncode == 0, made.stderr
    done = site.call("agent", "last", "--slots", "2", "--server", site.url)
    assert done.returncode == 0, done.stderr
    assert "agent done" in done.stderr
    site.assert_all_is_there()


@pytest.mark.slow
def test_an_agent_that_is_cut_off_goes_on_when_the_network_is_back(site, proxy):
    site.call("sweep", "s.yaml", "--server", site.url)
    agent = site.start("agent", "last", "--server", proxy.url, PACE="0.1")
    until(lambda: n_acks(site) >= 4, "four reports")
    proxy.cut()
    before = n_acks(site)
    with contextlib.suppress(subprocess.TimeoutExpired):
        agent.wait(3)
    assert agent.poll() is None
    assert n_acks(site) <= before + 1  # one may have been answered as the line went
    proxy.mend()
    assert agent.wait(60) == 0
    site.assert_all_is_there()


@pytest.mark.slow
def test_the_run_of_a_killed_agent_is_done_by_another(site):
    site.call("sweep", "s.yaml", "--server", site.url)
    first = site.start("agent", "last", "--server", site.url, PACE="0.2")
    until(lambda: n_acks(site) >= 3, "three reports")
    for child in psutil.Process(first.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one ends when another has
            child.send_signal(signal.SIGKILL)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    done = site.call("agent", "last", "--server", site.url)
    assert done.returncode == 0, done.stderr
    site.assert_all_is_there()


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again_loses_nothing(site):
    site.call("sweep", "s.yaml", "--server", site.url)
    agent = site.start("agent", "last", "--server", site.url, PACE="0.1")
    until(lambda: n_acks(site) >= 4, "four reports")
    site.server.send_signal(signal.SIGKILL)
    site.server.wait(10)
    site.server = site.serve()
    assert agent.wait(60) == 0
    site.assert_all_is_there()


def test_verbs_that_read_and_control_ask_the_server(site):
    made = site.call("sweep", "s.yaml", "--server", site.url)
    sweep_id = made.stdout.strip()
    assert site.call("queue", sweep_id, "--add", '{"x": 2.0}', SHARPEN_SERVER=site.url).returncode == 0
    site.call("agent", sweep_id, "--server", site.url)
    here, there = ["--home", str(site.home)], ["--server", site.url]
    for words in (["ls"], ["runs", "last"], ["logs", "last-1"], ["queue", "last"]):
        as_json = [*words, *(["--json"] if words[0] != "logs" else [])]
        local, remote = site.call(*here, *as_json), site.call(*there, *as_json)
        assert remote.returncode == 0, remote.stderr
        assert remote.stdout == local.stdout
    assert site.call("pause", "last", "--server", site.url).returncode == 1  # it has finished
    best = site.call("best", "last", "--json", "--server", site.url)
    assert json.loads(best.stdout)["config"]["x"] == 1.0


@pytest.mark.parametrize("verb", [["key", "ls"], ["serve"], ["paper", "status", "x"]])
def test_a_verb_that_knows_no_server_says_so(site, verb):
    said = site.call("--server", site.url, *verb)
    assert said.returncode == 2
    assert "this machine" in said.stderr
    assert "leave --server out" in said.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "there is no key here"), ("0" * 40, "(the key in SHARPEN_API_KEY was shown)")],
)
def test_nobody_comes_in_without_a_key(site, key, words):
    said = site.call("ls", "--server", site.url, SHARPEN_API_KEY=key)
    assert said.returncode == 2
    assert words in said.stderr


def test_a_key_may_do_what_its_scope_says(site, monkeypatch):
    monkeypatch.setenv("SHARPEN_API_KEY", KeyFile(site.home).add("reader", "read"))
    client = Client(HttpChannel(site.url))
    assert client.call("ping")["schema"]
    with pytest.raises(UsageError, match="has the scope 'read', and this needs 'agent'"):
        client.call("lease", sweep_id="x", agent_id="y", key="z")
    with pytest.raises(UsageError, match="this needs 'admin'"):
        client.call("delete", target="x")
    client.close()


def test_the_key_may_lie_in_a_file_of_machines(site):
    (site.folder / ".netrc").write_text(f"machine 127.0.0.1\n  login user\n  password {site.key}\n")
    (site.folder / ".netrc").chmod(0o600)
    assert site.call("ls", "--server", site.url, SHARPEN_API_KEY="").returncode == 0


def test_files_are_checked_by_digest_at_both_ends(site, tmp_path):
    blobs = HttpBlobs(site.url, tmp_path / "copies")
    (tmp_path / "a.bin").write_bytes(b"weights" * 300_000)
    digest, n_bytes = blobs.put(tmp_path / "a.bin")
    assert (digest, n_bytes) == (hashlib.sha256(b"weights" * 300_000).hexdigest(), 2_100_000)
    path = blobs.fetch(digest)
    assert path.read_bytes() == (tmp_path / "a.bin").read_bytes()
    path.write_bytes(b"changed here")
    assert blobs.fetch(digest).read_bytes() == (tmp_path / "a.bin").read_bytes()


def test_another_version_of_the_protocol_is_refused_with_the_sentence(site):
    channel = HttpChannel(site.url)
    (reply,) = json.loads(channel.exchange(b'{"protocol": 99, "requests": []}', 10.0))["replies"]
    assert "version 99" in reply["error"]["message"]
    with pytest.raises(UsageError, match="one line of JSON"):
        channel.exchange(b'{"protocol": 2,\n"requests": []}', 10.0)
    channel.close()


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM runs", "PRAGMA user_version = 7", "ATTACH '/tmp/x.db' AS x", "SELECT load_extension('x')"],
)
def test_a_query_can_only_read(site, query):
    reader = Reader(folder_of(site.url))
    with reader._engine.connect() as connection, pytest.raises(UsageError, match="cannot be answered"):
        connection.exec_driver_sql(f" {query}")


def test_what_is_no_server_of_sharpen_is_named(site):
    with pytest.raises(UsageError, match="is no server of sharpen that agents can use"):
        Client(open_channel(f"{site.url}/elsewhere")).call("ping")
