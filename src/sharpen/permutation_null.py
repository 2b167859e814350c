"""What scores on permuted histories say of a score on the real one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sharpen.facts import PERMUTED

LEVEL = 0.05  # of p, up to which the order of the bars is said to matter


@dataclass(frozen=True, slots=True)
class PermutedFigure:
    """A figure of the run's own history beside the same figure on permuted ones.

    Attributes:
        name: What it is.
        own: On the run's own history.
        values: On each permuted one; NaN is worse than any number.
        maximize: Whether larger is better.
    """

    name: str
    own: float
    values: tuple[float, ...]
    maximize: bool = True

    @property
    def n_as_good(self) -> int:
        """How many permuted histories are at least as good."""
        return sum(value >= self.own if self.maximize else value <= self.own for value in self.values)

    @property
    def p(self) -> float:
        """The p-value: the run's own history counts as one of the permutations, so it is never 0.

        Source: Phipson and Smyth (2010), Permutation P-values Should Never Be Zero, Statistical
        Applications in Genetics and Molecular Biology 9(1), 39.

        >>> PermutedFigure("val/sharpe", 1.0, (0.5, 1.0, math.nan)).p
        0.5
        """
        return (self.n_as_good + 1) / (len(self.values) + 1)

    @property
    def spread(self) -> tuple[float, float, float]:
        """The least, the median and the largest of the values that are numbers; NaN without any.

        >>> PermutedFigure("val/sharpe", 0.0, (3.0, math.nan, 1.0, 2.0)).spread
        (1.0, 2.0, 3.0)
        """
        values = [value for value in self.values if not math.isnan(value)] or [math.nan]
        return min(values), median(values), max(values)


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """A run's score beside those of its configuration on permuted histories.

    Attributes:
        metric: What scores.
        maximize: Whether larger is better.
        score: The run's own, as logged.
        scores: On each history; NaN where the configuration was infeasible.
        seed: The root seed of the permutations.
        baseline: Buy-and-hold's Sharpe ratio over the run's own validation windows; None when not logged.
        baselines: The same on each history; none when not logged.
    """

    metric: str
    maximize: bool
    score: float
    scores: tuple[float, ...]
    seed: int
    baseline: float | None = None
    baselines: tuple[float, ...] = ()

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> PermutationTest | None:
        """Return the test that a run's summary holds; None without one."""
        if PERMUTED not in summary:
            return None
        fields: dict[str, Any] = dict(summary[PERMUTED])
        for name in ("scores", "baselines"):
            fields[name] = tuple(float(value) for value in fields[name])
        return cls(**fields)

    def stored(self) -> dict[str, Any]:
        """Return what :meth:`of` reads back, as JSON can hold it."""
        return asdict(self)

    def figures(self) -> dict[str, Any]:
        """Return what follows from the scores, for programs; of the excess None when there is none."""
        counts = {"n": self.n, "seed": self.seed, "n_infeasible": self.n_infeasible}
        counts |= {"n_as_good": self.own.n_as_good, "p": self.own.p}
        return counts | {"p_excess": None if self.excess is None else self.excess.p}

    @property
    def n(self) -> int:
        """How many histories there were."""
        return len(self.scores)

    @property
    def n_infeasible(self) -> int:
        """On how many histories the configuration was infeasible."""
        return sum(math.isnan(value) for value in self.scores)

    @property
    def own(self) -> PermutedFigure:
        """The score beside the scores."""
        return PermutedFigure(self.metric, self.score, self.scores, self.maximize)

    @property
    def holding(self) -> PermutedFigure | None:
        """Buy-and-hold over the validation windows; None when not logged."""
        return (
            None if self.baseline is None else PermutedFigure("buy-and-hold", self.baseline, self.baselines)
        )

    @property
    def excess(self) -> PermutedFigure | None:
        """The score less buy-and-hold; None when that is not logged, or the score is no Sharpe ratio."""
        if self.baseline is None or not self.maximize or "sharpe" not in self.metric.lower():
            return None
        values = tuple(score - held for score, held in zip(self.scores, self.baselines, strict=True))
        return PermutedFigure("less buy-and-hold", self.score - self.baseline, values)

    @property
    def comparisons(self) -> tuple[PermutedFigure, ...]:
        """All that there are, the score's first."""
        return tuple(
            comparison for comparison in (self.own, self.holding, self.excess) if comparison is not None
        )

    @property
    def least_p(self) -> float:
        """The smallest p-value that so many histories can give."""
        return 1 / (self.n + 1)

    @property
    def sentence(self) -> str:
        """What the scores say, for people.

        >>> print(PermutationTest("val/loss", False, 1.0, 20 * (1.5,), seed=0).sentence)
        0 of 20 permuted histories scored at least as low: p = 0.048. The score needs the order of the bars.
        """
        infeasible = f" ({self.n_infeasible} infeasible, which counts as worse)" if self.n_infeasible else ""
        count = f"{self.own.n_as_good} of {self.n} permuted histories{infeasible} scored at least as "
        return f"{count}{'high' if self.maximize else 'low'}: p = {self.own.p:.2g}. {self._claim()}"

    def _claim(self) -> str:
        excess = self.excess
        if self.least_p > LEVEL:
            return f"So few histories can show nothing: use {math.ceil(1 / LEVEL) - 1} or more."
        if self.own.p > LEVEL:
            return "No sign that the score needs the order of the bars."
        if excess is None:
            return "The score needs the order of the bars."
        if excess.p <= LEVEL:
            return f"The score needs the order of the bars, also less buy-and-hold: p = {excess.p:.2g}."
        return (
            f"But less buy-and-hold {excess.n_as_good} did: p = {excess.p:.2g}. What needs the order of the"
            " bars may be the market's course over these validation windows, and not the model."
        )

    @property
    def summary(self) -> str:
        """The result in a few words.

        >>> PermutationTest("val/sharpe", True, 1.0, 19 * (0.5,), seed=3).summary
        'p = 0.05, 0 of 19 permuted histories as good, seed 3'
        """
        excess = "" if self.excess is None else f" (less buy-and-hold {self.excess.p:.2g})"
        as_good = f"{self.own.n_as_good} of {self.n} permuted histories as good"
        return f"p = {self.own.p:.2g}{excess}, {as_good}, seed {self.seed}"

    @property
    def limits(self) -> str:
        """What the scores do not say, for people."""
        return (
            "This judges one configuration, not the luck of choosing it among the sweep's runs: the deflated"
            f" Sharpe ratio does that. With {self.n} histories p cannot be below {self.least_p:.2g}."
            " Permutation keeps each symbol's total return over the development bars, so buy-and-hold over"
            " all of them is unchanged; over the validation windows alone it is not."
        )
