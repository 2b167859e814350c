"""Whether paper trading decided as the backtest does: every signal, bar for bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, isfinite

import numpy as np

from sharpen.bars import Panel
from sharpen.paper.ledger import Decision
from sharpen.paper.orders import bar_name
from sharpen.paper.ports import Strategy
from sharpen.paper.trader import first_index

ROUNDING = 2e-3  # of adjusted prices, which vendors round to cents
LEAST_SPLIT = 0.05  # a smaller change of all prices is none


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A bar where paper trading and the backtest differ.

    Attributes:
        bar: Its time.
        symbol: The instrument.
        kind: ``signal`` where the decisions differ, ``bar`` where the prices do.
        paper: What was decided or recorded then.
        backtest: What the bars say now.
    """

    bar: str
    symbol: str
    kind: str
    paper: str
    backtest: str


@dataclass(frozen=True, slots=True)
class SignalComparison:
    """The comparison of a session with its backtest.

    Attributes:
        n_signals: How many decisions were compared.
        mismatches: Where they differ.
        n_adjusted: Bars that were divided for a split since, which is no difference.
    """

    n_signals: int
    mismatches: tuple[Mismatch, ...]
    n_adjusted: int = 0

    @property
    def rate_bound(self) -> float:
        """Upper end of the 95 % interval of the share of mismatches when none was seen.

        Source: the exact binomial bound ``1 - 0.05 ** (1 / n)``.

        >>> round(SignalComparison(300, ()).rate_bound, 4)
        0.0099
        """
        return 1.0 if self.n_signals == 0 else 1.0 - 0.05 ** (1.0 / self.n_signals)


def compare(
    panel: Panel,
    strategy: Strategy,
    decisions: Sequence[Decision],
    recorded: Sequence[tuple[str, str, Sequence[float]]],
) -> SignalComparison:
    """Return how a session's decisions compare with the backtest's on the same bars.

    Args:
        panel: The bars as they are now.
        strategy: The same model.
        decisions: Of the session.
        recorded: The bars as the session saw them: time, symbol, prices.
    """
    mismatches, n_adjusted = _differing_bars(panel, recorded)
    if decisions:
        first = first_index(panel, min(d.bar for d in decisions))
        targets = strategy.targets(panel, first)
        row_of = {bar_name(time): t - first for t, time in enumerate(panel.time)}
        column = {symbol: k for k, symbol in enumerate(panel.symbols)}
        for made in decisions:
            if made.bar not in row_of:
                mismatches.append(Mismatch(made.bar, made.symbol, "bar", "recorded", "missing"))
                continue
            expected = float(targets[row_of[made.bar], column[made.symbol]])
            if expected != made.target:
                shown = f"{made.target:.6g}", f"{expected:.6g}"
                mismatches.append(Mismatch(made.bar, made.symbol, "signal", *shown))
    ordered = sorted(mismatches, key=lambda m: (m.bar, m.symbol, m.kind))
    return SignalComparison(len(decisions), tuple(ordered), n_adjusted)


def _differing_bars(
    panel: Panel, recorded: Sequence[tuple[str, str, Sequence[float]]]
) -> tuple[list[Mismatch], int]:
    """Return the bars that are others than the session saw, and how many only splits have divided since."""
    row_of = {bar_name(time): t for t, time in enumerate(panel.time)}
    mismatches: list[Mismatch] = []
    n_adjusted = 0
    for k, symbol in enumerate(panel.symbols):
        seen = [(bar, then) for bar, of, then in recorded if of == symbol and bar in row_of]
        columns = (panel.open, panel.high, panel.low, panel.close, panel.volume)
        current = [[float(x[row_of[bar], k]) for x in columns] for bar, _ in seen]
        factors = split_factors([then for _, then in seen], current)
        for (bar, then), there, factor in zip(seen, current, factors, strict=True):
            if np.array_equal(there, then, equal_nan=True):  # a missing bar is still missing
                continue
            if factor == 1.0:
                mismatches.append(Mismatch(bar, symbol, "bar", f"{then[3]:.6g}", f"{there[3]:.6g}"))
            else:
                n_adjusted += 1
    return mismatches, n_adjusted


def split_factors(then: Sequence[Sequence[float]], now: Sequence[Sequence[float]]) -> list[float]:
    """Return by which factor splits have divided each bar's prices since it was recorded; 1 where none has.

    A split divides all prices of a bar alike, and those of every bar before it: a bar that differs by itself
    has no factor.

    Args:
        then: Open, high, low and close of each bar as it was recorded, the oldest first.
        now: The same bars now.

    >>> before, halved = [100.0, 101.0, 99.0, 100.0], [50.0, 50.5, 49.5, 50.0]
    >>> odd = [100.0, 101.0, 99.0, 70.0]
    >>> split_factors([before] * 3, [halved, halved, before])
    [2.0, 2.0, 1.0]
    >>> split_factors([before] * 3, [before, halved, odd])
    [1.0, 1.0, 1.0]
    """
    factors = [1.0] * len(then)
    current = 1.0
    for t in reversed(range(len(then))):
        own = _factor(then[t], now[t])
        if own is not None and not isclose(own, current, rel_tol=LEAST_SPLIT):
            older = _factor(then[t - 1], now[t - 1]) if t else own
            if older is not None and isclose(older, own, rel_tol=ROUNDING):
                current = own
        if own is not None and isclose(own, current, rel_tol=ROUNDING):
            factors[t] = current
    return factors


def _factor(then: Sequence[float], now: Sequence[float]) -> float | None:
    """Return the factor that all prices of a bar share; None where they share none."""
    if not (min(now[:4]) > 0 and min(then[:4]) > 0 and isfinite(sum(now[:4]) + sum(then[:4]))):
        return None
    ratios = [before / after for before, after in zip(then[:4], now[:4], strict=True)]
    return ratios[3] if max(ratios) / min(ratios) - 1.0 < ROUNDING else None
