"""How bars lie in time: how many make a year, which follow a pause, where their length changes.

Axes: ``T`` bars in time order.
"""

from __future__ import annotations

import numpy as np

from sharpen.arrays import Bools, Ints, Times
from sharpen.errors import DataError

_DAY = np.timedelta64(1, "D")
_LEAST_DAY = np.timedelta64(20, "h")
_STRETCH = 51
_LONGER = 1.9
_DAILY = {4: 252.0, 5: 252.0, 7: 365.0}  # by trading days a week


def bars_per_year(time: Times) -> float:
    """Return how many bars a year holds: the factor that annualises a Sharpe ratio, once rooted.

    Daily bars (median gap of 23 to 25 hours) count 252 where a week has up to five of them, and 365 where it
    has seven, whichever days these are and whatever hour they begin at: a day of Tokyo begins on the
    day before in UTC, and some markets rest on Friday and Saturday. In between, as with a Sunday candle,
    and for any other spacing it is measured: gaps divided by the time they span, in years of 365.25 days.
    Intraday bars of fewer than a few weeks overstate it, for too few nights are in the span.

    Raises:
        DataError: With fewer than two bars.

    >>> day = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]").astype("datetime64[us]")
    >>> bars_per_year(day), bars_per_year(day[np.is_busday(day.astype("datetime64[D]"))])
    (365.0, 252.0)
    >>> round(bars_per_year(day[::7]), 1)
    52.2
    """
    if len(time) < 2:
        raise DataError(f"bars per year needs two bars at least; there are {len(time)}", n_rows=len(time))
    days = np.diff(time) / _DAY
    if 23 / 24 <= float(np.median(days)) <= 25 / 24:
        n_days = _trading_days_a_week(time)
        if n_days in _DAILY:
            return _DAILY[n_days]
    return float(365.25 * len(days) / days.sum())


def _trading_days_a_week(time: Times) -> int:
    """Return on how many days of the week there usually are bars; a rare one beside the others is none.

    Bars that begin around midnight in UTC fall on two days of the week as the clocks change: the hour at
    which most bars begin is made noon.
    """
    within_day: Ints = time.astype("datetime64[h]").astype(np.int64) % 24
    hour = int(np.bincount(within_day, minlength=24).argmax())
    counts = np.bincount(_weekday(time + np.timedelta64(12 - hour, "h")), minlength=7)
    return int((counts > 0.2 * counts.max()).sum())


def follow_a_pause(time: Times) -> Bools:
    """Return which bars begin after the market has rested; the first does not. (T,).

    Between bars of a day or longer it rests, unless there are bars on six or seven days of the week: then it
    rests, as between shorter bars, where a bar begins later than one usual spacing after the one before.

    >>> friday = np.arange("2024-01-05T19", "2024-01-05T22", dtype="datetime64[h]").astype("datetime64[us]")
    >>> follow_a_pause(np.append(friday, np.datetime64("2024-01-08T09"))).tolist()
    [False, False, False, True]
    """
    after_pause = np.zeros(len(time), dtype=np.bool_)
    if len(time) < 2:
        return after_pause
    spacing = np.diff(time)
    usual = np.median(spacing.astype(np.int64)).astype("timedelta64[us]")
    goes_on = usual < _LEAST_DAY or _trading_days_a_week(time) > 5
    after_pause[1:] = spacing > 1.5 * usual if goes_on else True
    return after_pause


def change_of_spacing(time: Times) -> int | None:
    """Return the bar from which on bars are twice as long as the first ones, or half; None where none is.

    Their length is the median of the spacings of a stretch of bars, so that nights and holidays are none.

    >>> day = np.arange("2020-01-01", "2020-07-01", dtype="datetime64[D]").astype("datetime64[us]")
    >>> hour = np.arange("2020-07-01", "2020-07-15", dtype="datetime64[h]").astype("datetime64[us]")
    >>> change_of_spacing(day), change_of_spacing(np.concatenate([day, hour]))
    (None, 183)
    """
    spacing: Ints = np.diff(time).astype(np.int64)
    if len(spacing) < 2 * _STRETCH:
        return None
    middle = np.median(np.lib.stride_tricks.sliding_window_view(spacing, _STRETCH), axis=1)
    ratio = middle / middle[0]
    far = np.flatnonzero((ratio >= _LONGER) | (ratio <= 1 / _LONGER))
    return int(far[0]) + _STRETCH // 2 + 1 if len(far) else None


def _weekday(time: Times) -> Ints:
    """Return the day of the week, Monday 0 to Sunday 6; 1970-01-01 was a Thursday."""
    return (time.astype("datetime64[D]").astype(np.int64) + 3) % 7
