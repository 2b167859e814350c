"""Labelling speed: ATR triple barrier of sharpen, of plain pandas and of mlfinpy, on the same real bars.

    python benchmarks/labels.py              sharpen and pandas
    python benchmarks/labels.py --mlfinpy    mlfinpy too, in its own environment (it pins numpy 1)

Every implementation's labels are compared with sharpen's, not only its clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from sharpen.arrays import Floats
from sharpen.bars import Bars, Panel
from sharpen.data import load
from sharpen.features import atr
from sharpen.labels import Labels, triple_barrier

TARGET_ATRS, STOP_ATRS, HORIZON_BARS, ATR_BARS = 1.0, 1.0, 10, 14
CACHE = Path(os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir())) / "sharpen-benchmark-mlfinpy"

CLOSES_CAPTION = (
    "mlfinpy enters at the close of the decision bar and sees closes only; sharpen is given such bars for "
    "that task, and ATR is not timed. mlfinpy calls a position that timed out -1 when it ended between "
    "-ATR and -ATR / (1 + ATR), ATR in shares of the price: no barrier was touched, and sharpen's label is 0."
)

MLFINPY_PROGRAM = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
from mlfinpy.labeling import labeling
given = np.load(sys.argv[1])
horizon, index = int(given["horizon"]), pd.DatetimeIndex(given["time"])
seconds, labels, ends = 0.0, [], []
for s in range(given["close"].shape[1]):
    close = pd.Series(given["close"][:, s], index=index)
    target = pd.Series(given["target"][:, s], index=index)
    vertical = pd.Series(index[horizon:], index=index[:-horizon])
    events_at = target.dropna().index.intersection(vertical.index)
    start = time.perf_counter()
    events = labeling.get_events(close, events_at, [1, 1], target, 0.0, 1, vertical, verbose=False)
    bins = labeling.get_bins(events, close)
    seconds += time.perf_counter() - start
    label, end = np.full(len(index), 9), np.full(len(index), -1)
    at = index.get_indexer(bins.index)
    label[at], end[at] = bins["bin"], index.get_indexer(pd.DatetimeIndex(events.loc[bins.index, "t1"]))
    labels.append(label), ends.append(end)
np.savez(sys.argv[2], seconds=seconds, label=np.column_stack(labels), end=np.column_stack(ends))
"""


@click.command()
@click.option("--mlfinpy", "with_mlfinpy", is_flag=True, help="Also time mlfinpy, in its own environment.")
def main(with_mlfinpy: bool) -> None:
    """Print bars per second of each implementation and whether the labels agree."""
    panel = load("stocks").panel
    n_bars = panel.close.size
    label_ours(panel)  # compiles
    ours, ours_s = best_of(20, lambda: label_ours(panel))
    pandas_, pandas_s = best_of(1, lambda: label_pandas(panel))
    rows = [
        ("ATR + labels", "sharpen", n_bars / ours_s, 1.0, "-"),
        ("ATR + labels", "pandas", n_bars / pandas_s, pandas_s / ours_s, agreement(ours, pandas_)),
    ]
    if with_mlfinpy:
        rows += close_only_rows(panel)
    caption = CLOSES_CAPTION if with_mlfinpy else None
    table = Table(title=f"{len(panel)} daily bars of {', '.join(panel.symbols)}", caption=caption)
    for column in ("task", "by", "bars/s", "time taken", "same as sharpen"):
        table.add_column(column, justify="right" if column in ("bars/s", "time taken") else "left")
    for task, by, rate, ratio, same in rows:
        table.add_row(task, by, f"{rate:,.0f}", f"{ratio:,.0f} x", same)
    Console(width=110).print(table)


def best_of(n: int, call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the call's result and its shortest time in seconds."""
    times: list[float] = []
    for _ in range(n):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, min(times)


def agreement(a: Labels, b: Labels) -> str:
    """Return how many ends and labels are the same, among the decisions that both know."""
    known = (a.end_bar >= 0) & (b.end_bar >= 0)
    ends, labels = ((x == y)[known].sum() for x, y in ((a.end_bar, b.end_bar), (a.label, b.label)))
    return f"{ends:,} ends, {labels:,} labels of {known.sum():,}"


def label_ours(panel: Panel) -> Labels:
    """Return sharpen's labels, ATR included."""
    return triple_barrier(panel, atr(panel, ATR_BARS), TARGET_ATRS, STOP_ATRS, HORIZON_BARS)


def label_pandas(panel: Panel) -> Labels:
    """Return the labels of the same definition, written as one does with pandas."""
    columns = [label_pandas_symbol(bars) for bars in panel.instruments()]
    return Labels(np.column_stack([c[0] for c in columns]), np.column_stack([c[1] for c in columns]))


def label_pandas_symbol(bars: Bars) -> tuple[Any, Any]:
    """Return one symbol's labels and end bars."""
    frame = pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close")})
    average_range = pandas_atr(frame)
    label, end_bar = np.zeros(len(frame), np.int8), np.full(len(frame), -1)
    for t in range(ATR_BARS, len(frame) - 1):
        ahead = frame.iloc[t + 1 : t + 1 + HORIZON_BARS]
        entry = frame["open"].iloc[t + 1]
        stopped = ahead["low"] <= entry - STOP_ATRS * average_range.iloc[t]
        touched = stopped | (ahead["high"] >= entry + TARGET_ATRS * average_range.iloc[t])
        if touched.any():
            end_bar[t] = touched.idxmax()
            label[t] = -1 if stopped[end_bar[t]] else 1
        elif t + HORIZON_BARS < len(frame):
            end_bar[t] = t + HORIZON_BARS
    return label, end_bar


def pandas_atr(frame: pd.DataFrame) -> pd.Series:
    """Return Wilder's average true range: a mean of the first ranges, then exponential smoothing."""
    before = frame["close"].shift()
    ranges = pd.concat(
        [frame["high"] - frame["low"], (frame["high"] - before).abs(), (frame["low"] - before).abs()], axis=1
    ).max(axis=1)
    ranges.iloc[0] = np.nan
    seeded = ranges.iloc[ATR_BARS:].copy()
    seeded.iloc[0] = ranges.iloc[1 : ATR_BARS + 1].mean()
    return seeded.ewm(alpha=1 / ATR_BARS, adjust=False).mean().reindex(frame.index)


def close_only_rows(panel: Panel) -> list[tuple[str, str, float, float, str]]:
    """Return the rows of the task that mlfinpy knows: closes alone, entered at the close, no ATR timed."""
    distance = atr(panel, ATR_BARS)
    closes = on_closes(panel)

    def label() -> Labels:
        return triple_barrier(closes, distance, TARGET_ATRS, STOP_ATRS, HORIZON_BARS)

    ours, ours_s = best_of(20, label)
    theirs, theirs_s = label_mlfinpy(panel, distance / panel.close)
    n_bars, task = panel.close.size, "labels on closes"
    return [
        (task, "sharpen", n_bars / ours_s, 1.0, "-"),
        (task, "mlfinpy", n_bars / theirs_s, theirs_s / ours_s, agreement(ours, theirs)),
    ]


def on_closes(panel: Panel) -> Panel:
    """Return a panel whose every bar is its close, opened at the close before: mlfinpy's view of it."""
    opened = np.vstack([panel.close[:1], panel.close[:-1]])
    return replace(panel, open=opened, high=panel.close, low=panel.close)


def label_mlfinpy(panel: Panel, target: Floats) -> tuple[Labels, float]:
    """Return mlfinpy's labels and the seconds that its labelling calls took."""
    python = CACHE / "bin" / "python"
    if not (CACHE / "ready").exists():
        venv.create(CACHE, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "mlfinpy==0.1.2", "scikit-learn"], check=True
        )
        (CACHE / "ready").touch()
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "given.npz"), Path(folder, "result.npz")
        np.savez(given, time=panel.time, close=panel.close, target=target, horizon=HORIZON_BARS)
        subprocess.run([python, "-c", MLFINPY_PROGRAM, given, result], check=True, stdout=sys.stderr)
        with np.load(result) as saved:
            return Labels(saved["label"], saved["end"]), float(saved["seconds"])


if __name__ == "__main__":
    main()
