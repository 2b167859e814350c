import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharpen.bars import Bars, Panel
from sharpen.features import FEATURES, atr, compute

NAMES = [f.name for f in FEATURES]


def random_bars(n, seed, symbol="X", scale=100.0):
    rng = np.random.default_rng(seed)
    close = scale * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    open_ = close * np.exp(rng.normal(0, 0.01, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.01, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.01, n)))
    time = (np.datetime64("2020-01-01", "D") + np.arange(n)).astype("datetime64[us]")
    return Bars(symbol, time, open_, high, low, close, rng.uniform(0, 1e6, n))


def random_panel(n=300, seeds=(0, 1)):
    return Panel.of([random_bars(n, seed, f"S{seed}") for seed in seeds])


def spliced(panel, other, rows):
    """Return the panel with the given rows replaced by another's: valid bars, every field changed."""
    columns = {}
    for name in ("open", "high", "low", "close", "volume"):
        column = getattr(panel, name).copy()
        column[rows] = getattr(other, name)[rows]
        columns[name] = column
    return Panel(panel.symbols, panel.time, **columns)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_no_feature_and_no_atr_moves_when_the_future_does(data):
    n = data.draw(st.integers(2, 260))
    t = data.draw(st.integers(0, n - 1))
    later = st.lists(st.integers(t + 1, n - 1), unique=True) if t + 1 < n else st.just([])
    rows = np.array(data.draw(later), dtype=int)
    panel = random_panel(n)
    scale = data.draw(st.sampled_from([1.0, 1e-3, 1e3]))
    other = Panel.of([random_bars(n, seed, f"S{seed}", 100 * scale) for seed in (7, 8)])
    moved = spliced(panel, other, rows)
    np.testing.assert_array_equal(compute(moved).values[: t + 1], compute(panel).values[: t + 1])
    np.testing.assert_array_equal(atr(moved)[: t + 1], atr(panel)[: t + 1])


def test_dropping_the_future_changes_nothing():
    panel = random_panel()
    np.testing.assert_array_equal(compute(panel.slice(0, 200)).values, compute(panel).values[:200])


def test_warm_up_is_nan_and_nothing_else_is():
    found = compute(random_panel())
    assert found.names == tuple(NAMES)
    assert len(set(NAMES)) == len(NAMES) == 27
    assert found.values.shape == (300, 2, 27)
    assert found.warmup_bars == 100
    for f, feature in enumerate(FEATURES):
        assert np.isnan(found.values[: feature.warmup_bars, :, f]).all()
        assert np.isfinite(found.values[feature.warmup_bars :, :, f]).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(100, 160), st.integers(0, 60), st.floats(1e-6, 1e9))
def test_nothing_is_nan_after_warm_up_in_degenerate_stretches(seed, start, length, price):
    panel = random_panel(240, (seed,))
    flat = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, column in flat.items():
        column[start : start + length] = 0.0 if name == "volume" else price
    values = compute(Panel(panel.symbols, panel.time, **flat)).values
    assert np.isfinite(values[100:]).all()


def test_bars_that_never_move_give_the_stated_values():
    ones = np.full((200, 1), 0.1)
    time = (np.datetime64("2020-01-06", "D") + np.arange(200)).astype("datetime64[us]")
    found = compute(Panel(("X",), time, ones, ones, ones, ones, 0 * ones))
    at = dict(zip(found.names, found.values[150, 0], strict=True))
    assert at["range_position"] == 0.5
    still = [n for n in NAMES if n != "range_position" and not n.startswith(("weekday", "month"))]
    assert {n: at[n] for n in still} == pytest.approx(dict.fromkeys(still, 0.0), abs=1e-12)


@pytest.mark.parametrize("factor", [1e-6, 0.37, 1e5])
def test_features_do_not_depend_on_the_scale_of_price_and_volume(factor):
    panel = random_panel()
    scaled = Panel(
        panel.symbols,
        panel.time,
        panel.open * factor,
        panel.high * factor,
        panel.low * factor,
        panel.close * factor,
        panel.volume * factor,
    )
    np.testing.assert_allclose(compute(scaled).values, compute(panel).values, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(atr(scaled), factor * atr(panel), rtol=1e-9)


def test_recursive_features_have_forgotten_the_start_after_warm_up():
    panel = random_panel(400)
    late = compute(panel.slice(150, 400)).values[100:]
    whole = compute(panel).values[250:]
    spread = whole.std(axis=0)
    worst = (np.abs(late - whole) / np.where(spread > 0, spread, 1)).max(axis=(0, 1))
    recursive = {"atr_14", "rsi_7", "rsi_14", "macd_histogram"}
    for name, error in zip(NAMES, worst, strict=True):
        assert error < (0.05 if name in recursive else 1e-9), name


def wilder(x, n):
    """Return Wilder's smoothing of x, whose first value is missing: a mean of n, then alpha 1/n."""
    seeded = x.iloc[n:].copy()
    seeded.iloc[0] = x.iloc[1 : n + 1].mean()
    return seeded.ewm(alpha=1 / n, adjust=False).mean().reindex(x.index)


def pandas_atr(df, n=14):
    before = df.close.shift()
    tr = pd.concat([df.high - df.low, (df.high - before).abs(), (df.low - before).abs()], axis=1).max(axis=1)
    tr.iloc[0] = np.nan
    return wilder(tr, n)


def pandas_rsi(close, n):
    change = close.diff()
    up, down = wilder(change.clip(lower=0), n), wilder((-change).clip(lower=0), n)
    return up / (up + down) * 2 - 1


def seeded_ema(x, n):
    x = x.dropna()
    tail = x.iloc[n - 1 :].copy()
    tail.iloc[0] = x.iloc[:n].mean()
    return tail.ewm(alpha=2 / (n + 1), adjust=False).mean()


def pandas_macd_histogram(close):
    # both averages start where the slow one can
    fast, slow = seeded_ema(close.iloc[14:], 12), seeded_ema(close, 26)
    line = (fast - slow).dropna()
    return (line - seeded_ema(line, 9)).reindex(close.index) / close


ORACLES = {
    **{f"return_{n}": (lambda d, n=n: np.log(d.close).diff(n)) for n in (1, 2, 5, 10, 20, 60)},
    **{
        f"volatility_{n}": (lambda d, n=n: np.log(d.close).diff().rolling(n).std(ddof=0))
        for n in (10, 20, 60)
    },
    "parkinson_20": lambda d: (np.log(d.high / d.low) ** 2).rolling(20).sum().div(20 * 4 * np.log(2)) ** 0.5,
    "garman_klass_20": lambda d: (
        (np.log(d.high / d.low) ** 2 / 2 - 0.3862943611198906 * np.log(d.close / d.open) ** 2)
        .rolling(20)
        .mean()
        ** 0.5
    ),
    "atr_14": lambda d: pandas_atr(d) / d.close,
    "rsi_7": lambda d: pandas_rsi(d.close, 7),
    "rsi_14": lambda d: pandas_rsi(d.close, 14),
    "macd_histogram": lambda d: pandas_macd_histogram(d.close),
    "bollinger_20": lambda d: (d.close - d.close.rolling(20).mean()) / (2 * d.close.rolling(20).std(ddof=0)),
    "volume_z_20": lambda d: (d.volume - d.volume.rolling(20).mean()) / d.volume.rolling(20).std(ddof=0),
    **{f"below_high_{n}": (lambda d, n=n: np.log(d.close / d.high.rolling(n).max())) for n in (20, 60)},
    **{f"above_low_{n}": (lambda d, n=n: np.log(d.close / d.low.rolling(n).min())) for n in (20, 60)},
    "gap": lambda d: np.log(d.open / d.close.shift()),
    "range_position": lambda d: (d.close - d.low) / (d.high - d.low),
    "weekday_sin": lambda d: np.sin(2 * np.pi * d.index.day_of_week / 7),
    "weekday_cos": lambda d: np.cos(2 * np.pi * d.index.day_of_week / 7),
    "month_sin": lambda d: np.sin(2 * np.pi * (d.index.month - 1) / 12),
    "month_cos": lambda d: np.cos(2 * np.pi * (d.index.month - 1) / 12),
}


@pytest.mark.parametrize("name", NAMES)
def test_each_feature_against_pandas(name):
    panel = random_panel()
    found = compute(panel)
    for s, bars in enumerate(panel.instruments()):
        columns = {c: getattr(bars, c) for c in ("open", "high", "low", "close", "volume")}
        frame = pd.DataFrame(columns, index=pd.DatetimeIndex(bars.time))
        expected = np.asarray(ORACLES[name](frame))
        np.testing.assert_allclose(
            found.values[100:, s, NAMES.index(name)], expected[100:], rtol=1e-7, atol=1e-10
        )


@pytest.mark.parametrize("window", [1, 2, 14, 30])
def test_atr_against_pandas(window):
    panel = random_panel()
    found = atr(panel, window)
    for s, bars in enumerate(panel.instruments()):
        frame = pd.DataFrame({c: getattr(bars, c) for c in ("high", "low", "close")})
        np.testing.assert_allclose(found[:, s], pandas_atr(frame, window), rtol=1e-9)
    assert np.isnan(found[:window]).all()
    assert np.isfinite(found[window:]).all()
