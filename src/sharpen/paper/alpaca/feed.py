# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Daily bars of Alpaca's data service: only of sessions that have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from alpaca.data.historical.stock import StockHistoricalDataClient

from sharpen.bars import Panel
from sharpen.paper.alpaca.broker import seconds
from sharpen.paper.alpaca.connection import AlpacaAccess, ask, hardened, reading
from sharpen.paper.market_calendar import MarketCalendar
from sharpen.paper.ports import BrokerUnavailable, Clock

NEW_YORK = ZoneInfo("America/New_York")
PAGE = 10_000
FIELDS = ("o", "h", "l", "c", "v")


class AlpacaFeed:
    """Daily bars, adjusted for splits.

    Args:
        access: Address and keys.
        symbols: What is traded, in the order of the model.
        start: The first day, as in ``2020-01-02``.
        calendar: When sessions end.
        clock: The time here.
        delay_s: How long after its end a session's bar counts as complete.
    """

    def __init__(
        self,
        access: AlpacaAccess,
        symbols: Sequence[str],
        start: str,
        when: tuple[MarketCalendar, Clock],
        delay_s: float = 900.0,
    ) -> None:
        self._client = hardened(
            StockHistoricalDataClient(access.key, access.secret, raw_data=True, url_override=access.data_url)
        )
        self._symbols, self._start, self._feed = tuple(symbols), start, access.feed
        self._calendar, self._clock = when
        self._delay_s = delay_s

    def complete(self) -> Panel:
        """Return every bar of a session that has ended; a symbol without one has NaN there.

        So it is with the bars that a model is trained on, and a bar that was decided on stays where it was.

        Raises:
            BrokerUnavailable: The service cannot be asked, or its bars make no sense.
            RateLimited: Too much was asked.
        """
        rows = self._rows()
        now = self._clock.time()
        days = sorted({day for bars in rows.values() for day in bars})
        days = [day for day in days if self._has_ended(day, now)]
        if len(days) < 2:
            raise BrokerUnavailable("Alpaca has no bars that are complete")
        nothing = (float("nan"),) * len(FIELDS)
        table = np.array([[rows[s].get(day, nothing) for s in self._symbols] for day in days])
        time = np.array(days, dtype="datetime64[us]")
        open_, high, low, close, volume = (np.ascontiguousarray(table[:, :, i]) for i in range(len(FIELDS)))
        return Panel(self._symbols, time, open_, high, low, close, volume)

    def _has_ended(self, day: str, now: float) -> bool:
        close = self._calendar.close_of(np.datetime64(day))
        return close is not None and close + self._delay_s <= now

    def _rows(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return prices by symbol and day; the last word on a day counts."""
        query: dict[str, Any] = {"symbols": ",".join(self._symbols), "timeframe": "1Day", "limit": PAGE}
        query |= {"start": self._start, "adjustment": "split", "feed": self._feed, "sort": "asc"}
        # who has no right to the newest minutes must not ask for them
        query["end"] = datetime.fromtimestamp(self._clock.time() - self._delay_s, UTC).isoformat()
        prices: dict[str, dict[str, tuple[float, ...]]] = {symbol: {} for symbol in self._symbols}
        while True:
            page = ask(self._client, "/stocks/bars", query)
            with reading("bars"):
                bars: Mapping[str, Any] = page.get("bars") or {}
                for symbol, rows in bars.items():
                    for row in rows or () if symbol in prices else ():
                        prices[symbol][_day(row["t"])] = _prices(row)
                token = page.get("next_page_token")
            if not token:
                return prices
            query["page_token"] = token


def _day(text: str) -> str:
    """Return the day in New York of a daily bar's time, which is its midnight there.

    >>> _day("2024-07-03T04:00:00Z"), _day("2024-01-05T05:00:00Z")
    ('2024-07-03', '2024-01-05')
    """
    return str(datetime.fromtimestamp(seconds(text), NEW_YORK).date())


def _prices(row: Mapping[str, Any]) -> tuple[float, ...]:
    try:
        return tuple(float(row[name]) for name in FIELDS)
    except (KeyError, TypeError, ValueError):
        return (float("nan"),) * len(FIELDS)
