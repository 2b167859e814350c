# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A stock market over tensors: P members times E portfolios that trade the same bars.

At the close of bar t the agent says how many shares to buy or sell of each stock; the orders are filled at
bar t + 1, and all is marked at its close. Sells come first, then buys in the stocks' order; lots are whole,
the fee is part of what a buy must afford, cash is never negative and no stock is sold short. Money is in
double precision, for a float32 flips a lot where the cash is just enough. A stock that has no bar is not
traded and is worth its last close; one that has had its last bar is sold at that close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.objectives.rl.environment import State, Step
from sharpen.objectives.rl.market_data import MarketData
from sharpen.objectives.rl.orders import SLACK_LOTS, Rules, TradedBars, trade_portfolios
from sharpen.objectives.rl.streams import Streams

FILLS = ("next_open", "next_close", "same_close_lookahead")


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """The rules of one member's market.

    Attributes:
        first_bar: Where the window of episodes begins.
        stop_bar: One past the last bar of the window.
        initial_cash: Cash at the start of an episode.
        max_trade: An action of 1 buys this many shares; with ``trade_unit`` ``value`` shares for this share
            of
            the initial cash.
        trade_unit: ``shares`` or ``value``.
        dead_zone: An action nearer to 0 than this is no order.
        cost_bps: Fee a side, in basis points.
        slippage_bps: How much worse than the bar's price a fill is, in basis points.
        fill: ``next_open``, ``next_close``, or ``same_close_lookahead``, which fills at the close that the
            agent has just seen: a look into the future, here to reproduce results that were made so.
        reward_per_unit: Reward of one unit of money.
        bonus_gamma: The last reward of an episode gets ``mean(rewards) / (1 - bonus_gamma)`` more, and stands
            for what would have come: no value is added; 0 for none.
        episode_bars: Most steps of an episode; 0 for the whole window.
        random_start: Whether an episode begins at a random bar of the window.
        random_reset: Whether cash (times U(0.75, 1.25)) and shares (|N| * 128, or by value) are random at
            first.
        turbulence_limit: From this turbulence on everything is sold and nothing bought; inf for never.
        delisting_return: What a holder earns after the last close of a stock that was delisted.
    """

    first_bar: int = 0
    stop_bar: int = 0
    initial_cash: float = 1e6
    max_trade: float = 100.0
    trade_unit: str = "shares"
    dead_zone: float = 0.1
    cost_bps: float = 10.0
    slippage_bps: float = 0.0
    fill: str = "next_open"
    reward_per_unit: float = 2.0**-12
    bonus_gamma: float = 0.0
    episode_bars: int = 0
    random_start: bool = False
    random_reset: bool = False
    turbulence_limit: float = float("inf")
    delisting_return: float = 0.0


def traded_bars(data: MarketData, fill: str) -> TradedBars:
    """Return what orders meet, as the compiled market takes it."""
    close, price = np.ascontiguousarray(data.close), np.ascontiguousarray(data.open)
    return TradedBars(
        close,
        price if fill == "next_open" else close,
        np.ascontiguousarray(data.tradable),
        np.ascontiguousarray(data.delisted),
        np.nan_to_num(data.turbulence, nan=0.0),
        0 if fill == "same_close_lookahead" else 1,
    )


def rules_of(members: Sequence[MarketSettings]) -> Rules:
    """Return the rules of some members, as the compiled market takes them."""
    by_value = [m.initial_cash if m.trade_unit == "value" else 0.0 for m in members]

    def each(name: str, unit: float = 1.0) -> Floats:
        return np.array([getattr(m, name) * unit for m in members], dtype=np.float64)

    return Rules(
        each("max_trade"),
        np.array(by_value),
        each("dead_zone"),
        each("cost_bps", 1e-4),
        each("slippage_bps", 1e-4),
        each("turbulence_limit"),
        each("delisting_return"),
    )


SHARED = ("trade_unit", "fill", "random_start", "random_reset")
"""Rules that are the same for all members of a stack."""


class PortfolioMarket:
    """P members times E portfolios.

    Args:
        data: The bars; read by all.
        members: The rules of each member. They may differ in every number, not in ``trade_unit``, ``fill``,
            ``random_start``, ``random_reset``.
        n_envs: Portfolios a member.
        scaling: ``elegantrl`` shows ``tanh(cash * 2**-18)`` and ``tanh(shares * 2**-10)``; ``relative`` shows
            what share of the assets is in cash and in each stock.
        device: Where the tensors live.

    Raises:
        UsageError: A window is shorter than two bars, a rule is not known, members differ where they must
            not, or the data was made with another scaling.
    """

    def __init__(
        self,
        data: MarketData,
        members: Sequence[MarketSettings],
        n_envs: int,
        scaling: str = "elegantrl",
        device: str | torch.device = "cpu",
    ) -> None:
        rules = members[0]
        _refuse(data, members)
        if data.scaling not in ("", scaling):
            raise UsageError(
                f"scaling is {scaling}, and the data was made with {data.scaling}: give the same"
            )
        self.n_members, self.n_envs, self.n_stocks = len(members), n_envs, len(data.symbols)
        self.action_dim, self.own_dim = self.n_stocks, 1 + self.n_stocks
        self._n_bars = len(data)
        self.device, self.rules, self.relative = torch.device(device), rules, scaling == "relative"

        def tensor(values: Any, dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.as_tensor(values, dtype=dtype, device=self.device)

        self.table: Tensor | None = tensor(data.table, torch.float32)
        self._close = tensor(data.close).contiguous()
        self._shown_close = self._close.float()
        self._price = self._close if rules.fill != "next_open" else tensor(data.open).contiguous()
        self._tradable = tensor(data.tradable, torch.bool)
        self._delisted = tensor(data.delisted, torch.bool)
        self._has_gaps = not bool(self._tradable.all())
        self._turbulence = tensor(data.turbulence).nan_to_num(0.0)
        of_member = {f.name: [getattr(m, f.name) for m in members] for f in fields(MarketSettings)}
        self._of = {k: tensor(v)[:, None] for k, v in of_member.items() if k not in SHARED}
        self._first = tensor(of_member["first_bar"], torch.long)[:, None]
        self._last = tensor(of_member["stop_bar"], torch.long)[:, None] - 1
        self._limit = tensor([m.episode_bars or 1 << 40 for m in members], torch.long)[:, None]
        self._has_bonus = any(m.bonus_gamma for m in members)
        self._has_limit = any(m.turbulence_limit != float("inf") for m in members)
        self.is_compiled = self.device.type == "cpu"
        self._compiled = (traded_bars(data, rules.fill), rules_of(members))

    def reset(self, streams: Streams) -> State:
        """Return portfolios at the beginning of new episodes."""
        day = self._start(streams)
        cash = self._of["initial_cash"].expand(-1, self.n_envs).clone()
        shares = torch.zeros(*cash.shape, self.n_stocks, dtype=torch.float64, device=self.device)
        if self.rules.random_reset:
            cash = cash * (0.75 + 0.5 * streams.uniform(self.n_envs))
            spread = streams.normal(self.n_envs, self.n_stocks).double().abs()
            by_value = 0.5 / self.n_stocks * cash[:, :, None] / self._close[day]
            shares = (spread * (by_value if self.rules.trade_unit == "value" else 128.0)).floor()
            shares = torch.where(self._tradable[day], shares, 0.0).nan_to_num(0.0)
        state = {"day": day, "cash": cash, "shares": shares, "age": torch.zeros_like(day)}
        state["earned"] = torch.zeros_like(cash)
        state["assets"] = self.assets(state)
        return state

    def own(self, state: State) -> Tensor:
        """Return cash and shares as the agent sees them. (P, ..., 1 + S)."""
        cash, shares = state["cash"], state["shares"]
        if not self.relative:
            return torch.cat(
                [(cash.float() * 2.0**-18).tanh()[..., None], (shares.float() * 2.0**-10).tanh()], -1
            )
        worth = shares.float() * self._shown_close[state["day"]]
        worth = worth.nan_to_num(0.0) if self._has_gaps else worth
        both = torch.cat([cash.float()[..., None], worth], -1)
        return both / both.sum(-1, keepdim=True)

    def row(self, state: State) -> Tensor:
        """Return the bar, which is the row of ``table``."""
        return state["day"]

    def assets(self, state: State) -> Tensor:
        """Return cash plus shares at the bar's close. (P, E)."""
        worth = state["shares"] * self._close[state["day"]]
        return state["cash"] + (worth.nan_to_num(0.0) if self._has_gaps else worth).sum(-1)

    def lots(self, state: State, action: Tensor) -> Tensor:
        """Return the shares that an action asks for, before what cash and holdings allow. (P, E, S)."""
        wanted = action.double().clamp(-1.0, 1.0)
        unit = self._of["max_trade"][:, :, None]
        if self.rules.trade_unit == "value":
            unit = unit * self._of["initial_cash"][:, :, None] / self._close[state["day"]]
        lots = (wanted * unit).trunc()
        return torch.where(wanted.abs() >= self._of["dead_zone"][:, :, None], lots, 0.0)  # none for NaN

    def step(self, state: State, action: Tensor) -> Step:
        """Return the portfolios one bar later; what is truncated is over: reset it.

        Args:
            state: As ``reset`` or the last step returned it.
            action: What is beyond -1 or 1 counts as that; NaN is no order. (P, E, S)
        """
        then = (state["day"] + 1).clamp_max(self._n_bars - 1)
        traded = self._traded(state, action) if self.is_compiled else self._traded_in_tensors(state, action)
        after = {"day": then, "age": state["age"] + 1, **traded}
        reward = (after["assets"] - state["assets"]) * self._of["reward_per_unit"]
        truncated = (then >= self._last) | (after["age"] >= self._limit)
        after["earned"] = state["earned"] + reward
        if self._has_bonus:
            gamma = self._of["bonus_gamma"]
            bonus = after["earned"] / after["age"] / (1.0 - gamma) * (gamma > 0)
            reward = torch.where(truncated, reward + bonus, reward)
        terminated = truncated & (self._of["bonus_gamma"] > 0)
        return Step(after, reward.float(), terminated, truncated)

    def _traded(self, state: State, action: Tensor) -> State:
        """Return cash, shares and assets one bar later, by compiled code."""
        day, cash, shares, wanted = (
            part.contiguous().numpy()
            for part in (state["day"], state["cash"], state["shares"], action.double().clamp(-1.0, 1.0))
        )
        traded = trade_portfolios(day, cash, shares, wanted, *self._compiled)
        return dict(zip(("cash", "shares", "assets"), map(torch.from_numpy, traded), strict=True))

    def _traded_in_tensors(self, state: State, action: Tensor) -> State:
        """Return the same on any device."""
        day = state["day"]
        then = (day + 1).clamp_max(self._n_bars - 1)
        lots = self.lots(state, action)
        if self._has_limit:
            flee = (self._turbulence[day] >= self._of["turbulence_limit"])[..., None]
            lots = torch.where(flee, -state["shares"], lots)
        at = day if self.rules.fill == "same_close_lookahead" else then
        price = self._price[at]
        if self._has_gaps:
            lots, price = self._where_it_trades(state, lots, price, at)
        cash, shares = self._fill(state, lots, price)
        after = {"day": then, "cash": cash, "shares": shares}
        return {"cash": cash, "shares": shares, "assets": self.assets(after)}

    def _where_it_trades(
        self, state: State, lots: Tensor, price: Tensor, at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return orders and prices: none without a bar; a delisted stock is sold at its last close."""
        gone, can = self._delisted[at], self._tradable[at] & self._tradable[state["day"]]
        settled = self._close[at].nan_to_num(1.0) * (1.0 + self._of["delisting_return"][:, :, None])
        lots = torch.where(gone, -state["shares"], torch.where(can, lots, 0.0))
        return lots, torch.where(gone, settled.clamp_min(1e-12), torch.where(can, price, 1.0))

    def _fill(self, state: State, lots: Tensor, price: Tensor) -> tuple[Tensor, Tensor]:
        """Return cash and shares after all sells and then the buys, one stock after another."""
        slip, fee = self._of["slippage_bps"][:, :, None] * 1e-4, self._of["cost_bps"][:, :, None] * 1e-4
        sold = torch.minimum((-lots).clamp_min_(0.0), state["shares"])
        gained = price * ((1.0 - slip) * (1.0 - fee))
        cash = state["cash"] + (sold * gained).sum(-1)
        wanted = lots.clamp_min(0.0)
        paid = price * ((1.0 + slip) * (1.0 + fee))
        cost = (wanted * paid).sum(-1)
        bought = wanted
        if bool((cost > cash).any()):
            bought = affordable(cash, wanted, paid)
            cost = (bought * paid).sum(-1)
        return (cash - cost).clamp_min_(0.0), state["shares"] - sold + bought

    def _start(self, streams: Streams) -> Tensor:
        first, last = self._first.expand(-1, self.n_envs), self._last
        if not self.rules.random_start:
            return first.clone()
        n_bars = (last - first).clamp_min(1)
        latest = torch.maximum(last - self._limit, self._first) - self._first + 1
        span = torch.where(self._limit < n_bars, latest, n_bars)
        return first + (streams.uniform(self.n_envs) * span).long()


def affordable(cash: Tensor, wanted: Tensor, paid: Tensor) -> Tensor:
    """Return the lots that cash allows, stock after stock. (P, E, S).

    Args:
        cash: After all sells. (P, E)
        wanted: Whole lots to buy. (P, E, S)
        paid: What one share costs with fee and slippage. (P, E, S)
    """
    shape, n_stocks = wanted.shape, wanted.shape[-1]
    costs = paid.expand_as(wanted).reshape(-1, n_stocks)
    wants = wanted.reshape(-1, n_stocks).t().contiguous().unbind(0)
    left, lots = cash.reshape(-1), list[Tensor]()
    for want, cost in zip(wants, costs.t().contiguous().unbind(0), strict=True):
        lot = torch.minimum(want, (left * cost.reciprocal()).add_(SLACK_LOTS).floor_().clamp_min_(0.0))
        left = left - lot * cost
        lots.append(lot)
    return torch.stack(lots, -1).reshape(shape)


def _refuse(data: MarketData, members: Sequence[MarketSettings]) -> None:
    rules = members[0]
    for number, member in enumerate(members):
        if member.stop_bar - member.first_bar < 2:
            raise UsageError(
                f"member {number}: the window from bar {member.first_bar} to {member.stop_bar} is too short:"
                " a market needs two bars at least"
            )
        if member.first_bar < data.warmup_bars or member.stop_bar > len(data):
            raise UsageError(
                f"member {number}: the window from bar {member.first_bar} to {member.stop_bar} is not within"
                f" the bars with all technicals, {data.warmup_bars} to {len(data)}"
            )
        if other := [name for name in SHARED if getattr(member, name) != getattr(rules, name)]:
            raise UsageError(f"members of one market must not differ in {', '.join(other)}")
    if rules.fill not in FILLS:
        raise UsageError(f"fill is {rules.fill!r}, must be one of {', '.join(FILLS)}")
    if rules.trade_unit not in ("shares", "value"):
        raise UsageError(f"trade_unit is {rules.trade_unit!r}, must be shares or value")
