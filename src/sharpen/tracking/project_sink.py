"""Where a run of no sweep writes to: the store, in batches, from a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpen.errors import SharpenError
from sharpen.http import server_of
from sharpen.store.blobs import open_blobs
from sharpen.tracking.sinks import Grant
from sharpen.wire import Client, address_of, open_channel
from sharpen.wire.processes import process_identity

FLUSH_S = 0.5  # what is logged is on the disk after so long at most
BEAT_S = 10.0
AT_ONCE_ROWS = 1000
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

    What is logged is sent every half a second, or each thousand rows, whichever comes first; all the rest at
    once. A thread says that the program lives.

    Args:
        home: The store's folder.
        request: What the run is made with: ``run_id``, ``project``, ``resume``, ``config`` and labels.

    Attributes:
        step: The last that has been logged, by an earlier program that wrote the run.
        config: What the run's programs said of its configuration.

    Raises:
        UsageError: The run is there, or is not, as ``resume`` wants it.
        StoreError: The store cannot be written.
    """

    def __init__(self, home: Path, request: Mapping[str, Any]) -> None:
        home = home.absolute()
        self._host = HostProcess(home)
        self._blobs = open_blobs(address_of(home))
        self._lock = threading.RLock()  # one question at a time
        self._client = Client(open_channel(address_of(home)), None if server_of(home) else self._host.ensure)
        process = {"pid": os.getpid(), "born": process_identity(os.getpid())}
        is_anew = request["resume"] == ANEW
        asked = {**request, "resume": "allow" if is_anew else request["resume"]}
        try:
            made = self._client.call("create_run", **asked, key=uuid.uuid4().hex, process=process)
            if is_anew and made["token"] > 1:
                made |= self._begin_anew(made, request["config"])
        except BaseException:
            self._client.close()
            raise
        self.grant = Grant(address_of(home), made["run_id"], made["token"])
        self._grant = self.grant.lease
        self._n_lines: int = made["n_lines"]
        self.step: int = made["step"]
        self.config: dict[str, Any] = made["config"]
        self._rows: list[tuple[int, Mapping[str, Any]]] = []
        self._stop = ""
        self._problem: SharpenError | None = None
        self._closing = threading.Event()
        self._has_rows = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sharpen-run", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _begin_anew(self, made: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
        grant = {"run_id": made["run_id"], "token": made["token"]}
        self._client.call("overwrite", **grant)
        self._client.call("configure", **grant, values=config)
        return {"n_lines": 0, "step": 0, "config": dict(config)}

    @property
    def n_lines(self) -> int:
        """How many rows the run has, those that wait among them."""
        return self._n_lines + len(self._rows)

    def tell(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Return the coordinator's answer."""
        return self._call(op, **args)

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Take the metrics; return why the run must end, as the coordinator last said.

        Raises:
            SharpenError: What came of rows that were sent before.
        """
        if self._problem is not None:
            raise self._problem
        with self._lock:
            self._rows.append((step, metrics))
            if len(self._rows) >= AT_ONCE_ROWS:
                self._flush()
        self._has_rows.set()
        return self._stop

    def flush(self) -> None:
        """Send the rows that wait."""
        if self._problem is not None:
            raise self._problem
        with self._lock:
            self._flush()

    def leads(self) -> bool:
        """Return True: there is nobody to compare with."""
        return True

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Store the values with the run."""
        self._call("summarize", values=values)

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Copy the file into the store's blobs, then tell the coordinator its name."""
        digest, n_bytes = self._blobs.put(path)
        about = {"type": type, "digest": digest, "n_bytes": n_bytes, "metadata": metadata}
        self._call("artifact", name=name, **about)

    def end(self) -> None:
        """Do nothing: closing ends it."""

    def close(self) -> None:
        """Send what waits, and end the run: as failed when the program ends by an exception."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._has_rows.set()
        atexit.unregister(self.close)
        self._thread.join()
        exit_code, reason = how_it_ends()
        with contextlib.suppress(SharpenError):  # it has ended already, or nobody answers
            self._call("finish_run", exit_code=exit_code, reason=reason)
        self._client.close()

    def _call(self, op: str, **args: Any) -> Any:
        with self._lock:
            self._flush()
            return self._client.call(op, **self._grant, **args)

    def _flush(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            reply = self._client.call("append_history", **self._grant, first_line=self._n_lines, rows=rows)
            self._n_lines, self._stop = reply["n_lines"], reply["stop"]

    def _work(self) -> None:
        while not self._closing.is_set() and self._problem is None:
            is_logging = self._has_rows.wait(BEAT_S)
            if is_logging:
                self._closing.wait(FLUSH_S)
            self._has_rows.clear()
            try:
                with self._lock:
                    if is_logging:
                        self._flush()
                    else:
                        self._stop = self._client.call("beat_run", **self._grant)["stop"]
            except SharpenError as problem:
                self._problem = problem


def how_it_ends() -> tuple[int, str]:
    """Return the exit code and the reason of a program that is in an exception, or was ended by one."""
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return 0, ""
    return 1, f"{type(error).__name__}: {error}"
