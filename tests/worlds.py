"""Worlds whose truth is known: one with an edge, one without."""

from dataclasses import replace

import numpy as np

from sharpen.bars import Panel
from sharpen.seeds import rng_for


def make_world(seed, n_bars=1200, n_symbols=3, edge=0.0, memory_bars=10):
    """Return a panel in which each overnight gap pushes the next ``memory_bars`` days its own way.

    A gap's sign adds ``edge / memory_bars`` to each day's log return; with ``edge`` 0 prices are a random
    walk, and nothing can be known about tomorrow.
    """
    rng = rng_for(seed, "world")
    shape = (n_bars, n_symbols)
    gap = rng.normal(0, 0.003, shape)
    pushes = np.cumsum(np.concatenate([np.zeros((memory_bars + 1, n_symbols)), np.sign(gap)]), axis=0)
    drift = edge * (pushes[memory_bars:-1] - pushes[: -memory_bars - 1]) / memory_bars
    day = drift + rng.normal(0, 0.01, shape)
    close = 100 * np.exp(np.cumsum(gap + day, axis=0))
    open_ = close * np.exp(-day)
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.004, shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.004, shape)))
    first = np.busday_offset("2015-01-01", np.arange(n_bars), roll="forward")
    volume = np.round(1e6 * np.exp(rng.normal(0, 0.3, shape)))
    symbols = tuple("ABCDEFGH") if n_symbols <= 8 else tuple(f"S{i}" for i in range(n_symbols))
    symbols = symbols[:n_symbols]
    return Panel(symbols, first.astype("datetime64[us]"), open_, high, low, close, volume)


def with_other_future(panel, after, seed=0, changes=("prices", "volume"), symbols=slice(None)):
    """Return the panel with every bar later than ``after`` replaced by a different, proper bar.

    Only what ``changes`` names is different, and only that of some symbols, given by their places.
    """
    factor, volume = np.ones_like(panel.close), panel.volume.copy()
    n_later = len(panel) - after - 1
    if "prices" in changes:
        walk = np.cumsum(rng_for(seed, "future").normal(0, 0.03, (n_later, 1)), axis=0)
        factor[after + 1 :, symbols] = np.exp(walk)
    if "volume" in changes:
        volume[after + 1 :, symbols] = volume[after + 1 :, symbols][::-1] + 1000
    bent = {name: getattr(panel, name) * factor for name in ("open", "high", "low", "close")}
    return replace(panel, volume=volume, **bent)
