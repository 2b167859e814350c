"""The p-value of a whole search: its winner among the winners of the same search on permuted histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharpen.errors import UsageError
from sharpen.overfit.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class SearchNull:
    """How often a search finds as good a winner where there is nothing to find.

    Attributes:
        p_value: ``(1 + n_as_good) / (1 + n_histories)``.
        interval: Of the share of histories with as good a winner, by their number alone.
        n_as_good: How many permuted histories had a winner at least as good.
        n_histories: How many were searched.
    """

    p_value: float
    interval: Interval
    n_as_good: int
    n_histories: int


def search_p_value(winner: float, permuted_winners: Sequence[float], level: float = 0.95) -> SearchNull:
    """Return the p-value of a search, from its winner's score and those on permuted histories.

    A history without a usable winner (NaN) counts as worse than every score. The interval is Clopper and
    Pearson's for the share of histories with a winner at least as good.

    Args:
        winner: The winner's score, larger is better.
        permuted_winners: One for each history, found by the same method with the same budget.
        level: Of the interval.

    Raises:
        UsageError: The winner is not a number, or there is no history.

    Source: Phipson and Smyth (2010), Permutation P-values Should Never Be Zero, Statistical Applications in
        Genetics and Molecular Biology 9(1), for the p-value; Clopper and Pearson (1934), The Use of
        Confidence or Fiducial Limits Illustrated in the Case of the Binomial, Biometrika 26(4), for the
        interval.

    >>> test = search_p_value(1.3, [0.9, 1.4, 0.2] + [0.1] * 16)
    >>> test.p_value, test.n_as_good, round(test.interval.low, 4), round(test.interval.high, 2)
    (0.1, 1, 0.0013, 0.26)
    """
    n = len(permuted_winners)
    if winner != winner or n < 1:  # noqa: PLR0124 - NaN
        raise UsageError(
            f"winner {winner} among {n} permuted winners: give a number, and those of 1 history or more"
        )
    n_as_good = sum(other >= winner for other in permuted_winners)
    return SearchNull((1 + n_as_good) / (1 + n), share_interval(n_as_good, n, level), n_as_good, n)


def share_interval(n_hits: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact confidence interval of a share, from ``n_hits`` of ``n`` independent draws.

    Source: Clopper and Pearson (1934), Biometrika 26(4).

    >>> interval = share_interval(0, 20)
    >>> interval.low, round(interval.high, 3)
    (0.0, 0.168)
    """
    from scipy import special  # noqa: PLC0415 - takes a moment to import

    tail = (1.0 - level) / 2.0
    low = float(special.betaincinv(n_hits, n - n_hits + 1, tail)) if n_hits else 0.0
    high = float(special.betaincinv(n_hits + 1, n - n_hits, 1.0 - tail)) if n_hits < n else 1.0
    return Interval(low, high, level)
