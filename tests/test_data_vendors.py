"""Bars as vendors, brokers and exchanges export them: each loads, to the same prices and days."""

import pickle

import numpy as np
import polars as pl
import pytest

from sharpen.data import ReadOptions, load
from sharpen.data.number_forms import plain_numbers
from sharpen.errors import DataError

N = 150
DAYS = np.busday_offset("2020-01-01", np.arange(N), roll="forward")
RNG = np.random.default_rng(1)
c = np.round(100 * np.exp(np.cumsum(RNG.normal(0, 0.01, N))), 2)
o = np.round(c * np.exp(RNG.normal(0, 0.01, N)), 2)
h, l = np.round(np.maximum(o, c) + 0.5, 2), np.round(np.minimum(o, c) - 0.5, 2)  # noqa: E741 - as in OHLC
v = np.arange(N) * 10_000 + 1_200_000
D = [str(day) for day in DAYS]
S = [int(day.astype("datetime64[s]").astype(int)) for day in DAYS]


def fmt(form):
    return [day.astype(object).strftime(form) for day in DAYS]


def columns(*cells):
    return zip(*cells, strict=True)


def table(head, rows, sep=",", rev=False):
    rows = list(rows)[:: -1 if rev else 1]
    return ("" if head is None else head + "\n") + "\n".join(sep.join(map(str, row)) for row in rows) + "\n"


LAYOUTS = {
    "stooq_bulk.us.txt": table(
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        columns(["AAPL.US"] * N, ["D"] * N, fmt("%Y%m%d"), ["000000"] * N, o, h, l, c, v, [0] * N),
    ),
    "stooq_bulk.csv": table(
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        columns(["AAPL.US"] * N, ["D"] * N, fmt("%Y%m%d"), ["000000"] * N, o, h, l, c, v, [0] * N),
    ),
    "tiingo.csv": table(
        "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor",
        columns(
            [d + " 00:00:00+00:00" for d in D],
            c,
            h,
            l,
            o,
            v,
            c / 2,
            h / 2,
            l / 2,
            o / 2,
            v * 2,
            [0.0] * N,
            [1.0] * N,
        ),
    ),
    "polygon_flat.csv": table(
        "ticker,volume,open,close,high,low,window_start,transactions",
        columns(["AAPL"] * N, v, o, c, h, l, [s * 10**9 for s in S], [9] * N),
    ),
    "polygon_json.csv": table("v,vw,o,c,h,l,t,n", columns(v, c, o, c, h, l, [s * 1000 for s in S], [9] * N)),
    "alphavantage.csv": table(
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
        columns(D, o, h, l, c, c / 2, v, [0.0] * N, [1.0] * N),
        rev=True,
    ),
    "kraken.csv": table(None, columns(S, o, h, l, c, v, [7] * N)),
    "kraken_vwap.csv": table(None, columns(S, o, h, l, c, c, v, [7] * N)),
    "coingecko_market.csv": table(
        "snapped_at,price,market_cap,total_volume", columns([d + " 00:00:00 UTC" for d in D], c, c * 1e6, v)
    ),
    "coingecko_ohlc.csv": table("timestamp,open,high,low,close", columns([s * 1000 for s in S], o, h, l, c)),
    "cryptodatadownload.csv": table(
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,n",
        columns(
            [s * 1000 for s in S],
            [d + " 00:00:00" for d in D],
            ["BTC/USDT"] * N,
            o,
            h,
            l,
            c,
            v,
            v * 100,
            [7] * N,
        ),
        rev=True,
    ),
    "ib_insync.csv": table(
        ",date,open,high,low,close,volume,average,barCount", columns(range(N), D, o, h, l, c, v, c, [7] * N)
    ),
    "ibkr_tws.csv": table(
        "Date,Open,High,Low,Close,Volume,WAP,Count",
        columns([d + "  16:00:00 US/Eastern" for d in fmt("%Y%m%d")], o, h, l, c, v, c, [7] * N),
    ),
    "refinitiv_eikon.csv": table("Date,HIGH,CLOSE,LOW,OPEN,COUNT,VOLUME", columns(D, h, c, l, o, [7] * N, v)),
    "lseg_workspace.csv": table(
        "Exchange Date,Close,Net,%Chg,Open,Low,High,Volume,Turnover - USD",
        columns(fmt("%d-%b-%Y"), c, [0.1] * N, ["0.1%"] * N, o, l, h, [f'"{x:,}"' for x in v], [1] * N),
        rev=True,
    ),
    "dukascopy.csv": table(
        "Gmt time,Open,High,Low,Close,Volume", columns(fmt("%d.%m.%Y 00:00:00.000"), o, h, l, c, v)
    ),
    "dukascopy_eet.csv": table(
        "Time (EET),Open,High,Low,Close,Volume ", columns(fmt("%Y.%m.%d 00:00:00"), o, h, l, c, v)
    ),
    "firstrate.csv": table(None, columns([d + " 09:30:00" for d in D], o, h, l, c, v)),
    "firstrate_daily.csv": table(None, columns(D, o, h, l, c, v)),
    "histdata.csv": table(None, columns(fmt("%Y%m%d 170000"), o, h, l, c, [0] * N), sep=";"),
    "nasdaq_com.csv": table(
        "Date,Close/Last,Volume,Open,High,Low",
        columns(
            fmt("%m/%d/%Y"),
            *([f"${x}" for x in c], v, [f"${x}" for x in o], [f"${x}" for x in h], [f"${x}" for x in l]),
        ),
        rev=True,
    ),
    "investing_com.csv": table(
        '"Date","Price","Open","High","Low","Vol.","Change %"',
        (
            [f'"{x}"' for x in r]
            for r in columns(
                fmt("%b %d, %Y"),
                [f"{x * 100:,.2f}" for x in c],
                [f"{x * 100:,.2f}" for x in o],
                [f"{x * 100:,.2f}" for x in h],
                [f"{x * 100:,.2f}" for x in l],
                [f"{x / 1e6:.2f}M" for x in v],
                ["-2.5%"] * N,
            )
        ),
        rev=True,
    ),
    "investing_new.csv": table(
        '"Date","Price","Open","High","Low","Vol.","Change %"',
        (
            [f'"{x}"' for x in r]
            for r in columns(fmt("%m/%d/%Y"), c, o, h, l, [f"{x / 1e3:.2f}K" for x in v], ["-2.5%"] * N)
        ),
        rev=True,
    ),
    "wsj.csv": table(
        "Date, Open, High, Low, Close, Volume",
        columns(fmt("%m/%d/%y"), *([f" {x}" for x in y] for y in (o, h, l, c, v))),
        rev=True,
    ),
    "yahoo_page.csv": table(
        "Date,Open,High,Low,Close*,Adj Close**,Volume",
        columns([f'"{d}"' for d in fmt("%b %d, %Y")], o, h, l, c, c, [f'"{x:,}"' for x in v]),
        rev=True,
    ),
    "quandl_wiki.csv": table(
        "Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,"
        "Adj. Volume",
        columns(D, o, h, l, c, v, [0] * N, [1] * N, o, h, l, c, v),
    ),
    "bloomberg.csv": table(
        "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME", columns(fmt("%m/%d/%Y"), o, h, l, c, v)
    ),
    "tradingview.csv": table("time,open,high,low,close,Volume,Volume MA", columns(S, o, h, l, c, v, v)),
    "tradingview_iso.csv": table(
        "time,open,high,low,close,Volume", columns([d + "T14:30:00Z" for d in D], o, h, l, c, v)
    ),
    "amibroker.csv": table(
        "Ticker,Date/Time,Open,High,Low,Close,Volume", columns(["AAPL"] * N, fmt("%m/%d/%Y"), o, h, l, c, v)
    ),
    "nse_bhavcopy.csv": table(
        "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN",
        columns(
            ["INFY"] * N,
            ["EQ"] * N,
            o,
            h,
            l,
            c,
            c,
            c,
            v,
            v,
            [x.upper() for x in fmt("%d-%b-%Y")],
            [1] * N,
            ["INE"] * N,
        ),
    ),
    "tushare.csv": table(
        "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount",
        columns(["000001.SZ"] * N, fmt("%Y%m%d"), o, h, l, c, c, [0.1] * N, [0.1] * N, v, v),
        rev=True,
    ),
    "akshare.csv": table("日期,开盘,收盘,最高,最低,成交量,成交额", columns(D, o, c, h, l, v, v)),
    "bitfinex.csv": table("MTS,OPEN,CLOSE,HIGH,LOW,VOLUME", columns([s * 1000 for s in S], o, c, h, l, v)),
    "coinbase_noheader.csv": table(None, columns(S, l, h, o, c, v), rev=True),
    "eodhd.csv": table("Date,Open,High,Low,Close,Adjusted_close,Volume", columns(D, o, h, l, c, c / 2, v)),
    "databento.csv": table(
        "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
        columns(
            [d + "T00:00:00.000000000Z" for d in D], [35] * N, [1] * N, [5] * N, o, h, l, c, v, ["ESH0"] * N
        ),
    ),
    "alpaca.csv": table(
        "symbol,timestamp,open,high,low,close,volume,trade_count,vwap",
        columns(["AAPL"] * N, [d + " 05:00:00+00:00" for d in D], o, h, l, c, v, [7.0] * N, c),
    ),
    "ccxt.csv": table("timestamp,open,high,low,close,volume", columns([s * 1000 for s in S], o, h, l, c, v)),
    "onvista_de.csv": table(
        "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen",
        columns(
            fmt("%d.%m.%Y"),
            *([f"{x}".replace(".", ",") for x in y] for y in (o, h, l, c)),
            [f"{x:,}".replace(",", ".") for x in v],
        ),
        sep=";",
        rev=True,
    ),
    "boursorama_fr.txt": table(
        "date\touv\thaut\tbas\tclot\tvol\tdevise",
        columns(fmt("%d/%m/%Y 00:00"), o, h, l, c, v, ["EUR"] * N),
        sep="\t",
    ),
    "fxcm.csv": table(
        "DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose,TickQty",
        columns(fmt("%m/%d/%Y 22:00:00"), o, h, l, c, o, h, l, c, v),
    ),
    "oanda.csv": table(
        "time,mid.o,mid.h,mid.l,mid.c,volume,complete",
        columns([d + "T22:00:00.000000000Z" for d in D], o, h, l, c, v, ["True"] * N),
    ),
    "finam.csv": table(
        "<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>",
        columns(["SBER"] * N, ["D"] * N, fmt("%d/%m/%y"), ["00:00"] * N, o, h, l, c, v),
        sep=";",
    ),
}
REFUSED = {
    "coinbase_noheader.csv": "is the header missing",
    "coingecko_market.csv": "bring bars with open, high and low, for closes alone are not enough",
    "fxcm.csv": "--map BidOpen=open,BidHigh=high,BidLow=low,BidClose=close",
}


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in REFUSED])
def test_a_vendors_file_loads_as_it_comes(tmp_path, name):
    path = tmp_path / name
    path.write_text(LAYOUTS[name])
    panel = load(str(path)).panel
    assert (panel.time.astype("datetime64[D]") == DAYS).all()
    close = panel.close[:, 0]
    np.testing.assert_allclose(close / close[0], c / c[0], rtol=1e-9)
    for column, expected in (("open", o), ("high", h), ("low", l)):
        np.testing.assert_allclose(getattr(panel, column)[:, 0] / close, expected / c, rtol=1e-9)
    assert panel.volume[:, 0].tolist() in (v.tolist(), [0] * N)
    assert panel.bars_per_year == 252


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_does_not_say_is_not_guessed(tmp_path, name):
    path = tmp_path / name
    path.write_text(LAYOUTS[name])
    with pytest.raises(DataError) as caught:
        load(str(path))
    assert REFUSED[name] in str(caught.value)


def test_the_fix_that_is_named_works(tmp_path):
    path = tmp_path / "fxcm.csv"
    path.write_text(LAYOUTS["fxcm.csv"])
    columns = "BidOpen=open,BidHigh=high,BidLow=low,BidClose=close"
    found = load(str(path), ReadOptions.of({"map": columns})).panel
    assert found.close[:, 0].tolist() == c.tolist()


@pytest.mark.parametrize("name", ["frame.pkl", "frame.csv"])
def test_a_pickle_is_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"close": [1.0]}))
    with pytest.raises(DataError, match="pickle"):
        load(str(tmp_path / name))


@pytest.mark.parametrize(
    ("column", "other"),
    [
        (["1,234", "1,300"], ["5", "6"]),  # one and a quarter, or a thousand?
        (["1,234.5", "12,34.5"], ["5", "6"]),
        (["1,234,567", "abc"], ["5", "6"]),
        (["1.5K", "n/a"], ["5", "6"]),
        (["$5", "6"], ["5", "6"]),
    ],
)
def test_numbers_of_which_nothing_proves_the_form_stay_as_they_are(column, other):
    frame = pl.DataFrame({"volume": column, "close": other})
    assert plain_numbers(frame, ",")[0].rows() == frame.rows()


def test_commas_part_thousands_where_a_cell_of_the_column_proves_it():
    frame = pl.DataFrame({"volume": ["1,234,567", "900"], "close": ["5.25", "6.00"]})
    found, form = plain_numbers(frame, ",")
    assert found["volume"].to_list() == ["1234567", "900"]
    assert form == ("commas between thousands",)


def test_rows_without_a_header_must_fit(tmp_path):
    bad = LAYOUTS["firstrate_daily.csv"].splitlines()
    cells = bad[60].split(",")
    cells[2], cells[3] = cells[3], cells[2]
    (tmp_path / "x.csv").write_text("\n".join([*bad[:60], ",".join(cells), *bad[61:]]))
    with pytest.raises(DataError, match="is the header missing"):
        load(str(tmp_path / "x.csv"))
