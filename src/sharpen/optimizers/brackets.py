"""How Hyperband spends a budget: fidelities that rise by a factor, and brackets of trials on them.

All is worked out in fractions, because logarithms of floats lose a rung: log(243) / log(3) is 4.999….

Notation, as in the paper: ``r`` and ``R`` the least and the largest fidelity, ``η`` the factor between two
rungs, ``s`` how many times a bracket halves.

Source: Li et al. (2018), Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18,
algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Bracket:
    """One round of successive halving.

    Attributes:
        fidelities: Of each rung, rising.
        sizes: How many trials each rung has, falling.
    """

    fidelities: tuple[float, ...]
    sizes: tuple[int, ...]


def rungs(min_fidelity: float, max_fidelity: float, eta: float) -> tuple[float, ...]:
    """Return the fidelities ``R / η**k`` that are at least ``r``, rising.

    They are whole numbers where ``r`` and ``R`` are.

    >>> rungs(1, 27, 3), rungs(100_000, 1_000_000, 3), rungs(0.1, 0.9, 3)
    ((1, 3, 9, 27), (111111, 333333, 1000000), (0.1, 0.3, 0.9))
    """
    low, high, factor = (_exact(x) for x in (min_fidelity, max_fidelity, eta))
    fidelities: list[Fraction] = []
    while high >= low:
        fidelities.append(high)
        high /= factor
    is_whole = low.denominator == fidelities[0].denominator == 1
    return tuple(round(x) if is_whole else float(x) for x in reversed(fidelities))


def brackets(min_fidelity: float, max_fidelity: float, eta: float) -> tuple[Bracket, ...]:
    """Return the brackets of one pass, the one with the most rungs first.

    >>> [bracket.sizes for bracket in brackets(1, 27, 3)]
    [(27, 9, 3, 1), (12, 4, 1), (6, 2), (4,)]
    """
    return tuple(_brackets(rungs(min_fidelity, max_fidelity, eta), _exact(eta)))


def _brackets(fidelities: tuple[float, ...], eta: Fraction) -> Iterator[Bracket]:
    for s in reversed(range(len(fidelities))):
        n = math.ceil(Fraction(len(fidelities), s + 1) * eta**s)
        yield Bracket(fidelities[-s - 1 :], tuple(math.floor(n / eta**i) for i in range(s + 1)))


def _exact(x: float) -> Fraction:
    return Fraction(repr(x))  # as written: 0.1 is a tenth


def demands(min_fidelity: float, max_fidelity: float | None, eta: float) -> dict[str, bool]:
    """Return what fidelities must be, each with whether it is met; for ``refuse_unless``."""
    is_given = max_fidelity is not None
    are_in_order = max_fidelity is None or 0 < min_fidelity <= max_fidelity
    return {
        "give max_fidelity: the most that a run may spend, in units of budget_variable": is_given,
        "min_fidelity must be above 0 and at most max_fidelity": are_in_order,
        "eta must be 2 or more": eta >= 2,
    }
