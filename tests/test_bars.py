import pickle
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sharpen.bars import (
    Bars,
    Panel,
    bars_per_year,
    find_problems,
    refuse,
    stale_open_share,
)
from sharpen.errors import DataError

N = 120


def days(n=N, start="2020-01-01"):
    return (np.datetime64(start, "D") + np.arange(n)).astype("datetime64[us]")


def bars(symbol="X", n=N, seed=0):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = close * np.exp(rng.normal(0, 0.01, n))
    high = np.maximum(open_, close) * 1.01
    low = np.minimum(open_, close) * 0.99
    return Bars(symbol, days(n), open_, high, low, close, rng.uniform(1e3, 1e4, n))


def changed(column, row, value):
    good = bars()
    values = getattr(good, column).copy()
    values[row] = value
    return replace(good, **{column: values})


def test_sound_bars_have_no_problem():
    assert find_problems(bars()) == []


@pytest.mark.parametrize(
    ("kind", "bad", "row"),
    [
        ("nan", changed("close", 4, np.nan), 5),
        ("nan", changed("volume", 4, np.inf), 5),
        ("crossed", changed("high", 7, 1.0), 8),
        ("outside", changed("open", 9, 1e6), 10),
        ("outside", changed("close", 9, 1e-6), 10),
        ("price", changed("low", 2, 0.0), 3),
        ("price", changed("low", 2, -5.0), 3),
        ("volume", changed("volume", 11, -1.0), 12),
        ("unsorted", changed("time", 20, np.datetime64("2020-01-10T12:00")), 21),
        ("duplicate", changed("time", 20, days()[19]), 21),
        ("time", changed("time", 20, np.datetime64("NaT", "us")), 21),
        ("range", changed("time", 0, np.datetime64("0001-01-01", "us")), 1),
        ("range", changed("volume", 4, 1e308), 5),
        ("range", changed("high", 7, 1.7e308), 8),
    ],
)
def test_each_fault_is_refused_with_its_row(kind, bad, row):
    with pytest.raises(DataError) as caught:
        refuse({"X": find_problems(bad)}, "f.csv")
    problems = caught.value.facts["problems"]["X"]
    assert [p.kind for p in problems] == [kind]
    assert problems[0].rows[0][0] == row
    message = str(caught.value)
    assert message.startswith("f.csv: ")
    assert "X" in message
    assert f"row {row} (" in message
    assert "Fix: " in message


def test_too_few_rows():
    (problem,) = find_problems(bars().slice(0, 99))
    assert problem.what == "too few rows: 99, and 100 are needed"
    assert find_problems(bars().slice(0, 100)) == []
    assert find_problems(bars().slice(0, 5), min_rows=5) == []


def test_every_kind_is_told_at_once_and_three_rows_of_each():
    bad = changed("close", slice(0, 10), np.nan)
    bad = replace(bad, volume=np.where(np.arange(N) == 50, -1.0, bad.volume))
    bad = replace(bad, time=np.where(np.arange(N) == 60, bad.time[59], bad.time))
    problems = find_problems(bad)
    assert [p.kind for p in problems] == ["duplicate", "nan", "volume"]
    assert [len(p.rows) for p in problems] == [1, 3, 1]
    assert problems[1].what.startswith("10 rows")


def test_the_first_line_of_a_refusal_names_the_file_the_problem_and_the_fix():
    bad = changed("low", 2, -5.0)
    with pytest.raises(DataError) as caught:
        refuse({"X": find_problems(bad)}, "f.csv")
    words = "f.csv: X: 1 row with a price of zero or less (row 3). Fix: such prices have no returns. "
    words += "A wrong one: get the row from the source again; a true one, as of crude oil in April 2020: "
    words += "take another contract, or one series that is adjusted backwards."
    assert str(caught.value).splitlines()[:2] == [f"{words} Nothing was repaired.", "  X"]
    with pytest.raises(DataError) as caught:
        refuse({"X": find_problems(replace(bad, volume=-bad.volume))}, "f.csv")
    assert str(caught.value).splitlines()[0] == f"{words} Nothing was repaired; there are 2 problems."


@pytest.mark.parametrize(("n", "count"), [(1, "1 row"), (2, "2 rows")])
def test_what_is_wrong_agrees_in_number(n, count):
    bad = bars()
    bad = replace(bad, time=np.where(np.arange(N) < n, bad.time[n], bad.time))
    assert [p.what for p in find_problems(bad)] == [f"{count} with the time of an earlier row"]


def test_an_unreadable_time_is_shown_as_it_is_written():
    bad = changed("time", 20, np.datetime64("NaT", "us"))
    (problem,) = find_problems(bad, unread={20: "yesterday"})
    assert [row[:2] for row in problem.rows] == [(21, "'yesterday'")]
    assert "row 21 ('yesterday'): open=" in str(problem)


def test_refusal_lists_every_symbol_and_survives_pickling():
    with pytest.raises(DataError) as caught:
        refuse({s: find_problems(replace(changed("low", 2, -5.0), symbol=s)) for s in ("A", "B")}, "f.csv")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert list(again.facts["problems"]) == ["A", "B"]
    assert len(again.facts["rows"]) == 2


def test_rounding_of_one_part_in_a_billion_is_tolerated():
    good = bars()
    assert find_problems(replace(good, high=np.maximum(good.open, good.close) * (1 - 5e-10))) == []
    (problem,) = find_problems(replace(good, high=np.maximum(good.open, good.close) * (1 - 5e-9)))
    assert problem.kind == "outside"


def test_digest_follows_content_and_not_layout():
    a, b = bars("A"), bars("B", seed=1)
    panel = Panel.of([a, b])
    same = replace(panel, open=np.asfortranarray(panel.open))
    assert len(panel.digest) == 64
    assert panel.digest == same.digest
    assert Panel.of(panel.instruments()).digest == panel.digest
    different = [
        Panel.of([b, a]),
        panel.slice(0, N - 1),
        replace(panel, symbols=("A", "C")),
        replace(panel, volume=panel.volume + 1),
        replace(panel, open=panel.close, close=panel.open),
        replace(panel, time=panel.time + np.timedelta64(1, "us")),
    ]
    assert len({panel.digest, *(p.digest for p in different)}) == 7
    assert a.digest == bars("A").digest != replace(a, symbol="B").digest


def test_slice_is_half_open():
    panel = Panel.of([bars("A"), bars("B", seed=1)])
    cut = panel.slice(10, 20)
    assert len(cut) == 10
    assert cut.symbols == ("A", "B")
    np.testing.assert_array_equal(cut.close, panel.close[10:20])
    assert len(bars().slice(3, 7)) == 4


def test_panel_keeps_each_instrument():
    a, b = bars("A"), bars("B", seed=1)
    back = Panel.of([a, b]).instruments()
    assert [x.digest for x in back] == [a.digest, b.digest]
    assert all(x.close.flags.c_contiguous for x in back)


def test_panel_of_other_calendars_has_all_of_their_times():
    a = bars("A")
    b = replace(bars("B"), time=days(start="2020-01-03"))
    panel = Panel.of([a, b])
    assert panel.time.tolist() == days(N + 2).tolist()
    assert panel.is_ragged
    assert panel.present.sum(axis=0).tolist() == [N, N]
    assert panel.present[:3].tolist() == [[True, False], [True, False], [True, True]]
    assert all(np.isnan(getattr(panel, c)[~panel.present]).all() for c in ("open", "close", "volume"))
    assert [x.digest for x in panel.instruments()] == [a.digest, b.digest]
    assert not Panel.of([a, bars("B", seed=1)]).is_ragged


def test_values_of_own_bars_are_spread_over_the_panel():
    panel = Panel.of([bars("A"), replace(bars("B", n=5), time=days(5, start="2020-01-03"))])
    found = panel.spread([np.arange(float(N)), np.arange(5.0)])
    assert found[:, 0].tolist() == list(range(N))
    assert found[2:7, 1].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(found[[0, 1, 7, N - 1], 1]).all()
    assert panel.spread([np.ones((N, 3)), np.ones((5, 3))]).shape == (N, 2, 3)


def test_panel_refuses_nothing_and_twice():
    with pytest.raises(DataError, match="one symbol at least"):
        Panel.of([])
    with pytest.raises(DataError, match="A came twice"):
        Panel.of([bars("A"), bars("A")])


def test_bars_per_year():
    year = days(3 * 365)
    business = year[np.is_busday(year.astype("datetime64[D]"))]
    assert bars_per_year(year) == 365
    assert bars_per_year(business) == 252
    # daylight saving moves some gaps by an hour
    shifted = business + np.where(
        np.arange(len(business)) > 60, np.timedelta64(1, "h"), np.timedelta64(0, "h")
    )
    assert bars_per_year(shifted) == 252
    hours = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[h]").astype("datetime64[us]")
    assert bars_per_year(hours) == pytest.approx(365.25 * 24)
    with pytest.raises(DataError, match="two bars"):
        bars_per_year(year[:1])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "Europe/London", "America/New_York", "UTC"])
@pytest.mark.parametrize("hour", [0, 9, 17])
def test_bars_per_year_of_daily_bars_in_any_zone(zone, hour):
    weekdays = [day for day in days(3 * 365).astype("datetime64[D]").tolist() if day.weekday() < 5]
    local = [datetime(d.year, d.month, d.day, hour, tzinfo=ZoneInfo(zone)) for d in weekdays]
    utc = [at.astimezone(UTC).replace(tzinfo=None) for at in local]
    assert bars_per_year(np.array(utc, dtype="datetime64[us]")) == 252


def test_bars_per_year_of_other_weeks():
    year = days(3 * 365)
    weekday = (year.astype("datetime64[D]").astype(int) + 3) % 7
    assert bars_per_year(year[(weekday != 4) & (weekday != 5)]) == 252  # Sunday to Thursday
    with_sundays = bars_per_year(year[weekday != 5])
    assert with_sundays == pytest.approx(365.25 * 6 / 7, rel=0.01)
    few_saturdays = (weekday < 5) | (np.arange(len(year)) % 50 == 0)
    assert bars_per_year(year[few_saturdays]) == 252
    assert bars_per_year(year[np.arange(len(year)) % 30 != 0]) == 365  # a day or two are missing
    half_days = year[weekday < 5] + np.where(
        np.arange(int((weekday < 5).sum())) % 60 == 0, 4, 0
    ) * np.timedelta64(1, "h")
    assert bars_per_year(half_days) == 252


def test_bars_a_year_as_the_user_says():
    panel = Panel.of([bars("A")])
    assert (panel.bars_per_year, replace(panel, bars_a_year=250.0).slice(0, 50).bars_per_year) == (365, 250)
    assert replace(panel, bars_a_year=250.0).digest == panel.digest


def test_stale_open_share_counts_opens_at_the_previous_close():
    good = bars()
    opens = good.open.copy()
    opens[1:31] = good.close[0:30] * (1 + 0.9e-4)
    opens[31:61] = good.close[30:60] * (1 + 1.1e-4)
    assert stale_open_share(replace(good, open=opens)) - stale_open_share(
        replace(good, open=np.where(np.arange(N) < 61, good.close * 2, opens))
    ) == pytest.approx(30 / (N - 1))
    assert stale_open_share(good.slice(0, 1)) == 0


@pytest.mark.parametrize("minutes", [15, 60])
def test_an_hour_that_comes_twice_in_autumn_is_no_row_to_drop(minutes):
    """Berlin, 25 October 2020: from 02:00 to 03:00 twice."""
    utc = np.arange("2020-10-20", "2020-10-30", np.timedelta64(minutes, "m"), dtype="datetime64[m]")
    offset = np.where(utc < np.datetime64("2020-10-25T01:00"), 2, 1).astype("timedelta64[h]")
    ones = np.ones(len(utc))
    local = Bars("X", (utc + offset).astype("datetime64[us]"), ones, ones, ones, ones, ones)
    for problem in find_problems(local):
        assert problem.kind in ("unsorted", "duplicate")
        assert "an hour comes twice, and both are right" in problem.fix
        assert "--zone Europe/Berlin" in problem.fix
    other = replace(local, time=local.time - np.timedelta64(3, "D"))
    assert not any("--zone" in problem.fix for problem in find_problems(other))
