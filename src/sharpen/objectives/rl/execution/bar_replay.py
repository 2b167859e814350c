# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The market ``bars``: orders in the user's own bars, with impact by volume and volatility.

A slice is a bar. It is decided at the close before and filled at the mean of the bar's open, high, low and
close, worse by half a spread and by ``impact * volatility * sqrt(shares / volume)`` of the price at arrival.
What one trades moves no later price: the bars are as they were. No more than a share of a bar's volume can be
traded.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpen.arrays import Floats
from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.data_split import Part
from sharpen.objectives.rl.execution.order_starts import Recorded, start_ranges
from sharpen.objectives.rl.execution.port import Episode, Fill, at
from sharpen.objectives.rl.streams import Streams

_PAST_BARS = 20
_LEAST = 1e-9
"""Shares that the usual volume of a bar is at least."""


@dataclass(frozen=True, slots=True)
class BarRules:
    """What trading in bars costs.

    Attributes:
        n_slices: Bars of an order.
        order_share: Size of an order, as a share of the usual volume of its bars.
        participation: Largest share of a bar's volume that may be traded.
        half_spread_bps: How much worse every fill is.
        impact: Factor of the square-root impact.
        urgency: kappa times a bar, of the Almgren-Chriss baseline.

    Raises:
        UsageError: A number is out of range.
    """

    n_slices: int = 5
    order_share: float = 0.02
    participation: float = 0.1
    half_spread_bps: float = 1.0
    impact: float = 0.5
    urgency: float = 0.2

    def __post_init__(self) -> None:
        rules = (
            (self.n_slices >= 2, f"n_slices is {self.n_slices}, give 2 or more"),
            (self.order_share > 0, f"order_share is {self.order_share}, give more than 0"),
            (0 < self.participation <= 1, f"participation is {self.participation}, give one in (0, 1]"),
            (self.half_spread_bps >= 0, f"half_spread_bps is {self.half_spread_bps}, give 0 or more"),
            (self.impact >= 0, f"impact is {self.impact}, give 0 or more"),
            (self.urgency >= 0, f"urgency is {self.urgency}, give 0 or more"),
        )
        if problems := [text for holds, text in rules if not holds]:
            raise UsageError("; ".join(problems), problems=problems)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> BarRules:
        """Return the rules that settings name; other keys are ignored.

        >>> BarRules.of({"n_slices": 4, "drift": 0.1}).n_slices
        4
        """
        return cls(**{name: settings[name] for name in cls.__slots__ if name in settings})


class BarReplay:
    """See :class:`sharpen.objectives.rl.execution.port.ExecutionMarket`.

    Args:
        panel: The bars, with volumes. Where a symbol lacks a bar between two others, its trading is halted:
            the price is the one before, and there is no volume. No order goes beyond its first or last bar.
        rules: What trading costs.
        part: Which bars orders come from.

    Raises:
        UsageError: The part is too short for an order, or a symbol has no volume.
    """

    name = "bars"
    n_impact = 1
    n_seen = 5
    has_book = False
    baseline = "twap"
    twap_reward = 0.0
    gain_bps: float | None = None
    scale_bps: float | None = None

    def __init__(self, panel: Panel, rules: BarRules, part: Part) -> None:
        self.rules, self.n_slices, self.kappa_slice = rules, rules.n_slices, rules.urgency
        self.participation = rules.participation
        if quiet := [s for s, v in zip(panel.symbols, panel.volume.T, strict=True) if not (v > 0).any()]:
            raise UsageError(f"the market bars needs volumes, and {', '.join(quiet)} has none")
        self._symbols, present = panel.symbols, panel.present
        first, last = present.argmax(0), len(panel) - 1 - present[::-1].argmax(0)
        self._recorded = Recorded("bars", "bars", len(panel), first, last, _PAST_BARS, rules.n_slices)
        close, volume = _held(panel.close), np.nan_to_num(panel.volume)
        typical = (panel.open + panel.high + panel.low + panel.close) / 4.0
        self._close, self._volume = torch.as_tensor(close), torch.as_tensor(volume).double()
        self._typical = torch.as_tensor(np.where(present, typical, close))
        self._move = torch.as_tensor(np.diff(np.log(close), axis=0, prepend=np.nan)).nan_to_num(0.0)
        n_bars = np.arange(1, len(panel) + 1)[:, None] - first
        self._mean_volume = torch.as_tensor(volume.cumsum(0) / np.maximum(n_bars, 1))
        self._start_ranges = start_ranges(self._recorded, [part])

    def within(self, *parts: Part) -> BarReplay:
        """Return the market of so many members, each with orders of a part of its own."""
        other = copy(self)
        other._start_ranges = start_ranges(self._recorded, parts)
        return other

    @property
    def n_orders(self) -> int:
        """How many orders there are that do not overlap, to buy and to sell in every symbol."""
        return self._start_ranges.n_orders

    @property
    def left_out(self) -> list[str]:
        """The symbols in which there is no order in any member's part."""
        return [name for k, name in enumerate(self._symbols) if k not in self._start_ranges.traded]

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new orders."""
        start, symbol, side = self._start_ranges.draw(streams, n_envs)
        n, symbols = self.n_slices, symbol[..., None]
        closes = self._close[start[..., None] + torch.arange(n + 1), symbols]
        during = start[..., None] + torch.arange(1, n + 1)
        before = start[..., None] + torch.arange(1 - _PAST_BARS, 1)
        moves, volume = self._move[before, symbols], self._volume[during, symbols]
        usual = self._volume[before, symbols].mean(-1)
        usual = torch.where(usual > 0, usual, self._mean_volume[start, symbol]).clamp_min(_LEAST)
        past = [moves[..., -length:].sum(-1) for length in (1, 5, _PAST_BARS)]
        return {
            "mid": closes,
            "side": side,
            "order": self.rules.order_share * usual * n,
            "volume": volume,
            "usual": usual,
            "price": self._typical[during, symbols],
            "risk": moves.std(-1).clamp_min(1e-6),
            "past": torch.stack(past, -1),
            "halted": (volume <= 0).double(),
            "window": start,
        }

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return the past, from the trader's side. (P, E, 5).

        The price's move over 1, 5 and 20 bars before the order in daily deviations; its last move; and the
        volume so far over the usual one.
        """
        side, risk = episode["side"], episode["risk"]
        spread = risk[..., None] * torch.tensor([1.0, 5.0, float(_PAST_BARS)]).double().sqrt()
        past = side[..., None] * episode["past"] / spread
        mid = episode["mid"]
        last = (at(mid, k) - at(mid, (k - 1).clamp_min(0))) / mid[..., 0]
        volume = episode["volume"]
        sums = torch.cat([torch.zeros_like(volume[..., :1]), volume.cumsum(-1)], -1)
        busy = torch.where(k > 0, at(sums, k) / k.clamp_min(1) / episode["usual"], 1.0)
        return torch.cat([past, torch.stack([side * last / risk, busy.log1p()], -1)], -1)

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return the fill of all that is wanted; a bar without volume counts as a usual one."""
        volume = at(episode["volume"], k)
        volume = torch.where(volume > 0, volume, episode["usual"])
        worse = self.rules.impact * episode["risk"] * (wanted / volume).sqrt()
        worse = worse + self.rules.half_spread_bps * 1e-4
        price = at(episode["price"], k) + episode["side"] * episode["mid"][..., 0] * worse
        return Fill(wanted, price.clamp_min(0.0), impact)

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return None: it is not known."""
        return None


def _held(values: Floats) -> Floats:
    """Return values with each NaN replaced by the one before, and at the start by the first. (T, S)."""
    known = ~np.isnan(values)
    last_known = np.where(known, np.arange(len(values))[:, None], known.argmax(0))
    return np.take_along_axis(values, np.maximum.accumulate(last_known, axis=0), axis=0)
