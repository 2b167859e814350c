"""Random search."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from sharpen.space import Space
from sharpen.trial import Config, Proposal, Trial

MOST_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Independent draws from the space, without repeating one while new ones can be found.

    Source: Bergstra, Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13.
    """

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` draws; a small space that is used up gives repeats rather than an end.

        >>> from sharpen.space import Choice
        >>> space = Space({"a": Choice((True, False))})
        >>> proposals = RandomSearch().ask(space, [], 2, np.random.default_rng(0))
        >>> sorted(p.config["a"] for p in proposals)
        [False, True]
        """
        seen = keys_of(space, history)
        taken: set[str] = set()
        proposals: list[Proposal] = []
        for _ in range(n):
            config = draw(space, rng, (seen, taken))
            taken.add(space.key(config))
            proposals.append(Proposal(config, origin="random"))
        return proposals


def keys_of(space: Space, trials: Sequence[Trial]) -> set[str]:
    """Return the keys of the trials' configurations; none for a space in which no two draws ever meet."""
    return set() if space.size is None else {space.key(trial.config) for trial in trials}


def draw(space: Space, rng: np.random.Generator, avoid: Sequence[Set[str]]) -> Config:
    """Return a random configuration that is in none of the given sets of keys, as far as there is one.

    Args:
        space: Where from.
        rng: The random stream.
        avoid: Keys of configurations not to repeat, by rising importance: once the space has nothing
            else to offer, the first set is allowed, then the second.
    """
    n_values = space.size
    for first in range(len(avoid) if n_values is not None else 0):
        forbidden = frozenset[str]().union(*avoid[first:])
        if n_values is not None and len(forbidden) >= n_values:
            continue
        for _ in range(MOST_DRAWS):
            config = space.from_unit(rng.random(len(space.dimensions)).tolist())
            if space.key(config) not in forbidden:
                return config
    return space.from_unit(rng.random(len(space.dimensions)).tolist())
