"""How many bars make a year, over zones, clocks, half days and markets; pauses; mixed lengths."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sharpen.bar_spacing import bars_per_year, change_of_spacing, follow_a_pause
from sharpen.bars import Bars
from sharpen.data.quality_warnings import find_quality_warnings


def local(zone, day_and_hours):
    """Return times of local clocks as UTC."""
    utc = [at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None) for at in day_and_hours]
    return np.array(utc, dtype="datetime64[us]")


def each_day(weekdays=range(7), n_years=3):
    days = (datetime(2018, 1, 1) + timedelta(days=k) for k in range(365 * n_years))
    return [day for day in days if day.weekday() in weekdays]


def session(days, first, n_hours):
    return [day + timedelta(hours=first + k) for day in days for k in range(n_hours)]


@pytest.mark.parametrize("hour", [0, 9, 17, 23])
@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Europe/London", "Asia/Tokyo", "America/New_York", "Australia/Sydney", "UTC"]
)
@pytest.mark.parametrize(
    ("weekdays", "expected"), [((0, 1, 2, 3, 4), 252), ((6, 0, 1, 2, 3), 252), (range(7), 365)]
)
def test_daily_bars_at_any_hour_of_any_zone(zone, hour, weekdays, expected):
    time = local(zone, [day + timedelta(hours=hour) for day in each_day(weekdays)])
    assert bars_per_year(time) == expected


def test_fx_with_a_sunday_candle():
    sundays = local("UTC", each_day((6, 0, 1, 2, 3, 4)))
    assert bars_per_year(sundays) == pytest.approx(365.25 * 6 / 7, rel=0.01)
    new_york = local("America/New_York", [day + timedelta(hours=17) for day in each_day((6, 0, 1, 2, 3))])
    assert bars_per_year(new_york) == 252  # five sessions that begin at 17:00 on the evening before


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo"])
def test_hours_of_a_session_over_a_change_of_clocks(zone):
    time = local(zone, session(each_day((0, 1, 2, 3, 4)), 9, 7))
    assert bars_per_year(time) == pytest.approx(7 * 5 / 7 * 365.25, rel=0.01)


def test_half_days_and_holidays_move_little():
    days = [day for k, day in enumerate(each_day((0, 1, 2, 3, 4))) if k % 26]  # ten holidays a year
    assert bars_per_year(local("UTC", days)) == 252
    whole = session(days, 9, 7)
    half = [at for k, at in enumerate(whole) if not (k // 7 % 60 == 0 and at.hour > 12)]
    assert bars_per_year(local("UTC", half)) == pytest.approx(7 * 251, rel=0.02)


def test_crypto_by_the_hour_and_by_five_minutes():
    hours = np.arange("2022-01-01", "2022-07-01", dtype="datetime64[h]").astype("datetime64[us]")
    assert bars_per_year(hours) == pytest.approx(24 * 365.25)
    minutes = hours[0] + np.arange(10_000) * np.timedelta64(5, "m")
    assert bars_per_year(minutes) == pytest.approx(12 * 24 * 365.25)


@pytest.mark.parametrize(("step", "expected"), [(7, 52.18), (30, 12.2)])
def test_weeks_and_months(step, expected):
    assert bars_per_year(local("UTC", each_day()[::step])) == pytest.approx(expected, rel=0.01)


# --- pauses -------------------------------------------------------------------------------------------


def test_what_follows_a_pause():
    weekdays = local("UTC", each_day((0, 1, 2, 3, 4)))
    assert follow_a_pause(weekdays)[1:].all()
    assert not follow_a_pause(local("UTC", each_day())).any()
    hours = local("America/New_York", session(each_day((0, 1, 2, 3, 4))[:20], 9, 7))
    assert np.flatnonzero(follow_a_pause(hours)).tolist() == list(range(7, 140, 7))
    assert not follow_a_pause(weekdays[:1]).any()


def stale(time, share=1.0, seed=0):
    """Return bars of which a share of the opens repeats the close before."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(time))))
    before = np.concatenate([close[:1], close[:-1]])
    open_ = np.where(rng.random(len(time)) < share, before, before * np.exp(rng.normal(0, 0.01, len(time))))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return Bars("X", time, open_, high, low, close, np.full(len(time), 1e3))


def warnings_of(bars):
    return [note.split(":")[0] for note in find_quality_warnings(bars, np.arange(1, len(bars) + 1))]


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (local("UTC", each_day((0, 1, 2, 3, 4))), ["STALE OPENS"]),
        (local("America/New_York", session(each_day((0, 1, 2, 3, 4))[:60], 9, 7)), ["STALE OPENS"]),
        (local("UTC", each_day()), []),
        (np.arange("2022-01-01", "2022-02-01", dtype="datetime64[h]").astype("datetime64[us]"), []),
        (local("UTC", each_day((6, 0, 1, 2, 3, 4))), ["STALE OPENS"]),  # the opens after the Saturdays
    ],
    ids=["daily", "hours of a session", "crypto daily", "crypto hours", "fx with sundays"],
)
def test_stale_opens_are_said_where_trading_had_paused(time, said):
    assert warnings_of(stale(time)) == said
    assert warnings_of(stale(time, share=0.05)) == []


def test_opens_are_fresh_after_the_nights_and_repeat_within_the_days():
    time = local("America/New_York", session(each_day((0, 1, 2, 3, 4))[:60], 9, 7))
    bars = stale(time)
    bars.open[7::7] *= 1.0005
    assert warnings_of(bars) == []


# --- mixed lengths ------------------------------------------------------------------------------------


def test_bars_whose_length_changes_are_named():
    days = local("UTC", each_day((0, 1, 2, 3, 4), 1))
    hours = days[-1] + np.arange(1, 400) * np.timedelta64(1, "h")
    (note,) = find_quality_warnings(stale(np.concatenate([days, hours]), share=0.0), np.arange(1, 10_000))
    assert note.startswith("MIXED SPACING: the bars of X are 24 hours apart at first, and 1 from row 26")
    assert change_of_spacing(np.concatenate([hours - np.timedelta64(500, "D"), days])) == 399
    assert change_of_spacing(days) is None
    assert change_of_spacing(local("Asia/Tokyo", session(each_day((0, 1, 2, 3, 4)), 9, 6))) is None
    assert change_of_spacing(days[:40]) is None
