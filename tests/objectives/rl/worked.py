"""A market small enough to be worked out with pen and paper, and data of any panel."""

import numpy as np

from sharpen.objectives.rl.market_data import MarketData

CLOSE = np.array([[10, 20, 50], [10, 25, 50], [12, 24, 50], [11, 26, 52], [13, 25, 51]], dtype=float)
OPEN = np.array([[10, 20, 50], [10, 22, 49], [11, 25, 50], [12, 24, 51], [11, 26, 53]], dtype=float)
ACTIONS = np.array([[-0.05, 1, 1], [0.8, -0.6, 0], [-1, -0.35, 1], [0.15, 0.3, -0.3]])


def data_of(open_, close, table=None):
    n_bars, n_stocks = close.shape
    return MarketData(
        symbols=tuple(f"S{i}" for i in range(n_stocks)),
        time=np.arange(n_bars).astype("datetime64[D]").astype("datetime64[us]"),
        open=open_,
        close=close,
        tradable=np.isfinite(close),
        turbulence=np.zeros(n_bars),
        table=np.zeros((n_bars, 1)) if table is None else table,
        names=("nothing",),
        warmup_bars=0,
        bars_per_year=252.0,
    )
