"""What is put before the judge of a sweep's winner.

Axes: ``T`` out-of-sample bars of the winner, ``N`` trials that have returns, ``K`` trials that have them on
all of the winner's bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError
from sharpen.overfit.search_null import SearchNull

_SERIES = ("best_returns", "baseline_returns", "finished_returns", "kept_returns")


@dataclass(frozen=True, slots=True)
class RelatedSweep:
    """Another sweep on bars that the winner was judged on, too: its trials are trials of the same search.

    Attributes:
        name: The sweep's id, for people; empty for runs of no sweep.
        n_tried: How many configurations were tried there.
        has_winner: Whether its best configuration is the winner that is judged here.
        is_renamed: Whether its bars have other names and are known by what holding them made.
    """

    name: str
    n_tried: int
    has_winner: bool = False
    is_renamed: bool = False


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a sweep, and all others on the same bars, have to show for the best trial; all out of sample.

    Attributes:
        best_returns: Returns of the best feasible trial; empty when there is none. (T,)
        baseline_returns: Equal-weight buy-and-hold. (T,)
        trial_sharpes: Per-bar Sharpe ratio of every trial that has out-of-sample returns, the best one,
            those stopped early, deleted ones and those of related sweeps included; NaN where undefined. (N,)
        finished_returns: Returns of the trials that finished, one a column: those that the probability of
            backtest overfitting takes. (T, finished trials)
        bars_per_year: Bars per year, for annual figures.
        seed: Root seed of the bootstrap.
        trial_bars: How many bars each of ``trial_sharpes`` comes from; None when all have T. (N,)
        n_tried: Every configuration that was started, and reported once or ended, in this sweep and the
            related ones: those without returns, too. None when ``trial_sharpes`` are all.
        kept_returns: Returns of every trial that has the winner's bars, those of ``finished_returns``
            included; None when these are all. Alike columns count as one trial, and the reality check is over
            all of them. (T, K)
        n_fitted: How many parameters a method that learns has varied; with several sweeps on the same bars,
            the largest number of any, for their order is a search that learns, too. 0 for a single sweep by
            ``random`` or ``grid``.
        related: The other sweeps that ``n_tried`` counts.
        n_elsewhere: Configurations that the same program tried on other instruments in the same years. They
            do not decide; the judgement says what they would do to the deflated Sharpe ratio.
        search: The whole search on permuted histories, where somebody ran it.
        dates: The days of the first and of the last bar, for people; empty when nobody said.
    """

    best_returns: Floats
    baseline_returns: Floats
    trial_sharpes: Floats
    finished_returns: Floats
    bars_per_year: float
    seed: int = 0
    trial_bars: Ints | None = None
    n_tried: int | None = None
    kept_returns: Floats | None = None
    n_fitted: int = 0
    related: tuple[RelatedSweep, ...] = ()
    n_elsewhere: int = 0
    search: SearchNull | None = None
    dates: tuple[str, str] = ("", "")

    @property
    def n_trials(self) -> int:
        """Every configuration tried, at least as many as have returns, at least 1."""
        return max(self.n_tried or 0, len(self.trial_sharpes), 1)

    @property
    def columns(self) -> Floats:
        """The returns of every trial on the winner's bars. (T, K)."""
        return self.finished_returns if self.kept_returns is None else self.kept_returns

    @property
    def comparable_sharpes(self) -> Floats:
        """The Sharpe ratios as if all came from the winner's bars. (N,).

        Without skill a ratio from ``t`` bars has the variance ``1 / (t - 1)``, so it is multiplied by
        ``sqrt((t - 1) / (T - 1))``: then short ones spread as wide as long ones, and no wider. NaN below
        three bars. This is a decision and no published formula: docs/decisions/0020.
        """
        if self.trial_bars is None:
            return self.trial_sharpes
        own, ours = self.trial_bars - 1.0, max(len(self.best_returns) - 1.0, 1.0)
        return np.where(own >= 2.0, self.trial_sharpes * np.sqrt(np.maximum(own, 0.0) / ours), np.nan)

    def check(self) -> None:
        """Raise UsageError where series differ in length or hold a NaN, or counts do not fit together."""
        n_bars = len(self.best_returns)
        given = {name: getattr(self, name) for name in _SERIES if getattr(self, name) is not None}
        lengths = {name: len(series) for name, series in given.items() if name != "best_returns"}
        if n_bars and any(length != n_bars for length in lengths.values()):
            raise UsageError(f"best_returns have {n_bars} bars, but {lengths}: give the same bars", **lengths)
        for name, series in given.items():
            if not np.isfinite(series).all():
                raise UsageError(
                    f"{name} hold a NaN or an infinity: give the returns of every bar", where=name
                )
        n_sharpes = len(self.trial_sharpes)
        if self.trial_bars is not None and len(self.trial_bars) != n_sharpes:
            raise UsageError(
                f"trial_bars has {len(self.trial_bars)} numbers for {n_sharpes} Sharpe ratios: give as many"
            )
