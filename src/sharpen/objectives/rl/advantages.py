# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""How much better an action was than expected, from rewards and values along the way.

Axes: any before, then ``T`` steps, then ``E`` environments. ``alive`` is 0 where the step ended an episode:
    no value or advantage crosses it. A time limit is no such end of value: its reward must hold the
    discounted value of what would have come.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gae(reward: Tensor, value: Tensor, alive: Tensor, gamma: Tensor, lam: Tensor) -> Tensor:
    """Return generalized advantage estimates. (P, T, E).

    Args:
        reward: (P, T, E)
        value: Of each state and of the one after the last step. (P, T + 1, E)
        alive: 1.0, or 0.0 where the episode ended with the step. (P, T, E)
        gamma: Discount. (P, 1)
        lam: 0 trusts the values, 1 the rewards. (P, 1)

    Source: Schulman et al. (2016), High-Dimensional Continuous Control Using Generalized Advantage
        Estimation,
        equation 16.

    >>> one = torch.ones(1, 1)
    >>> reward, value = torch.tensor([[[1.0], [0.0], [2.0]]]), torch.tensor([[[0.5], [0.4], [0.3], [0.2]]])
    >>> advantage = gae(reward, value, torch.ones(1, 3, 1), 0.9 * one, 0.8 * one)
    >>> [round(x, 4) for x in advantage.flatten().tolist()]
    [1.741, 1.2236, 1.88]
    """
    discount = gamma[:, :, None] * alive
    delta = reward + discount * value[:, 1:] - value[:, :-1]
    decay = discount * lam[:, :, None]
    return _sum_back(delta, decay)


def vtrace(
    reward: Tensor, value: Tensor, alive: Tensor, gamma: Tensor, ratio: Tensor
) -> tuple[Tensor, Tensor]:
    """Return V-trace advantages and value targets, with both importance weights cut at 1. (P, T, E) each.

    Args:
        reward: As in :func:`gae`, as are the three that follow.
        value: (P, T + 1, E)
        alive: (P, T, E)
        gamma: (P, 1)
        ratio: Probability of the action now over that when it was taken. (P, T, E)

    Source: Espeholt et al. (2018), IMPALA, equation 1 and remark 1; the advantage is that of section 4.2.
    """
    rho = ratio.clamp_max(1.0)
    discount = gamma[:, :, None] * alive
    delta = rho * (reward + discount * value[:, 1:] - value[:, :-1])
    target = value[:, :-1] + _sum_back(delta, discount * rho)
    later = torch.cat([target[:, 1:], value[:, -1:]], 1)
    return rho * (reward + discount * later - value[:, :-1]), target


def _sum_back(delta: Tensor, decay: Tensor) -> Tensor:
    """Return ``x_t = delta_t + decay_t * x_{t+1}``."""
    sums = torch.empty_like(delta)
    last = torch.zeros_like(delta[:, 0])
    for t in range(delta.shape[1] - 1, -1, -1):
        last = torch.addcmul(delta[:, t], decay[:, t], last)
        sums[:, t] = last
    return sums
