"""A sweep and its runs at one moment, with what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sharpen import spec
from sharpen.spec import Metric
from sharpen.store.configurations import Configuration, configurations, winner
from sharpen.store.queries import UNENDED, Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.views.pareto_front import pareto_front
from sharpen.views.violations import Violations, none_kept, violations

Progress = Mapping[str, tuple[int, float | None]]
"""How many times each run has logged the first metric, and the last value, by its id."""

CHOICE = ("winner", "front", "chosen")


@dataclass(frozen=True)
class Snapshot:
    """What all faces show of a sweep.

    Attributes:
        sweep: As stored.
        spec: Its file, parsed.
        runs: By number, without the deleted ones.
        deleted: Those.
        progress: How far each has come.
        violations: The constraints that each broke, by number.
    """

    sweep: SweepRow
    spec: spec.Sweep
    runs: Sequence[RunRow]
    deleted: Sequence[RunRow]
    progress: Progress
    violations: Violations

    @classmethod
    def read(cls, reader: Reader, sweep_id: str) -> Snapshot:
        """Return a sweep as it is now."""
        return cls._of(reader, reader.sweep(sweep_id))

    @classmethod
    def of_best(cls, reader: Reader, sweep_id: str) -> Snapshot:
        """Return a sweep of which only the best run is read; all of it where no single score says which."""
        sweep = reader.sweep(sweep_id)
        parsed = spec.parse(sweep.spec, where=sweep.source)
        if len(parsed.metrics) == 1 and parsed.repeats == 1:
            best = reader.best(sweep.id, parsed.metric)
            if best is not None:
                return cls(sweep, parsed, [best], [], {}, {})
        return cls._of(reader, sweep)

    @classmethod
    def _of(cls, reader: Reader, sweep: SweepRow) -> Snapshot:
        parsed = spec.parse(sweep.spec, where=sweep.source)
        ever = reader.runs(sweep.id, deleted=True)
        runs = [run for run in ever if run.deleted_at is None]
        deleted = [run for run in ever if run.deleted_at is not None]
        broken = violations(reader, runs, parsed.constraints)
        return cls(sweep, parsed, runs, deleted, reader.progress(sweep.id), broken)

    def refreshed(self, reader: Reader) -> Snapshot:
        """Return the sweep as it is now; what cannot have changed since is not read again."""
        sweep = reader.sweep(self.sweep.id)
        if sweep.n_deleted != self.sweep.n_deleted:
            return self._of(reader, sweep)
        fresh = {run.number: run for run in reader.runs_since(sweep.id, self.runs)}
        unchanged = [run for run in self.runs if run.number not in fresh]
        begun = [run.number for run in fresh.values() if run.token]
        now = replace(
            self,
            sweep=sweep,
            runs=sorted([*unchanged, *fresh.values()], key=lambda run: run.number),
            progress={**self.progress, **reader.progress(sweep.id, begun)},
            violations={**self.violations, **violations(reader, fresh.values(), self.spec.constraints)},
        )
        if all(
            run.state in UNENDED for run in fresh.values()
        ):  # only a run that has ended changes the choice
            now.__dict__.update({name: self.__dict__[name] for name in CHOICE if name in self.__dict__})
        return now

    def of_deleted(self, reader: Reader) -> Snapshot:
        """Return the deleted runs in place of the others."""
        return replace(
            self,
            runs=self.deleted,
            deleted=self.runs,
            progress=reader.progress(self.sweep.id, deleted=True),
            violations=violations(reader, self.deleted, self.spec.constraints),
        )

    @property
    def metric(self) -> Metric:
        """The first metric of the sweep."""
        return self.spec.metric

    @property
    def repeats(self) -> int:
        """How many runs each configuration gets."""
        return self.spec.repeats

    @cached_property
    def done(self) -> list[RunRow]:
        """The runs that have ended."""
        return [run for run in self.runs if run.state not in UNENDED]

    @cached_property
    def configurations(self) -> list[Configuration]:
        """What the search tried: with repeats several runs each, without them a run."""
        ever = sorted([*self.deleted, *self.runs], key=lambda run: run.number)
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
            lacking = "run finished" if self.repeats == 1 else "configuration finished under all of its seeds"
            return f"no {lacking} with a score"
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

    def broke(self, run: RunRow) -> str:
        """Return the constraints that a run broke, in words; empty when it kept them all."""
        return ", ".join(violation.sentence for violation in self.violations.get(run.number, ()))
