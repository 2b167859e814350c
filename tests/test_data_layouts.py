"""The same bars in the layouts that vendors and tools write: each loads as it comes, to the bit."""

from __future__ import annotations

import gzip

import numpy as np
import polars as pl
import pytest

from sharpen.data import DataSource, ReadOptions, check, delimited, load
from sharpen.errors import DataError, UsageError

N = 150
DAYS = np.busday_offset("2020-01-01", np.arange(N), roll="forward")
TIMES = DAYS.astype("datetime64[us]")


def bars(**columns):
    rng = np.random.default_rng(1)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, N))), 2)
    open_ = np.round(close * np.exp(rng.normal(0, 0.01, N)), 2)
    high, low = np.maximum(open_, close) + 0.5, np.minimum(open_, close) - 0.5
    table = {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(N, 1000.0)}
    return pl.DataFrame({"date": pl.Series(TIMES).cast(pl.Date), **table, **columns})


FRAME = bars()
ADJUSTED = (FRAME["close"] * 0.5).alias("adj_close")


def dates(format_):
    return FRAME.with_columns(pl.col("date").dt.strftime(format_))


def mt5():
    table = FRAME.rename({name: f"<{name.upper()}>" for name in ("open", "high", "low", "close")})
    table = table.with_columns(pl.col("date").dt.strftime("%Y.%m.%d"), pl.lit("00:00:00").alias("<TIME>"))
    table = table.rename({"date": "<DATE>", "volume": "<TICKVOL>"}).with_columns(pl.lit(0).alias("<VOL>"))
    first = ["<DATE>", "<TIME>"]
    return table.select(*first, pl.exclude(first)).write_csv(separator="\t")


def klines():
    at = pl.col("date").cast(pl.Datetime("ms")).cast(pl.Int64)
    extra = [pl.lit(x).alias(f"c{i}") for i, x in enumerate((1.0, 5, 1.0, 1.0, 0))]
    return FRAME.with_columns(at).with_columns((at + 86_399_999).alias("end"), *extra)


def yfinance():
    head = "Price,Close,High,Low,Open,Volume\nTicker,X,X,X,X,X\nDate,,,,,\n"
    return head + FRAME.select("date", "close", "high", "low", "open", "volume").write_csv(
        include_header=False
    )


def european():
    return FRAME.write_csv(separator=";").replace(".", ",")


LAYOUTS = {
    "Date": (FRAME.rename(str.capitalize).write_csv(), "time=Date"),
    "unnamed index": (FRAME.rename({"date": ""}).write_csv(), "time=the first column"),
    "newest first": (FRAME.reverse().rename({"date": "timestamp"}).write_csv(), "newest first, turned round"),
    "yfinance": (yfinance(), "yfinance, 3 header lines, 1 symbol; time=Date"),
    "comment": ("# by a vendor, 2013\n" + FRAME.write_csv(), "lines before the header passed over"),
    "decimal commas": (european(), "separated by ';'; decimal commas"),
    "day first": (dates("%d/%m/%Y").write_csv(), "time=date (day first, proven by row 9)"),
    "month first": (dates("%m/%d/%y").write_csv(), "time=date (month first, proven by row 9)"),
    "points": (dates("%d.%m.%Y").write_csv(), "day first"),
    "one digit": (dates("%-d/%-m/%Y").write_csv(), "day first"),
    "compact": (dates("%Y%m%d").write_csv(), "as %Y%m%d"),
    "names of months": (dates("%b %d, %Y").write_csv(), "with names of months"),
    "slashes": (dates("%Y/%m/%d").write_csv(), "as %Y/%m/%d"),
    "MetaTrader 5": (mt5(), "separated by tabs; time=<DATE> + <TIME>"),
    "klines": (klines().write_csv(include_header=False), "klines without a header; time=time (epoch in ms)"),
    "Alpha Vantage": (
        FRAME.rename({n: f"{i}. {n}" for i, n in enumerate(FRAME.columns[1:], 1)}).write_csv(),
        "open=1. open",
    ),
    "UTC in words": (dates("%Y-%m-%d 00:00:00 UTC").write_csv(), "time=date"),
    "Macintosh": (FRAME.write_csv().replace("\n", "\r"), "time=date"),
}
EXPECTED = {name: FRAME[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}


def same(panel, symbol=0):
    np.testing.assert_array_equal(panel.time, TIMES)
    for name, values in EXPECTED.items():
        np.testing.assert_array_equal(getattr(panel, name)[:, symbol], values)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_csv_as_it_comes(tmp_path, layout):
    text, said = LAYOUTS[layout]
    (tmp_path / "x.csv").write_bytes(text.encode())
    data = load(str(tmp_path / "x.csv"))
    same(data.panel)
    assert said in data.layout
    assert data.notes == ()


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_time_since_1970_in_any_unit(tmp_path, unit, scale, suffix):
    seconds = FRAME["date"].cast(pl.Datetime("us")).cast(pl.Int64) // 10**6
    table = FRAME.with_columns((seconds * scale).alias("time")).drop("date")
    path = tmp_path / f"x.{suffix}"
    (table.write_csv if suffix == "csv" else table.write_parquet)(path)
    data = load(str(path))
    same(data.panel)
    assert data.layout == f"time=time (epoch in {unit})"


def test_seconds_that_were_divided_once_too_often_are_named(tmp_path):
    seconds = pl.Series("time", TIMES).cast(pl.Datetime("us")).dt.epoch("s") // 1000
    FRAME.drop("date").with_columns(seconds).write_csv(tmp_path / "x.csv")
    with pytest.raises(
        DataError, match=r"a day of early 1970 in seconds.*divided by 10\*\*9.*Fix: write ISO"
    ):
        load(str(tmp_path / "x.csv"))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "Europe/London", "America/New_York"])
def test_midnight_in_a_known_zone_is_a_date(tmp_path, zone):
    local = FRAME.with_columns(pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone(zone))
    local.write_parquet(tmp_path / "x.parquet")
    data = load(str(tmp_path / "x.parquet"))
    same(data.panel)
    assert data.layout == f"time=date (midnight in {zone}, taken as dates)"
    local.with_columns(pl.col("date").dt.strftime("%Y-%m-%d %H:%M:%S%:z")).write_csv(tmp_path / "x.csv")
    same(load(str(tmp_path / "x.csv"), ReadOptions(zone=zone)).panel)


def test_midnight_told_by_its_two_hours(tmp_path):
    local = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Europe/Berlin")
    FRAME.with_columns(local.dt.convert_time_zone("UTC")).write_parquet(tmp_path / "x.parquet")
    data = load(str(tmp_path / "x.parquet"))
    same(data.panel)
    assert "midnight, by its two hours, in Europe/Berlin" in data.layout


def test_offsets_that_one_zone_explains_are_that_zone(tmp_path):
    local = (
        pl.col("date").cast(pl.Datetime("us")).dt.offset_by("16h").dt.replace_time_zone("America/New_York")
    )
    FRAME.with_columns(local.dt.strftime("%Y-%m-%dT%H:%M:%S%:z")).write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    assert "in America/New_York, by its offsets" in data.layout
    hours = (data.panel.time - TIMES) / np.timedelta64(1, "h")
    assert set(hours.tolist()) == {20.0, 21.0}


def test_a_zone_that_is_given_and_the_hour_that_comes_twice(tmp_path):
    start = np.datetime64("2020-10-25T00:00", "us") - np.timedelta64(2, "h")
    utc = start + np.arange(N) * np.timedelta64(30, "m")
    local = pl.Series(utc).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    table = FRAME.with_columns(
        local.dt.replace_time_zone(None).dt.strftime("%Y-%m-%d %H:%M:%S").alias("date")
    )
    table.write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"), ReadOptions(zone="Europe/Berlin"))
    np.testing.assert_array_equal(data.panel.time, utc)


@pytest.mark.parametrize(
    "name",
    ["Adj Close", "adjClose", "adjusted_close", "Adj. Close", "AdjClose", "adjcp", "5. adjusted close"],
)
def test_every_spelling_of_the_adjusted_close(tmp_path, name):
    FRAME.with_columns(ADJUSTED.alias(name)).write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    np.testing.assert_array_equal(data.panel.close[:, 0], ADJUSTED.to_numpy())
    assert "scaled by adj_close" in data.provenance


@pytest.mark.parametrize("name", ["tic", "Ticker", "Symbol", "Name", "code"])
def test_companies_in_one_file(tmp_path, name):
    two = pl.concat([FRAME.with_columns(pl.lit(s).alias(name)) for s in ("A", "B")]).sort("date", name)
    two.write_csv(tmp_path / "x.csv")
    panel = load(str(tmp_path / "x.csv")).panel
    assert panel.symbols == ("A", "B")
    same(panel, 1)


def test_yfinance_with_two_companies(tmp_path):
    kinds = ("Close", "High", "Low", "Open", "Volume")
    head = f"Price,{','.join(k for k in kinds for _ in 'AB')}\nTicker{',A,B' * 5}\nDate{',' * 10}\n"
    cells = [FRAME[k.lower()].alias(f"{k}{s}") for k in kinds for s in "AB"]
    (tmp_path / "x.csv").write_text(head + FRAME.select("date", *cells).write_csv(include_header=False))
    data = load(str(tmp_path / "x.csv"))
    assert data.panel.symbols == ("A", "B")
    same(data.panel, 1)


def test_no_volume_is_said(tmp_path):
    FRAME.drop("volume").write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    assert data.panel.volume.sum() == 0
    assert "there is no volume" in data.notes[0]


def test_a_map_names_what_no_table_of_spellings_can(tmp_path):
    FRAME.rename({"date": "Zeitpunkt", "close": "Ende"}).write_csv(tmp_path / "x.csv")
    with pytest.raises(DataError, match="missing column time, close"):
        load(str(tmp_path / "x.csv"))
    source = DataSource.of(f"{{path: {tmp_path / 'x.csv'}, map: {{Zeitpunkt: time, Ende: close}}}}")
    same(load(source.name, source.options).panel)


def test_dates_that_prove_nothing_are_refused_with_both_readings(tmp_path):
    days = [f"0{1 + i % 9}/0{1 + i // 9 % 9}/20{10 + i // 81}" for i in range(N)]
    bars(date=pl.Series(days)).write_csv(tmp_path / "x.csv")
    with pytest.raises(DataError, match="read both ways") as caught:
        load(str(tmp_path / "x.csv"))
    assert "--time-format '%d/%m/%Y' (day first) or --time-format '%m/%d/%Y'" in str(caught.value)
    report = check(str(tmp_path / "x.csv"), ReadOptions(time_format="%m/%d/%Y"))
    assert report.symbols[0].first.startswith("2010-01-01")


def test_a_refusal_names_all_that_is_to_be_done(tmp_path):
    bars(date=pl.Series(["soon"] * N)).rename({"close": "hgih", "open": "first"}).write_csv(
        tmp_path / "x.csv"
    )
    with pytest.raises(DataError) as caught:
        load(str(tmp_path / "x.csv"))
    assert "missing column open, close" in str(caught.value)
    assert "holds times such as 'soon'" in str(caught.value)
    assert "--time-format" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [([[1.0]] * N, "List"), ([{"a": 1}] * N, "Struct"), ([b"x"] * N, "Binary"), ([True] * N, "Boolean")],
    ids=["list", "struct", "bytes", "booleans"],
)
def test_columns_that_hold_no_numbers_are_refused(tmp_path, values, kind):
    bars(volume=pl.Series(values)).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match=f"column volume holds {kind}"):
        check(str(tmp_path / "x.parquet"))


def test_too_much_text_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_BYTES", 1 << 20)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b" " * (64 << 20)))
    with pytest.raises(DataError, match="more than 1 MiB of text"):
        check(str(tmp_path / "x.csv.gz"))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("{path: x.csv, zone: Mars/Base}", "no time zone"),
        ("{path: x.csv, map: {a: opening}}", "'opening' is none of"),
        ("{path: x.csv, zones: UTC}", "unknown key zones"),
        ("{zone: UTC}", "must be a name, a path, or a block"),
        ("{path: x.csv, calendar: lunar}", "'lunar' is none of"),
    ],
)
def test_a_block_that_is_wrong_says_what(block, words):
    with pytest.raises(UsageError, match=words):
        DataSource.of(block)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("{path: x.csv, map: {a: &a {x: y}, b: [*a, *a]}}", "cannot be read"),
        ("{path: x.csv, map: " + "[" * 50_000, "cannot be read"),
        ("{path: x.csv, map: {" + "a: b, " * 20_000 + "}}", "the limit is 100,000"),
    ],
)
def test_a_block_in_text_that_is_built_to_exhaust_memory_is_refused(block, words):
    with pytest.raises(UsageError, match=words) as refused:
        DataSource.of(block)
    assert len(str(refused.value)) < 200
