"""What a running sweep looks like: a live table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sharpen import spec
from sharpen.cli.printing import duration, shown, stderr, table
from sharpen.store.queries import UNENDED, Reader, RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState

N_SHOWN = 12


class View(Protocol):
    """Shows where a sweep is."""

    def update(self) -> None:
        """Look at the store again."""
        ...

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Snapshot:
    """A sweep and its runs at one moment, with what follows from them.

    Args:
        reader: The store.
        sweep_id: Which sweep.
        before: An earlier one of the same sweep: what had ended by then is not read again.
    """

    def __init__(self, reader: Reader, sweep_id: str, before: Snapshot | None = None) -> None:
        self.sweep = reader.sweep(sweep_id)
        if before is None or before.sweep.n_deleted != self.sweep.n_deleted:
            self.metric = spec.parse(self.sweep.spec, where=self.sweep.source).metric
            self.runs = reader.runs(sweep_id)
            self.progress = reader.progress(sweep_id)
        else:
            self.metric = before.metric
            unended = [run.number for run in before.runs if run.state in UNENDED]
            fresh = {
                run.number: run
                for run in reader.runs_since(
                    sweep_id, unended, max((r.number for r in before.runs), default=0)
                )
            }
            kept = [run for run in before.runs if run.state not in UNENDED]
            self.runs = sorted([*kept, *fresh.values()], key=lambda run: run.number)
            self.progress = before.progress | reader.progress(sweep_id, list(fresh))
        self.done = [run for run in self.runs if run.state not in UNENDED]

    @cached_property
    def best(self) -> RunRow | None:
        """The finished run of the best score so far."""
        done = [run for run in self.runs if run.state == TrialState.FINISHED and run.violation == 0]
        scored = [run for run in done if run.score is not None]
        return max(scored, key=lambda run: self.metric.larger_is_better(run.score or 0.0), default=None)

    def seconds_left(self, n_agents: int) -> float | None:
        """Return a guess from the runs so far; None before the first has ended or without a cap."""
        times = [run.ended_at - run.started_at for run in self.done if run.ended_at and run.started_at]
        if not times or self.sweep.run_cap is None:
            return None
        return sum(times) / len(times) * (self.sweep.run_cap - len(self.done)) / max(n_agents, 1)

    def headline(self, n_agents: int) -> str:
        """Return where the sweep is, in a line."""
        words = [
            f"sweep {self.sweep.id} {self.sweep.name}: {len(self.done)}/{self.sweep.run_cap or '∞'} runs done"
        ]
        n_running = sum(run.state == TrialState.RUNNING for run in self.runs)
        words.append(f"{n_running} running")
        if self.sweep.status != SweepStatus.RUNNING:
            words.append(self.sweep.status)
        if self.best is not None:
            words.append(f"best {self.metric.name} {shown(self.best.score)} (run {self.best.number})")
        left = self.seconds_left(n_agents)
        if left is not None and len(self.done) < len(self.runs) + 1:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    def row(self, run: RunRow) -> dict[str, object]:
        """Return a run as a row of a table."""
        n_steps, value = self.progress.get(run.id, (0, None))
        best = self.best
        is_best = best is not None and run.id == best.id
        value = run.score if run.score is not None else value
        end = run.ended_at or max(time.time(), run.started_at or 0.0)  # the clock may have been set back
        return {
            "run": run.number,
            "state": run.state,
            "steps": n_steps,
            self.metric.name: "infeasible" if n_steps and value is None else shown(value),
            "best": "★" if is_best else "",
            "time": duration(end - run.started_at) if run.started_at else "",
            "why": run.reason if run.state != TrialState.PENDING else "",
        }


class LiveTable:
    """The newest runs in a table that is drawn in place."""

    def __init__(self, reader: Reader, sweep_id: str, n_agents: int, console: Console) -> None:
        self._reader, self._sweep_id, self._n_agents = reader, sweep_id, n_agents
        self._now: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def update(self) -> None:
        """Draw the table again."""
        self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        now = self._now = Snapshot(self._reader, self._sweep_id, self._now)
        newest = sorted(now.runs, key=_activity)[-N_SHOWN:]
        if now.best is not None and now.best not in newest:
            newest = [now.best, *newest]
        head = Text(now.headline(self._n_agents), style="bold")
        return Group(head, table([now.row(run) for run in newest])) if newest else head

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class Lines:
    """A line for each run that starts or ends."""

    def __init__(self, reader: Reader, sweep_id: str, n_agents: int, console: Console) -> None:
        self._reader, self._sweep_id, self._n_agents, self._console = reader, sweep_id, n_agents, console
        self._seen: dict[str, tuple[str, int]] = {}
        self._now: Snapshot | None = None

    def update(self) -> None:
        """Print what has changed."""
        now = self._now = Snapshot(self._reader, self._sweep_id, self._now)
        for run in now.runs:
            seen = (run.state, run.token)
            if run.state == TrialState.PENDING or self._seen.get(run.id) == seen:
                continue
            self._seen[run.id] = seen
            self._console.print(self._line(now, run), soft_wrap=True, markup=False)

    def _line(self, now: Snapshot, run: RunRow) -> str:
        row = now.row(run)
        words = [f"run {run.number:>3}", f"{run.state:<8}"]
        if TrialState(run.state).is_final:
            words += [f"{row['steps']} steps", f"{now.metric.name} {row[now.metric.name]}", str(row["time"])]
            words += [run.reason] if run.reason else []
            words.append(f"[{len(now.done)}/{now.sweep.run_cap or '∞'}]")
        return "  ".join(words)

    def __enter__(self) -> Lines:
        for run in Snapshot(self._reader, self._sweep_id).done:  # of an earlier session: no news
            self._seen[run.id] = (run.state, run.token)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update()


def _activity(run: RunRow) -> tuple[bool, float]:
    return (not TrialState(run.state).is_final, run.ended_at or run.started_at or 0.0)


def view(reader: Reader, sweep: SweepRow, n_agents: int) -> View:
    """Return the right view for where stderr goes."""
    console = stderr()
    kind = LiveTable if console.is_terminal else Lines
    return kind(reader, sweep.id, n_agents, console)


__all__: Sequence[str] = ["Lines", "LiveTable", "Snapshot", "View", "view"]
