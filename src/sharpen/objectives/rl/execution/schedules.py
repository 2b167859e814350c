# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
"""Optimal schedules in closed form: how much of an order to trade in each slice, and what that costs.

Axes: ``N`` slices. Quantities are shares, prices money, costs money; a cost is positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.errors import UsageError

_ALL_CHOICES = 8  # slices: beyond it there are too many ways to pause


@dataclass(frozen=True, slots=True)
class LinearCosts:
    """Impact that is linear in the quantity, as in Almgren and Chriss.

    Attributes:
        permanent: How far a share moves the price for good (gamma in the paper).
        temporary: How much worse the price of a slice is for each share per unit of time (eta).
        half_spread: How much worse every fill is (epsilon).
        slice_time: Length of a slice (tau).
        volatility: Standard deviation of the price over a unit of time (sigma).

    Raises:
        UsageError: A number is out of range, or permanent impact outweighs temporary impact, where trading
            at once would cost less the faster it is.
    """

    permanent: float = 0.0
    temporary: float = 1.0
    half_spread: float = 0.0
    slice_time: float = 1.0
    volatility: float = 0.0

    def __post_init__(self) -> None:
        rules = (
            (self.permanent >= 0, f"permanent is {self.permanent}, give 0 or more"),
            (self.half_spread >= 0, f"half_spread is {self.half_spread}, give 0 or more"),
            (self.slice_time > 0, f"slice_time is {self.slice_time}, give more than 0"),
            (self.volatility >= 0, f"volatility is {self.volatility}, give 0 or more"),
            (self.net_temporary > 0, "temporary must be more than permanent * slice_time / 2"),
        )
        if problems := [text for holds, text in rules if not holds]:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def net_temporary(self) -> float:
        """Temporary impact less half of what the permanent impact of a slice is."""
        return self.temporary - 0.5 * self.permanent * self.slice_time

    def expected_cost(self, shares: Floats) -> float:
        """Return the expected cost of a schedule, without any drift.

        Args:
            shares: Traded in each slice. (N,)
        """
        total = float(shares.sum())
        squares = float(np.square(shares).sum())
        fixed = 0.5 * self.permanent * total**2 + self.half_spread * total
        return fixed + self.net_temporary / self.slice_time * squares

    def variance(self, shares: Floats) -> float:
        """Return the variance of the cost of a schedule. shares: (N,)."""
        left = float(shares.sum()) - np.cumsum(shares)
        return self.volatility**2 * self.slice_time * float(np.square(left).sum())


def kappa(costs: LinearCosts, risk_aversion: float) -> float:
    """Return how fast the best schedule of a risk-averse trader decays, per unit of time.

    Source: Almgren and Chriss (2000), Optimal Execution of Portfolio Transactions, section 2.3.
    """
    tau = costs.slice_time
    squared = risk_aversion * costs.volatility**2 / costs.net_temporary
    return math.acosh(1.0 + 0.5 * tau**2 * squared) / tau


def almgren_chriss(total: float, n_slices: int, kappa_tau: float) -> Floats:
    """Return the shares of each slice of the Almgren-Chriss schedule; equal ones where ``kappa_tau`` is 0.

    What is left after slice j is ``total * sinh(kappa (T - j tau)) / sinh(kappa T)``.

    Args:
        total: Shares of the order.
        n_slices: N.
        kappa_tau: kappa times the length of a slice.

    Source: Almgren and Chriss (2000), section 2.3.

    >>> costs = LinearCosts(2.5e-7, 2.5e-6, 0.0625, 1.0, 0.95)
    >>> rate = kappa(costs, 1e-6)
    >>> shares = almgren_chriss(1e6, 5, rate)
    >>> round(rate, 5), (1e6 - shares[:-1].cumsum()).round().tolist(), round(costs.expected_cost(shares))
    (0.60708, [541956.0, 289854.0, 147897.0, 62142.0], 911227)
    """
    if kappa_tau < 1e-9:
        return np.full(n_slices, total / n_slices)
    j = np.arange(n_slices + 1)
    # sinh(k (N - j)) / sinh(k N), written so that nothing overflows
    left = np.exp(-kappa_tau * j) * np.expm1(-2.0 * kappa_tau * (n_slices - j))
    left = left / math.expm1(-2.0 * kappa_tau * n_slices)
    return -np.diff(total * left)


def obizhaeva_wang(total: float, n_trades: int, decay: float) -> Floats:
    """Return the shares of each trade where impact dies away exponentially.

    Args:
        total: Shares of the order.
        n_trades: Trades, at equal distances; the first at the start and the last at the end. 2 or more.
        decay: What is left of an impact at the next trade, between 0 and 1.

    Source: Obizhaeva and Wang (2013), Optimal Trading Strategy and Supply/Demand Dynamics, for discrete
        trades as in Alfonsi, Fruth and Schied (2010).

    >>> shares = obizhaeva_wang(1e5, 11, math.exp(-0.22))
    >>> shares[:2].round(2).tolist(), round(obizhaeva_wang_cost(shares, 1e-4, math.exp(-0.22)))
    ([26473.72, 5228.06], 238597)
    """
    end = total / ((n_trades - 2) * (1.0 - decay) + 2.0)
    shares = np.full(n_trades, end * (1.0 - decay))
    shares[[0, -1]] = end
    return shares


def obizhaeva_wang_cost(shares: Floats, impact: float, decay: float) -> float:
    """Return the cost ``x' K x / 2`` with ``K = impact * decay ** |i - j|``. shares: (N,)."""
    i = np.arange(len(shares))
    kernel = impact * decay ** np.abs(i[:, None] - i[None, :])
    return float(0.5 * shares @ kernel @ shares)


def with_drift(total: float, n_slices: int, drift: float, costs: LinearCosts) -> Floats:
    """Return the shares of each slice that cost least in expectation where the price drifts.

    Args:
        total: Shares of the order.
        n_slices: N.
        drift: By how much the price moves in favour of whoever waits, per unit of time: up for a seller.
        costs: The impact.

    Source: the Lagrange condition ``2 (eta - gamma tau / 2) n_k / tau = lambda + drift * tau * k``.

    >>> with_drift(1.0, 5, 0.154919, LinearCosts()).round(4).tolist()
    [0.0451, 0.1225, 0.2, 0.2775, 0.3549]
    """
    k = np.arange(n_slices, dtype=np.float64)
    slope = drift * costs.slice_time**2 / (2.0 * costs.net_temporary)
    return total / n_slices + slope * (k - 0.5 * (n_slices - 1))


def drift_gain(n_slices: int, drift: float, costs: LinearCosts) -> float:
    """Return how much less :func:`with_drift` costs than equal slices, in money.

    Source: the quadratic form at its optimum, ``drift² tau³ / (4 eta) * sum (k - (N - 1) / 2)²``.

    >>> round(drift_gain(5, 0.154919, LinearCosts()), 6)
    0.06
    """
    k = np.arange(n_slices)
    spread = float(np.square(k - 0.5 * (n_slices - 1)).sum())
    return drift**2 * costs.slice_time**3 / (4.0 * costs.net_temporary) * spread


def square_root_cost(shares: Floats, strength: float, decay: float) -> float:
    """Return what a schedule costs where impact grows with the square root of a trade and dies away.

    ``sum over k of x_k * strength * sum over j <= k of decay ** (k - j) * sqrt(x_j)``.

    Args:
        shares: Of the volume of a slice, traded in each. (N,)
        strength: What trading the whole volume of a slice moves the price by.
        decay: What is left of an impact a slice later, from 0 to below 1.

    >>> round(square_root_cost(np.array([1.0, 1.0]), 1.0, 0.5), 9)
    2.5
    """
    moved, cost = 0.0, 0.0
    for x in shares.tolist():
        moved = decay * moved + strength * math.sqrt(max(x, 0.0))
        cost += x * moved
    return cost


@cache
def square_root_schedule(n_slices: int, decay: float) -> Floats:
    """Return the shares of an order in each slice that cost least under :func:`square_root_cost`. (N,).

    There is no closed form, and a schedule that pauses may be the best. So it is the best that sequential
    quadratic programming finds over the slices in which anything is traded: all choices of them up to 8
    slices; beyond that it begins with slices at equal distances, and adds, drops and moves one as long as
    that helps. Without a memory it is equal slices.

    >>> square_root_schedule(4, 0.0).round(6).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    if decay <= 0.0:
        return np.full(n_slices, 1.0 / n_slices)
    least_shares: dict[frozenset[int], Floats] = {}

    def cost(choice: frozenset[int]) -> float:
        if choice not in least_shares:
            active = np.array(sorted(choice))
            least_shares[choice] = np.zeros(n_slices)
            least_shares[choice][active] = _least(
                decay ** np.maximum(active[:, None] - active[None, :], 0), active
            )
        return square_root_cost(least_shares[choice], 1.0, decay)

    best = min(_choices(n_slices), key=cost)
    while n_slices > _ALL_CHOICES:
        near = min(_neighbours(best, n_slices), key=cost)
        if cost(near) >= cost(best) - 1e-12:
            break
        best = near
    return least_shares[best]


def _choices(n_slices: int) -> list[frozenset[int]]:
    """Return the slices to trade in, by every choice that is tried at first."""
    if n_slices <= _ALL_CHOICES:
        return [frozenset(k for k in range(n_slices) if n >> k & 1) for n in range(1, 1 << n_slices)]
    steps = [np.arange(0, n_slices, step) for step in range(1, n_slices + 1)]
    spread = [np.linspace(0, n_slices - 1, m).round().astype(np.int64) for m in range(1, n_slices + 1)]
    return list(dict.fromkeys(frozenset(slices.tolist()) for slices in (*steps, *spread)))


def _neighbours(choice: frozenset[int], n_slices: int) -> list[frozenset[int]]:
    """Return the choices with a slice more, one less, or one a place earlier or later."""
    choices = [choice ^ {k} for k in range(n_slices)]
    moves = [(k, k + d) for k in choice for d in (-1, 1) if 0 <= k + d < n_slices and k + d not in choice]
    choices += [choice - {k} | {to} for k, to in moves]
    return [other for other in choices if other]


def _least(decays: Floats, active: Ints) -> Floats:
    """Return the shares of some slices that cost least. decays: what is left of j's impact in slice k."""
    from scipy.optimize import minimize  # noqa: PLC0415 - it imports a lot

    kernel, n = np.tril(decays), len(active)

    def cost(x: Floats) -> tuple[float, Floats]:
        root = np.sqrt(x)
        moved = kernel @ root
        return float(x @ moved), moved + (x @ kernel) / (2.0 * root)

    result = minimize(
        cost,
        np.full(n, 1.0 / n),
        jac=True,
        bounds=[(1e-9, 1.0)] * n,
        constraints=[{"type": "eq", "fun": lambda x: x.sum() - 1.0, "jac": lambda x: np.ones(n)}],
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    shares = np.asarray(result.x, dtype=np.float64)
    return shares / shares.sum()
