"""A store, sweeps of small programs, and agents in this process or in one of their own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from sharpen.agents import LocalAgent
from sharpen.coordinator import connect, process_identity
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.wire import Client

AGENT = """
import sys
from pathlib import Path
from sharpen.agents import LocalAgent
from sharpen.coordinator import connect
from sharpen.store.queries import Reader
home = Path(sys.argv[1])
with connect(home) as client:
    print(LocalAgent(client, Reader(home).sweep(sys.argv[2])).work())
"""
TRIED = "every point has been tried"
TRACKED = "from sharpen import tracking\nwith tracking.init() as run:\n"


def is_alive(pid: int) -> bool:
    return process_identity(pid) != ""


@dataclass
class Workshop:
    """A store with an agent's tools."""

    home: Path
    folder: Path
    client: Client
    reader: Reader

    def sweep(self, *command: str, values: tuple[int, ...] = (1, 2, 3), **more: Any) -> str:
        """Create a sweep whose runs are a command, one for each value of ``x``."""
        document = {
            "command": list(command),
            "method": "grid",
            "metric": {"name": "score", "goal": "maximize"},
            "parameters": {"x": {"values": list(values)}},
            **more,
        }
        place = {"source": "s.yaml", "workdir": str(self.folder)}
        key = secrets.token_hex(8)
        return self.client.call("create_sweep", key=key, text=json.dumps(document), place=place)["sweep_id"]

    def overhear(self, change: Callable[[str, dict[str, Any], Any], Any]) -> None:
        """Let every answer that the client gets be changed by a function of the request and the answer."""
        real = self.client._ask

        def ask(words: Any) -> list[Any]:
            pairs = zip(words, real(words), strict=True)
            return [change(asked["op"], asked["args"], answer) for asked, answer in pairs]

        self.client._ask = ask

    def program(self, body: str, **more: Any) -> str:
        """Create a sweep of a Python program; ``body`` is what it does with its run."""
        (self.folder / "train.py").write_text(
            TRACKED + "".join(f"    {line}\n" for line in body.splitlines())
        )
        return self.sweep("${interpreter}", "train.py", "${args}", **more)

    def work(self, sweep_id: str, n_slots: int = 1, n_runs: int | None = None) -> str:
        """Work on a sweep in this process until it is over."""
        return LocalAgent(self.client, self.row(sweep_id), n_slots, n_runs).work()

    def row(self, sweep_id: str) -> SweepRow:
        return self.reader.sweep(sweep_id)

    def runs(self, sweep_id: str) -> list[RunRow]:
        return self.reader.runs(sweep_id)


@pytest.fixture(autouse=True)
def _no_zombies() -> Iterator[None]:
    """An agent reaps all that it has started, and what that has left behind."""
    yield
    zombies = [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
    for zombie in zombies:
        os.waitpid(zombie.pid, os.WNOHANG)
    assert not zombies


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    home = tmp_path / "home"
    with connect(home) as client:
        reader = Reader(home)
        yield Workshop(home, tmp_path, client, reader)
        reader._engine.dispose()


@pytest.fixture
def start_agent() -> Iterator[Callable[[Path, str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(home: Path, sweep_id: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", AGENT, str(home), sweep_id]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
