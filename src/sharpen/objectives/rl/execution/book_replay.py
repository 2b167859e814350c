# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The market ``book``: orders in a recorded book, as takers or in the queue at the best price.

A slice is some snapshots long. It is decided at its first one, and arrives in the book at the first snapshot
after the latency. A market order walks the levels of that snapshot. A limit order waits at the best price of
the moment of decision until the slice ends; what has not filled by then is left. What one trades moves no
later price: the book is as it was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.book_data import Book
from sharpen.objectives.rl.execution.data_split import Part
from sharpen.objectives.rl.execution.order_starts import Recorded, rows_of, start_ranges
from sharpen.objectives.rl.execution.port import Episode, Fill, at
from sharpen.objectives.rl.execution.queue import Flow, fills
from sharpen.objectives.rl.streams import Streams

_PAST_SLICES = 5
_PAUSE = 10.0  # usual distances of snapshots


@dataclass(frozen=True, slots=True)
class BookRules:
    """What trading in a book costs.

    Attributes:
        n_slices: Slices of an order.
        slice_rows: Snapshots of a slice.
        order_share: Size of an order, as a share of the usual volume of its slices.
        participation: Largest share of a slice's volume that may be traded before the last slice.
        latency_s: From a decision to the book.
        taker_fee_bps: Of market orders.
        maker_fee_bps: Of limit orders; below 0 for a rebate.
        urgency: kappa times a slice, of the Almgren-Chriss baseline.

    Raises:
        UsageError: A number is out of range.
    """

    n_slices: int = 5
    slice_rows: int = 2
    order_share: float = 0.1
    participation: float = 1.0
    latency_s: float = 0.05
    taker_fee_bps: float = 0.0
    maker_fee_bps: float = 0.0
    urgency: float = 0.2

    def __post_init__(self) -> None:
        rules = (
            (self.n_slices >= 2, f"n_slices is {self.n_slices}, give 2 or more"),
            (self.slice_rows >= 1, f"slice_rows is {self.slice_rows}, give 1 or more"),
            (0 < self.order_share <= 1, f"order_share is {self.order_share}, give one in (0, 1]"),
            (0 < self.participation <= 1, f"participation is {self.participation}, give one in (0, 1]"),
            (self.latency_s >= 0, f"latency_s is {self.latency_s}, give 0 or more"),
            (self.taker_fee_bps >= 0, f"taker_fee_bps is {self.taker_fee_bps}, give 0 or more"),
            (self.urgency >= 0, f"urgency is {self.urgency}, give 0 or more"),
        )
        if problems := [text for holds, text in rules if not holds]:
            raise UsageError("; ".join(problems), problems=problems)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> BookRules:
        """Return the rules that settings name; other keys are ignored."""
        return cls(**{name: settings[name] for name in cls.__slots__ if name in settings})


class BookReplay:
    """See :class:`sharpen.objectives.rl.execution.port.ExecutionMarket`.

    Args:
        book: The snapshots and trades. Without trades, a limit order fills only where the other side's best
            price comes to it, and the volume is taken to be a tenth of what the levels show.
        rules: What trading costs.
        part: Which rows orders come from.

    Raises:
        UsageError: The part is too short for an order, or an order would arrive after its slice.
    """

    name = "book"
    n_impact = 1
    n_seen = 6
    has_book = True
    baseline = "twap"
    twap_reward = 0.0
    gain_bps: float | None = None
    scale_bps: float | None

    def __init__(self, book: Book, rules: BookRules, part: Part) -> None:
        self.rules, self.n_slices, self.kappa_slice = rules, rules.n_slices, rules.urgency
        self.participation, n = rules.participation, len(book.time_s)
        n_rows = rules.slice_rows
        steps = np.diff(book.time_s)
        self.pauses_s: list[float] = steps[steps > _PAUSE * np.median(steps)].tolist()
        whole = np.array([0]), np.array([n - 1])
        self._recorded = Recorded("book", "rows", n, *whole, _PAST_SLICES * n_rows, rules.n_slices * n_rows)
        self._arrives = torch.as_tensor(_arrivals(book, rules))
        self._load(book, rules)
        self._take([part])

    def within(self, *parts: Part) -> BookReplay:
        """Return the market of so many members, each with orders of a part of its own."""
        other = copy(self)
        other._take(parts)
        return other

    def _take(self, parts: Sequence[Part]) -> None:
        """Let each member's orders come from a part, and its scales from what may be known of it."""
        self._start_ranges = start_ranges(self._recorded, parts)
        spans = [rows_of(part, self._recorded) for part in parts]
        mid = self._mid.numpy()
        seen = [
            mid[: (first if part.in_order else stop) + 1]
            for part, (first, stop) in zip(parts, spans, strict=True)
        ]
        self._move = torch.tensor([[_mean_move(m, self.rules.slice_rows)] for m in seen]).double()
        self.scale_bps = float(np.mean([_mean_move(m, self._recorded.length) for m in seen])) * 1e4

    def _load(self, book: Book, rules: BookRules) -> None:
        """Make the tables that are looked up: by row, and by side, 0 for the taker who buys."""
        open_ = book.is_open
        self._open = torch.as_tensor(open_)
        mid = _held(np.where(open_, 0.5 * (book.bid_price[:, 0] + book.ask_price[:, 0]), np.nan))
        self._mid = torch.as_tensor(mid)
        self._levels = torch.as_tensor(np.stack([book.ask_price, book.bid_price]))
        sizes = np.stack([book.ask_size, book.bid_size])
        self._sizes = torch.as_tensor(np.where(open_[:, None], sizes, 0.0))
        self._best = torch.as_tensor(np.stack([book.bid_price[:, 0], book.ask_price[:, 0]]))
        volume, signed, passive = _flows(book, rules.slice_rows, self._arrives.numpy())
        self._passive = torch.as_tensor(passive)
        sums = np.concatenate([[0.0], np.cumsum(volume)])
        n = len(volume) - rules.slice_rows + 1
        self._volume = torch.as_tensor(sums[rules.slice_rows :] - sums[:n])
        self._signed = torch.as_tensor(np.concatenate([[0.0], np.cumsum(signed)]))
        shown = np.where(open_[:, None], np.stack([book.bid_size[:, 0], book.ask_size[:, 0]], 1), 0.0)
        deep = np.where(open_[:, None], np.stack([book.bid_size.sum(1), book.ask_size.sum(1)], 1), 0.0)
        tilt = [(x[:, 0] - x[:, 1]) / np.maximum(x.sum(1), 1e-12) for x in (shown, deep)]
        self._tilt = torch.as_tensor(np.stack(tilt, -1))
        spread = np.where(open_, book.ask_price[:, 0] - book.bid_price[:, 0], np.nan)
        self._spread = torch.as_tensor(_held(spread) / mid * 1e4)

    @property
    def n_orders(self) -> int:
        """How many orders there are that do not overlap, to buy and to sell."""
        return self._start_ranges.n_orders

    def draw(self, streams: Streams, n_envs: int) -> Episode:
        """Return new orders."""
        start, _, side = self._start_ranges.draw(streams, n_envs)
        rules = self.rules
        steps = torch.arange(self.n_slices + 1) * rules.slice_rows
        rows = start[..., None] + steps
        before = start[..., None] - torch.arange(1, _PAST_SLICES + 1) * rules.slice_rows
        usual = self._volume[before].mean(-1).clamp_min(1e-9)
        return {
            "mid": self._mid[rows],
            "side": side,
            "order": rules.order_share * usual * self.n_slices,
            "volume": self._volume[rows[..., :-1]],
            "usual": usual,
            "halted": 1.0 - self._open[self._arrives[rows[..., :-1]]].double(),
            "row": start,
            "window": start,
        }

    def seen(self, episode: Episode, k: Tensor) -> Tensor:
        """Return what the book shows, from the trader's side. (P, E, 6).

        Which side shows more, at the best level and in all; the spread and the price's move over the last
        slice, in usual moves of a slice; who took more in the last slice; and the volume so far.
        """
        n_rows, side = self.rules.slice_rows, episode["side"]
        row = episode["row"] + k.clamp_max(self.n_slices) * n_rows
        before = row - n_rows
        volume = episode["volume"]
        sums = torch.cat([torch.zeros_like(volume[..., :1]), volume.cumsum(-1)], -1)
        busy = torch.where(k > 0, at(sums, k) / k.clamp_min(1) / episode["usual"], 1.0)
        taken = (self._signed[row] - self._signed[before]) / self._volume[before].clamp_min(1e-12)
        moved = (self._mid[row] / self._mid[before] - 1.0) / self._move
        spread = self._spread[row] / (self._move * 1e4)
        tilt = self._tilt[row] * side[..., None]
        rest = (spread.log1p(), side * moved, side * taken, busy.log1p())
        return torch.cat([tilt, torch.stack(rest, -1)], -1)

    def trade(self, episode: Episode, k: Tensor, impact: Tensor, wanted: Tensor, passive: Tensor) -> Fill:
        """Return what fills: of a limit order what the queue lets through, of others what the levels hold.

        In the last slice all fills. What the levels do not hold then pays as if the book went on as thin as
        it is on average.
        """
        row = episode["row"] + k.clamp_max(self.n_slices - 1) * self.rules.slice_rows
        is_last, taker = k >= self.n_slices - 1, (episode["side"] < 0).long()
        side, fee = episode["side"], (self.rules.taker_fee_bps * 1e-4, self.rules.maker_fee_bps * 1e-4)
        quantity, money = self._walk(self._arrives[row], taker, wanted)
        missing = torch.where(is_last, wanted - quantity, torch.zeros_like(wanted))
        worst = self._beyond(self._arrives[row], taker, side, wanted)
        quantity, money = quantity + missing, money + missing * worst
        price = torch.where(quantity > 0, money / quantity.clamp_min(1e-300), self._mid[row])
        waited = torch.minimum(wanted, self._passive[taker, row])
        best = torch.nan_to_num(self._best[taker, row])
        quantity = torch.where(passive, waited, quantity)
        taken = price * (1.0 + side * fee[0])
        return Fill(quantity, torch.where(passive, best * (1.0 + side * fee[1]), taken), impact)

    def _walk(self, row: Tensor, taker: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shares that a market order finds in a snapshot, and what they cost. (P, E) each."""
        sizes, prices = self._sizes[taker, row], torch.nan_to_num(self._levels[taker, row])
        better = sizes.cumsum(-1) - sizes
        taken = torch.minimum((wanted[..., None] - better).clamp_min(0.0), sizes)
        return taken.sum(-1), (taken * prices).sum(-1)

    def _beyond(self, row: Tensor, taker: Tensor, side: Tensor, wanted: Tensor) -> Tensor:
        """Return the average price of what a snapshot does not hold. (P, E)."""
        sizes, prices = self._sizes[taker, row], torch.nan_to_num(self._levels[taker, row])
        mid, held = self._mid[row], sizes.sum(-1)
        is_dark = held <= 0
        last = torch.where(is_dark, mid * (1.0 + side * self._spread[row] * 1e-4), prices[..., -1])
        depth = torch.where(is_dark, mid * self._spread[row] * 1e-4, (last - mid).abs())
        more = (wanted - held).clamp_min(0.0) / torch.where(is_dark, wanted.clamp_min(1e-300), held)
        return (last + side * depth * 0.5 * more).clamp_min(0.0)

    def optimum(self, episode: Episode) -> Tensor | None:
        """Return None: it is not known."""
        return None


def _arrivals(book: Book, rules: BookRules) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the snapshot at which what is decided at each one arrives. (S,)."""
    time = book.time_s
    arrives = np.searchsorted(time, time + rules.latency_s - 1e-9)
    n = len(time) - rules.slice_rows
    if (late := np.flatnonzero(arrives[:n] > np.arange(n) + rules.slice_rows)).size:
        raise UsageError(
            f"with a latency_s of {rules.latency_s} what is decided at row {late[0] + 1} of the book arrives"
            f" after its slice of {rules.slice_rows} rows: give less, or a larger slice_rows",
            latency_s=rules.latency_s,
        )
    return np.minimum(arrives, len(time) - 1)


def _mean_move(mid: Floats, n_rows: int) -> float:
    """Return the mean size of the price's moves over so many rows, as a share of it."""
    n_rows = min(n_rows, len(mid) - 1)
    return max(float(np.abs(mid[n_rows:] / mid[: len(mid) - n_rows] - 1.0).mean()), 1e-9)


def _held(values: Floats) -> Floats:
    """Return values with each NaN replaced by the one before, and at the start by the first."""
    known = np.flatnonzero(~np.isnan(values))
    last_known = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    return values[known[np.maximum(last_known, 0)]]


def _flows(
    book: Book, slice_rows: int, arrives: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[Floats, Floats, Floats]:
    """Return the volume after each row, buys less sells of it, and what limit orders fill by side."""
    n, time, trades = len(book.time_s), book.time_s, book.trades
    nothing = np.zeros(0)
    at, size, taker = (trades.price, trades.size, trades.side) if trades else (nothing, nothing, nothing)
    moment = trades.time_s if trades else nothing
    volume, signed = np.zeros(n), np.zeros(n)
    row = np.searchsorted(time, moment, side="left") - 1
    known = (row >= 0) & (moment <= time[-1])
    np.add.at(volume, row[known], size[known])
    np.add.at(signed, row[known], (size * taker)[known])
    if not trades:
        volume = 0.1 * (book.bid_size.sum(1) + book.ask_size.sum(1)) * np.where(book.is_open, 1.0, 0.0)
    fills_by_side: list[Floats] = []
    for side, price, shown, other in (
        (1.0, book.bid_price, book.bid_size, book.ask_price[:, 0]),
        (-1.0, -book.ask_price, book.ask_size, -book.bid_price[:, 0]),
    ):
        against = taker == -side
        first = np.searchsorted(moment[against], np.append(time, np.inf), side="right")
        open_ = book.is_open
        flow = Flow(
            np.where(open_[:, None], price, np.nan),
            shown,
            np.where(open_, other, np.nan),
            first,
            side * at[against],
            size[against],
        )
        filled = fills(flow, arrives, slice_rows)
        fills_by_side.append(np.append(filled, np.zeros(n - len(filled))))
    return volume, signed, np.stack(fills_by_side)
