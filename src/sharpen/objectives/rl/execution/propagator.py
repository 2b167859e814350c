# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The market ``propagator``: impact that grows with the square root of what is traded, and dies away.

A slice's price is worse by ``impact * volatility * sum over trades so far of exp(-age / decay_slices) *
sqrt(shares / volume)``, as a share of the price at arrival. The volume of a slice is constant, so the best
schedule can be computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.data_split import LOCKBOX
from sharpen.objectives.rl.execution.port import Episode, Fill, at
from sharpen.objectives.rl.execution.schedules import square_root_cost, square_root_schedule
from sharpen.objectives.rl.streams import Streams

_ARRIVAL, _VOLUME = 100.0, 1e6
_MOST = 60  # slices: the search for the best schedule takes the longer the more there are


@dataclass(frozen=True, slots=True)
class PropagatorRules:
    """What trading costs.

    Attributes:
        n_slices: Slices of an order.
        impact: Factor of the square-root impact.
        volatility: Standard deviation of the price over a slice, as a share of it.
        decay_slices: After how many slices a factor e of an impact has gone; 0 for at once.
        order_share: Size of an order, as a share of the volume of its slices.
        urgency: kappa times a slice, of the Almgren-Chriss baseline.

    Raises:
        UsageError: A number is out of range.
    """

    n_slices: int = 5
    impact: float = 0.5
    volatility: float = 0.02
    decay_slices: float = 2.0
    order_share: float = 0.02
    urgency: float = 0.2

    def __post_init__(self) -> None:
        rules = (
            (2 <= self.n_slices <= _MOST, f"n_slices is {self.n_slices}, give 2 to {_MOST}"),
            (self.impact > 0, f"impact is {self.impact}, give more than 0"),
            (self.volatility > 0, f"volatility is {self.volatility}, give more than 0"),
            (self.decay_slices >= 0, f"decay_slices is {self.decay_slices}, give 0 or more"),
            (self.order_share > 0, f"order_share is {self.order_share}, give more than 0"),
            (self.urgency >= 0, f"urgency is {self.urgency}, give 0 or more"),
        )
        if problems := [text for holds, text in rules if not holds]:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def decay(self) -> float:
        """What is left of an impact a slice later."""
        return math.exp(-1.0 / self.decay_slices) if self.decay_slices > 0 else 0.0


class Propagator:
    """See :class:`sharpen.objectives.rl.execution.port.ExecutionMarket`.

    Source: Bouchaud et al. (2004), Fluctuations and Response in Financial Markets, for the propagator; Toth
        et al. (2011), Anomalous Price Impact, for the square root.
    """

    name = "propagator"
    n_impact = 1
    n_seen = 1
    has_book = False
    baseline = "twap"
    twap_reward = 0.0
    participation = math.inf
    scale_bps: float | None = None

    def __init__(self, rules: PropagatorRules) -> None:
        self.rules, self.n_slices, self.kappa_slice = rules, rules.n_slices, rules.urgency
        self._strength = rules.impact * rules.volatility
        self._order = rules.order_share * _VOLUME * rules.n_slices
        share = self._order / _VOLUME
        self._best = square_root_schedule(rules.n_slices, rules.decay)
        costs = [
            square_root_cost(x * share, self._strength, rules.decay) / share
            for x in (np.full(rules.n_slices, 1.0 / rules.n_slices), self._best)
        ]
        gain = (costs[0] - costs[1]) * 1e4
        self.gain_bps: float | None = gain if gain > 1e-6 * costs[0] * 1e4 else None

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new episodes."""
        side = torch.where(streams.uniform(n_envs) < 0.5, -1.0, 1.0).double()
        steps = streams.normal(n_envs, self.n_slices).double() * (self.rules.volatility * _ARRIVAL)
        walk = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(-1)], -1)
        order, usual = torch.full_like(side, self._order), torch.full_like(side, _VOLUME)
        volume = torch.full_like(steps, _VOLUME)
        return {"mid": _ARRIVAL + walk, "side": side, "order": order, "volume": volume, "usual": usual}

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return whether this is the first slice, before which nothing moves the price. (P, E, 1)."""
        return (k == 0).double()[..., None]

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return the fill of all that is wanted."""
        moved = impact[..., 0] + self._strength * (wanted / episode["usual"]).sqrt()
        price = at(episode["mid"], k) + episode["side"] * _ARRIVAL * moved
        return Fill(wanted, price, moved[..., None] * self.rules.decay)

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return the schedule of least expected cost that was found, as shares of the order. (P, E, N)."""
        best = torch.as_tensor(self._best, device=episode["side"].device)
        return best.expand(*episode["side"].shape, -1)


def propagator_market(settings: Mapping[str, Any], panel: Panel | None = None) -> Propagator:
    """Return the market of the settings; with bars their volatility, over all but the lockbox, is its own.

    Args:
        settings: What differs from the defaults.
        panel: Bars to fit to; a slice is then a bar.
    """
    rules = PropagatorRules(**{n: settings[n] for n in PropagatorRules.__slots__ if n in settings})
    if panel is not None and "volatility" not in settings:
        close = panel.close[: round(LOCKBOX.start * len(panel))]
        moves = np.diff(np.log(close), axis=0)
        rules = replace(rules, volatility=float(np.nanmean(np.nanstd(moves, axis=0))))
    return Propagator(rules)
