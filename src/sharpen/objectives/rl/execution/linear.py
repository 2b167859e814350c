# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Markets with linear impact: ``ac`` of Almgren and Chriss, and ``signal``, where a drift is shown at first.

A slice's price is ``mid + side * (permanent * shares before + half_spread + temporary * shares / tau)``, and
the mid is a random walk with a drift that is the order's own: up or down with even chances, and shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.port import Episode, Fill, at
from sharpen.objectives.rl.execution.schedules import LinearCosts, drift_gain, kappa
from sharpen.objectives.rl.streams import Streams

_SOME = 1e-9
"""A gain that is less of the cost of trading at once is none."""


@dataclass(frozen=True, slots=True)
class LinearRules:
    """What a market with linear impact is made of.

    Attributes:
        costs: The impact.
        n_slices: Slices of an order.
        order: Shares of an order.
        arrival: Price at the start.
        drift: How far the price moves per unit of time, up or down.
        risk_aversion: Of the Almgren-Chriss baseline, per unit of money.
    """

    costs: LinearCosts
    n_slices: int
    order: float
    arrival: float
    drift: float = 0.0
    risk_aversion: float = 0.0


class Linear:
    """See :class:`sharpen.objectives.rl.execution.port.ExecutionMarket`."""

    n_impact = 1
    n_seen = 1
    has_book = False
    participation = math.inf
    scale_bps: float | None = None

    def __init__(self, name: str, rules: LinearRules) -> None:
        if rules.n_slices < 2 or not rules.order > 0 or not rules.arrival > 0:
            raise UsageError(
                f"the market {name} needs 2 slices or more and an order and a price above 0, not"
                f" {rules.n_slices} slices, {rules.order} shares at {rules.arrival}"
            )
        if not rules.drift >= 0 or not rules.risk_aversion >= 0:
            raise UsageError(
                f"drift is {rules.drift} and risk_aversion {rules.risk_aversion}: give 0 or more; each order"
                " draws whether its drift is up or down"
            )
        self.name, self.rules, self.n_slices = name, rules, rules.n_slices
        costs = rules.costs
        worth = rules.order * rules.arrival
        gain = drift_gain(rules.n_slices, rules.drift, costs)
        at_once = costs.net_temporary / costs.slice_time * rules.order**2
        has_signal = gain > _SOME * at_once
        self.baseline, self.twap_reward = ("twap", 0.0) if has_signal else ("immediate", 1.0)
        if not has_signal:
            gain = at_once * (1.0 - 1.0 / rules.n_slices)
        self.gain_bps: float | None = gain / worth * 1e4
        self.kappa_slice = kappa(costs, rules.risk_aversion) * costs.slice_time

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new episodes."""
        rules, n = self.rules, self.n_slices
        signs = torch.where(streams.uniform(n_envs, 2) < 0.5, -1.0, 1.0).double()
        side, trend = signs[..., 0], signs[..., 1] * (rules.drift > 0)
        steps = (
            streams.normal(n_envs, n).double() * rules.costs.volatility * math.sqrt(rules.costs.slice_time)
        )
        steps = steps + (trend * rules.drift * rules.costs.slice_time)[..., None]
        walk = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(-1)], -1)
        order = torch.full_like(side, rules.order)
        volume = torch.ones_like(steps)
        return {
            "mid": rules.arrival + walk,
            "side": side,
            "order": order,
            "volume": volume,
            "usual": order / order,
            "trend": trend,
        }

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return whether the drift helps who waits, 1.0, or hurts, -1.0. (P, E, 1)."""
        return (-episode["side"] * episode["trend"])[..., None]

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return the fill of all that is wanted."""
        costs = self.rules.costs
        worse = impact[..., 0] + costs.half_spread + costs.temporary / costs.slice_time * wanted
        price = at(episode["mid"], k) + episode["side"] * worse
        return Fill(wanted, price, impact + (costs.permanent * wanted)[..., None])

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return the schedule of least expected cost, as shares of the order. (P, E, N)."""
        rules, costs = self.rules, self.rules.costs
        helps = -episode["side"] * episode["trend"]
        k = torch.arange(self.n_slices, dtype=helps.dtype, device=helps.device) - 0.5 * (self.n_slices - 1)
        slope = rules.drift * costs.slice_time**2 / (2.0 * costs.net_temporary) / rules.order
        return 1.0 / self.n_slices + slope * helps[..., None] * k


def signal(settings: Mapping[str, Any]) -> Linear:
    """Return the market of a drift that is shown at first: the optimum costs 30 % less than equal slices.

    Equal slices cost 10 basis points; one share at a price of 100.
    """
    n = int(settings.get("n_slices", 5))
    if n < 2:
        raise UsageError(f"the market signal needs n_slices of 2 slices or more, not {n}")
    temporary = 0.1 * n
    drift = float(settings.get("drift", _drift_for(0.3, n, temporary)))
    volatility = float(settings.get("volatility", 0.1))
    costs = LinearCosts(0.0, temporary, 0.0, 1.0, volatility)
    return Linear("signal", LinearRules(costs, n, 1.0, 100.0, drift, risk_aversion=20.0))


def _drift_for(share: float, n_slices: int, temporary: float) -> float:
    """Return the drift at which the optimum of one share costs so much less than equal slices."""
    spread = drift_gain(n_slices, 1.0, LinearCosts(0.0, temporary))
    return math.sqrt(share * temporary / n_slices / spread) if spread > 0 else 0.0


def almgren_chriss_market(settings: Mapping[str, Any]) -> Linear:
    """Return the example of the paper of Almgren and Chriss: a million shares over five days, at 50."""
    costs = LinearCosts(
        float(settings.get("permanent", 2.5e-7)),
        float(settings.get("temporary", 2.5e-6)),
        float(settings.get("half_spread", 0.0625)),
        1.0,
        float(settings.get("volatility", 0.95)),
    )
    n, drift = int(settings.get("n_slices", 5)), float(settings.get("drift", 0.0))
    risk_aversion = float(settings.get("risk_aversion", 1e-6))
    return Linear("ac", LinearRules(costs, n, 1e6, 50.0, drift, risk_aversion))
