"""A server on a port of its own, the stock client's environment, and requests to an application."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sharpen.coordinator import connect
from sharpen.server.app import application
from sharpen.server.auth import KeyFile

SWEEP = """\
program: train.py
method: random
run_cap: 2
metric: {name: loss, goal: minimize}
parameters:
  x: {min: 0.5, max: 1.0}
  kind: {value: a}
"""


@dataclass(frozen=True)
class Server:
    home: Path
    url: str
    key: str
    folder: Path

    @property
    def environ(self):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SHARPEN"))}
        bins = f"{Path(sys.executable).parent}:{own['PATH']}"
        about = {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "HOME": str(self.folder),
            "PATH": bins,
        }
        quick = {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1", "WANDB_DISABLE_GIT": "true"}
        return own | about | quick | {"WANDB__DISABLE_STATS": "true", "WANDB_ERROR_REPORTING": "false"}

    def wandb(self, *words, timeout=250, code=0):
        """Run a command of the stock client, and return all that it printed."""
        done = subprocess.run(
            words,
            check=False,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def server(tmp_path):
    home = tmp_path / "store"
    folder = tmp_path / "work"
    folder.mkdir()
    command = [sys.executable, "-m", "sharpen", "--home", str(home), "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().split("=", 1)[1].strip() for _ in range(2)]
        yield Server(home, *lines, folder)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def engine(home):
    with connect(home) as client:
        yield client


@pytest.fixture
def ask(home, engine):
    """Post to the application, with a key of a scope."""
    return asking(home, engine)


def asking(home, engine, **more):
    import anyio

    keys = {scope: KeyFile(home).add(scope=scope) for scope in ("read", "agent", "admin")}
    app = application(home, engine, **more)

    def post(path="/graphql", body=None, scope="admin", method="POST", content=None):
        async def send():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                auth = ("api", keys[scope]) if scope else None
                data = content if content is not None else json.dumps(body).encode()
                return await client.request(method, path, content=data, auth=auth)

        return anyio.run(send)

    return post
