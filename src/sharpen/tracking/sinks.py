"""Where a run's words go: to the sweep's coordinator, to a file, or to the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sharpen.errors import SharpenError
from sharpen.jsonable import dumps
from sharpen.store.blobs import Blobs, open_blobs
from sharpen.tracking.row_buffer import RowBuffer
from sharpen.wire import Client, open_channel


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to write a run of a store.

    Attributes:
        address: Of the store's coordinator.
        run_id: The run.
        token: What each word about the run carries.
    """

    address: str
    run_id: str
    token: int

    @property
    def lease(self) -> dict[str, Any]:
        """What each request about the run carries."""
        return {"run_id": self.run_id, "token": self.token}


class Sink(Protocol):
    """What a run writes to; each method but ``report`` returns once its words, and all before, are safe."""

    @property
    def grant(self) -> Grant | None:
        """Leave to write a run of a store; None where there is no store."""
        ...

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Ask the coordinator about the run, behind what was logged; nothing where there is none."""
        ...

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Keep the metrics of a step, soon at least; return why the run must end now, or nothing."""
        ...

    def flush(self) -> None:
        """Return once all reports are safe."""
        ...

    def leads(self) -> bool:
        """Return whether no finished run of the sweep is better, by what this one has reported."""
        ...

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Keep values that describe the run as a whole."""
        ...

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Keep a file under a name; a second one under it replaces the first."""
        ...

    def end(self) -> None:
        """Say that the run has ended well, before its program ends: others of its population go on."""
        ...

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        ...


class SweepSink:
    """Speaks to the coordinator for one lease of one run of a sweep.

    Args:
        address: Of the coordinator.
        run_id: The run.
        token: Of the lease.
        about: Values of the summary that nobody waits for: they go with the first report.
        waits_for: Metrics whose rows are on the disk when :meth:`report` returns, because a stop rule goes by
            them; None for all rows. Others that come fast are sent together.
    """

    def __init__(
        self,
        address: str,
        run_id: str,
        token: int,
        about: Mapping[str, Any] | None = None,
        waits_for: Sequence[str] | None = None,
    ) -> None:
        self._address = address
        self._blobs = open_blobs(address)
        self.grant = Grant(address, run_id, token)
        self._lease = self.grant.lease
        self._client = Client(open_channel(address))
        self._about = dict(about or {})
        self._waits_for = waits_for
        self._buffer = RowBuffer(self._send)

    def send(self, op: str, **args: Any) -> Any:
        """Return the coordinator's answer, once it has all rows."""
        self._part_from_parent()
        with self._buffer.lock:
            self._buffer.flush()
            return self._client.call(op, **self._lease, **args)

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Take the metrics; return the sweep's word on going on, as far as it has been heard."""
        self._part_from_parent()
        at_once = self._waits_for is None or any(name in metrics for name in self._waits_for)
        return self._buffer.take(step, metrics, at_once=at_once)

    def _part_from_parent(self) -> None:
        if self._buffer.is_forked():  # the connection is the other process's
            self._client = Client(open_channel(self._address))

    def _send(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
        requests: list[tuple[str, dict[str, Any]]] = [("report", {**self._lease, "rows": rows})]
        if self._about:
            requests.append(("summarize", {**self._lease, "values": self._about}))
        for answer in (answers := self._client.call_all(requests)):
            if isinstance(answer, SharpenError):
                raise answer
        self._about = {}
        return answers[0]["stop"]

    def flush(self) -> None:
        """Send the rows that wait."""
        self._part_from_parent()
        self._buffer.flush()

    def leads(self) -> bool:
        """Return the coordinator's word."""
        return self.send("leads")["leads"]

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Store the values with the run."""
        self.send("summarize", values=values)

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Copy the file into the store's blobs, then tell the coordinator its name."""
        digest, n_bytes = self._blobs.put(path)
        self.send("artifact", name=name, type=type, digest=digest, n_bytes=n_bytes, metadata=metadata)

    def end(self) -> None:
        """Tell the coordinator."""
        self.send("exit", exit_code=0, last_words="")

    def close(self) -> None:
        """Send the last rows and close the connection."""
        self._part_from_parent()
        try:
            self._buffer.close()
        finally:
            self._client.close()


class FileSink:
    """Appends one JSON object a line, which are read when the program is done.

    Args:
        blobs: Where artifacts are kept; None when nobody wants them.
        path: The file.
    """

    def __init__(self, blobs: Blobs | None, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self.grant: Grant | None = None

    def send(self, op: str, **args: Any) -> Mapping[str, Any]:
        """Do nothing: there is no coordinator."""
        return {}

    def report(self, step: int, metrics: Mapping[str, Any]) -> str:
        """Write the metrics; nothing ends such a run early."""
        self._append({"step": step, "metrics": metrics})
        return ""

    def flush(self) -> None:
        """Do nothing: each line is written at once."""

    def leads(self) -> bool:
        """Return True: there is nobody to compare with."""
        return True

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Write the values."""
        self._append({"summary": values})

    def artifact(self, path: Path, name: str, type: str, metadata: Mapping[str, Any]) -> None:
        """Copy the file into the store's blobs and write down its name and digest."""
        if self._blobs is None:
            return
        digest, n_bytes = self._blobs.put(path)
        about = {"name": name, "type": type, "digest": digest, "n_bytes": n_bytes, "metadata": metadata}
        self._append({"artifact": about})

    def end(self) -> None:
        """Do nothing: it is read when the program is done."""

    def close(self) -> None:
        """Do nothing: the file is closed after each line."""

    def _append(self, row: Mapping[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(dumps(row) + "\n")
