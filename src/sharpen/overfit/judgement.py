"""What a verdict consists of: its kind, the checks that it rests on, and the figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sharpen.overfit.bootstrap import UNKNOWN, Interval
from sharpen.overfit.comparison import Comparison
from sharpen.overfit.evidence import RelatedSweep
from sharpen.overfit.luck_bar import Basis
from sharpen.overfit.search_null import SearchNull

CheckOutcome = Literal["passed", "failed", "caution", "not tested"]


@dataclass(frozen=True, slots=True)
class Check:
    """One test behind the verdict, in words: what was measured, what it needed, how it went.

    A caution decides nothing.

    >>> Check("deflated Sharpe", "0.41", "needs 0.95 or more", "failed").sentence
    'failed: deflated Sharpe 0.41, needs 0.95 or more'
    """

    name: str
    figure: str
    threshold: str
    outcome: CheckOutcome

    @property
    def sentence(self) -> str:
        """The check as a line."""
        return f"{self.outcome}: {self.name} {self.figure}, {self.threshold}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What can be said about a sweep's winner.

    Figures are NaN where they are undefined. Sharpe ratios are annual.

    Attributes:
        kind: ``none`` when there is nothing to judge; ``luck`` when the winner is not distinguishable from
            the luckiest of so many; ``beta`` when it is, but not from holding the market; else ``real``.
        headline: The verdict for people.
        n_trials: All that was tried, whatever came of it, in related sweeps, too.
        n_bars: Out-of-sample bars.
        details: The figures behind the headline; empty when there is nothing to judge.
        checks: What the verdict rests on; empty when there is nothing to judge.
        sharpe: The winner's.
        baseline_sharpe: Buy-and-hold's on the same bars.
        luck_sharpe: What the best of as many trials without skill is expected to show.
        dsr: Deflated Sharpe ratio, a probability.
        dsr_excess: The same for the winner's returns in excess of buy-and-hold; see :func:`excess_returns`.
        pbo: Probability of backtest overfitting; None when it cannot be computed.
        interval: Bootstrap confidence interval of ``sharpe``.
        min_track_record_bars: Bars like these needed for ``dsr`` to reach 0.95; infinite if no number
            would do.
        n_with_returns: Of ``n_trials``, those that have returns.
        n_effective: Of ``n_trials``, those left when alike returns count as one trial.
        luck_basis: What the luck bar rests on; see :class:`sharpen.overfit.LuckBar`.
        autocorrelation_factor: By how much dependent bars raise the variance of the Sharpe ratio; 1 if none.
        reality_check: p-value of the best trial beside 0, over all that have returns; None without.
        reality_check_excess: The same for the excess over buy-and-hold.
        pbo_range: The lowest and the highest PBO over shifts of the block edges.
        related: Other sweeps on the same bars, which ``n_trials`` counts.
        n_elsewhere: What the same program tried on other instruments, which ``n_trials`` does not count.
        dsr_elsewhere: The deflated Sharpe ratio if it did; None where there is nothing else.
        search: The whole search among searches of permuted histories, where somebody ran it.
        dates: The days of the first and of the last bar; empty when nobody said.
        baselines: The winner beside each baseline, where runs are policies that kept what they saved; then
            there are no Sharpe ratios, and ``n_bars`` counts windows of prices.
    """

    kind: Literal["luck", "beta", "real", "none"]
    headline: str
    n_trials: int
    n_bars: int
    details: str = ""
    checks: tuple[Check, ...] = ()
    sharpe: float = math.nan
    baseline_sharpe: float = math.nan
    luck_sharpe: float = math.nan
    dsr: float = math.nan
    dsr_excess: float = math.nan
    pbo: float | None = None
    interval: Interval = UNKNOWN
    min_track_record_bars: float = math.nan
    n_with_returns: int = 0
    n_effective: int = 0
    luck_basis: Basis = "one trial"
    autocorrelation_factor: float = 1.0
    reality_check: float | None = None
    reality_check_excess: float | None = None
    pbo_range: tuple[float, float] | None = None
    related: tuple[RelatedSweep, ...] = ()
    n_elsewhere: int = 0
    dsr_elsewhere: float | None = None
    search: SearchNull | None = None
    dates: tuple[str, str] = ("", "")
    baselines: tuple[Comparison, ...] = ()

    @property
    def sentence(self) -> str:
        """The headline and its figures."""
        return f"{self.headline} {self.details}".rstrip()
