"""What a verdict consists of: its kind, the checks that it rests on, and the figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sharpen.overfit.bootstrap import UNKNOWN, Interval

Outcome = Literal["passed", "failed", "caution", "not tested"]


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
    outcome: Outcome

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
        n_trials: Trials given, those without a defined Sharpe ratio included.
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

    @property
    def sentence(self) -> str:
        """The headline and its figures."""
        return f"{self.headline} {self.details}".rstrip()
