"""What a trained model earned on one fold, beside buy-and-hold on the same bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from sharpen import metrics
from sharpen.arrays import Floats, Times
from sharpen.backtest import Backtest, backtest, buy_and_hold
from sharpen.bars import Panel
from sharpen.folds import Fold


@dataclass(frozen=True, slots=True)
class TradedPanel:
    """What a decision meets: prices, costs and the number of bars that make a year.

    Attributes:
        panel: The bars.
        cost_bps: Cost per side of a change of position, in basis points.
        bars_per_year: The factor that makes a Sharpe ratio an annual one.
        delisting_return: As in :func:`sharpen.backtest.backtest`.
        risk_free_rate: What the capital could earn without risk, a year: all returns are above it.
        borrow_rate: What it costs to borrow what is sold short, a year.
    """

    panel: Panel
    cost_bps: float
    bars_per_year: float
    delisting_return: float = 0.0
    risk_free_rate: float = 0.0
    borrow_rate: float = 0.0


@dataclass(frozen=True, eq=False)
class Stress:
    """What is needed to ask of a strategy's validation bars: and if costs were higher, or fills a bar later?

    Attributes:
        gross: Return of each bar without any cost. (V,)
        turnover: Absolute change of position at each bar, as a share of the capital. (V,)
        delayed: Return of each bar, after costs, with each decision filled one bar later. (V,)
    """

    gross: Floats
    turnover: Floats
    delayed: Floats


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
        extras: What else is known of the model, by name, such as its size: reported as ``train/NAME``.
        stress: The same bars under other assumptions; None where nobody has asked.
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
    extras: Mapping[str, float] = field(default_factory=dict[str, float])
    stress: Stress | None = None


def score_decisions(
    market: TradedPanel, fold: Fold, train_decision: Floats, val_decision: Floats
) -> FoldScore:
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
    per_year, delisting = market.bars_per_year, market.delisting_return
    fitted = _earned(market, train_decision, inside)
    held_out = _earned(market, val_decision, outside)
    baseline = buy_and_hold(outside.open, outside.close, market.cost_bps, delisting)
    baseline = replace(
        baseline, returns=metrics.above_rate(baseline.returns, market.risk_free_rate, per_year)
    )
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
        stress=_stress(market, val_decision, held_out, outside),
    )


def _earned(market: TradedPanel, decision: Floats, panel: Panel) -> Backtest:
    """Return what decisions earn after all costs, above the risk-free rate."""
    backtested = backtest(decision, panel.open, panel.close, market.cost_bps, market.delisting_return)
    per_year, returns = market.bars_per_year, backtested.returns
    if market.borrow_rate:
        shares = backtested.held / np.maximum((~np.isnan(panel.close)).sum(axis=1, keepdims=True), 1)
        returns = returns - metrics.borrow_cost(shares, market.borrow_rate, per_year)
    return replace(backtested, returns=metrics.above_rate(returns, market.risk_free_rate, per_year))


def _stress(market: TradedPanel, decision: Floats, held_out: Backtest, panel: Panel) -> Stress:
    free = replace(market, cost_bps=0.0, borrow_rate=0.0)
    late = np.vstack([np.zeros((1, decision.shape[1])), decision[:-1]])
    change = np.abs(np.diff(held_out.held, axis=0, prepend=0.0)).sum(axis=1)
    change[-1:] += np.abs(held_out.held[-1:]).sum(axis=1)  # the exit at the last close
    return Stress(
        gross=_earned(free, decision, panel).returns,
        turnover=change / np.maximum((~np.isnan(panel.close)).sum(axis=1), 1),
        delayed=_earned(market, late, panel).returns,
    )


def _sharpe(result: Backtest, bars_per_year: float) -> float:
    return metrics.sharpe(result.returns, bars_per_year) if result.n_trades else float("nan")
