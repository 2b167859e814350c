"""What is known of a run, in the words of the W&B client: what its filters, orders and attributes go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sharpen import spec
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun
from sharpen.trial import TrialState

# W&B knows no state for a run that was ended early: it lets such runs finish
STATES: Mapping[str, str] = {
    TrialState.PENDING: "pending",
    TrialState.RUNNING: "running",
    TrialState.FINISHED: "finished",
    TrialState.STOPPED: "finished",
    TrialState.FAILED: "failed",
    TrialState.CRASHED: "crashed",
    TrialState.CANCELED: "killed",
}
CLIENTS_TIMES = ("_step", "_runtime", "_timestamp")
Nest = Callable[[Mapping[str, Any]], dict[str, Any]]


class RunFieldReader:
    """Says what is known of runs; reads the file of each sweep once.

    Args:
        reader: The store.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._nests: dict[str, Nest] = {}
        self._last: dict[str, dict[str, Any]] | None = None

    def read_last(self, runs: Sequence[TrackedRun]) -> None:
        """Read what these runs have logged last, in few questions; their summaries then need no more."""
        self._last = self._reader.tracked.last_of_all([run.id for run in runs])

    def config(self, row: TrackedRun) -> dict[str, Any]:
        """Return its configuration as its program sees it."""
        flat = {**row.config, **row.summary.get("_config", {})}
        if row.sweep_id is None:
            return flat
        chosen = self._nest(row.sweep_id)(flat)
        return {name: value for name, value in flat.items() if "." not in name or name in chosen} | chosen

    def _nest(self, sweep_id: str) -> Nest:
        if sweep_id not in self._nests:
            sweep = self._reader.sweep(sweep_id, deleted=True)
            self._nests[sweep_id] = spec.parse(sweep.spec, where=sweep.source).nested
        return self._nests[sweep_id]

    def summary(self, row: TrackedRun) -> dict[str, Any]:
        """Return what it logged last, under what it says of itself."""
        if self._last is None:
            logged = self._reader.tracked.last_values(row.id)
        else:
            logged = self._last.get(row.id, {})
        both = {**logged, **row.summary}
        return {
            name: value for name, value in both.items() if not name.startswith("_") or name in CLIENTS_TIMES
        }

    def of(self, row: TrackedRun) -> dict[str, Any]:
        """Return what filters and orders go by; the summary is empty before :meth:`read_last`."""
        began = row.started_at or row.created_at
        heard = row.ended_at or row.heartbeat_at or row.created_at
        return {
            "name": row.id,
            "display_name": row.display_name or row.id,
            "state": STATES[row.state],
            "sweep": row.sweep_id,
            "group": row.group_name or row.sweep_id,
            "tags": list(row.tags),
            "config": self.config(row),
            "summary_metrics": self.summary(row) if self._last is not None else {},
            "created_at": row.created_at,
            "heartbeat_at": heard,
            "duration": max(0.0, heard - began),
            "job_type": row.job_type,
            "notes": row.note,
        }
