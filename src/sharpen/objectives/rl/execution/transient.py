# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The market ``ow`` of Obizhaeva and Wang: impact that dies away exponentially."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.port import Episode, Fill, at
from sharpen.objectives.rl.execution.schedules import obizhaeva_wang, obizhaeva_wang_cost
from sharpen.objectives.rl.streams import Streams

_ORDER, _ARRIVAL = 1e5, 100.0


class Transient:
    """See :class:`sharpen.objectives.rl.execution.port.ExecutionMarket`; a slice is one trade.

    Args:
        n_slices: Trades at equal distances, the first at the start and the last at the end.
        impact: How far a share moves the price at first (kappa in the paper).
        resilience: Rate of decay times the whole time (rho T).
        volatility: Standard deviation of the price from one trade to the next.
        urgency: kappa times the length of a slice, of the risk-averse baseline.
    """

    name = "ow"
    n_impact = 1
    n_seen = 1
    has_book = False
    baseline = "twap"
    twap_reward = 0.0
    participation = math.inf
    scale_bps: float | None = None

    def __init__(
        self,
        n_slices: int = 11,
        impact: float = 1e-4,
        resilience: float = 2.2,
        volatility: float = 0.1,
        urgency: float = 0.2,
    ) -> None:
        at_least = min(volatility, urgency)
        if n_slices < 3 or not impact > 0 or not resilience > 0 or not at_least >= 0:
            raise UsageError(
                "the market ow needs n_slices of 3 or more, impact and resilience above 0, and volatility and"
                f" urgency of 0 or more, not {n_slices}, {impact}, {resilience}, {volatility}, {urgency}"
            )
        self.n_slices, self.impact, self.volatility = n_slices, impact, volatility
        self.decay = math.exp(-resilience / (n_slices - 1))
        self.kappa_slice = urgency
        self._best = obizhaeva_wang(1.0, n_slices, self.decay)
        equal = np.full(n_slices, 1.0 / n_slices)
        twap, best = (obizhaeva_wang_cost(x, impact, self.decay) for x in (equal, self._best))
        has_gain = twap - best > 1e-9 * twap  # equal slices are the optimum where impact is gone at once
        self.gain_bps: float | None = (twap - best) * _ORDER / _ARRIVAL * 1e4 if has_gain else None

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new episodes."""
        side = torch.where(streams.uniform(n_envs) < 0.5, -1.0, 1.0).double()
        steps = streams.normal(n_envs, self.n_slices).double() * self.volatility
        walk = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(-1)], -1)
        order = torch.full_like(side, _ORDER)
        volume, usual = torch.ones_like(steps), torch.ones_like(side)
        return {"mid": _ARRIVAL + walk, "side": side, "order": order, "volume": volume, "usual": usual}

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return whether this is the first trade, which is larger than those after it. (P, E, 1)."""
        return (k == 0).double()[..., None]

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return the fill of all that is wanted, at half of its own impact and what is left of earlier."""
        moved = self.impact * wanted
        price = at(episode["mid"], k) + episode["side"] * (impact[..., 0] + 0.5 * moved)
        return Fill(wanted, price, (impact + moved[..., None]) * self.decay)

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return the schedule of least expected cost, as shares of the order. (P, E, N)."""
        best = torch.as_tensor(self._best, device=episode["side"].device)
        return best.expand(*episode["side"].shape, -1)


def obizhaeva_wang_market(settings: Mapping[str, Any]) -> Transient:
    """Return the market of the settings; 100,000 shares at 100."""
    kinds: dict[str, Any] = {
        "n_slices": int,
        "impact": float,
        "resilience": float,
        "volatility": float,
        "urgency": float,
    }
    return Transient(**{name: kind(settings[name]) for name, kind in kinds.items() if name in settings})
