# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Adam for stacked weights: each member has a rate, a gradient limit and a step count of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from sharpen.objectives.rl.networks import Parameters

_BETA_1, _BETA_2 = 0.9, 0.999


class Adam:
    """The moments of P members' gradients.

    Source: Kingma and Ba (2015), Adam: A Method for Stochastic Optimization, algorithm 1.

    Attributes:
        first: Mean of the gradients. (P, N)
        second: Mean of their squares. (P, N)
        count: Steps taken. (P,)
    """

    def __init__(self, parameters: Parameters, epsilon: float = 1e-8) -> None:
        self.first = torch.zeros_like(parameters.flat)
        self.second = torch.zeros_like(parameters.flat)
        self.count = torch.zeros(len(parameters.flat), device=parameters.flat.device)
        self._epsilon = epsilon

    @torch.no_grad()
    def step(
        self,
        parameters: Parameters,
        gradient: Tensor,
        rate: Tensor,
        max_norm: Tensor | None = None,
        active: Tensor | None = None,
    ) -> Tensor:
        """Move the weights; return the length of each member's gradient before the limit. (P,).

        Args:
            parameters: What to move.
            gradient: (P, N)
            rate: Learning rates. (P,)
            max_norm: A longer gradient is cut to this length; None for no limit. (P,)
            active: Which members move; None for all. (P,)
        """
        norm = torch.linalg.vector_norm(gradient, dim=1)
        if max_norm is not None:
            gradient = gradient * (max_norm / (norm + 1e-6)).clamp_max(1.0)[:, None]
        if active is not None and not bool(active.all()):
            self._some(parameters, gradient, rate, active)
            return norm
        self.count += 1
        self.first.lerp_(gradient, 1.0 - _BETA_1)
        self.second.mul_(_BETA_2).addcmul_(gradient, gradient, value=1.0 - _BETA_2)
        parameters.flat.sub_(self._change(rate))
        return norm

    def _change(self, rate: Tensor) -> Tensor:
        scale = (1.0 - _BETA_2**self.count).sqrt()
        pace = rate / (1.0 - _BETA_1**self.count)
        spread = self.second.sqrt().div_(scale[:, None]).add_(self._epsilon)
        return torch.div(self.first, spread, out=spread).mul_(pace[:, None])

    def _some(self, parameters: Parameters, gradient: Tensor, rate: Tensor, active: Tensor) -> None:
        before = (self.first.clone(), self.second.clone(), self.count.clone())
        self.count += 1
        self.first.lerp_(gradient, 1.0 - _BETA_1)
        self.second.mul_(_BETA_2).addcmul_(gradient, gradient, value=1.0 - _BETA_2)
        change = self._change(rate)
        rows = active[:, None]
        self.first, self.second = (
            torch.where(rows, now, then)
            for now, then in zip((self.first, self.second), before[:2], strict=True)
        )
        self.count = torch.where(active, self.count, before[2])
        parameters.flat.sub_(torch.where(rows, change, 0.0))
