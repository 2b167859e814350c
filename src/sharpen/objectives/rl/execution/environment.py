# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Orders in a market, as the agents see them: P members times E orders, sliced one after another.

An action in [-1, 1] says which share of what is left to trade in the slice: 0 is an equal part of it for
each slice left, -1 nothing, 1 everything. A second action, where the market has a book, chooses limit orders
when it is above 0. The last slice trades all that is left, at market, whatever the limit on participation.

The reward is by how much less a slice costs than the same slice of an order in equal slices on the same
prices, with what is left marked at the mid: so the noise that both share falls out. A constant makes its sum
over an episode 0 for the market's baseline and 1 for the optimum, where that is known, on average.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sharpen.objectives.rl.environment import State, Step
from sharpen.objectives.rl.execution.port import ExecutionMarket, Fill, at
from sharpen.objectives.rl.streams import Streams

_N_OWN = 4
_OWN = ("k", "left", "cash", "impact", "forced", "passed")


class Execution:
    """Orders of P members in one market; see :class:`sharpen.objectives.rl.environment.Environment`.

    Args:
        market: The market; read by all.
        n_members: P.
        n_envs: Orders of a member at a time.
        unit_bps: What a reward of 1 is, in basis points of the order at arrival; each member's own in (P, 1).
    """

    def __init__(
        self, market: ExecutionMarket, n_members: int, n_envs: int, unit_bps: float | Tensor
    ) -> None:
        self.market, self.n_members, self.n_envs, self.unit_bps = market, n_members, n_envs, unit_bps
        self.action_dim = 2 if market.has_book else 1
        self.own_dim = _N_OWN + market.n_seen
        self.table: Tensor | None = None

    def reset(self, streams: Streams) -> State:
        """Return new orders."""
        episode = self.market.draw(streams, self.n_envs)
        state = self.begin(episode)
        costs = [state["cash"]]
        follower = state
        for k in range(self.market.n_slices):
            follower = self.trade(follower, follower["left"] / (self.market.n_slices - k))
            costs.append(self.cost(follower))
        return state | {"twap": torch.stack(costs, -1).diff(dim=-1)}

    def begin(self, episode: State) -> State:
        """Return orders of which nothing has been traded."""
        zero = torch.zeros_like(episode["order"])
        impact = zero[..., None].expand(*zero.shape, self.market.n_impact).clone()
        k = torch.zeros_like(zero, dtype=torch.long)
        left = episode["order"].clone()
        own = (k, left, zero.clone(), impact, zero.clone(), zero.clone())
        return episode | dict(zip(_OWN, own, strict=True))

    def own(self, state: State) -> Tensor:
        """Return what a trader knows. (P, ..., own_dim).

        The share of the time that is left, that of the order, their difference, how far the price has moved
        against the order since arrival (in hundredths of a percent over ten), and what the market shows.
        """
        k, n = state["k"], self.market.n_slices
        time_left = 1.0 - k.double() / n
        left = state["left"] / state["order"]
        mid, arrival = at(state["mid"], k), state["mid"][..., 0]
        against = state["side"] * (mid / arrival - 1.0) * 1e3
        both = torch.stack([time_left, left, left - time_left, against], -1)
        return torch.cat([both, self.market.seen(state, k)], -1).float()

    def row(self, state: State) -> Tensor | None:
        """Return None: there is no table."""
        return None

    def step(self, state: State, action: Tensor) -> Step:
        """Trade a slice. action: (P, E, action_dim)."""
        passive = action[..., 1] > 0 if self.action_dim > 1 else None
        share = self.share(state, action[..., 0].double())
        after = self.trade(state, share * state["left"], passive)
        saved = at(state["twap"], state["k"]) - (self.cost(after) - self.cost(state))
        reward = saved / (state["order"] * state["mid"][..., 0]) * (1e4 / self.unit_bps)
        reward = reward + self.market.twap_reward / self.market.n_slices
        over = after["k"] >= self.market.n_slices
        return Step(after, reward.float(), over, torch.zeros_like(over))

    def share(self, state: State, action: Tensor) -> Tensor:
        """Return which share of what is left an action trades. (P, E).

        The odds of the share are those of an equal part times ``(1 + action) / (1 - action)``, which has no
        kink at 0: at a kink the noise of learning would trade more on average than the action without noise.
        """
        equal = 1.0 / (self.market.n_slices - state["k"]).clamp_min(1).double()
        action = action.clamp(-1.0, 1.0)
        odds = equal * (1.0 + action)
        share = odds / (odds + (1.0 - equal) * (1.0 - action)).clamp_min(1e-12)
        return torch.where(equal >= 1.0, equal, share)

    def trade(self, state: State, wanted: Tensor, passive: Tensor | None = None) -> State:
        """Return the orders a slice later. wanted: shares, (P, E); passive: by limit orders, (P, E)."""
        k, left = state["k"], state["left"]
        is_last = k >= self.market.n_slices - 1
        most = self.market.participation * at(state["volume"], k)
        most = torch.where(torch.isnan(most), torch.zeros_like(most), most)  # inf times no volume
        wanted = torch.minimum(wanted.clamp_min(0.0), left)
        allowed = torch.where(is_last, left, torch.minimum(wanted, most))
        by_limit = torch.zeros_like(is_last) if passive is None else passive & ~is_last
        fill: Fill = self.market.trade(state, k, state["impact"], allowed, by_limit)
        after = {
            "k": k + 1,
            "left": torch.where(is_last, torch.zeros_like(left), left - fill.quantity),
            "cash": state["cash"] - state["side"] * fill.quantity * fill.price,
            "impact": fill.impact,
            "forced": state["forced"] + torch.where(is_last, (left - most).clamp_min(0.0), 0.0),
            "passed": state["passed"] + torch.where(by_limit, fill.quantity, 0.0),
        }
        return state | after

    def cost(self, state: State) -> Tensor:
        """Return what the orders have cost so far against arrival, the rest marked at the mid. (P, E)."""
        side, arrival = state["side"], state["mid"][..., 0]
        mid = at(state["mid"], state["k"])
        return side * (state["left"] * mid - state["order"] * arrival) - state["cash"]
