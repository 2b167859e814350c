"""What a report knows of a sweep, as frozen values.

Axes: ``T`` out-of-sample bars, ``R`` ranked runs, ``K`` steps (folds).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sharpen.arrays import Floats
from sharpen.facts import BarsFacts
from sharpen.overfit import Interval, Judgement
from sharpen.permutation_null import PermutationTest
from sharpen.spec import Sweep
from sharpen.store.rows import OpeningRow, RunRow, SweepRow
from sharpen.trial import TrialState
from sharpen.views.permuted_search import PermutedSearch
from sharpen.views.returns import Series
from sharpen.views.scrutiny import Scrutiny


@dataclass(frozen=True, slots=True)
class Estimate:
    """An annual Sharpe ratio over all out-of-sample bars, and its bootstrap interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Performance:
    """What a series of returns amounts to; NaN where a measure is undefined."""

    annual_return: float
    annual_volatility: float
    sharpe: float
    sortino: float
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as a row of the report; with repeats a configuration, as the mean of its runs.

    Attributes:
        run: As stored; its score is the metric as logged, whichever way is better.
        state: Where it is in its life.
        metrics: The last number logged under each name.
        steps: The fold metric at each step.
        sharpe: The run's Sharpe ratio over all of its out-of-sample bars; None without returns.
        baseline: Buy-and-hold's over the same bars.
        why: Why it cannot be chosen; empty when it can.
        seeds: The scores that its own is the mean of, the lowest first; empty in a sweep without repeats.
    """

    run: RunRow
    state: TrialState
    metrics: Mapping[str, float]
    steps: Mapping[int, float]
    sharpe: Estimate | None = None
    baseline: Estimate | None = None
    why: str = ""
    seeds: tuple[float, ...] = ()

    @property
    def number(self) -> int:
        """The run's place in the sweep, from 1."""
        return self.run.number


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """A run that ended with a score, in the order of ending.

    Attributes:
        order: How many runs had ended by then.
        number: The run.
        state: Finished or stopped.
        score: Its own.
        best: The best score of a finished run that kept the constraints so far; None before the first.
        broke: Whether it finished and broke a constraint.
    """

    order: int
    number: int
    state: TrialState
    score: float
    best: float | None
    broke: bool = False


@dataclass(frozen=True, slots=True)
class GapPoint:
    """A run's metric where it was trained and where it was validated."""

    number: int
    state: TrialState
    train: float
    validation: float


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before believing a figure; a grave one puts the verdict itself in doubt."""

    topic: str
    sentence: str
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Bars that runs of the sweep say they saw, and how many runs."""

    bars: BarsFacts
    n_runs: int


@dataclass(frozen=True, slots=True)
class LockboxSide:
    """What one configuration showed on the lockbox.

    Attributes:
        name: ``chosen`` or ``default``.
        sharpe: Its Sharpe ratio there; None when the program kept no returns.
        baseline: Buy-and-hold's on the same bars.
        n_bars: How many bars there were.
        metrics: What the program logged.
    """

    name: str
    sharpe: Estimate | None
    baseline: Estimate | None
    n_bars: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One opening of the lockbox.

    Attributes:
        row: As stored.
        sides: What the configurations showed; none when nothing was shown.
        failures: Why a configuration showed nothing, by its name.
    """

    row: OpeningRow
    sides: tuple[LockboxSide, ...]
    failures: Mapping[str, str]


@dataclass(frozen=True, eq=False, slots=True)
class Analysis:
    """Everything that a report shows of a sweep.

    Attributes:
        sweep: As stored.
        spec: Its file, parsed.
        ranked: Finished feasible runs from the best down, then stopped ones alike.
        broken: Finished runs with a score that broke a constraint, the nearest miss first.
        broke: What each run missed, in words, by its number; with repeats what any run of a configuration
            did.
        front: Of a sweep of several metrics, the runs that no other beats in every metric, the best in the
            first metric first; empty for a sweep of one.
        infeasible: Runs that came to an end without a usable score.
        unranked: Runs that came to an end in a sweep without a metric.
        failed: Failed and crashed runs.
        canceled: Runs that were called off.
        unfinished: Runs that wait or run.
        best: The best finished run; None without one.
        fold_metric: What ``steps`` and ``fold_values`` hold.
        steps: The steps at which any ranked run logged it. (K,)
        fold_values: The fold metric of each ranked run at each step, NaN where it has none. (R, K)
        baseline_steps: Buy-and-hold's Sharpe ratio at each step, when programs log it.
        history: Runs with a score, in the order of ending.
        gap: Training against validation, of runs that logged both.
        gap_metrics: The names of the two.
        series: Out-of-sample returns, by run number; with repeats the means of each configuration's.
        scrutiny: What a sceptic asks of the best run; None without returns of it.
        bars_per_year: Of the best run's bars; NaN without returns.
        judgement: The verdict; of kind ``none``, with the reason as its sentence, when there can be none.
        performance: The best run's and buy-and-hold's, over the same bars; None without returns.
        data: Data sets that the runs saw, the most used first.
        versions: Versions of each package that the runs said they used.
        cautions: What to know before believing a figure.
        looks: Openings of the lockbox, the oldest first.
        looks_elsewhere: Those at the same bars by other sweeps of the store.
        search: The whole search on permuted histories; None where nobody ran it.
        permutations: Each run that was compared with permuted histories, by number, and what that said.
    """

    sweep: SweepRow
    spec: Sweep
    ranked: tuple[Entry, ...]
    broken: tuple[Entry, ...]
    broke: Mapping[int, str]
    front: tuple[Entry, ...]
    infeasible: tuple[Entry, ...]
    unranked: tuple[Entry, ...]
    failed: tuple[Entry, ...]
    canceled: tuple[Entry, ...]
    unfinished: tuple[Entry, ...]
    best: Entry | None
    fold_metric: str
    steps: tuple[int, ...]
    fold_values: Floats
    baseline_steps: Mapping[int, float]
    history: tuple[HistoryPoint, ...]
    gap: tuple[GapPoint, ...]
    gap_metrics: tuple[str, str]
    series: Mapping[int, Series]
    scrutiny: Scrutiny | None
    bars_per_year: float
    judgement: Judgement
    performance: tuple[Performance, Performance] | None
    data: tuple[DataFacts, ...]
    versions: Mapping[str, tuple[str, ...]]
    cautions: tuple[Caution, ...]
    looks: tuple[Look, ...]
    looks_elsewhere: tuple[OpeningRow, ...]
    permutations: tuple[tuple[int, PermutationTest], ...]
    search: PermutedSearch | None

    @property
    def n_runs(self) -> int:
        """How many runs the sweep has; with repeats, how many configurations."""
        parts = (
            self.ranked,
            self.unranked,
            self.broken,
            self.infeasible,
            self.failed,
            self.canceled,
            self.unfinished,
        )
        return sum(len(part) for part in parts)

    @property
    def selection(self) -> str:
        """What the verdict has to say of the front, in a sentence; empty without a front."""
        if not self.front or self.best is None:
            return ""
        sentence = "he front was chosen from the same runs, so it is as selected as a single best is."
        if not self.judgement.checks:
            return f"T{sentence}"
        return f"The verdict is on run {self.best.number}, the best in {self.spec.metric.name}; t{sentence}"

    @property
    def doubts(self) -> tuple[Caution, ...]:
        """The cautions that put the verdict itself in doubt, whatever the statistics say."""
        return tuple(caution for caution in self.cautions if caution.is_grave)

    @property
    def best_series(self) -> Series | None:
        """The best run's out-of-sample returns; None without a best run or its returns."""
        return None if self.best is None else self.series.get(self.best.number)
