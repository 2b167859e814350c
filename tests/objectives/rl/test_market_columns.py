"""Columns from a file: as three vendors write them, and never from the future."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from sharpen.errors import DataError, UsageError
from sharpen.objectives.rl import market_columns
from sharpen.objectives.rl.market_columns import read_columns
from sharpen.objectives.rl.market_data import market_data

DAYS = np.arange("2024-01-02", "2024-01-08", dtype="datetime64[D]").astype("datetime64[us]")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("observation_date,VIXCLS\n2024-01-03,13.5\n2024-01-04,.\n2024-01-05,14\n", "vixcls"),  # FRED
        ("DATE,OPEN,CLOSE\n01/03/2024,13,13.5\n01/05/2024,15,14\n", "close"),  # Cboe
        ("Date,Close\n2024-01-05,14.0\n2024-01-03,13.5\n", "close"),  # newest first
    ],
)
def test_a_value_counts_from_its_day_on(tmp_path, text, name):
    (tmp_path / "vix.csv").write_text(text)
    found = read_columns(tmp_path / "vix.csv", DAYS, 252.0)[name]
    np.testing.assert_array_equal(found, [np.nan, 13.5, 13.5, 14, 14, 14])


def test_shorter_bars_know_a_day_on_the_next_one(tmp_path):
    (tmp_path / "vix.csv").write_text("date,vix\n2024-01-02,13\n2024-01-03,14\n")
    hours = np.array(["2024-01-02T15", "2024-01-03T00", "2024-01-03T15"], dtype="datetime64[us]")
    np.testing.assert_array_equal(read_columns(tmp_path / "vix.csv", hours, 1764.0)["vix"], [np.nan, 13, 13])


def test_the_state_holds_a_column_and_none_of_its_future(tmp_path, world):
    panel = world(seed=3, n_bars=400)
    level = np.random.default_rng(0).uniform(10, 40, 400)

    def table(level):
        days = panel.time.astype("datetime64[D]")
        lines = [f"{day},{value}" for day, value in zip(days, level, strict=True)]
        (tmp_path / "vix.csv").write_text("\n".join(["date,vix", *lines]))
        more = read_columns(tmp_path / "vix.csv", panel.time, panel.bars_per_year)
        return market_data(panel, columns=("vix", "turbulence"), more=more)

    data = table(level)
    assert data.names[-2:] == ("vix", "turbulence")
    np.testing.assert_allclose(data.table[data.warmup_bars :, -2], level[data.warmup_bars :] / 64)
    other = table(np.where(np.arange(400) > 300, 99.0, level))
    np.testing.assert_array_equal(data.table[: 300 + 1], other.table[: 300 + 1])
    assert (data.table[301:, -2] != other.table[301:, -2]).all()


def test_what_is_no_file_of_columns_is_refused(tmp_path, world):
    with pytest.raises(DataError, match="there is no file"):
        read_columns(tmp_path / "none.csv", DAYS, 252.0)
    for text, why in (
        ("a,b\n1,2\n", "needs a column of times"),
        ("date,vix\n2030-01-01,5\n", "no column has a number at or before"),
        ("date,word\n2024-01-02,calm\n", "no column has a number"),
        ("date,vix\n2024-01-02,5,6\n", "is no table"),
    ):
        (tmp_path / "odd.csv").write_text(text)
        with pytest.raises(DataError, match=why):
            read_columns(tmp_path / "odd.csv", DAYS, 252.0)
    with pytest.raises(UsageError, match="no market column 'vix': there are realized_volatility, turbulence"):
        market_data(world(seed=3, n_bars=400), columns=("vix",))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            {"date": np.zeros(501, "datetime64[us]"), "vix": np.zeros(501)},
            "501 rows of 2 columns",
        ),
        ({"date": np.zeros(2, "datetime64[us]"), "vix": [[1.0], [2.0]]}, "column vix holds list<"),
    ],
)
def test_columns_that_would_fill_the_memory_are_refused_before_they_are_read(
    tmp_path, monkeypatch, table, words
):
    monkeypatch.setattr(market_columns, "MOST_VALUES", 1000)
    parquet.write_table(pa.table(table), tmp_path / "vix.parquet", compression="zstd")
    with pytest.raises(DataError, match=words):
        read_columns(tmp_path / "vix.parquet", np.array(["2024-01-01"], "datetime64[us]"), 252.0)
