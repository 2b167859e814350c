"""Puts Alpaca's paper account together with the trader."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from sharpen.paper.alpaca.broker import AlpacaBroker
from sharpen.paper.alpaca.connection import AlpacaAccess
from sharpen.paper.alpaca.feed import AlpacaFeed
from sharpen.paper.alpaca.stream import TradeUpdates
from sharpen.paper.live import DELAY_S, LiveSession, MachineClock, Updates, live_session
from sharpen.paper.market_calendar import MarketCalendar
from sharpen.paper.ports import Broker, Clock, Feed
from sharpen.paper.risk import RiskLimits
from sharpen.paper.session import ModelFile

FIRST_DAY = "2016-01-01"
"""Where Alpaca's bars begin. Always the same day, for features remember where they began."""


@contextmanager
def alpaca_session(
    folder: Path,
    account: tuple[str, Callable[[Decimal], RiskLimits]],
    model: ModelFile,
    access: AlpacaAccess,
    say: Callable[[str], None],
    clock: Clock | None = None,
) -> Generator[tuple[LiveSession, Callable[[float], object]]]:
    """Give a live session on Alpaca's paper account, and what waits for it.

    Args:
        folder: The store's folder.
        account: What the account is called here, and from its deposit to what no order may exceed.
        model: What to trade by.
        access: Address and keys.
        say: Is told what people should know.
        clock: The time here; the machine's own when left out.

    Raises:
        Refused: Another trader holds the account, or it is blocked.
        BrokerUnavailable: Alpaca cannot be asked.
    """
    when = MarketCalendar(), clock or MachineClock()
    updates = TradeUpdates(access)

    def make(symbols: tuple[str, ...], since: float) -> tuple[Broker, Feed, Updates | None]:
        broker = AlpacaBroker(access, since)
        updates.start()
        return broker, AlpacaFeed(access, symbols, FIRST_DAY, when, DELAY_S), updates

    def wait(seconds: float) -> object:
        updates.heard.wait(seconds)
        return updates.heard.clear()

    try:
        with live_session(folder, account, model, make, say, when) as session:
            yield session, wait
    finally:
        updates.close()
