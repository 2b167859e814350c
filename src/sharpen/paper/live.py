"""Live trading on a paper account: the trader, the exchange's calendar and the time."""

from __future__ import annotations

import csv
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import numpy as np

from sharpen.bars import Panel
from sharpen.errors import Refused
from sharpen.paper.account_files import live_bars, paths_of
from sharpen.paper.ledger import Ledger
from sharpen.paper.market_calendar import MarketCalendar
from sharpen.paper.orders import bar_name
from sharpen.paper.ports import Broker, BrokerUnavailable, Clock, Feed, RateLimited
from sharpen.paper.risk import RiskLimits
from sharpen.paper.session import ModelFile, pinned
from sharpen.paper.trader import Parts, Trader

POLL_S = 5.0
ASK_AGAIN_S = 60.0
DELAY_S = 900.0
COLUMNS = ("time", "symbol", "open", "high", "low", "close", "volume")


class Updates(Protocol):
    """Tells that something happened at the broker."""

    def is_connected(self) -> bool:
        """Return whether it would tell."""
        ...


def silence(updates: Updates | None, calendar: MarketCalendar, now: float) -> str:
    """Return why nothing may be sent: the stream is mute while the exchange trades; empty when it may.

    What happened meanwhile is asked for before each order all the same. But a stream that is down says that
    something is wrong between here and the broker.
    """
    if updates is None or updates.is_connected() or not calendar.is_open(now):
        return ""
    return "ALARM: the stream of trade updates is mute while the market is open"


@dataclass(frozen=True)
class LiveSession:
    """A trader that goes with the clock.

    Attributes:
        trader: Who trades.
        ledger: Its memory.
        feed: Bars of sessions that have ended.
        when: The calendar and the time here.
        bars_file: Where the bars of each decision are kept, for the report.
        say: Is told what people should know.
        delay_s: How long after a session's end its bar counts as complete.
    """

    trader: Trader
    ledger: Ledger
    feed: Feed
    when: tuple[MarketCalendar, Clock]
    bars_file: Path
    say: Callable[[str], None]
    delay_s: float = DELAY_S

    def start(self, adopt_reason: str = "") -> None:
        """Make ledger and broker agree.

        Raises:
            Refused: They differ.
            BrokerUnavailable: The broker or the feed cannot be asked.
        """
        self.trader.start(self.feed.complete(), adopt_reason)

    def run(self, n_bars: int | None, wants_stop: Callable[[], bool], wait: Callable[[float], object]) -> int:
        """Trade until somebody wants it to stop; return the bars that were decided on.

        Args:
            n_bars: Stop after so many decisions; None for never.
            wants_stop: Whether to leave.
            wait: Waits for so many seconds, or less when something happened.
        """
        n_decided, ask_at = 0, 0.0
        while not wants_stop():
            self.trader.tick()
            now = self.when[1].time()
            if now >= ask_at and self.is_due(now):
                ask_at = now + ASK_AGAIN_S
                n_decided += self.decide()
                if n_bars is not None and n_decided >= n_bars:
                    break
            wait(POLL_S)
        return n_decided

    def is_due(self, now: float) -> bool:
        """Return whether a session has ended whose bar nobody has decided on."""
        ended = self.when[0].last_closed(now - self.delay_s)
        last = self.ledger.last_bar()
        return not self.when[0].is_open(now) and (last is None or last < bar_name(np.datetime64(ended.date)))

    def decide(self) -> bool:
        """Decide on the newest bar; return whether it was decided on now."""
        before = self.ledger.last_bar()
        try:
            panel = self.feed.complete()
        except (BrokerUnavailable, RateLimited) as problem:
            self.say(f"no bars: {problem.message}")
            return False
        keep_bars(self.bars_file, panel)
        self.trader.on_bar(panel)
        return self.ledger.last_bar() != before


def is_stale(calendar: MarketCalendar, bar: np.datetime64, now: float) -> bool:
    """Return whether a bar is not of the newest session that has ended, or the next one has begun."""
    return calendar.is_open(now) or calendar.last_closed(now).date != str(bar.astype("datetime64[D]"))


@contextmanager
def live_session(
    folder: Path,
    account: tuple[str, Callable[[Decimal], RiskLimits]],
    model: ModelFile,
    make: Callable[[tuple[str, ...], float], tuple[Broker, Feed, Updates | None]],
    say: Callable[[str], None],
    when: tuple[MarketCalendar, Clock] | None = None,
) -> Generator[LiveSession]:
    """Give a live session on a paper account.

    Args:
        folder: The store's folder.
        account: What the account is called here, and from its deposit to what no order may exceed.
        model: What to trade by; while positions are held, the one that the account began with stays.
        make: From the symbols and the time since which fills may be ours to broker, feed and stream.
        say: Is told what people should know.
        when: The calendar and the time here; New York and the machine's own when left out.

    Raises:
        Refused: Another trader holds the account, or the ledger is another account's.
    """
    calendar, clock = when or (MarketCalendar(), MachineClock())
    path, kill_switch, _ = paths_of(folder, account[0])
    with Ledger(path) as ledger:
        if ledger.fact("session") is None:
            ledger.keep_fact("session", secrets.token_hex(3))
            ledger.keep_fact("began_at", repr(clock.time()))
        strategy = pinned(path.parent / "models", ledger, model, clock.time(), say)
        broker, feed, updates = make(strategy.symbols, fills_since(ledger))
        known = ledger.fact("broker_account")
        if known is None and ledger.fact("deposit") is not None:
            known = "simulated"
        if known not in (None, broker.account):
            raise Refused(
                f"account {account[0]} is the ledger of {known}, not of {broker.account}:"
                " give another name with --account"
            )
        ledger.keep_fact("broker_account", broker.account)
        parts = Parts(
            ledger,
            broker,
            strategy,
            clock,
            kill_switch,
            account[1](Decimal(ledger.fact("deposit") or broker.cash())),
            say,
            lambda bar, now: is_stale(calendar, bar, now),
            lambda now: silence(updates, calendar, now),
        )
        bars_file = live_bars(folder, account[0])
        yield LiveSession(Trader(parts), ledger, feed, (calendar, clock), bars_file, say)


def fills_since(ledger: Ledger) -> float:
    """Return from when on a broker's fills may be unknown to a ledger, Unix seconds.

    A day before its newest fill, or before its begin. An account with a long past is not asked for all of it
    at each start: each order of a fill is a question, and a broker answers some hundreds a minute.
    """
    began = float(ledger.fact("began_at") or 0.0)
    return max([began, *(fill.at for fill in ledger.fills()[-1:])]) - 86_400.0


def keep_bars(path: Path, panel: Panel) -> None:
    """Write a panel to a CSV file that ``--data`` reads."""
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        columns = (panel.open, panel.high, panel.low, panel.close, panel.volume)
        for t, at in enumerate(panel.time):
            for k, symbol in enumerate(panel.symbols):
                values = [float(column[t, k]) for column in columns]
                if np.isfinite(values).all():
                    rows.writerow([str(at.astype("datetime64[D]")), symbol, *map(repr, values)])
    draft.replace(path)


class MachineClock:
    """The clock of this machine."""

    def time(self) -> float:
        """Return Unix seconds."""
        return time.time()
