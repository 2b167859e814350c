# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What the off-policy agents remember: for each step what was seen, done, earned, and seen then."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sharpen.objectives.rl.environment import Environment
from sharpen.objectives.rl.networks import Observed, take_rows
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.objectives.rl.streams import Streams


@dataclass(frozen=True)
class Experience:
    """A minibatch. ``alive`` is 0 where nothing came after: a time limit is no such end."""

    seen: Observed
    action: Tensor  # (P, B, A)
    reward: Tensor  # (P, B)
    alive: Tensor  # (P, B)
    then: Observed


class ReplayBuffer:
    """The last steps of P members, the oldest overwritten first; kept in an agent's memory by name."""

    def __init__(self, env: Environment, settings: AgentSettings, device: torch.device) -> None:
        self._n_rows = max(settings.buffer_size // env.n_envs, 1) * env.n_envs
        self._table, self._n_envs, self._own = env.table, env.n_envs, env.own_dim
        n_numbers = 2 * env.own_dim + env.action_dim + 2
        numbers = torch.zeros(env.n_members, self._n_rows, n_numbers, device=device)
        rows = torch.zeros(env.n_members, self._n_rows, 2, dtype=torch.int32, device=device)
        count = torch.zeros(env.n_members, dtype=torch.long, device=device)
        self.memory = {"numbers": numbers, "count": count} | ({} if env.table is None else {"rows": rows})

    def add(self, seen: Observed, action: Tensor, reward: Tensor, alive: Tensor, then: Observed) -> None:
        """Remember a step of every environment. (P, E, ...) each."""
        count = self.memory["count"]
        index = (count[:, None] + torch.arange(self._n_envs, device=count.device)) % self._n_rows
        member = torch.arange(len(count), device=count.device)[:, None]
        numbers = torch.cat([seen.own, then.own, action, reward[..., None], alive[..., None]], -1)
        self.memory["numbers"][member, index] = numbers
        if seen.row is not None and then.row is not None:
            self.memory["rows"][member, index] = torch.stack([seen.row, then.row], -1).int()
        count += self._n_envs

    def draw(self, streams: Streams, n: int) -> Experience:
        """Return steps drawn evenly, with replacement. (P, n, ...)."""
        held = self.memory["count"].clamp_max(self._n_rows)[:, None]
        index = (streams.uniform(n) * held).long()
        numbers = take_rows(self.memory["numbers"], index)
        own, then_own = numbers[..., : self._own], numbers[..., self._own : 2 * self._own]
        action, reward, alive = numbers[..., 2 * self._own : -2], numbers[..., -2], numbers[..., -1]
        if self._table is None:
            return Experience(Observed(own), action, reward, alive, Observed(then_own))
        member = torch.arange(len(index), device=index.device)[:, None]
        row = self.memory["rows"][member, index].long()
        seen = Observed(own, row[..., 0], self._table)
        return Experience(seen, action, reward, alive, Observed(then_own, row[..., 1], self._table))
