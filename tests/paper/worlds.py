"""Panels, strategies and brokers for tests of paper trading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from sharpen.bars import Panel
from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import Ledger
from sharpen.paper.orders import BrokerClock
from sharpen.paper.recorded import RecordedClock, RecordedSession
from sharpen.paper.risk import RiskLimits
from sharpen.paper.simulated import Frictions, SimulatedBroker
from sharpen.paper.trader import Parts, Trader

FIRST_BAR = 5


def panel_of(n_bars: int = 20, symbols: tuple[str, ...] = ("AAA", "BBB"), seed: int = 0) -> Panel:
    """Return a random walk of daily bars."""
    rng = np.random.default_rng(seed)
    shape = (n_bars, len(symbols))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.003, shape))
    time = np.datetime64("2024-01-02", "us") + np.arange(n_bars) * np.timedelta64(1, "D")
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Panel(symbols, time, open_, high, low, close, np.full(shape, 1e6))


@dataclass(frozen=True)
class Momentum:
    """Long after a rise and short after a fall, each bar by itself."""

    symbols: tuple[str, ...]
    digest: str = "momentum0"

    def targets(self, panel: Panel, first_bar: int) -> np.ndarray:
        """Return half of the money in the direction of the last move."""
        moves = np.vstack([np.zeros((1, len(self.symbols))), np.diff(panel.close, axis=0)])
        return 0.5 * np.sign(moves)[first_bar:]


@dataclass
class World:
    """An account in a folder, opened anew as after a crash."""

    folder: Path
    panel: Panel = field(default_factory=panel_of)
    limits: RiskLimits = field(default_factory=lambda: RiskLimits(max_daily_loss=0.5))
    frictions: Frictions = field(default_factory=lambda: Frictions(partial_share=0.5))
    said: list[str] = field(default_factory=list)
    wrap_broker: Callable[[SimulatedBroker], object] = lambda broker: broker
    wrap_ledger: Callable[[Ledger], object] = lambda ledger: ledger

    def open(self) -> Account:
        """Return the account with its trader."""
        path, kill_switch, _ = paths_of(self.folder, "test")
        ledger = Ledger(path)
        if ledger.fact("session") is None:
            ledger.keep_fact("session", "s1")
        broker = SimulatedBroker(path.with_suffix(".broker"), Decimal(100_000), self.frictions)
        clock = RecordedClock(float(ledger.fact("last_time") or 0.0))
        parts = Parts(
            self.wrap_ledger(ledger),
            self.wrap_broker(broker),
            Momentum(self.panel.symbols),
            clock,
            kill_switch,
            self.limits,
            self.said.append,
            lambda _bar, _now: False,
        )
        return Account(self, ledger, broker, RecordedSession(self.panel, Trader(parts), broker, clock))


@dataclass
class Account:
    """What :meth:`World.open` gives."""

    world: World
    ledger: Ledger
    broker: SimulatedBroker
    session: RecordedSession

    @property
    def trader(self) -> Trader:
        """Who trades."""
        return self.session.trader

    def play(self, n_bars: int | None = None) -> int:
        """Start and trade to the end of the panel, or so many bars."""
        begin = self.session.first_open(FIRST_BAR, self.ledger.last_bar())
        if begin >= len(self.world.panel):
            return 0
        self.session.start(begin)
        end = len(self.world.panel) if n_bars is None else begin + n_bars
        return self.session.play(begin, end)

    def start(self) -> int:
        """Start before the next bar, and return it."""
        begin = self.session.first_open(FIRST_BAR, self.ledger.last_bar())
        self.session.start(begin)
        return begin

    def open_market(self, t: int) -> None:
        """Let a bar's session begin."""
        bar = self.world.panel.time[t]
        self.session.clock.now = float(bar.astype(np.int64)) / 1e6 + 60.0
        self.broker.set_clock(BrokerClock(self.session.clock.now, True, str(bar)))

    def close(self) -> None:
        """Close the files, as the kernel does for a dead process."""
        self.ledger.close()
        self.broker.close()
