# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
"""What a run reports after each fold: running means, feasibility, and the returns so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from sharpen.facts import (
    BASELINE,
    BEST_TRADES,
    EXPOSURE,
    LOCKBOX_BASELINE,
    LOCKBOX_PROFIT_FACTOR,
    MAX_DRAWDOWN,
    N_TRADES,
    PROFIT_FACTOR,
    SHARPE,
    SORTINO,
    STRESS_COLUMNS,
    TRAIN_SHARPE,
    TURNOVER,
    fold_name,
    lockbox_name,
    train_name,
)
from sharpen.metrics import best_share, profit_factor
from sharpen.objectives.fold_score import FoldScore

_MEANS = {
    SHARPE: "val_sharpe",
    BASELINE: "baseline_sharpe",
    SORTINO: "val_sortino",
    MAX_DRAWDOWN: "val_max_dd",
    N_TRADES: "val_n_trades",
    TURNOVER: "val_turnover",
    EXPOSURE: "val_exposure",
    TRAIN_SHARPE: "train_sharpe",
}
_LOCKBOX = tuple((key, name) for key, name in _MEANS.items() if key.startswith("val/"))


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run knows after some folds.

    Attributes:
        metrics: Means over the folds so far (for ``val/profit_factor``, that of all their trades together,
            for one fold may lack a losing one), and the last fold's own figures, such as ``fold/val_sharpe``
            for ``val/sharpe``. ``val/sharpe`` is NaN while the configuration is infeasible.
        infeasible: Why the configuration must not be chosen; None when it may be.
    """

    metrics: dict[str, float]
    infeasible: str | None


def progress(scores: Sequence[FoldScore], min_trades: float) -> Progress:
    """Return what a run reports after the last of some folds.

    A configuration that has traded fewer than ``min_trades`` times a fold, on average over the folds so far,
    is infeasible for as long as that holds. A fold without a trade earned nothing: its Sharpe ratio counts
    as 0 in the mean.

    Args:
        scores: At least one, in fold order.
        min_trades: Least trades a fold, all symbols together.
    """
    infeasible = _flaw(scores, min_trades)
    figures = {key: _mean(scores, name) for key, name in _MEANS.items()}
    figures |= {train_name(name): _mean_of(s.extras[name] for s in scores) for name in scores[-1].extras}
    if infeasible:
        figures[SHARPE] = math.nan
    trades = np.concatenate([s.val_trade_returns for s in scores])
    figures[PROFIT_FACTOR] = profit_factor(trades)
    figures[BEST_TRADES] = best_share(trades)
    last = {key: float(getattr(scores[-1], name)) for key, name in _MEANS.items()}
    last |= {train_name(name): float(value) for name, value in scores[-1].extras.items()}
    last[PROFIT_FACTOR] = profit_factor(scores[-1].val_trade_returns)
    last[BEST_TRADES] = best_share(scores[-1].val_trade_returns)
    return Progress(figures | {fold_name(key): last[key] for key in figures}, infeasible)


def lockbox_figures(final: FoldScore) -> dict[str, float]:
    """Return what a run reports of the lockbox, beside buy-and-hold on the same bars."""
    figures = {lockbox_name(key): float(getattr(final, name)) for key, name in _LOCKBOX}
    return figures | {
        LOCKBOX_PROFIT_FACTOR: profit_factor(final.val_trade_returns),
        LOCKBOX_BASELINE: final.baseline_sharpe,
    }


def closing_line(scores: Sequence[FoldScore], infeasible: str | None) -> str:
    """Return the result in a line for people, beside buy-and-hold on the same bars."""
    ours, theirs = _mean(scores, "val_sharpe"), _mean(scores, "baseline_sharpe")
    n_trades = sum(s.val_n_trades for s in scores)
    return (
        f"validation Sharpe {ours:.2f}, buy-and-hold {theirs:.2f} "
        f"(means of {len(scores)} folds, {n_trades} trades)"
    ) + (f"; infeasible: {infeasible}" if infeasible else "")


def write_returns(scores: Sequence[FoldScore], path: Path) -> None:
    """Write the out-of-sample returns of some folds as Parquet: ``time``, ``fold``, ``ret``, ``baseline``.

    Where the folds were scored under other assumptions, too: ``gross``, ``turnover`` and ``delayed``.
    By pyarrow, which starts no threads for it: where polars was used, no process can be forked any more.
    """
    folds = [np.full(len(s.time), s.number, dtype=np.int32) for s in scores]
    columns = {
        "time": _column([s.time for s in scores], pa.timestamp("us")),
        "fold": _column(folds, pa.int32()),
        "ret": _column([s.returns for s in scores], pa.float64()),
        "baseline": _column([s.baseline for s in scores], pa.float64()),
    }
    stress = [s.stress for s in scores if s.stress is not None]
    if len(stress) == len(scores):
        for name in STRESS_COLUMNS:
            columns[name] = _column([getattr(one, name) for one in stress], pa.float64())
    parquet.write_table(pa.table(columns), path, compression="zstd", use_dictionary=False)


def _column(parts: Sequence[npt.NDArray[Any]], kind: pa.DataType) -> pa.Array:
    """Return numbers as they lie in memory; ``pa.array`` would import pandas to look at them."""
    values = np.concatenate(parts)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _mean(scores: Sequence[FoldScore], name: str) -> float:
    return _mean_of(float(getattr(s, name)) for s in scores)


def _mean_of(values: Iterable[float]) -> float:
    known = [value if math.isfinite(value) else 0.0 for value in values]
    return math.fsum(known) / len(known)


def _flaw(scores: Sequence[FoldScore], min_trades: float) -> str | None:
    n_trades = _mean(scores, "val_n_trades")
    if n_trades < min_trades:
        return f"{n_trades:.1f} trades a fold on average over {len(scores)} folds, fewer than {min_trades:g}"
    return None
