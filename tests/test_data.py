import importlib.util
import json
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from sharpen.bars import bars_per_year, find_problems
from sharpen.data import catalog, check, load
from sharpen.errors import DataError, MissingExtra, NotFound, UsageError

N = 150


def frame(n=N, seed=0, **columns):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    open_ = close * np.exp(rng.normal(0, 0.01, n))
    days = (np.datetime64("2020-01-01", "D") + np.arange(n)).astype("datetime64[us]")
    table = {
        "time": pl.Series(days).dt.replace_time_zone("UTC"),
        "open": open_,
        "high": np.maximum(open_, close) * 1.01,
        "low": np.minimum(open_, close) * 0.99,
        "close": close,
        "volume": np.round(rng.uniform(1e3, 1e4, n)),
    }
    return pl.DataFrame({**table, **columns})


def csv_with_times(tmp_path, times):
    path = tmp_path / "x.csv"
    frame(time=pl.Series(times)).write_csv(path)
    return str(path)


def stamps(suffix, n=N):
    return [f"{d}T16:00:00{suffix}" for d in np.datetime64("2020-01-01", "D") + np.arange(n)]


# --- embedded -----------------------------------------------------------------------------------------


def test_the_default_panel():
    data = load()
    assert data.name == "stocks"
    assert data.panel.symbols == ("AAPL", "IBM", "MSFT")
    assert data.panel.close.shape == (3270, 3)
    assert [note.split(",")[0] for note in data.notes] == ["these companies survived"]
    assert str(data.panel.time[0]).startswith("2000-03-01")
    assert str(data.panel.time[-1]).startswith("2013-03-01")
    assert bars_per_year(data.panel.time) == 252
    assert "bokeh_sampledata" in data.provenance
    assert all(find_problems(bars) == [] for bars in data.panel.instruments())


def test_the_digest_does_not_change():
    expected = "f5e282aa606d4189f66dab79d205acf4b4f2e79422e37c93efbe299eaf874d0e"
    assert load("stocks").panel.digest == expected
    code = "from sharpen.data import load; print(load('stocks').panel.digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == expected


def test_splits_fake_no_return():
    panel = load("AAPL").panel
    at = int(np.searchsorted(panel.time, np.datetime64("2005-02-28")))
    assert str(panel.time[at]).startswith("2005-02-28")
    # 88.99 -> 44.86 as quoted, 5.718 -> 5.765 adjusted
    assert panel.close[at, 0] / panel.close[at - 1, 0] == pytest.approx(
        5.7651352430039 / 5.7182276557615, rel=1e-12
    )
    assert panel.open[at, 0] / panel.close[at - 1, 0] == pytest.approx(
        44.68 / 44.86 * 5.7651352430039 / 5.7182276557615, rel=1e-12
    )
    assert np.abs(np.diff(np.log(load("stocks").panel.close), axis=0)).max() < 0.8


def test_reading_imports_neither_pandas_nor_the_packages():
    code = (
        "import sys, json; from sharpen.data import load; load('AAPL,sp500'); "
        "print(json.dumps([m for m in ('pandas', 'arch', 'bokeh_sampledata') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_comma_lists_keep_every_bar_and_say_who_lacks_some():
    data = load("AAPL, GOOG")
    assert data.panel.symbols == ("AAPL", "GOOG")
    assert data.panel.present.sum(axis=0).tolist() == [3270, 2148]
    assert data.notes[1:] == (
        "RAGGED: 1 of 2 symbols lack some of the 3270 bars; nothing was cut: "
        "GOOG has 2148, begins 2004-08-19",
    )
    assert check("AAPL,GOOG").notes == load("AAPL,GOOG").notes
    for bars, name in zip(data.panel.instruments(), data.panel.symbols, strict=True):
        assert bars.digest == load(name).panel.instruments()[0].digest
    assert load("stocks").panel.digest == load("AAPL,IBM,MSFT").panel.digest


def test_stale_opens_are_told_loudly():
    (note,) = load("sp500").notes
    assert note.startswith("STALE OPENS: 51% of the opens of sp500")
    assert "look-ahead" in note
    assert load("nasdaq").notes == ()
    assert check("sp500").symbols[0].stale_open_share == pytest.approx(0.509, abs=0.001)


def test_the_catalogue_tells_the_truth():
    rows = catalog()
    assert [e.name for e in rows] == [
        "stocks",
        "AAPL",
        "IBM",
        "MSFT",
        "GOOG",
        "FB",
        "sp500",
        "nasdaq",
        "us20",
    ]
    for entry in rows:
        panel = load(entry.name).panel
        assert panel.symbols == entry.symbols
        assert f"{panel.time[0]:.10}..{panel.time[-1]:.10}" == entry.period
        assert all((entry.what, entry.source, entry.licence, entry.notes))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("APPL", "did you mean AAPL?"),
        ("aapl", "did you mean AAPL?"),
        ("stock", "stocks?"),
        ("zzzz", "there are"),
    ],
)
def test_unknown_names_suggest_the_nearest(name, hint):
    with pytest.raises(NotFound) as caught:
        load(name)
    assert hint in str(caught.value)
    with pytest.raises(NotFound):
        check(f"AAPL,{name}")


def test_a_symbol_named_twice_is_refused():
    with pytest.raises(UsageError, match="AAPL comes twice"):
        load("stocks,AAPL")


def test_symbols_may_begin_late_and_follow_one_another(tmp_path):
    table = pl.concat(
        [
            frame().with_columns(symbol=pl.lit("A")),
            frame().with_columns(pl.col("time").dt.offset_by("100d"), symbol=pl.lit("B")),
        ]
    )
    table.write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    assert data.panel.present.sum(axis=0).tolist() == [frame().height] * 2
    assert data.notes[-1].startswith(
        "RAGGED: 2 of 2 symbols lack some of the 250 bars; nothing was cut: A has"
    )
    assert "A has 150, ends 2020-" in data.notes[-1]
    assert "B has 150, begins 2020-" in data.notes[-1]


def test_who_lacks_most_is_named_first_and_short_ones_are_kept(tmp_path):
    whole = frame()
    parts = {"A": whole, "B": whole[:40], "C": whole[:10].vstack(whole[12:]), "D": whole[-90:]}
    pl.concat([t.with_columns(symbol=pl.lit(s)) for s, t in parts.items()]).write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    assert data.panel.present.sum(axis=0).tolist() == [150, 40, 148, 90]
    words = data.notes[-1].split("nothing was cut: ")[1].split("; ")
    assert [said.split(" ")[0] for said in words] == ["B", "D", "C"]
    assert words[0].endswith("(settled there, as delisted), too few for a model to trade it")
    assert words[2] == "C has 148, misses 2 between"
    assert check(str(tmp_path / "x.csv")).notes == data.notes


def test_bars_at_other_hours_or_of_another_length_make_no_panel(tmp_path):
    noon = frame().with_columns(pl.col("time").dt.offset_by("12h"), symbol=pl.lit("B"))
    pl.concat([frame().with_columns(symbol=pl.lit("A")), noon]).write_csv(tmp_path / "x.csv")
    with pytest.raises(DataError, match="A and the others are in step at 0 of its 149 times"):
        load(str(tmp_path / "x.csv"))
    each_week = pl.lit(frame()["time"][0]) + pl.duration(days=7 * pl.int_range(pl.len()))
    week = frame().with_columns(each_week.alias("time"), symbol=pl.lit("B"))
    pl.concat([frame().with_columns(symbol=pl.lit("A")), week]).write_csv(tmp_path / "x.csv")
    with pytest.raises(
        DataError, match="of different lengths: those of A are 24 hours apart, those of B 168"
    ):
        load(str(tmp_path / "x.csv"))


def test_a_missing_package_names_the_extra(monkeypatch):
    from sharpen.data import embedded

    embedded._stock_table.cache_clear()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "bokeh_sampledata" else find(n))
    with pytest.raises(MissingExtra, match=r"sharpen\[data\]"):
        load("stocks")


# --- files --------------------------------------------------------------------------------------------


def write(table, path):
    (table.write_parquet if path.suffix == ".parquet" else table.write_csv)(path)


@pytest.mark.parametrize("name", ["btc.csv", "btc.parquet"])
def test_a_file_gives_back_what_was_written(tmp_path, name):
    table = frame()
    write(table, tmp_path / name)
    data = load(str(tmp_path / name))
    assert data.panel.symbols == ("btc",)
    assert data.notes == ()
    for column in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(data.panel, column)[:, 0], table[column].to_numpy())
    np.testing.assert_array_equal(data.panel.time, table["time"].dt.replace_time_zone(None).to_numpy())


def test_csv_parquet_and_gzip_have_one_digest(tmp_path):
    import gzip

    frame().write_csv(tmp_path / "x.csv")
    frame().write_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    found = {load(str(tmp_path / n)).panel.digest for n in ("x.csv", "x.parquet", "x.csv.gz")}
    assert len(found) == 1


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_several_symbols_in_any_row_order_between_them(tmp_path, name):
    a, b = (frame(seed=s).with_columns(symbol=pl.lit(n)) for s, n in ((0, "A"), (1, "B")))
    write(pl.concat([a, b]).sort("time", "symbol"), tmp_path / name)
    panel = load(str(tmp_path / name)).panel
    assert panel.symbols == ("A", "B")
    np.testing.assert_array_equal(panel.close[:, 1], b["close"].to_numpy())


def test_adj_close_scales_all_four_prices(tmp_path):
    table = frame()
    factor = np.where(np.arange(N) < 70, 0.5, 1.0)
    table.with_columns((pl.col("close") * factor).alias("Adj Close")).write_csv(tmp_path / "x.csv")
    data = load(str(tmp_path / "x.csv"))
    for column in ("open", "high", "low", "close"):
        np.testing.assert_allclose(
            getattr(data.panel, column)[:, 0], table[column].to_numpy() * factor, rtol=1e-12
        )
    np.testing.assert_array_equal(data.panel.volume[:, 0], table["volume"].to_numpy())
    assert "scaled by adj_close" in data.provenance


def test_a_bad_adj_close_is_refused(tmp_path):
    adj = frame()["close"].to_numpy().copy()
    adj[[3, 9]] = 0.0, np.nan
    frame(adj_close=adj).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="2 rows whose adj_close is missing, zero or less"):
        load(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("suffix", "hour"), [("Z", 16), ("+00:00", 16), ("-05:00", 21), ("+0530", 10.5), (".250Z", 16)]
)
def test_one_offset_is_converted_to_utc(tmp_path, suffix, hour):
    data = load(csv_with_times(tmp_path, stamps(suffix)))
    assert data.notes == ()
    since_midnight = (data.panel.time[0] - np.datetime64("2020-01-01")) / np.timedelta64(1, "h")
    assert since_midnight == pytest.approx(hour, abs=0.001)


@pytest.mark.parametrize(
    "times",
    [
        stamps(""),
        [t.replace("T", " ") for t in stamps("")],
        [t[:16] for t in stamps("")],
        [f"{t}.125" for t in stamps("")],
    ],
)
def test_times_without_a_zone_are_taken_as_utc_and_noted(tmp_path, times):
    data = load(csv_with_times(tmp_path, times))
    assert [n.endswith("taken as UTC") for n in data.notes] == [True]
    assert str(data.panel.time[0])[:10] == "2020-01-01"
    assert int(str(data.panel.time[0])[11:13]) == 16


@pytest.mark.parametrize("ending", ["", "T00:00:00", " 00:00", " 00:00:00.000"])
def test_dates_need_no_zone(tmp_path, ending):
    times = [f"{t[:10]}{ending}" for t in stamps("")]
    data = load(csv_with_times(tmp_path, times))
    assert data.notes == ()
    assert str(data.panel.time[0])[:19] == "2020-01-01T00:00:00"
    times[50] = f"{times[50][:10]} 16:00"
    assert [n.endswith("taken as UTC") for n in load(csv_with_times(tmp_path, times)).notes] == [True]


def test_parquet_zones(tmp_path):
    path = str(tmp_path / "x.parquet")
    utc = frame()
    utc.write_parquet(path)
    expected = load(path)
    utc.with_columns(pl.col("time").dt.convert_time_zone("America/New_York")).write_parquet(path)
    assert load(path).panel.digest == expected.panel.digest
    for naive in (pl.col("time").dt.replace_time_zone(None), pl.col("time").dt.date()):
        utc.with_columns(naive).write_parquet(path)
        assert load(path).panel.digest == expected.panel.digest
        assert load(path).notes == ()
    utc.with_columns(pl.col("time").dt.replace_time_zone(None).dt.offset_by("16h")).write_parquet(path)
    assert load(path).notes == (f"{path}: times of day have no time zone and were taken as UTC",)


@pytest.mark.parametrize("odd", ["2020-03-01T16:00:00-04:00", "2020-03-01T16:00:00"])
def test_mixed_zones_are_refused(tmp_path, odd):
    times = stamps("-05:00")
    times[60] = odd
    with pytest.raises(DataError) as caught:
        load(csv_with_times(tmp_path, times))
    assert "1 of 150 times is not in the zone of the rest, -05:00" in str(caught.value)
    assert "row 61" in str(caught.value)


def test_unreadable_times_and_numbers_are_told_with_their_rows(tmp_path):
    table = frame().with_columns(pl.col("time").dt.to_string("%Y-%m-%d"), pl.col("open").cast(pl.String))
    text = table.write_csv().splitlines()
    text[11] = text[11].replace("2020-01-11", "yesterday")
    text[21] = text[21].replace(table["open"][20], "n/a")
    text[31] = text[31].replace("2020-01-31", "")
    (tmp_path / "x.csv").write_text("\n".join(text))
    report = check(str(tmp_path / "x.csv")).symbols[0]
    assert [(p.kind, p.rows[0][0]) for p in report.problems] == [("text", 21), ("time", 11), ("nan", 21)]
    assert [time for _, time, _ in report.problems[1].rows] == ["'yesterday'", "''"]
    assert "row 11 ('yesterday'): open=" in str(report.problems[1])


def test_words_for_numbers_are_shown_and_blanks_around_numbers_are_none(tmp_path):
    text = frame().with_columns(pl.col("time").dt.to_string("%Y-%m-%d")).write_csv()
    (tmp_path / "x.csv").write_text(text.replace(",", " , "))
    assert check(str(tmp_path / "x.csv")).is_usable
    lines = [re.sub(r",(\d)(\d{3})\.0$", r',"\1,\2"', line) for line in text.splitlines()]
    (tmp_path / "y.csv").write_text("\n".join(lines))
    (words, _) = check(str(tmp_path / "y.csv")).symbols[0].problems
    assert words.kind == "text"
    assert re.fullmatch(rf"{N} rows with text for a number: volume '\d,\d{{3}}'", words.what)


def test_all_faults_of_all_symbols_come_at_once(tmp_path):
    a, b = (frame(seed=s).with_columns(symbol=pl.lit(n)) for s, n in ((0, "A"), (1, "B")))
    a = a.with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(-1.0).otherwise(pl.col("volume")).alias("volume")
    )
    b = pl.concat([b.slice(1, 1), b.slice(0, 1), b.slice(2)])
    path = tmp_path / "two.csv"
    pl.concat([a, b]).write_csv(path)
    with pytest.raises(DataError) as caught:
        load(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "row 6 (2020-01-06T00:00:00): open=" in message
    assert f"row {N + 2} (2020-01-01T00:00:00)" in message
    assert {s: [p.kind for p in found] for s, found in caught.value.facts["problems"].items()} == {
        "A": ["volume"],
        "B": ["unsorted"],
    }
    report = check(str(path))
    assert not report.is_usable
    assert [(s.symbol, s.n_rows, len(s.problems)) for s in report.symbols] == [("A", N, 1), ("B", N, 1)]


def test_check_of_sound_bars():
    report = check("stocks")
    assert report.is_usable
    assert [(s.symbol, s.n_rows, s.first, s.last) for s in report.symbols] == [
        (name, 3270, "2000-03-01T00:00:00", "2013-03-01T00:00:00") for name in ("AAPL", "IBM", "MSFT")
    ]


def test_missing_columns_and_too_few_rows(tmp_path):
    path = tmp_path / "x.csv"
    frame().drop("open", "volume").write_csv(path)
    with pytest.raises(DataError, match="missing column open; there are time, high, low, close") as caught:
        load(str(path))
    assert str(path) in str(caught.value)
    frame(n=99).write_csv(path)
    with pytest.raises(DataError, match="too few rows: 99"):
        load(str(path))
    frame(n=0).write_csv(path)
    with pytest.raises(DataError, match="no rows below the header"):
        load(str(path))


def test_columns_twice(tmp_path):
    (tmp_path / "x.csv").write_text("time,open,Open,high,low,close,volume\n2020-01-01,1,1,1,1,1,1\n")
    with pytest.raises(DataError, match="column open comes twice"):
        load(str(tmp_path / "x.csv"))
    (tmp_path / "t.csv").write_text("time,Time,open,high,low,close,volume\nx,2020-01-01,1,1,1,1,1\n")
    with pytest.raises(DataError, match="column time comes twice") as refused:
        load(str(tmp_path / "t.csv"))
    assert "in a format that is not known" not in str(refused.value)  # which of the two would it be of


def test_files_that_are_none(tmp_path):
    with pytest.raises(NotFound, match="no such file"):
        load(str(tmp_path / "absent.csv"))
    (tmp_path / "x.doc").write_text("hello")
    with pytest.raises(DataError, match="Fix: convert it"):
        load(str(tmp_path / "x.doc"))
    (tmp_path / "x.parquet").write_text("hello")
    with pytest.raises(DataError, match="this is not a Parquet file"):
        load(str(tmp_path / "x.parquet"))
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(DataError, match="the Parquet file is damaged"):
        load(str(tmp_path / "x.parquet"))
    frame(time=pl.Series(range(N))).write_parquet(tmp_path / "n.parquet")
    with pytest.raises(DataError, match="column time holds Int64"):
        load(str(tmp_path / "n.parquet"))


def test_a_row_without_a_symbol_is_refused(tmp_path):
    symbols = ["A"] * N
    symbols[7] = None
    frame(symbol=pl.Series(symbols)).write_csv(tmp_path / "x.csv")
    with pytest.raises(DataError, match="row 8 has no symbol"):
        load(str(tmp_path / "x.csv"))


def test_zeros_and_infinities_are_faults_and_not_crashes(tmp_path):
    table = frame()
    close = table["close"].to_numpy().copy()
    close[[3, 4]] = 0.0, np.inf
    frame(close=close, adj_close=table["close"].to_numpy()).write_parquet(tmp_path / "x.parquet")
    found = check(str(tmp_path / "x.parquet")).symbols[0].problems
    assert {p.kind: [row for row, _, _ in p.rows] for p in found} == {
        "nan": [5],
        "outside": [4],
        "price": [4],
    }
