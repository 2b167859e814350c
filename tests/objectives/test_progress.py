import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharpen.objectives.fold_score import FoldScore
from sharpen.objectives.progress import closing_line, lockbox_figures, progress, write_returns


def fold_score(number, val_sharpe=1.0, n_trades=10):
    time = np.datetime64("2020-01-01", "us") + np.arange(3) * np.timedelta64(1, "D") + number * 10_000_000_000
    return FoldScore(
        number=number,
        extras={"n_nodes": 200 * number},
        train_sharpe=2.0 * number,
        val_sharpe=val_sharpe,
        val_sortino=val_sharpe * 1.5,
        val_max_dd=0.1,
        val_n_trades=n_trades,
        val_turnover=0.05,
        val_exposure=0.4,
        baseline_sharpe=0.7,
        time=time,
        returns=np.array([0.0, 0.01 * number, -0.01]),
        baseline=np.array([0.0, 0.002, 0.003]),
        val_trade_returns=np.array([0.06]) if number % 2 else np.array([0.03, -0.03]),
    )


def test_running_means_and_the_last_folds_own_figures():
    found = progress([fold_score(1, 0.5, 8), fold_score(2, 1.5, 4)], min_trades=5)
    assert found.infeasible is None
    expected = {
        "train/sharpe": 3.0,
        "train/n_nodes": 300.0,
        "val/sharpe": 1.0,
        "val/sortino": 1.5,
        "val/max_dd": 0.1,
        "val/profit_factor": 3.0,
        "val/n_trades": 6.0,
        "val/turnover": 0.05,
        "fold/train_sharpe": 4.0,
        "fold/train_n_nodes": 400.0,
        "fold/val_sharpe": 1.5,
        "fold/baseline_sharpe": 0.7,
        "fold/val_sortino": 2.25,
        "fold/val_max_dd": 0.1,
        "fold/val_profit_factor": 1.0,
        "fold/val_n_trades": 4.0,
        "fold/val_turnover": 0.05,
    }
    assert {k: found.metrics[k] for k in expected} == pytest.approx(expected)


def test_each_figure_has_the_last_folds_own_beside_it():
    names = progress([fold_score(1)], min_trades=5).metrics
    folds = {name for name in names if name.startswith("fold/")}
    assert folds == {f"fold/{name.replace('/', '_')}" for name in names.keys() - folds}


def test_the_documentation_lists_each_figure():
    page = (Path(__file__).parents[2] / "docs" / "concepts.md").read_text(encoding="utf-8")
    names = progress([fold_score(1)], min_trades=5).metrics
    assert [name for name in names if not name.startswith("fold/") and f"`{name}`" not in page] == []


def test_a_fold_without_a_loss_does_not_make_the_profit_factor_infinite_for_good():
    found = [
        progress([fold_score(n) for n in range(1, last + 1)], min_trades=5).metrics for last in (1, 2, 3)
    ]
    assert [metrics["fold/val_profit_factor"] for metrics in found] == [math.inf, 1.0, math.inf]
    assert [metrics["val/profit_factor"] for metrics in found] == pytest.approx([math.inf, 3.0, 5.0])


def test_too_few_trades_are_infeasible_for_as_long_as_that_holds():
    scores = [fold_score(1, n_trades=9), fold_score(2, n_trades=0), fold_score(3, n_trades=50)]
    found = [progress(scores[:n], min_trades=5) for n in (1, 2, 3)]
    assert found[0].metrics["val/sharpe"] == 1.0
    assert math.isnan(found[1].metrics["val/sharpe"])
    assert found[2].metrics["val/sharpe"] == 1.0
    assert found[2].metrics["val/n_trades"] == pytest.approx(59 / 3)
    reason = "4.5 trades a fold on average over 2 folds, fewer than 5"
    assert [f.infeasible for f in found] == [None, reason, None]


def test_a_fold_without_a_trade_counts_as_a_sharpe_of_zero():
    found = progress([fold_score(1), fold_score(2, val_sharpe=math.nan, n_trades=0)], min_trades=5)
    assert found.infeasible is None
    assert found.metrics["val/sharpe"] == 0.5


def test_returns_go_to_parquet_one_row_a_bar(tmp_path):
    scores = [fold_score(1), fold_score(2)]
    write_returns(scores, tmp_path / "returns.parquet")
    frame = pl.read_parquet(tmp_path / "returns.parquet")
    assert frame.columns == ["time", "fold", "ret", "baseline"]
    assert frame["fold"].to_list() == [1, 1, 1, 2, 2, 2]
    assert frame["ret"].to_list() == [0.0, 0.01, -0.01, 0.0, 0.02, -0.01]
    assert (frame["time"].to_numpy() == np.concatenate([s.time for s in scores])).all()


def test_to_write_returns_takes_neither_pandas_nor_polars(tmp_path):
    code = (
        "import sys, pathlib, numpy as np\n"
        "from types import SimpleNamespace\n"
        "from sharpen.objectives.progress import write_returns\n"
        "time = np.array(['2020-01-01', '2020-01-02'], dtype='datetime64[us]')\n"
        "flat = np.zeros(2)\n"
        "score = SimpleNamespace(number=1, time=time, returns=flat, baseline=flat, stress=None)\n"
        "write_returns([score], pathlib.Path('returns.parquet'))\n"
        "sys.exit(' '.join({'pandas', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
    assert pl.read_parquet(tmp_path / "returns.parquet")["fold"].to_list() == [1, 1]


def test_lockbox_figures_stand_beside_buy_and_hold():
    figures = lockbox_figures(fold_score(0, 0.4, 33))
    assert figures["lockbox/sharpe"] == 0.4
    assert figures["lockbox/n_trades"] == 33.0
    assert figures["lockbox/baseline_sharpe"] == 0.7
    assert figures["lockbox/profit_factor"] == 1.0
    assert all(key.startswith("lockbox/") for key in figures)


def test_the_closing_line_tells_both():
    line = closing_line([fold_score(1, 0.5), fold_score(2, 1.5)], None)
    assert line == "validation Sharpe 1.00, buy-and-hold 0.70 (means of 2 folds, 20 trades)"
    assert closing_line([fold_score(1)], "why").endswith("; infeasible: why")
