"""Files of bars that other readers stumble over: read as they are meant, or refused in a sentence."""

import datetime as dt
import decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen import data
from sharpen.data import files
from sharpen.errors import DataError, UsageError

N = 12
HEADER = "time,open,high,low,close,volume\n"
ROWS = [f"2024-01-{day + 1:02},1,2,0.5,{1 + day / 100},10" for day in range(N)]


def bars(**changed):
    """Return a table of bars with some columns changed."""
    times = [dt.datetime(2024, 1, 1) + dt.timedelta(days=day) for day in range(N)]
    close = [1 + day / 100 for day in range(N)]
    columns = {"time": times, "symbol": ["A"] * N, "open": close, "high": [2.0] * N, "low": [0.5] * N}
    return pa.table(columns | {"close": close, "volume": [10.0] * N} | changed)


def column(kind, *values):
    return pa.array([values[n % len(values)] for n in range(N)], kind)


@pytest.mark.parametrize("text", ["\n".join(["", "", *ROWS]), "\n".join([*ROWS[:5], "", *ROWS[5:]])])
def test_a_blank_line_is_no_row(tmp_path, text):
    (tmp_path / "bars.csv").write_text(HEADER + text + "\n\n")
    (rows,) = files.read_file(str(tmp_path / "bars.csv")).rows
    assert len(rows.bars.close) == N
    assert np.isfinite(rows.bars.close).all()


def test_a_quote_that_is_not_closed_is_named_by_its_line(tmp_path):
    noted = [f"{row},{'a' + chr(34) + 'b' if n == 3 else 'x'}" for n, row in enumerate(ROWS)]
    (tmp_path / "bars.csv").write_text(HEADER.strip() + ",note\n" + "\n".join(noted))
    with pytest.raises(DataError, match=r"bars\.csv: line 5 has a quote that is not closed"):
        files.read_file(str(tmp_path / "bars.csv"))


@pytest.mark.parametrize(
    ("offset", "hours"), [("+05:30", 5.5), ("-05:00", -5), ("+09:00", 9), ("+05:45", None), ("+00:00", 0)]
)
@pytest.mark.parametrize("how", ["parquet", "csv"])
def test_days_that_begin_at_midnight_of_a_fixed_offset_are_dates(tmp_path, offset, hours, how):
    days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=day) for day in range(N)]
    file = tmp_path / f"bars.{how}"
    if how == "csv":
        lines = (
            f"{day:%Y-%m-%dT%H:%M}:00{offset},{row.partition(',')[2]}"
            for day, row in zip(days, ROWS, strict=True)
        )
        file.write_text(HEADER + "\n".join(lines))
    else:
        shift = dt.timedelta(hours=5.75 if hours is None else hours)
        moments = pa.array([day - shift for day in days], pa.timestamp("us")).cast(pa.timestamp("us", offset))
        pq.write_table(bars(time=moments), file)
    (rows,) = files.read_file(str(file)).rows
    assert len(rows.bars.close) == N
    first = rows.bars.time.astype("datetime64[m]")[0]
    assert str(first) == ("2023-12-31T18:15" if hours is None else "2024-01-01T00:00")


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
ENDS = [
    *((kind, lambda kind=kind: int(np.iinfo(kind.to_pandas_dtype()).max)) for kind in INTEGERS),
    *((kind, lambda kind=kind: int(np.iinfo(kind.to_pandas_dtype()).min)) for kind in INTEGERS),
]
ODD = [
    *((kind, (end(),)) for kind, end in ENDS),
    *((pa.timestamp(unit), (2**63 - 1, None)) for unit in ("s", "ms", "us", "ns")),
    *((pa.timestamp(unit, "Asia/Kathmandu"), (-(2**63) + 1,)) for unit in ("ms", "us", "ns")),
    (pa.timestamp("us", "+05:30"), (0, 1, None)),
    (pa.timestamp("ms", "America/New_York"), (2**62,)),
    (pa.date32(), (2**31 - 1, -(2**31))),
    (pa.duration("us"), (1, 2)),
    (pa.time64("us"), (dt.time(1),)),
    (pa.float64(), (float("nan"), 1e308, float("inf"))),
    (pa.float64(), (1e300,)),
    (pa.decimal128(38, 0), (decimal.Decimal(10) ** 35,)),
    (pa.binary(), (b"\xff",)),
    (pa.bool_(), (True, False)),
    (pa.null(), (None,)),
    (pa.string(), ("", "1e400", "\x00", "99999999999999999999", "2020-01-01T00:00+99:99")),
]


@given(st.sampled_from(ODD), st.sampled_from(bars().column_names), st.sampled_from(bars().column_names))
def test_columns_of_any_kind_are_read_or_refused(tmp_path_factory, kind, name, other):
    file = tmp_path_factory.mktemp("odd") / "bars.parquet"
    odd = column(kind[0], *kind[1])
    pq.write_table(bars(**{name: odd, other: odd}), file)
    try:
        checked = data.check(str(file))
    except UsageError:
        return
    assert not checked.is_usable or checked.symbols


def test_what_polars_panics_on_is_a_sentence(tmp_path, monkeypatch):
    def panic(*_):
        raise pl.exceptions.PanicException("out-of-range date")

    monkeypatch.setattr(files, "read_frame", panic)
    pq.write_table(bars(), tmp_path / "bars.parquet")
    with pytest.raises(DataError, match=r"bars\.parquet: cannot be read: out-of-range date\. Fix: "):
        files.read_file(str(tmp_path / "bars.parquet"))
