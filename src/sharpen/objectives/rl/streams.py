# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Random streams of members: what one member draws does not depend on who trains beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sharpen.seeds import seed_for


class Streams:
    """One random stream a member.

    >>> alone, both = Streams.of([7]), Streams.of([7, 8])
    >>> bool((alone.normal(3)[0] == both.normal(3)[0]).all())
    True
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)

    @classmethod
    def of(cls, seeds: Sequence[int], device: str | torch.device = "cpu") -> Streams:
        """Return the streams of members' seeds."""
        return cls([torch.Generator(device).manual_seed(seed_for(seed, "torch")) for seed in seeds])

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers. (P, *shape)."""
        return self._draw(lambda g: torch.randn(shape, generator=g, device=g.device))

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers from [0, 1), in double precision. (P, *shape)."""
        return self._draw(lambda g: torch.rand(shape, generator=g, device=g.device, dtype=torch.float64))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Return whole numbers from [0, high). (P, *shape)."""
        return self._draw(lambda g: torch.randint(high, shape, generator=g, device=g.device))

    def permutation(self, n: int) -> Tensor:
        """Return the numbers below n in random order. (P, n)."""
        return self._draw(lambda g: torch.randperm(n, generator=g, device=g.device))

    def member(self, k: int) -> Streams:
        """Return the stream of one member; drawing from it moves the member's on."""
        return Streams([self.generators[k]])

    def states(self) -> Tensor:
        """Return where every stream stands, as bytes. (P, n)."""
        return torch.stack([g.get_state() for g in self.generators])

    def _draw(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(g) for g in self.generators])
