"""An environment whose episodes end as a script says, and random streams that keep what was drawn."""

from contextlib import contextmanager
from typing import NamedTuple

import torch

from sharpen.objectives.rl.environment import Step

N_STEPS, N_ENVS = 6, 2


class Taken(NamedTuple):
    """A step of every environment, as the environment saw it. (P, E, ...)."""

    seen: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    ended: torch.Tensor
    cut: torch.Tensor
    after: torch.Tensor


class Scripted:
    """Episodes end of themselves, by a time limit, and by both at once, at other steps for each member."""

    n_envs, action_dim, own_dim = N_ENVS, 2, 2

    def __init__(self, n_members):
        self.n_members, self.taken = n_members, []
        self.table = torch.tensor([[0.3, -0.2], [-0.5, 0.1], [0.2, 0.7]])
        ended = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 0], [0, 0], [0, 0]]).bool()
        cut = torch.tensor([[0, 0], [0, 0], [0, 1], [1, 0], [1, 1], [0, 1]]).bool()
        self.ended = torch.stack([ended.roll(k, 1) for k in range(n_members)])
        self.cut = torch.stack([cut.roll(k, 1) for k in range(n_members)])

    def reset(self, streams):
        x = streams.integers(100, N_ENVS, 2) / 50 - 1
        return {"x": x, "row": torch.zeros(x.shape[:2], dtype=torch.long)}

    def own(self, state):
        return state["x"]

    def row(self, state):
        return state["row"]

    def seen(self, state):
        return torch.cat([state["x"], self.table[state["row"]]], -1)

    def step(self, state, action):
        after = {"x": (state["x"] + action.double()).sin(), "row": (state["row"] + 1) % 3}
        reward = after["x"].sum(-1) - action[..., 0] ** 2
        ended, cut = (ends[:, len(self.taken)] for ends in (self.ended, self.cut))
        self.taken.append(Taken(self.seen(state), action.double(), reward, ended, cut, self.seen(after)))
        return Step(after, reward, ended, cut)


class Recorded:
    """Members' random streams, and what was drawn from them. (P, ...) each."""

    def __init__(self, streams):
        self.generators, self._streams = streams.generators, streams
        self.normals, self.uniforms, self.orders = [], [], []

    def integers(self, high, *shape):
        return self._streams.integers(high, *shape)

    def normal(self, *shape):
        self.normals.append(self._streams.normal(*shape))
        return self.normals[-1].clone()

    def uniform(self, *shape):
        self.uniforms.append(self._streams.uniform(*shape))
        return self.uniforms[-1].clone()

    def permutation(self, n):
        self.orders.append(self._streams.permutation(n))
        return self.orders[-1].clone()


@contextmanager
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
