"""Runs of no sweep: plain tracking is trying, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sharpen.facts import BarsFacts
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, SweepRow, TrackedRun
from sharpen.views.returns import returns_files
from sharpen.views.trials import FiguresCache, ReturnsFigures, SweepTrials, seen


@dataclass(frozen=True, slots=True)
class PlainRun:
    """A run of no sweep.

    Attributes:
        run: As stored.
        bars: What it says of its bars.
        figures: Of its returns; None where it kept none.
        file: Its returns; None where it kept none.
    """

    run: TrackedRun
    bars: BarsFacts
    figures: ReturnsFigures | None
    file: ArtifactRow | None


@dataclass(frozen=True, slots=True)
class PlainRuns:
    """The runs of no sweep that were tried on a sweep's bars."""

    runs: tuple[PlainRun, ...] = ()

    @property
    def n_tried(self) -> int:
        """How many: a run that was taken up again may have had another configuration, and counts again."""
        return sum(one.run.token for one in self.runs)

    @property
    def n_varied(self) -> int:
        """How many values of their configurations differ from one to another."""
        values: dict[str, set[str]] = {}
        for one in self.runs:
            for name, value in one.run.config.items():
                values.setdefault(name, set()).add(json.dumps(value, sort_keys=True, default=str))
        return sum(len(different) > 1 for different in values.values())

    def trials(self, sweep: SweepRow) -> SweepTrials:
        """Return what they kept, as if it were of a sweep."""
        figures_of = {one.run.id: one.figures for one in self.runs if one.figures is not None}
        files = {
            one.run.id: one.file for one in self.runs if one.file is not None and one.run.id in figures_of
        }
        return SweepTrials(sweep, (), figures_of, frozenset(one.bars for one in self.runs), files)


def all_plain_runs(reader: Reader, cache: FiguresCache, metric: str = "") -> list[PlainRun]:
    """Return the runs of no sweep that were tried, deleted ones too, and that say something of bars.

    Args:
        reader: The store.
        cache: Figures that are known already; new ones are added.
        metric: Those that logged it are among them, though they say nothing of bars.
    """
    runs = reader.tracked.tried_alone(metric)
    files = returns_files(reader.artifacts(deleted=True)) if runs else {}
    figures = {run.id: cache.figures(files[run.id]) for run in runs if run.id in files}
    return [
        PlainRun(run, seen(run.summary, figures.get(run.id)), figures.get(run.id), files.get(run.id))
        for run in runs
    ]


def by_bars(runs: Sequence[PlainRun], sweep: SweepRow, are_ours: Callable[[SweepTrials], bool]) -> PlainRuns:
    """Return those runs whose bars are a sweep's; it is asked once for all that have the same.

    Args:
        runs: Of no sweep.
        sweep: Which sweep.
        are_ours: Whether the bars of trials are the sweep's.
    """
    groups: dict[tuple[BarsFacts, str], list[PlainRun]] = {}
    for run in runs:
        groups.setdefault((run.bars, run.figures.market if run.figures else ""), []).append(run)
    ours = (group for group in groups.values() if are_ours(PlainRuns(tuple(group[:1])).trials(sweep)))
    return PlainRuns(tuple(run for group in ours for run in group))
