"""What a trained model earned on one fold, beside buy-and-hold on the same bars."""

from __future__ import annotations

from dataclasses import dataclass

from sharpen import metrics
from sharpen.arrays import Floats, Times
from sharpen.backtest import Backtest, backtest, buy_and_hold
from sharpen.bars import Panel
from sharpen.folds import Fold


@dataclass(frozen=True, slots=True)
class Market:
    """What a decision meets: prices, costs and the number of bars that make a year.

    Attributes:
        panel: The bars.
        cost_bps: Cost per side of a change of position, in basis points.
        bars_per_year: The factor that makes a Sharpe ratio an annual one.
        delisting_return: As in :func:`sharpen.backtest.backtest`.
    """

    panel: Panel
    cost_bps: float
    bars_per_year: float
    delisting_return: float = 0.0


@dataclass(frozen=True, eq=False)
class FoldScore:
    """What a model earned on one fold.

    Attributes:
        number: The fold, from 1; 0 for the lockbox.
        train_sharpe: Annual Sharpe ratio over the bars that the model was trained on: what overfitting looks
            like when it is far above ``val_sharpe``.
        val_sharpe: Annual Sharpe ratio over the validation bars; NaN without a trade.
        val_sortino: Annual Sortino ratio over the validation bars; NaN without a trade.
        val_max_dd: Largest fall from a peak over the validation bars, as a positive fraction.
        val_n_trades: Trades on the validation bars, all symbols together.
        val_turnover: Mean change of position per bar.
        val_exposure: Mean share of the capital at work.
        baseline_sharpe: Annual Sharpe ratio of equal-weight buy-and-hold over the validation bars.
        time: The validation bars. (V,)
        returns: Return of the strategy in each validation bar, after costs. (V,)
        baseline: Return of equal-weight buy-and-hold in each validation bar, after costs. (V,)
        val_trade_returns: Return of each trade on the validation bars, after costs. (val_n_trades,)
        n_nodes: Splits and leaves of all of its trees.
    """

    number: int
    train_sharpe: float
    val_sharpe: float
    val_sortino: float
    val_max_dd: float
    val_n_trades: int
    val_turnover: float
    val_exposure: float
    baseline_sharpe: float
    time: Times
    returns: Floats
    baseline: Floats
    val_trade_returns: Floats
    n_nodes: int = 0


def score_decisions(market: Market, fold: Fold, train_decision: Floats, val_decision: Floats) -> FoldScore:
    """Return what decisions earned on the training and on the validation bars of a fold.

    Each part starts without a position, fills at the next open, and is flat after its last close.

    Args:
        market: Prices and costs.
        fold: The bars.
        train_decision: Position wanted at the close of each training bar, in [-1, 1]. (train_len, S)
        val_decision: Position wanted at the close of each validation bar, in [-1, 1]. (V, S)
    """
    inside = market.panel.slice(fold.train_start, fold.train_stop)
    outside = market.panel.slice(fold.val_start, fold.val_stop)
    per_year = market.bars_per_year
    rules = market.cost_bps, market.delisting_return
    fitted = backtest(train_decision, inside.open, inside.close, *rules)
    held_out = backtest(val_decision, outside.open, outside.close, *rules)
    baseline = buy_and_hold(outside.open, outside.close, *rules)
    return FoldScore(
        number=fold.number,
        train_sharpe=_sharpe(fitted, per_year),
        val_sharpe=_sharpe(held_out, per_year),
        val_sortino=metrics.sortino(held_out.returns, per_year) if held_out.n_trades else float("nan"),
        val_max_dd=metrics.max_drawdown(held_out.returns),
        val_n_trades=held_out.n_trades,
        val_turnover=held_out.turnover,
        val_exposure=held_out.exposure,
        baseline_sharpe=_sharpe(baseline, per_year),
        time=outside.time,
        returns=held_out.returns,
        baseline=baseline.returns,
        val_trade_returns=held_out.trade_returns,
    )


def _sharpe(result: Backtest, bars_per_year: float) -> float:
    return metrics.sharpe(result.returns, bars_per_year) if result.n_trades else float("nan")
