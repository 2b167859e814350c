# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What an agent earns on bars that it has not been trained on: one pass, without chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen import metrics
from sharpen.arrays import Floats
from sharpen.backtest import buy_and_hold
from sharpen.objectives.fold_score import FoldScore
from sharpen.objectives.rl.agent import Agent
from sharpen.objectives.rl.market import MarketSettings
from sharpen.objectives.rl.market_data import MarketData
from sharpen.objectives.rl.one_portfolio import Policy, walk


@dataclass(frozen=True, eq=False)
class Track:
    """A portfolio's way through a window of ``V`` bars, begun in cash.

    Attributes:
        first_bar: Where the window begins.
        assets: At each close. (V,)
        shares: After each bar's fills. (V, S)
        price: What the fills of a bar were asked at. (V, S)
        exit_cost: What selling everything at the last close would cost, as a fraction of the assets.
    """

    first_bar: int
    assets: Floats
    shares: Floats
    price: Floats
    exit_cost: float

    @property
    def returns(self) -> Floats:
        """Net return of each bar, 0 for the first, the last with all sold at its close. (V,)."""
        net_returns = np.zeros(len(self.assets))
        net_returns[1:] = self.assets[1:] / self.assets[:-1] - 1.0
        net_returns[-1] = (1.0 + net_returns[-1]) * (1.0 - self.exit_cost) - 1.0
        return net_returns


def follow(agent: Agent, data: MarketData, markets: Sequence[MarketSettings], scaling: str) -> list[Track]:
    """Return the track of each member of an agent through its market's window, by its best known actions.

    Args:
        agent: P members.
        data: The bars.
        markets: The rules and the window of each. (P,)
        scaling: As in :class:`sharpen.objectives.rl.market.PortfolioMarket`.
    """
    net, parameters = agent.policy()
    host = {name: parameters.views[name].detach().cpu().numpy() for name in net.shapes}
    tracks: list[Track] = []
    for k, market in enumerate(markets):
        layers = [
            {x: host[f"{net.name}.{i}.{x}"][k] for x in ("weight", "bias")} for i in range(net.n_layers)
        ]
        policy = Policy(
            tuple(layer["weight"] for layer in layers),
            tuple(layer["bias"][0] for layer in layers),
            net.activation,
        )
        tracks.append(_track(data, market, *walk(policy, data, market, scaling == "relative")))
    return tracks


def _track(data: MarketData, market: MarketSettings, assets: Floats, shares: Floats) -> Track:
    n_bars = market.stop_bar - market.first_bar
    window = slice(market.first_bar, market.stop_bar)
    source = data.open if market.fill == "next_open" else data.close
    price = source[window]
    if market.fill == "same_close_lookahead":
        price = np.concatenate([price[:1], price[:-1]])
    settled = data.close[window] * (1.0 + market.delisting_return)
    price = np.where(data.delisted[window], settled, price)
    worth = float(np.nansum(shares[n_bars - 1] * data.close[market.stop_bar - 1]))
    cost = (market.cost_bps + market.slippage_bps) * 1e-4 * worth / float(assets[n_bars - 1])
    return Track(market.first_bar, assets[:n_bars], shares[:n_bars], price, cost)


def sharpe(track: Track, bars_per_year: float) -> float:
    """Return the annual Sharpe ratio of a track; NaN when it never held anything."""
    return metrics.sharpe(track.returns, bars_per_year) if track.shares.any() else float("nan")


def fold_score(
    number: int, data: MarketData, market: MarketSettings, track: Track, train_sharpe: float
) -> FoldScore:
    """Return what a track earned, beside equal-weight buy-and-hold on the same bars.

    Args:
        number: Of the fold.
        data: The bars.
        market: The rules and the window.
        track: The portfolio's way.
        train_sharpe: Annual Sharpe ratio on the bars of the training.
    """
    window = slice(market.first_bar, market.stop_bar)
    returns, per_year = track.returns, data.bars_per_year
    cost = market.cost_bps + market.slippage_bps
    close = np.where(data.tradable[window], data.close[window], np.nan)
    baseline = buy_and_hold(data.open[window], close, cost, market.delisting_return)
    traded = np.abs(np.diff(track.shares, axis=0, prepend=np.zeros((1, track.shares.shape[1]))))
    trades = _trade_returns(track, data.close[market.stop_bar - 1])
    held = np.nansum(track.shares * data.close[window], axis=1) / track.assets
    return FoldScore(
        number=number,
        train_sharpe=train_sharpe,
        val_sharpe=sharpe(track, per_year),
        val_sortino=metrics.sortino(returns, per_year) if len(trades) else float("nan"),
        val_max_dd=metrics.max_drawdown(returns),
        val_n_trades=len(trades),
        val_turnover=float(np.mean(np.nansum(traded * track.price, axis=1) / track.assets)),
        val_exposure=float(held.mean()),
        baseline_sharpe=metrics.sharpe(baseline.returns, per_year),
        time=data.time[window],
        returns=returns,
        baseline=baseline.returns,
        val_trade_returns=trades,
    )


def _trade_returns(track: Track, last_close: Floats) -> Floats:
    """Return what each trade earned on the money put into it, before costs.

    A trade is a sale, of all that is held of a stock or of a part, against what these shares have cost on
    average. What is held at the end counts as sold at the last close: n stocks bought and held are n trades.
    """
    trade_returns: list[float] = []
    for s in range(track.shares.shape[1]):
        paid = held = 0.0
        for t, n_shares in enumerate(track.shares[:, s]):
            change = n_shares - held
            if change > 0:
                paid += change * track.price[t, s]
            elif change < 0:
                cost = paid * -change / held
                trade_returns.append(-change * track.price[t, s] / cost - 1.0)
                paid -= cost
            held = float(n_shares)
        if held > 0:
            trade_returns.append(held * last_close[s] / paid - 1.0)
    return np.array(trade_returns)
