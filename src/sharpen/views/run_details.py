"""All that is known of one run of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.views.dead_agents import lost_as_waiting
from sharpen.views.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run, its sweep, and what it logged and kept.

    Attributes:
        now: Its sweep.
        run: The run; one whose agent has died waits.
        host: The machine of the agent that had it last; None for none.
        metrics: What it logged last, by name.
        artifacts: Where the files kept with it are, by name.
    """

    now: Snapshot
    run: RunRow
    host: str | None
    metrics: Mapping[str, Any]
    artifacts: Mapping[str, str]

    @classmethod
    def read(cls, reader: Reader, run_id: str) -> RunDetails:
        """Return what is known of the run that an id or a word such as ``last-7`` names."""
        run = reader.run(run_id)
        now = Snapshot.read(reader, run.sweep_id)
        [run] = lost_as_waiting(reader, run.sweep_id, [run])
        hosts = {name: host for name, host, *_ in reader.agents(run.sweep_id)}
        artifacts = {file.name: str(file.path) for file in reader.artifacts(run_id=run.id)}
        metrics = reader.long_runs.last_metrics(run.id)
        return cls(now, run, hosts.get(run.agent_id or ""), metrics, artifacts)

    @property
    def scores(self) -> dict[str, float | None]:
        """Every metric of the sweep as the run ended with it."""
        run = self.run
        named = zip(self.now.spec.metrics, run.scores or (run.score,), strict=False)
        return {metric.name: value for metric, value in named}

    @property
    def broke(self) -> list[str]:
        """The constraints that it broke, in words."""
        return [violation.sentence for violation in self.now.violations.get(self.run.number, ())]

    @property
    def n_steps(self) -> int:
        """How many times it has logged the sweep's metric."""
        return self.now.progress.get(self.run.id, (0, None))[0]

    @property
    def seed(self) -> int:
        """The seed that its program got."""
        return seed_of(self.now.sweep, self.run)

    @property
    def time_s(self) -> float | None:
        """How long it was at work; None while it is not over."""
        run = self.run
        return run.ended_at - run.started_at if run.ended_at and run.started_at else None
