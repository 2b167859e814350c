"""A folder with a store, a sweep file and a program, and the processes that the real command starts there."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import psutil
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.store import schema
from sharpen.store.location import database_url, link
from sharpen.store.queries import Reader

PROGRAMS = Path(__file__).parent / "programs"
TOY = PROGRAMS / "toy.py"
SCORED = ("finished", "stopped")

SPACE = """
parameters:
  x: {distribution: uniform, min: 0.0, max: 1.0}
  depth: {values: [1, 2, 3]}
"""
SCORE = "metric: {name: score, goal: maximize}\n"
HYPERBAND = "early_terminate: {type: hyperband, min_iter: 3, eta: 3}\n"


def until(condition, what, seconds=600.0):
    """Return the condition's first true value; a watchdog, which measures nothing, says what did not come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.01)
    return found


def ask(bench, *words):
    """Run a verb in this process, as most do not need one of their own, and return what came of it."""
    return CliRunner().invoke(main, ["--home", str(bench.home), *words])


class Bench:
    """Runs ``python -m sharpen`` in a folder of its own; whatever that starts carries this bench's mark."""

    def __init__(self, folder, program=TOY, database=None, **environment):
        self.home = folder / "store"
        self.work = folder / "work"
        self.words = folder / "words.txt"
        self.acks = folder / "acks.jsonl"
        self.mark = uuid.uuid4().hex
        self._started = []
        self.work.mkdir(parents=True)
        if database is not None:
            link(self.home, database)
        shutil.copy(program, self.work)
        self.program = program.name
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SHARPEN_")}
        marks = {"SHARPEN_TEST_MARK": self.mark, "TOY_ACKS": str(self.acks)}
        self.environment = kept | marks | {"NO_COLOR": "1"} | environment

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes():  # by their own ids: only what carries the mark
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self._started:
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def write_sweep(self, run_cap, method="random", more="", space=SPACE, metric=SCORE):
        """Write a sweep file for the program and return its name."""
        head = f"program: {self.program}\nmethod: {method}\nrun_cap: {run_cap}\n"
        (self.work / "sweep.yaml").write_text(head + metric + more + space)
        return "sweep.yaml"

    def create(self, run_cap, method="random", **file):
        """Create a sweep from this process, as ``sharpen sweep`` does, and return its id."""
        text = (self.work / self.write_sweep(run_cap, method, **file)).read_text()
        place = {"source": "sweep.yaml", "workdir": str(self.work)}
        with connect(self.home) as client:
            return client.call("create_sweep", key=uuid.uuid4().hex, text=text, place=place)["sweep_id"]

    def start(self, *words):
        """Start the command in a session of its own; what it says goes to ``words``."""
        with self.words.open("ab") as file:
            return self._start("-m", "sharpen", "--home", str(self.home), *words, stdout=file, stderr=file)

    def start_program(self, name, *words):
        """Start a program of the tests with the store as its first word; its input and output are pipes."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.words.open("ab") as file:
            return self._start(str(PROGRAMS / name), str(self.home), *words, stderr=file, **pipes)

    def _start(self, *words, stdin=subprocess.DEVNULL, **pipes):
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.work,
            env=self.environment,
            stdin=stdin,
            start_new_session=True,
            **pipes,
        )
        self._started.append(process)
        return process

    def call(self, *words, timeout=120):
        """Run the command to its end and return what came of it."""
        return subprocess.run(
            [sys.executable, "-m", "sharpen", "--home", str(self.home), *words],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            start_new_session=True,
        )

    def said(self):
        return self.words.read_text(errors="replace") if self.words.exists() else ""

    # -- what is in the store

    def reader(self):
        return Reader(self.home)

    def sweep_id(self, seconds=600.0):
        """Return the id of the one sweep, once it is there."""

        def look():
            with contextlib.suppress(Exception):
                return [row.id for row in self.reader().sweeps()]

        return until(look, "the sweep to be made", seconds)[0]

    def runs(self):
        return self.reader().runs(self.reader().sweep("last").id)

    def states(self):
        return Counter(run.state for run in self.runs())

    def host_pid(self):
        """Return the number of the process that holds the store, or held it last; 0 while it is written."""
        return int((self.home / "lock").read_text() or 0)

    def is_intact(self):
        """Return whether the database says that it is whole; of Postgres, that every table can be read."""
        if database_url(self.home) is None:
            return self.sql("PRAGMA integrity_check") == [("ok",)]
        return all(self.sql(f"select count(*) from {table}") for table in schema.metadata.tables)

    def sql(self, query, *values):
        if (url := database_url(self.home)) is not None:
            import psycopg

            with psycopg.connect(url) as connection:
                return connection.execute(query, values).fetchall()
        with contextlib.closing(sqlite3.connect(self.home / "store.db")) as connection:
            return connection.execute(query, values).fetchall()

    def steps_of(self, agent_pid):
        """Return the steps that an agent's runs have reached."""
        reader = self.reader()
        mine = [run.id for run in self.runs() if run.state == "running" and f"-{agent_pid}-" in run.agent_id]
        return {report.step for run in mine for report in reader.reports(run_id=run)[-1:]}

    def acknowledged(self):
        """Return (run id, token, step, time) of every step that a program knows to be stored."""
        lines = self.acks.read_text().splitlines() if self.acks.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    # -- processes

    def processes(self):
        """Return every live process that carries the mark."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def agents_of(self, driver):
        """Return the driver's agents."""
        return [p for p in _children(driver.pid) if "agent" in _words(p)]

    def programs_of(self, pid):
        """Return the programs that an agent, or any agent of a driver, has at work."""
        near = _children(pid)
        below = [child for p in near if "agent" in _words(p) for child in _children(p.pid)]
        return [p for p in (*near, *below) if self.program in _words(p)]

    def assert_nothing_left(self, seconds=120.0):
        """Wait until no process of ours is alive, and none is a zombie of this process."""
        until(lambda: not self.processes(), "every process to be gone", seconds)
        zombies = [p for p in psutil.Process().children() if p.status() == psutil.STATUS_ZOMBIE]
        assert not zombies

    def _is_ours(self, process):
        try:
            return process.environ().get("SHARPEN_TEST_MARK") == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


@contextlib.contextmanager
def bench_with_the_store_of(swept, folder, program):
    """A bench of its own with what another has made: sweeps say that they were started in its folder."""
    with Bench(folder, program=program) as bench:
        shutil.copytree(swept.home, bench.home)
        with contextlib.closing(sqlite3.connect(bench.home / "store.db")) as connection, connection:
            connection.execute("update sweeps set workdir = ?", [str(bench.work)])
        yield bench


def _children(pid):
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _words(process):
    """Return the words of a process's command, the last parts of paths; none when it is gone."""
    try:
        return [word.rpartition("/")[2] for word in process.cmdline()]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def kill(process):
    """Send SIGKILL to a process by its id; return whether it was still there."""
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
