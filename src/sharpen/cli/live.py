"""What a running sweep looks like: a live table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from sharpen import spec
from sharpen.cli.printing import shown, stderr, table
from sharpen.facts import INFEASIBLE
from sharpen.hints import duration
from sharpen.store.configurations import Configuration, seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow, shown_state
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.views.snapshot import Snapshot

if TYPE_CHECKING:  # lines under --json need not wait for what draws
    from rich.console import Console, RenderableType

N_SHOWN = 12


class View(Protocol):
    """Shows where a sweep is."""

    @property
    def every_s(self) -> float:
        """How often to look at the store: a look takes some milliseconds of what runs could use."""
        ...

    def update(self) -> None:
        """Look at the store again."""
        ...

    def warn(self, message: str) -> None:
        """Say something that stays."""
        ...

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def headline(now: Snapshot, n_slots: int) -> str:
    """Return where a sweep is, in a line."""
    parts = [f"sweep {now.sweep.id} {now.sweep.name}: {len(now.done)}/{now.n_in_all or '∞'} runs done"]
    n_running = sum(run.state == TrialState.RUNNING for run in now.runs)
    parts.append(f"{n_running} running")
    if now.sweep.status != SweepStatus.RUNNING:
        parts.append(now.sweep.status)
    if now.has_several:
        parts += [f"front of {len(now.front)}"] if now.front else []
    elif now.winner is not None:
        best = now.winner.row
        seeds = f", {of_seeds(now.winner)}" if now.repeats > 1 else ""
        parts.append(f"best {now.metric.name} {shown(best.score)} (run {best.number}{seeds})")
    left = now.seconds_left(n_slots)
    if left:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def table_row(now: Snapshot, run: RunRow) -> dict[str, object]:
    """Return a run of a sweep as a row of a table."""
    n_steps, value = now.progress.get(run.id, (0, None))
    seeds = {"repeat of": run.repeat_of or "", "seed": seed_of(now.sweep, run)} if now.repeats > 1 else {}
    return {
        "run": run.number,
        **seeds,
        "state": shown_state(run),
        "steps": n_steps,
        **({now.metric.name: _value(run, n_steps, value)} if now.spec.has_metric else {}),
        **_others(run, now.spec.metrics),
        "front" if now.has_several else "best": "★" if run.number in now.chosen else "",
        **({"broke": now.broke(run)} if now.spec.constraints else {}),
        "time": _time(run),
        "why": _why(run),
    }


def _why(run: RunRow) -> str:
    """Return why a run ended as it did, or else why it cannot be chosen."""
    if run.state == TrialState.PENDING:
        return ""
    return run.reason or str(run.summary.get(INFEASIBLE) or "")


class LiveTable:
    """The newest runs in a table that is drawn in place."""

    every_s = 0.5

    def __init__(self, reader: Reader, sweep_id: str, n_slots: int, console: Console) -> None:
        from rich.live import Live  # noqa: PLC0415

        self._reader, self._sweep_id, self._n_slots = reader, sweep_id, n_slots
        self._now: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def update(self) -> None:
        """Draw the table again."""
        self._live.update(self._drawn(), refresh=True)

    def _look(self) -> Snapshot:
        now = self._now
        self._now = (
            Snapshot.read(self._reader, self._sweep_id) if now is None else now.refreshed(self._reader)
        )
        return self._now

    def _drawn(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        now = self._look()
        newest = sorted(now.runs, key=_activity)[-N_SHOWN:]
        if not now.has_several and now.winner is not None:
            newest = [*(run for run in now.winner.runs if run not in newest), *newest]
        head = Text(headline(now, self._n_slots), style="bold")
        return Group(head, table([table_row(now, run) for run in newest])) if newest else head

    def warn(self, message: str) -> None:
        """Print a line above the table."""
        self._live.console.print(message, style="yellow", soft_wrap=True, markup=False)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update()
        self._live.stop()


class Lines:
    """A line for each run that starts or ends."""

    every_s = 1.0

    def __init__(self, reader: Reader, sweep_id: str, n_slots: int, console: Console) -> None:
        self._reader, self._sweep_id, self._n_slots, self._console = reader, sweep_id, n_slots, console
        self._seen: dict[str, tuple[str, int]] = {}
        self._now: Snapshot | None = None

    def update(self) -> None:
        """Print what has changed."""
        now = self._look()
        for run in now.runs:
            state = (run.state, run.token)
            if run.state == TrialState.PENDING or self._seen.get(run.id) == state:
                continue
            self._seen[run.id] = state
            self._console.print(self._line(now, run), soft_wrap=True, markup=False)

    def _look(self) -> Snapshot:
        now = self._now
        self._now = (
            Snapshot.read(self._reader, self._sweep_id) if now is None else now.refreshed(self._reader)
        )
        return self._now

    def _line(self, now: Snapshot, run: RunRow) -> str:
        line = line_of(run, now.spec.metrics, now.progress.get(run.id), now.broke(run))
        is_final = TrialState(run.state).is_final
        return f"{line}  [{len(now.done)}/{now.n_in_all or '∞'}]" if is_final else line

    def warn(self, message: str) -> None:
        """Print a line."""
        self._console.print(message, style="yellow", soft_wrap=True, markup=False)

    def __enter__(self) -> Lines:
        for run in Snapshot.read(self._reader, self._sweep_id).done:  # of an earlier session: no news
            self._seen[run.id] = (run.state, run.token)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update()


def line_of(
    run: RunRow, metrics: Sequence[spec.Metric], progress: tuple[int, float | None] | None, broke: str = ""
) -> str:
    """Return a run that began or ended as a line: ``run   5  finished  3 steps  score 0.83  3s``.

    Args:
        run: As stored.
        metrics: The sweep's.
        progress: How many times it has logged the first of them, and the last value; None for never.
        broke: The constraints that it broke, in words.
    """
    parts = [f"run {run.number:>3}", f"{run.state:<8}"]
    if TrialState(run.state).is_final:
        n_steps, value = progress or (0, None)
        parts.append(f"{n_steps} steps")
        shown_values = {metrics[0].name: _value(run, n_steps, value)} | _others(run, metrics)
        parts += [f"{name} {value}" for name, value in shown_values.items() if value]
        parts += [_time(run), f"broke {broke}" if broke else "", run.reason]
    return "  ".join(word for word in parts if word)


def _value(run: RunRow, n_steps: int, last: float | None) -> str:
    """Return the first metric as a run ended with it, or else as it logged it last."""
    value = run.score if run.score is not None else last
    return "infeasible" if n_steps and value is None else shown(value)


def _others(run: RunRow, metrics: Sequence[spec.Metric]) -> dict[str, str]:
    """Return the metrics but the first as a run ended with them; a dash for what is not a number."""
    values = run.scores[1:] or [None] * (len(metrics) - 1)
    named = zip(metrics[1:], values, strict=True)
    return {m.name: "–" if v is not None and math.isnan(v) else shown(v) for m, v in named}


def _time(run: RunRow) -> str:
    """Return how long a run took, or has been at work; empty while it waits."""
    if run.state == TrialState.PENDING:
        return ""
    end = run.ended_at or max(time.time(), run.started_at or 0.0)  # the clock may have been set back
    return duration(end - run.started_at) if run.started_at else ""


def of_seeds(configuration: Configuration) -> str:
    """Return how a configuration's score came about: ``mean of 3 seeds, from 0.41 to 0.77``."""
    scores = configuration.scores
    return f"mean of {len(scores)} seeds, from {shown(scores[0])} to {shown(scores[-1])}"


def _activity(run: RunRow) -> tuple[bool, float]:
    return (not TrialState(run.state).is_final, run.ended_at or run.started_at or 0.0)


def view(reader: Reader, sweep: SweepRow, n_slots: int) -> View:
    """Return the right view for where stderr goes."""
    console = stderr()
    kind = LiveTable if console.is_terminal else Lines
    return kind(reader, sweep.id, n_slots, console)
