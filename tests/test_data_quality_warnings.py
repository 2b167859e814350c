"""Warnings of bars that may be real: what is warned of, where, and what is left alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from sharpen.bars import PRICES, Bars
from sharpen.data import catalog, check, load
from sharpen.data.embedded import entries
from sharpen.data.quality_warnings import find_quality_warnings, robust_scale

N = 300
MOVE = 0.01  # the close alternates between 100 and 101: every move has this size, about


def usual(n=N):
    """Return bars of 100 and 101 in turn, on consecutive days."""
    close = np.where(np.arange(n) % 2 == 0, 100.0, 101.0)
    time = (np.datetime64("2020-01-01", "D") + np.arange(n)).astype("datetime64[us]")
    return Bars("X", time, close * 1.001, close * 1.005, close * 0.995, close, np.full(n, 1000.0))


def scaled(bars, rows, factor):
    values = {name: getattr(bars, name).copy() for name in PRICES}
    for column in values.values():
        column[rows] *= factor
    return replace(bars, **values)


def warnings_of(bars, numbers=None):
    return find_quality_warnings(bars, np.arange(1, len(bars) + 1) if numbers is None else numbers)


def kinds(bars):
    return [note.partition(":")[0] for note in warnings_of(bars)]


def test_usual_bars_have_none():
    assert warnings_of(usual()) == ()
    assert warnings_of(usual(1)) == ()
    assert warnings_of(usual(2)) == ()


def test_the_scale_is_that_of_the_moves_and_a_few_have_none():
    assert robust_scale(np.array([0.0, 0.02, -0.02] * 20)) == pytest.approx(1.4826 * 0.02)
    assert robust_scale(np.full(19, 0.01)) == math.inf
    assert robust_scale(np.full(20, 0.01)) == pytest.approx(0.014826)


@pytest.mark.parametrize(("n_bars", "said"), [(1, True), (5, True), (6, False)])
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_jump_that_is_soon_undone_is_a_spike(n_bars, said, factor):
    notes = warnings_of(scaled(usual(), slice(150, 150 + n_bars), factor))
    assert [note.startswith("PRICE SPIKES: the close of X jumps away and back once") for note in notes] == [
        said
    ]
    assert "(row 151, 2020-05-30)" in notes[0]
    assert f"by a factor of {factor * 100 / 101:.3g} " in notes[0] or not said


def test_spikes_side_by_side_are_each_counted_once():
    (note,) = warnings_of(scaled(usual(), [150, 152, 200], 10.0))
    assert "jumps away and back 3 times" in note


@pytest.mark.parametrize(
    ("factor", "split"),
    [
        (1 / 4, "4:1"),
        (1 / 2, "2:1"),
        (1 / 3, "3:1"),
        (2 / 3, "3:2"),
        (1 / 10, "10:1"),
        (10.0, "1:10"),
        (1.5, "2:3"),
    ],
)
def test_a_lasting_jump_by_a_ratio_is_a_split(factor, split):
    (note,) = warnings_of(scaled(usual(), slice(151, None), factor))
    assert note.startswith(
        f"UNADJUSTED SPLITS: the close of X changes once as by a split, first {split}, from 100 to "
    )
    assert "(row 152, 2020-05-31)" in note
    assert "Fix: adjust the prices before it" in note


def test_any_other_lasting_jump_is_a_jump():
    (note,) = warnings_of(scaled(scaled(usual(), slice(151, None), 0.4), slice(201, None), 2.5))
    assert note.startswith("PRICE JUMPS: the close of X jumps 2 times by more than 20 times its usual move")
    assert "from 100 to 40.4 (row 152, 2020-05-31)" in note


@pytest.mark.parametrize(
    ("factor", "volume", "found"),
    [
        (0.5, 22_000.0, []),  # more units, more money: news
        (0.1, 10_000.0, ["UNADJUSTED SPLITS"]),  # more units for the same money
        (10.0, 1000.0, ["UNADJUSTED SPLITS"]),  # more money for the same units
        (0.5, 0.0, ["UNADJUSTED SPLITS"]),
    ],
)
def test_a_jump_that_draws_a_crowd_is_news(factor, volume, found):
    bars = scaled(usual(), slice(151, None), factor)
    assert kinds(replace(bars, volume=np.where(np.arange(N) == 151, volume, bars.volume))) == found


def test_bars_without_volume_have_no_crowd():
    bars = scaled(usual(), slice(151, None), 0.25)
    assert kinds(replace(bars, volume=np.zeros(N))) == ["UNADJUSTED SPLITS"]


def test_a_move_below_a_quarter_or_below_20_deviations_is_no_jump():
    calm = replace(usual(), close=np.where(np.arange(N) % 2 == 0, 100.0, 100.2))
    assert kinds(scaled(calm, slice(151, None), 1.24)) == []
    assert kinds(scaled(calm, slice(151, None), 1.26)) == ["PRICE JUMPS"]
    wild = replace(usual(), close=np.where(np.arange(N) % 2 == 0, 100.0, 110.0))
    deviation = 1.4826 * math.log(1.1)  # and the bar's own move is log(1.1)
    assert kinds(scaled(wild, slice(151, None), math.exp(19.9 * deviation) / 1.1)) == []
    assert kinds(scaled(wild, slice(151, None), math.exp(20.1 * deviation) / 1.1)) == ["UNADJUSTED SPLITS"]


def test_a_gap_is_told_and_its_return_is_no_jump():
    bars = usual()
    later = np.where(np.arange(N) >= 150, np.timedelta64(400, "D"), np.timedelta64(0, "D"))
    bars = scaled(replace(bars, time=bars.time + later), slice(150, None), 0.25)
    (note,) = warnings_of(bars)
    assert note.startswith(
        "GAPS: there is 1 long gap between the bars of X, of 401 days (row 150, 2020-05-29, "
    )
    assert "to row 151, 2021-07-04)" in note


@pytest.mark.parametrize(("days", "found"), [(20, []), (21, ["GAPS"])])
def test_a_gap_is_20_times_the_usual_spacing(days, found):
    bars = usual()
    later = np.where(np.arange(N) >= 150, np.timedelta64(days - 1, "D"), np.timedelta64(0, "D"))
    assert kinds(replace(bars, time=bars.time + later)) == found


def test_nights_and_weekends_of_intraday_bars_are_no_gaps():
    days = np.datetime64("2020-01-01", "us") + np.arange(10) * np.timedelta64(1, "D")
    minutes = (days[:, None] + np.arange(30) * np.timedelta64(1, "m")).ravel()
    assert kinds(replace(usual(), time=minutes)) == []
    minutes = np.where(np.arange(N) >= 150, minutes + np.timedelta64(10, "D"), minutes)
    (note,) = warnings_of(replace(usual(), time=minutes))
    assert "(row 150, 2020-01-05T00:29:00, to row 151, 2020-01-16)" in note


def test_several_gaps_name_the_longest():
    bars = usual()
    later = np.where(np.arange(N) >= 50, 30, 0) + np.where(np.arange(N) >= 100, 90, 0)
    (note,) = warnings_of(replace(bars, time=bars.time + later * np.timedelta64(1, "D")))
    assert "there are 2 long gaps between the bars of X, the longest of 91 days (row 100, " in note


def frozen(*stretches):
    bars = usual()
    values = {name: getattr(bars, name).copy() for name in PRICES}
    for start, stop in stretches:
        for column in values.values():
            column[start:stop] = 100.0
    return replace(bars, **values)


@pytest.mark.parametrize(
    ("start", "stop", "said"), [(100, 109, False), (100, 110, True), (290, 300, True), (0, 10, True)]
)
def test_ten_bars_at_one_price_are_frozen(start, stop, said):
    notes = warnings_of(frozen((start, stop)))
    assert [
        note.startswith(f"FROZEN PRICES: {stop - start} bars of X repeat one price, from row {start + 1}, ")
        for note in notes
    ] == [True] * said


def test_several_stretches_name_the_longest():
    (note,) = warnings_of(frozen((20, 30), (50, 70)))
    assert note.startswith(
        "FROZEN PRICES: 30 bars of X repeat one price, in 2 stretches, the longest of 20 from row 51, "
    )


def test_flat_bars_at_changing_prices_are_not_frozen():
    bars = usual()
    assert kinds(replace(bars, open=bars.close, high=bars.close, low=bars.close)) == []


def test_rows_are_those_of_the_file():
    (note,) = warnings_of(scaled(usual(), [150], 10.0), np.arange(N) * 2 + 1)
    assert "(row 301, 2020-05-30)" in note


def test_load_and_check_say_the_same_of_a_file(tmp_path):
    path = tmp_path / "x.csv"
    bars = scaled(usual(), [150], 10.0)
    pl.DataFrame({name: getattr(bars, name) for name in ("time", *PRICES, "volume")}).write_csv(path)
    found = check(str(path))
    assert found.is_usable
    assert found.notes[0].startswith("PRICE SPIKES: the close of x ")
    assert load(str(path)).notes == found.notes
    table = pl.DataFrame(
        {name: getattr(scaled(usual(), slice(150, None), 0.25), name) for name in ("time", *PRICES, "volume")}
    )
    table.with_columns(adj_close=usual().close).write_csv(path)
    assert check(str(path)).notes == ()


@pytest.mark.parametrize("name", [entry.name for entry in catalog()])
def test_the_data_that_comes_along_is_not_accused(name):
    beginnings = ("PRICE", "UNADJUSTED", "GAPS", "FROZEN")
    assert [note for note in load(name).notes if note.startswith(beginnings)] == []


@pytest.mark.parametrize(
    ("name", "first"), [("AAPL", "2:1, from 101.25 to 55.63 (row 79, 2000-06-21)"), ("MSFT", "2:1")]
)
def test_the_splits_of_real_prices_are_found_where_they_were_not_adjusted(name, first):
    (entry,) = (each for each in entries() if each.name == name)
    (rows,) = entry.read().rows
    (note,) = (
        note for note in find_quality_warnings(rows.bars, rows.numbers) if note.startswith("UNADJUSTED")
    )
    assert first in note
    assert ("2 times" in note) == (name == "AAPL")  # its fall of September 2000 was no split
