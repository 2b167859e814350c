"""Which runs used which versions of collections: told by the client, shown by it and by the pages."""

from __future__ import annotations

from sharpen.store import schema
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun

USED = "_used_artifacts"
"""Where a run's summary keeps the names of what it used, as in ``quantbot/bars:v3``."""


def used_by(run: TrackedRun) -> tuple[str, ...]:
    """Return the names of the versions that a run used."""
    return tuple(run.summary.get(USED, ()))


def users(reader: Reader) -> dict[str, list[TrackedRun]]:
    """Return the runs that used each version, by its name, the oldest first."""
    runs: dict[str, list[TrackedRun]] = {}
    for run in reader.tracked.runs(where=[schema.runs.c.summary.contains(USED, autoescape=True)]):
        for name in used_by(run):
            runs.setdefault(name, []).append(run)
    return runs
