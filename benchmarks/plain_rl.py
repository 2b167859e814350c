"""A portfolio market and PPO as they are commonly written: the peer in ``rl.py``.

One market of E portfolios that walks through its stocks in a loop, observations that are put together at
every step and kept whole, one network of ``torch.nn`` layers, and ``torch.optim.Adam``. It has the shape of
ElegantRL's trainer, and takes as many minibatches as that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sharpen.objectives.rl.market_data import MarketData

MAX_TRADE, COST, DEAD_ZONE = 100.0, 1e-3, 0.1
GAMMA, LAMBDA, CLIP = 0.99, 0.95, 0.2


class PlainMarket:
    """E portfolios that begin on the same day and trade one stock after another."""

    def __init__(self, data: MarketData, n_envs: int) -> None:
        self.close = torch.as_tensor(data.close, dtype=torch.float32)
        self.table = torch.as_tensor(data.table, dtype=torch.float32)
        self.first, self.n_envs = data.warmup_bars, n_envs
        self.reset()

    def reset(self) -> Tensor:
        """Begin anew; return what is seen. (E, n_seen)."""
        self.day = self.first
        self.cash = torch.full((self.n_envs,), 1e6)
        self.shares = torch.zeros(self.n_envs, self.close.shape[1])
        self.assets = self.cash.clone()
        return self.seen()

    def seen(self) -> Tensor:
        """Return cash, shares, and the day's row of the table, of every portfolio. (E, n_seen)."""
        row = self.table[self.day].expand(self.n_envs, -1)
        own = (self.cash[:, None] * 2.0**-18).tanh()
        return torch.cat([own, (self.shares * 2.0**-10).tanh(), row], 1)

    def step(self, action: Tensor) -> tuple[Tensor, Tensor, bool]:
        """Trade at the next close; return what is seen, the reward, and whether the episode is over."""
        self.day += 1
        lots = torch.where(action.abs() < DEAD_ZONE, 0.0, action * MAX_TRADE).trunc()
        for s, price in enumerate(self.close[self.day]):
            sold = torch.minimum((-lots[:, s]).clamp_min(0.0), self.shares[:, s])
            self.shares[:, s] -= sold
            self.cash += sold * price * (1.0 - COST)
        for s, price in enumerate(self.close[self.day]):
            bought = torch.minimum(lots[:, s].clamp_min(0.0), (self.cash / (price * (1.0 + COST))).floor())
            self.shares[:, s] += bought
            self.cash -= bought * price * (1.0 + COST)
        assets = self.cash + (self.shares * self.close[self.day]).sum(1)
        reward, self.assets = (assets - self.assets) * 2.0**-12, assets
        over = self.day + 1 >= len(self.close)
        return (self.reset() if over else self.seen()), reward, over


class PlainPpo:
    """One agent that learns in one market."""

    def __init__(self, market: PlainMarket, net_dims: tuple[int, int], horizon: int, batch: int) -> None:
        n_seen, n_stocks = market.seen().shape[1], market.close.shape[1]
        self.market, self.horizon, self.batch = market, horizon, batch
        self.actor, self.critic = _net(n_seen, net_dims, n_stocks), _net(n_seen, net_dims, 1)
        self.log_std = nn.Parameter(torch.zeros(n_stocks))
        self.weights = [*self.actor.parameters(), *self.critic.parameters(), self.log_std]
        self.adam = torch.optim.Adam(self.weights, lr=3e-4)
        self.state = market.reset()

    @torch.no_grad()
    def collect(self) -> list[Tensor]:
        """Act for a horizon; return states, actions, log-probabilities, rewards, and what goes on."""
        kept: list[list[Tensor]] = [[] for _ in range(5)]
        for _ in range(self.horizon):
            policy = torch.distributions.Normal(self.actor(self.state), self.log_std.exp())
            action = policy.sample()
            log_prob = policy.log_prob(action).sum(1)
            then, reward, over = self.market.step(action.tanh())
            alive = torch.full_like(reward, 1.0 - over)
            for values, value in zip(kept, (self.state, action, log_prob, reward, alive), strict=True):
                values.append(value)
            self.state = then
        return [torch.stack(values) for values in kept]

    def update(self, n_minibatches: int) -> None:
        """Act for a horizon, and learn from so many minibatches of it."""
        state, action, log_prob, reward, alive = self.collect()
        with torch.no_grad():
            value = self.critic(torch.cat([state, self.state[None]]))[..., 0]
            advantage, last = torch.empty_like(reward), torch.zeros_like(reward[0])
            for t in range(self.horizon - 1, -1, -1):
                delta = reward[t] + GAMMA * alive[t] * value[t + 1] - value[t]
                last = delta + GAMMA * LAMBDA * alive[t] * last
                advantage[t] = last
            target = (advantage + value[:-1]).flatten()
            advantage = ((advantage - advantage.mean()) / (advantage.std() + 1e-8)).flatten()
        state, action, log_prob = state.flatten(0, 1), action.flatten(0, 1), log_prob.flatten()
        for _ in range(n_minibatches):
            rows = torch.randint(len(state), (self.batch,))
            policy = torch.distributions.Normal(self.actor(state[rows]), self.log_std.exp())
            ratio = (policy.log_prob(action[rows]).sum(1) - log_prob[rows]).exp()
            gain = torch.minimum(
                ratio * advantage[rows], ratio.clamp(1.0 - CLIP, 1.0 + CLIP) * advantage[rows]
            )
            miss = (self.critic(state[rows])[:, 0] - target[rows]).square()
            loss = -gain.mean() + 0.5 * miss.mean()
            self.adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.weights, 0.5)
            self.adam.step()


def _net(n_seen: int, net_dims: tuple[int, int], n_out: int) -> nn.Sequential:
    one, two = net_dims
    return nn.Sequential(
        nn.Linear(n_seen, one), nn.Tanh(), nn.Linear(one, two), nn.Tanh(), nn.Linear(two, n_out)
    )
