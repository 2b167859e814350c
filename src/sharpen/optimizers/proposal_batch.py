"""The proposals of one answer, as a search method collects them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharpen.optimizers.draws import Keys, draw, sobol
from sharpen.space import Space
from sharpen.trial import ParameterValues, Proposal, Trial


class ProposalBatch:
    """Proposals for one answer: each is what a method found, or a random draw where it found nothing.

    ``seen`` has the keys of all configurations so far, ``in_flight`` those of trials that have not ended.
    The latter are not repeated even when all has been seen. ``number`` counts the trials, proposals included.
    """

    def __init__(
        self, space: Space, history: Sequence[Trial], rng: np.random.Generator, seed: int | None, keys: Keys
    ) -> None:
        self._space, self._rng, self._seed = space, rng, seed
        self.number = history[-1].number if history else 0
        self.seen = keys.of(space, history)
        self.in_flight = keys.of(space, (t for t in history if not t.state.is_final))
        self.proposals: list[Proposal] = []

    def add(self, config: ParameterValues | None, origin: str) -> ParameterValues:
        """Propose what a method found, or else a draw; return it."""
        if config is None:
            first = sobol(self._seed, len(self._space.dimensions), self.number)
            config, origin = draw(self._space, self._rng, (self.seen, self.in_flight), first), "random"
        key = self._space.key(config)
        self.seen.add(key)
        self.in_flight.add(key)
        self.number += 1
        self.proposals.append(Proposal(config, origin=origin))
        return config
