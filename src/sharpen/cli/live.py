"""What a running sweep looks like: a live table on a terminal, one line an event elsewhere."""

from __future__ import annotations

import math
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
from sharpen.store.configurations import Configuration, configurations, seed_of, winner
from sharpen.store.queries import UNENDED, Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.trial import TrialState
from sharpen.views.pareto_front import pareto_front
from sharpen.views.violations import Violations, none_kept, violations

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

    def warn(self, words: str) -> None:
        """Say something that stays."""
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
        before: An earlier one of the same sweep: what has not changed since is not read again.
    """

    def __init__(self, reader: Reader, sweep_id: str, before: Snapshot | None = None) -> None:
        self.sweep = reader.sweep(sweep_id)
        if before is None or before.sweep.n_deleted != self.sweep.n_deleted:
            self.spec = spec.parse(self.sweep.spec, where=self.sweep.source)
            ever = reader.runs(sweep_id, deleted=True)
            self.runs = [run for run in ever if run.deleted_at is None]
            self._deleted = [run for run in ever if run.deleted_at is not None]
            self.progress = reader.progress(sweep_id)
            self.violations: Violations = violations(reader, self.runs, self.spec.constraints)
        else:
            self.spec, self._deleted = before.spec, before._deleted
            fresh = {run.number: run for run in reader.runs_since(sweep_id, before.runs)}
            kept = [run for run in before.runs if run.number not in fresh]
            self.runs = sorted([*kept, *fresh.values()], key=lambda run: run.number)
            begun = [run.number for run in fresh.values() if run.token]
            self.progress = before.progress | reader.progress(sweep_id, begun)
            self.violations = {
                **before.violations,
                **violations(reader, fresh.values(), self.spec.constraints),
            }
            if all(run.state in UNENDED for run in fresh.values()):
                self._keep_choice(before)
        self.metric, self.repeats = self.spec.metric, self.spec.repeats
        self.done = [run for run in self.runs if run.state not in UNENDED]

    def _keep_choice(self, before: Snapshot) -> None:
        """Take over what only a run that has ended can change, where it was worked out."""
        for name in ("winner", "front", "chosen"):
            if name in before.__dict__:
                self.__dict__[name] = before.__dict__[name]

    @cached_property
    def configurations(self) -> list[Configuration]:
        """What the search tried: with repeats several runs each, without them a run."""
        ever = sorted([*self._deleted, *self.runs], key=lambda run: run.number)
        return configurations(ever, self.repeats)

    @cached_property
    def winner(self) -> Configuration | None:
        """The finished configuration of the best score so far, with repeats the best mean."""
        return winner(self.configurations, self.metric)

    @property
    def best(self) -> RunRow | None:
        """What it comes to, as a run."""
        return None if self.winner is None else self.winner.row

    @cached_property
    def front(self) -> list[RunRow]:
        """The configurations that no other beats in every metric; none in a sweep of one metric."""
        rows = [one.row for one in self.configurations]
        return pareto_front(rows, self.spec.metrics) if self.has_several else []

    @cached_property
    def chosen(self) -> frozenset[int]:
        """The numbers of the best run, or of those of the front, and of their repeats."""
        best = [self.best] if self.best is not None else []
        firsts = {row.number for row in (self.front if self.has_several else best)}
        groups = [one.runs for one in self.configurations if one.row.number in firsts]
        return frozenset(run.number for group in groups for run in group)

    @property
    def has_several(self) -> bool:
        """Whether the sweep has several metrics, so that it has a front and no single best run."""
        return len(self.spec.metrics) > 1

    @property
    def why_none(self) -> str:
        """Why there is no run to choose, in a sentence; empty when there is one."""
        if self.front if self.has_several else self.best:
            return ""
        if not self.spec.has_metric:
            return "the sweep file names no metric, so there is no best run"
        if broken := none_kept(self.configurations, self.violations, self.spec.constraints):
            return broken
        if self.best is None:
            what = "run finished" if self.repeats == 1 else "configuration finished under all of its seeds"
            return f"no {what} with a score"
        return f"no run finished with a number for each of {', '.join(m.name for m in self.spec.metrics)}"

    @property
    def n_in_all(self) -> int | None:
        """How many runs there will be by the cap, or by the size of a grid; None when nobody knows."""
        size = self.spec.space.size if self.spec.method == "grid" else None
        if self.sweep.run_cap is not None or size is None:
            return self.sweep.run_cap
        return max(size * self.spec.repeats, len(self.runs))

    def seconds_left(self, n_slots: int) -> float | None:
        """Return a guess from the runs so far; None before the first has ended, without a cap, or at the end.

        A sweep that is over has no time left, whatever its cap would have allowed.
        """
        times = [run.ended_at - run.started_at for run in self.done if run.ended_at and run.started_at]
        if not times or self.n_in_all is None or not SweepStatus(self.sweep.status).is_open:
            return None
        return sum(times) / len(times) * (self.n_in_all - len(self.done)) / max(n_slots, 1)

    def headline(self, n_slots: int) -> str:
        """Return where the sweep is, in a line."""
        words = [
            f"sweep {self.sweep.id} {self.sweep.name}: {len(self.done)}/{self.n_in_all or '∞'} runs done"
        ]
        n_running = sum(run.state == TrialState.RUNNING for run in self.runs)
        words.append(f"{n_running} running")
        if self.sweep.status != SweepStatus.RUNNING:
            words.append(self.sweep.status)
        if self.has_several:
            words += [f"front of {len(self.front)}"] if self.front else []
        elif self.winner is not None:
            best = self.winner.row
            seeds = f", {of_seeds(self.winner)}" if self.repeats > 1 else ""
            words.append(f"best {self.metric.name} {shown(best.score)} (run {best.number}{seeds})")
        left = self.seconds_left(n_slots)
        if left:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    def row(self, run: RunRow) -> dict[str, object]:
        """Return a run as a row of a table."""
        n_steps, value = self.progress.get(run.id, (0, None))
        return {
            "run": run.number,
            **(
                {"repeat of": run.repeat_of or "", "seed": seed_of(self.sweep, run)}
                if self.repeats > 1
                else {}
            ),
            "state": run.state,
            "steps": n_steps,
            **({self.metric.name: _value(run, n_steps, value)} if self.spec.has_metric else {}),
            **_others(run, self.spec.metrics),
            "front" if self.has_several else "best": "★" if run.number in self.chosen else "",
            **({"broke": self.broke(run)} if self.spec.constraints else {}),
            "time": _time(run),
            "why": _why(run),
        }

    def broke(self, run: RunRow) -> str:
        """Return the constraints that a run broke, in words; empty when it kept them all."""
        return ", ".join(violation.words for violation in self.violations.get(run.number, ()))


def _why(run: RunRow) -> str:
    """Return why a run ended as it did, or else why it cannot be chosen."""
    if run.state == TrialState.PENDING:
        return ""
    return run.reason or str(run.summary.get("infeasible") or "")


class LiveTable:
    """The newest runs in a table that is drawn in place."""

    every_s = 0.5

    def __init__(self, reader: Reader, sweep_id: str, n_slots: int, console: Console) -> None:
        self._reader, self._sweep_id, self._n_slots = reader, sweep_id, n_slots
        self._now: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def update(self) -> None:
        """Draw the table again."""
        self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        now = self._now = Snapshot(self._reader, self._sweep_id, self._now)
        newest = sorted(now.runs, key=_activity)[-N_SHOWN:]
        if not now.has_several and now.winner is not None:
            newest = [*(run for run in now.winner.runs if run not in newest), *newest]
        head = Text(now.headline(self._n_slots), style="bold")
        return Group(head, table([now.row(run) for run in newest])) if newest else head

    def warn(self, words: str) -> None:
        """Print a line above the table."""
        self._live.console.print(words, style="yellow", soft_wrap=True, markup=False)

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
        now = self._now = Snapshot(self._reader, self._sweep_id, self._now)
        for run in now.runs:
            seen = (run.state, run.token)
            if run.state == TrialState.PENDING or self._seen.get(run.id) == seen:
                continue
            self._seen[run.id] = seen
            self._console.print(self._line(now, run), soft_wrap=True, markup=False)

    def _line(self, now: Snapshot, run: RunRow) -> str:
        words = line_of(run, now.spec.metrics, now.progress.get(run.id), now.broke(run))
        is_final = TrialState(run.state).is_final
        return f"{words}  [{len(now.done)}/{now.n_in_all or '∞'}]" if is_final else words

    def warn(self, words: str) -> None:
        """Print a line."""
        self._console.print(words, style="yellow", soft_wrap=True, markup=False)

    def __enter__(self) -> Lines:
        for run in Snapshot(self._reader, self._sweep_id).done:  # of an earlier session: no news
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
    words = [f"run {run.number:>3}", f"{run.state:<8}"]
    if TrialState(run.state).is_final:
        n_steps, value = progress or (0, None)
        words.append(f"{n_steps} steps")
        shown_values = {metrics[0].name: _value(run, n_steps, value)} | _others(run, metrics)
        words += [f"{name} {value}" for name, value in shown_values.items() if value]
        words += [_time(run), f"broke {broke}" if broke else "", run.reason]
    return "  ".join(word for word in words if word)


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


def of_seeds(found: Configuration) -> str:
    """Return how a configuration's score came about: ``mean of 3 seeds, from 0.41 to 0.77``."""
    scores = found.scores
    return f"mean of {len(scores)} seeds, from {shown(scores[0])} to {shown(scores[-1])}"


def _activity(run: RunRow) -> tuple[bool, float]:
    return (not TrialState(run.state).is_final, run.ended_at or run.started_at or 0.0)


def view(reader: Reader, sweep: SweepRow, n_slots: int) -> View:
    """Return the right view for where stderr goes."""
    console = stderr()
    kind = LiveTable if console.is_terminal else Lines
    return kind(reader, sweep.id, n_slots, console)
