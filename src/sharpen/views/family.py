"""Sweeps on the same bars are one search: which they are, and what all of them tried.

A family is every sweep of the store, deleted ones too, whose development bars overlap in symbol and time, or
are the same market under another name, and every run of no sweep that looked at them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np

from sharpen import spec
from sharpen.arrays import Floats, Ints, Times
from sharpen.bar_sketch import is_akin
from sharpen.errors import DataError, SpecError
from sharpen.facts import BarsFacts, RunFacts
from sharpen.overfit import RelatedSweep
from sharpen.space import Constant
from sharpen.spec import Sweep
from sharpen.store.configurations import configurations, undeleted, winner
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, RunRow, SweepRow
from sharpen.views.market_cache import MarketCache
from sharpen.views.plain_runs import PlainRuns, all_plain_runs, by_bars
from sharpen.views.returns import Series, read_file
from sharpen.views.trials import FiguresCache, SweepTrials, trials_of

LEARNS_NOT = ("random", "grid", "queued")  # the last as far as nobody queues by what came out
QUEUED = "queued"  # the origin of a run that somebody asked for
N_KEPT = 64  # sweep files that were read
MAX_MARKETS = 20  # of a sweep, that are compared with those of another


@dataclass(frozen=True, eq=False, slots=True)
class Family:
    """All that was tried on a sweep's bars.

    Attributes:
        own: The sweep itself.
        others: The other sweeps on these bars, the oldest first.
        renamed: The ids of those whose bars have other names, and are the same market.
        elsewhere: Sweeps of the same program on other instruments in the same years, the oldest first.
        plain: The runs of no sweep on these bars.
    """

    own: SweepTrials
    others: tuple[SweepTrials, ...]
    renamed: frozenset[str] = frozenset()
    elsewhere: tuple[SweepTrials, ...] = ()
    plain: PlainRuns = field(default_factory=PlainRuns)

    def n_tried(self) -> int:
        """Return how many configurations were tried in all."""
        return sum(n_configurations(trials) for trials in (self.own, *self.others)) + self.plain.n_tried

    def sharpes(self) -> tuple[Floats, Ints]:
        """Return the per-bar Sharpe ratio of every run that kept returns in other sweeps, and its bars."""
        every_figure = [figures for trials in self._others() for figures in trials.figures.values()]
        return np.array([f.sharpe for f in every_figure]), np.array(
            [f.n_bars for f in every_figure], dtype=np.int64
        )

    def n_elsewhere(self) -> int:
        """Return how many configurations the same program tried on other instruments in the same years."""
        return sum(n_configurations(trials) for trials in self.elsewhere)

    def series_elsewhere(self, time: Times, n_most: int) -> Iterator[Series]:
        """Return the returns that other sweeps kept and that may have these bars, as far as they can be read.

        Args:
            time: The bars.
            n_most: No more than so many.
        """
        if not len(time):
            return
        first, last = (str(time[at].astype("datetime64[s]")) for at in (0, -1))
        fitting = (
            trials.files[run_id]
            for trials in self._others()
            for run_id, f in trials.figures.items()
            if run_id in trials.files and f.n_bars >= len(time) and f.first <= first and f.last >= last
        )
        for file in islice(fitting, n_most):
            with suppress(DataError):  # it was there when its figures were read
                yield read_file(file.path)

    def _others(self) -> tuple[SweepTrials, ...]:
        return (*self.others, self.plain.trials(self.own.sweep))

    def related(self, best: RunRow | None) -> tuple[RelatedSweep, ...]:
        """Return the other sweeps for the verdict to name, and whether the best run won there, too."""
        alone = (RelatedSweep("", self.plain.n_tried),) if self.plain.runs else ()
        sweeps = tuple(
            RelatedSweep(
                trials.sweep.id,
                n_configurations(trials),
                self._has_winner(trials, best),
                trials.sweep.id in self.renamed,
            )
            for trials in self.others
        )
        return sweeps + alone

    def n_fitted(self) -> int:
        """Return how many parameters a search that learns has varied; 0 for one sweep that does not learn.

        Whoever looks at results and queues the next configuration by hand learns, too.
        """
        own = _parsed(self.own.sweep)
        is_alone = not self.others and not self.plain.runs
        if is_alone and (own is None or (own.method in LEARNS_NOT and not _is_steered(self.own))):
            return 0
        every = (_parsed(trials.sweep) for trials in (self.own, *self.others))
        return max([self.plain.n_varied, *(_n_varied(read) for read in every if read is not None)])

    def _has_winner(self, trials: SweepTrials, best: RunRow | None) -> bool:
        if best is None or (read := _parsed(trials.sweep)) is None:
            return False
        won = winner(configurations(undeleted(trials.runs), read.repeats), read.metric)
        if won is None:
            return False
        ours, theirs = self.own.figures.get(best.id), trials.figures.get(won.row.id)
        is_same_file = ours is not None and theirs is not None and ours.content == theirs.content
        return is_same_file or won.row.config == best.config


def family(reader: Reader, sweep: SweepRow, ever: Sequence[RunRow] | None = None) -> Family:
    """Return a sweep with all others of the store that were tried on its bars.

    Each returns file is read once in its life: what the verdict needs of it is kept in the store's folder.

    Args:
        reader: The store.
        sweep: Which sweep.
        ever: All of its runs, deleted ones too, where they have been read.
    """
    cache = FiguresCache(reader.home)
    own = trials_of(reader, sweep, cache, ever)
    others = [
        trials_of(reader, other, cache) for other in reader.sweeps(deleted=True) if other.id != sweep.id
    ]
    read = _parsed(sweep)
    plain = all_plain_runs(reader, cache, read.metric.name if read is not None and read.has_metric else "")
    cache.save()
    tried = [trials for trials in others if trials.runs]
    same = [trials for trials in tried if _share_bars(own, trials)]
    unmatched = [trials for trials in tried if trials not in same]
    markets = MarketCache(reader.home)
    alike = renamed(own, unmatched, markets)
    elsewhere = [
        trials for trials in unmatched if trials not in alike and _is_same_program_elsewhere(own, trials)
    ]
    others = tuple(trials for trials in tried if trials in same or trials in alike)
    names = frozenset(trials.sweep.id for trials in alike)
    ours = by_bars(plain, sweep, lambda one: _is_ours(own, one, markets))
    markets.save()
    return Family(own, others, names, tuple(elsewhere), ours)


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


def n_configurations(trials: SweepTrials) -> int:
    """Return how many configurations a sweep has tried; with repeats fewer than runs."""
    read = _parsed(trials.sweep)
    if read is None or read.repeats == 1:
        return len(trials.runs)
    return len({run.repeat_of or run.number for run in trials.runs})


def _share_bars(one: SweepTrials, other: SweepTrials) -> bool:
    if any(overlap(a, b) for a in one.bars for b in other.bars):
        return True
    is_unknown = _is_silent(one) or _is_silent(other)
    return is_unknown and (_is_same_program(one, other) or _is_same_question(one.sweep, other.sweep))


def _is_ours(own: SweepTrials, plain: SweepTrials, cache: MarketCache) -> bool:
    """Return whether runs of no sweep had a sweep's bars; those that do not say it logged its metric."""
    is_same = any(overlap(a, b) for a in own.bars for b in plain.bars)
    return is_same or _is_silent(plain) or bool(renamed(own, [plain], cache))


def _is_same_program(one: SweepTrials, other: SweepTrials) -> bool:
    """Return whether two sweeps ran one program: one name in one folder, or a source file in common."""
    return _program(one.sweep) == _program(other.sweep) or not _sources(one).isdisjoint(_sources(other))


def _sources(trials: SweepTrials) -> set[str]:
    code = (RunFacts.of_summary(run.summary).code for run in trials.runs)
    return {digest for files in code for digest in files.values()}


def _is_same_question(one: SweepRow, other: SweepRow) -> bool:
    """Return whether sweeps of one folder have the same metric, or vary something of the same name."""
    ours, theirs = _parsed(one), _parsed(other)
    if ours is None or theirs is None or one.workdir != other.workdir:
        return False
    is_same_metric = ours.has_metric and theirs.has_metric and ours.metric.name == theirs.metric.name
    return is_same_metric or not ours.space.dimensions.keys().isdisjoint(theirs.space.dimensions)


def _is_steered(trials: SweepTrials) -> bool:
    """Return whether somebody queued a configuration after another had ended: such a search learns."""
    first = min((run.ended_at for run in trials.runs if run.ended_at is not None), default=math.inf)
    return any(run.origin == QUEUED and run.created_at > first for run in trials.runs)


def renamed(own: SweepTrials, others: Sequence[SweepTrials], cache: MarketCache) -> list[SweepTrials]:
    """Return the sweeps whose bars are, under other names, those of this one."""
    ours = _markets(own, cache) if others else []
    return [
        other
        for other in others
        if any(is_akin(a.sketch, b.sketch) for a in own.bars for b in other.bars)
        or (ours and any(cache.is_same(*a, *b) for b in _markets(other, cache) for a in ours))
    ]


def _markets(trials: SweepTrials, cache: MarketCache) -> list[tuple[str, ArtifactRow]]:
    """Return each market that the runs kept, by its longest file, at most :data:`MAX_MARKETS` of them."""
    readable = [
        (f.n_bars, f.market, run_id) for run_id, f in trials.figures.items() if run_id in trials.files
    ]
    by_market = {market: trials.files[run_id] for _, market, run_id in sorted(readable)}
    longest = [*reversed(by_market.items())][:MAX_MARKETS]
    pairs: list[tuple[str, ArtifactRow]] = []
    for market, file in longest:
        if cache.moves(market, file) and not any(cache.is_same(market, file, *one) for one in pairs):
            pairs.append((market, file))
    return pairs


def _is_same_program_elsewhere(own: SweepTrials, other: SweepTrials) -> bool:
    spans = [[(b.first, b.last) for b in trials.bars if b.first and b.last] for trials in (own, other)]
    is_same_time = any(a[0] <= b[1] and b[0] <= a[1] for a in spans[0] for b in spans[1])
    return is_same_time and _is_same_program(own, other)


def _is_silent(trials: SweepTrials) -> bool:
    return all(not (bars.digest or bars.symbols or bars.first) for bars in trials.bars)


def _program(sweep: SweepRow) -> tuple[str, str]:
    read = _parsed(sweep)
    return (sweep.workdir, sweep.id if read is None else read.program or " ".join(read.command))


def _parsed(sweep: SweepRow) -> Sweep | None:
    return _read(sweep.spec, sweep.source)


@lru_cache(maxsize=N_KEPT)
def _read(text: str, source: str) -> Sweep | None:
    """Return what a sweep file says; a verdict asks several times, and a long one takes seconds to read."""
    try:
        return spec.parse(text, where=source)
    except SpecError:
        return None


def _n_varied(read: Sweep) -> int:
    return sum(not isinstance(dimension, Constant) for dimension in read.space.dimensions.values())
