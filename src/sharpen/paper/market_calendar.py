# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""When the New York Stock Exchange trades: holidays, days that end at 13:00, summer time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import numpy as np

from sharpen.errors import MissingExtra, Refused

try:
    import exchange_calendars
    import pandas as pd
except ImportError as error:
    raise MissingExtra("exchange_calendars", "alpaca") from error

FIRST_YEAR = 1990


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """A trading day.

    Attributes:
        date: As in ``2024-07-03``.
        open: Unix seconds.
        close: Unix seconds.
    """

    date: str
    open: float
    close: float


class MarketCalendar:
    """The sessions of an exchange.

    Args:
        exchange: Its ISO 10383 code.

    >>> MarketCalendar().last_closed(1720033200.0).date  # 2024-07-03 19:00 UTC: that day ended at 13:00
    '2024-07-03'
    """

    def __init__(self, exchange: str = "XNYS") -> None:
        self._calendar = exchange_calendars.get_calendar(exchange, start=f"{FIRST_YEAR}-01-02")

    def last_closed(self, now: float) -> SessionTimes:
        """Return the newest session that has ended by a time.

        Raises:
            Refused: The calendar does not reach so far.
        """
        today = _day(now)
        try:
            session = self.times(self._calendar.date_to_session(today, direction="previous"))
            return (
                session
                if session.close <= now
                else self.times(self._calendar.previous_session(_timestamp(session.date)))
            )
        except ValueError as problem:
            raise self._beyond(now) from problem

    def is_open(self, now: float) -> bool:
        """Return whether the exchange trades at a time; its last second is closed.

        Raises:
            Refused: The calendar does not reach so far.
        """
        today = _day(now)
        try:
            session = self.times(self._calendar.date_to_session(today, direction="previous"))
        except ValueError as problem:
            raise self._beyond(now) from problem
        return session.open <= now < session.close

    def times(self, session: pd.Timestamp) -> SessionTimes:
        """Return when a session begins and ends."""
        begin, end = self._calendar.session_open(session), self._calendar.session_close(session)
        return SessionTimes(str(session.date()), begin.timestamp(), end.timestamp())

    def close_of(self, date: np.datetime64) -> float | None:
        """Return when the session of a date ends, Unix seconds; None when there is none."""
        day = _timestamp(str(date.astype("datetime64[D]")))
        if not (self._calendar.first_session <= day <= self._calendar.last_session):
            return None
        return self.times(day).close if self._calendar.is_session(day) else None

    def _beyond(self, now: float) -> Refused:
        last = self._calendar.last_session.date()
        asked = _day(now).date()
        return Refused(f"the exchange's calendar ends at {last}, before {asked}: update exchange_calendars")


def _day(now: float) -> pd.Timestamp:
    return _timestamp(datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"))


def _timestamp(date: str) -> pd.Timestamp:
    return cast("pd.Timestamp", pd.Timestamp(date))
