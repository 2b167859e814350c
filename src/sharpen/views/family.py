"""Sweeps on the same bars are one search: which they are, and what all of them tried.

A family is every sweep of the store, deleted ones too, whose development bars overlap in symbol and time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sharpen import spec
from sharpen.arrays import Floats, Ints
from sharpen.errors import SpecError
from sharpen.facts import BarsFacts
from sharpen.overfit import RelatedSweep
from sharpen.space import Constant
from sharpen.spec import Sweep
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.views.trials import FiguresCache, Trials, trials_of

LEARNS_NOT = ("random", "grid")


@dataclass(frozen=True, eq=False, slots=True)
class Family:
    """All that was tried on a sweep's bars.

    Attributes:
        own: The sweep itself.
        others: The other sweeps on these bars, the oldest first.
    """

    own: Trials
    others: tuple[Trials, ...]

    def n_tried(self) -> int:
        """Return how many configurations were tried in all."""
        return sum(n_configurations(trials) for trials in (self.own, *self.others))

    def sharpes(self) -> tuple[Floats, Ints]:
        """Return the per-bar Sharpe ratio of every run that kept returns in other sweeps, and its bars."""
        known = [figures for trials in self.others for figures in trials.figures.values()]
        return np.array([f.sharpe for f in known]), np.array([f.n_bars for f in known], dtype=np.int64)

    def n_alike(self, content: str) -> int:
        """Return how many runs of other sweeps have exactly these returns."""
        return sum(f.content == content for trials in self.others for f in trials.figures.values())

    def related(self, best: RunRow | None) -> tuple[RelatedSweep, ...]:
        """Return the other sweeps for the verdict to name, and whether the best run won there, too."""
        return tuple(
            RelatedSweep(trials.sweep.id, n_configurations(trials), self._has_winner(trials, best))
            for trials in self.others
        )

    def n_fitted(self) -> int:
        """Return how many parameters a search that learns has varied; 0 for one sweep that does not learn."""
        if not self.others:
            read = _parsed(self.own.sweep)
            return 0 if read is None or read.method in LEARNS_NOT else _n_varied(read)
        every = (_parsed(trials.sweep) for trials in (self.own, *self.others))
        return max((_n_varied(read) for read in every if read is not None), default=0)

    def _has_winner(self, trials: Trials, best: RunRow | None) -> bool:
        if best is None or (read := _parsed(trials.sweep)) is None:
            return False
        alive = [replace(run, deleted_at=None) for run in trials.runs]
        won = winner(configurations(alive, read.repeats), read.metric)
        if won is None:
            return False
        ours, theirs = self.own.figures.get(best.id), trials.figures.get(won.row.id)
        is_same_file = ours is not None and theirs is not None and ours.content == theirs.content
        return is_same_file or won.row.config == best.config


def family(reader: Reader, sweep: SweepRow) -> Family:
    """Return a sweep with all others of the store that were tried on its bars.

    Each returns file is read once in its life: what the verdict needs of it is kept in the store's folder.

    Args:
        reader: The store.
        sweep: Which sweep.
    """
    cache = FiguresCache(reader.home)
    own = trials_of(reader, sweep, cache)
    others = [
        trials_of(reader, other, cache) for other in reader.sweeps(deleted=True) if other.id != sweep.id
    ]
    cache.save()
    return Family(own, tuple(each for each in others if each.runs and _share_bars(own, each)))


def overlap(one: BarsFacts, other: BarsFacts) -> bool:
    """Return whether two sets of bars have a symbol and a time in common, as far as anybody said.

    Equal hashes are equal bars. Without symbols two hashes that differ are the same bars only under one
    name, as when one sweep held back a larger lockbox. Bars of which nothing but the time is known overlap
    where the times do: that counts too much sooner than too little.

    >>> a = BarsFacts("", "", (), "2010-01-01", "2015-01-01", ("A", "B"))
    >>> overlap(a, BarsFacts("", "", (), "2014-01-01", "2020-01-01", ("B",)))
    True
    >>> overlap(a, BarsFacts("", "", (), "2016-01-01", "2020-01-01", ("B",)))
    False
    """
    if one.digest and one.digest == other.digest:
        return True
    if one.first and other.first and (one.last < other.first or other.last < one.first):
        return False
    if one.symbols and other.symbols:
        return not set(one.symbols).isdisjoint(other.symbols)
    if one.digest and other.digest:
        return bool(one.name) and one.name == other.name
    return bool(one.first and other.first)


def n_configurations(trials: Trials) -> int:
    """Return how many configurations a sweep has tried; with repeats fewer than runs."""
    read = _parsed(trials.sweep)
    if read is None or read.repeats == 1:
        return len(trials.runs)
    return len({run.repeat_of or run.number for run in trials.runs})


def _share_bars(one: Trials, other: Trials) -> bool:
    if any(overlap(a, b) for a in one.bars for b in other.bars):
        return True
    silent = [all(_is_silent(bars) for bars in trials.bars) for trials in (one, other)]
    return any(silent) and _program(one.sweep) == _program(other.sweep)


def _is_silent(bars: BarsFacts) -> bool:
    return not (bars.digest or bars.symbols or bars.first)


def _program(sweep: SweepRow) -> tuple[str, str]:
    read = _parsed(sweep)
    return (sweep.workdir, sweep.id if read is None else read.program or " ".join(read.command))


def _parsed(sweep: SweepRow) -> Sweep | None:
    try:
        return spec.parse(sweep.spec, where=sweep.source)
    except SpecError:
        return None


def _n_varied(read: Sweep) -> int:
    return sum(not isinstance(dimension, Constant) for dimension in read.space.dimensions.values())
