"""A session of recorded bars: each bar opens, fills what waits, and closes with a decision.

Whatever moment the process dies at, the next one goes on at the bar after the last that was decided on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.paper.orders import BrokerClock, bar_name
from sharpen.paper.simulated import SimulatedBroker
from sharpen.paper.trader import Trader

OPEN_S, CLOSE_S = 60.0, 3600.0  # after a bar's time: when its session trades, and when it has ended


@dataclass
class RecordedClock:
    """A clock that stands where the recorded bars are."""

    now: float = field(default=0.0)

    def time(self) -> float:
        """Return Unix seconds."""
        return self.now


@dataclass(frozen=True)
class RecordedSession:
    """Recorded bars, the trader, and where and when it trades.

    Attributes:
        panel: All bars, those before the first for warming up.
        trader: Who trades.
        broker: Where it trades.
        clock: What it takes for now.
    """

    panel: Panel
    trader: Trader
    broker: SimulatedBroker
    clock: RecordedClock

    def first_open(self, first_bar: int, last_decided: str | None) -> int:
        """Return the bar to go on at: the first, or the one after the last that was decided on."""
        return first_bar if last_decided is None else _index(self.panel, last_decided) + 1

    def start(self, t: int, adopt_reason: str = "") -> None:
        """Set the clocks to before a bar, and make ledger and broker agree."""
        self._set_time(t - 1, CLOSE_S, is_open=False)
        self.trader.start(self.panel.slice(0, t), adopt_reason)

    def play(self, begin: int, end: int, wants_stop: Callable[[], bool] = lambda: False) -> int:
        """Trade bars; return how many.

        Args:
            begin: The first of them.
            end: The one before which to leave.
            wants_stop: Whether to leave after the bar.
        """
        stop = min(end, len(self.panel))
        for t in range(begin, stop):
            self.play_bar(t)
            if wants_stop():
                return t + 1 - begin
        return stop - begin

    def play_bar(self, t: int) -> None:
        """Trade one bar: orders of the bar before fill at its open, what is left at its close."""
        self._set_time(t, OPEN_S, is_open=True)
        self.trader.tick()
        self.broker.trade(_priced(self.panel, self.panel.open, t))
        self.trader.tick()
        self.broker.trade(_priced(self.panel, self.panel.close, t), last=True)
        self.trader.tick()
        self._set_time(t, CLOSE_S, is_open=False)
        self.trader.on_bar(self.panel.slice(0, t + 1))
        self.trader.tick()  # what the close did to the account is seen before the next session begins

    def _set_time(self, t: int, seconds: float, *, is_open: bool) -> None:
        bar = self.panel.time[t]
        recorded = float(bar.astype("datetime64[us]").astype(np.int64)) / 1e6 + seconds
        self.clock.now = max(self.clock.now, recorded)  # a session that is taken up again does not go back
        self.broker.set_clock(BrokerClock(self.clock.now, is_open, bar_name(bar)))


def _priced(panel: Panel, prices: np.ndarray, t: int) -> dict[str, float]:
    row = {symbol: float(prices[t, k]) for k, symbol in enumerate(panel.symbols)}
    return {symbol: price for symbol, price in row.items() if np.isfinite(price) and price > 0}


def _index(panel: Panel, bar: str) -> int:
    names = [bar_name(time) for time in panel.time]
    if bar not in names:
        raise UsageError(f"these bars lack {bar}, the last that was traded on: give the same bars")
    return names.index(bar)
