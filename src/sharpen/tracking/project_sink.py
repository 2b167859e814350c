"""Where a run of no sweep writes to: the store, rows that come fast together."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpen.errors import SharpenError, UsageError
from sharpen.http import server_of
from sharpen.store.blobs import open_blobs
from sharpen.tracking.row_buffer import Row, RowBuffer
from sharpen.tracking.sinks import Grant
from sharpen.wire import Client, address_of, open_channel
from sharpen.wire.processes import process_identity

BEAT_S = 10.0
ANEW = "overwrite"


class HostProcess:
    """A process that hosts a store while somebody needs it, started where none does.

    Args:
        home: The store's folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._awaits: threading.Thread | None = None

    def ensure(self) -> None:
        """Start it, unless the one that was started still tries."""
        if self._awaits is not None and self._awaits.is_alive():
            return
        argv = [sys.executable, "-m", "sharpen.coordinator", str(self._home)]
        files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        files += [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        # a session of its own: Ctrl-C in the program's terminal is not for it
        pid = os.posix_spawn(sys.executable, argv, os.environ, file_actions=files, setsid=True)
        self._awaits = threading.Thread(target=_await, args=(pid,), name="sharpen-host", daemon=True)
        self._awaits.start()


def _await(pid: int) -> None:
    """Wait for a process to end, so that it is no zombie for as long as the program lives."""
    with contextlib.suppress(ChildProcessError):  # the program waits for every child itself
        os.waitpid(pid, 0)


class ProjectSink:
    """Writes one run of a project under a grant.

    Rows that come fast are sent together, all the rest at once. A thread says that the program lives. Only
    the process that made it may use it: two that count the same lines would lose some.

    Args:
        home: The store's folder.
        request: What the run is made with: ``run_id``, ``project``, ``resume``, ``config`` and labels.

    Attributes:
        step: The last that has been logged, by an earlier program that wrote the run.
        config: What the run's programs said of its configuration.
        n_lines: How many rows of the run are stored.

    Raises:
        UsageError: The run is there, or is not, as ``resume`` wants it.
        StoreError: The store cannot be written.
    """

    def __init__(self, home: Path, request: Mapping[str, Any]) -> None:
        home = home.absolute()
        self._pid = os.getpid()
        self._host = HostProcess(home)
        self._blobs = open_blobs(address_of(home))
        self._client = Client(open_channel(address_of(home)), None if server_of(home) else self._host.ensure)
        process = {"pid": self._pid, "born": process_identity(self._pid)}
        is_anew = request["resume"] == ANEW
        arguments = {**request, "resume": "allow" if is_anew else request["resume"]}
        try:
            made = self._client.call("create_run", **arguments, key=uuid.uuid4().hex, process=process)
            if is_anew and made["token"] > 1:
                made |= self._begin_anew(made, request["config"])
        except BaseException:
            self._client.close()
            raise
        self.grant = Grant(address_of(home), made["run_id"], made["token"])
        self._grant = self.grant.lease
        self.n_lines: int = made["n_lines"]
        self.step: int = made["step"]
        self.config: dict[str, Any] = made["config"]
        self._buffer = RowBuffer(self._send)
        self._closing = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="sharpen-run", daemon=True)
        self._heart.start()
        atexit.register(self.close)

    def _begin_anew(self, made: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
        grant = {"run_id": made["run_id"], "token": made["token"]}
        self._client.call("overwrite", **grant)
        self._client.call("configure", **grant, values=config)
        return {"n_lines": 0, "step": 0, "config": dict(config)}

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Return the coordinator's answer, once it has all rows."""
        self._refuse_fork()
        with self._buffer.lock:
            self._buffer.flush()
            return self._client.call(op, **self._grant, **args)

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Take the metrics; return why the run must end, as the coordinator last said.

        Raises:
            UsageError: The process was forked off the one that began the run.
            SharpenError: What came of these rows, or of those before.
        """
        self._refuse_fork()
        return self._buffer.take(step, metrics, at_once=False)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError(
                f"run {self.grant.run_id} is written by the process {self._pid}, which began it, and this is "
                f"{os.getpid()}: log there, or begin a run of its own here by init()"
            )

    def _send(self, rows: Sequence[Row]) -> str:
        reply = self._client.call("append_history", **self._grant, first_line=self.n_lines, rows=rows)
        self.n_lines = reply["n_lines"]
        return reply["stop"]

    def flush(self) -> None:
        """Send the rows that wait."""
        self._refuse_fork()
        self._buffer.flush()

    def leads(self) -> bool:
        """Return True: there is nobody to compare with."""
        return True

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Store the values with the run."""
        self.send("summarize", values=values)

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Copy the file into the store's blobs, then tell the coordinator its name."""
        digest, n_bytes = self._blobs.put(path)
        self.send("artifact", name=name, type=type, digest=digest, n_bytes=n_bytes, metadata=metadata)

    def end(self) -> None:
        """Do nothing: closing ends it."""

    def close(self) -> None:
        """Send what waits, and end the run: as failed when the program ends by an exception.

        Raises:
            SharpenError: The last rows could not be stored.
        """
        if self._closing.is_set() or os.getpid() != self._pid:
            return
        self._closing.set()
        atexit.unregister(self.close)
        self._heart.join()
        exit_code, reason = how_it_ends()
        try:
            self._buffer.close()
        except SharpenError as problem:
            exit_code, reason = 1, f"the last rows were not stored: {problem}"
            raise
        finally:
            with contextlib.suppress(SharpenError):  # it has ended already, or nobody answers
                self._client.call("finish_run", **self._grant, exit_code=exit_code, reason=reason)
            self._client.close()

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_S):
            self._buffer.ask(lambda: self._client.call("beat_run", **self._grant)["stop"])


def how_it_ends() -> tuple[int, str]:
    """Return the exit code and the reason of a program that is in an exception, or was ended by one."""
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return 0, ""
    return 1, f"{type(error).__name__}: {error}"
