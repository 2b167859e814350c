"""Draws from a space that repeat no configuration, as far as the space has others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import UsageError
from sharpen.optimizers.grid import points
from sharpen.optimizers.sobol import MOST_DIMENSIONS, Sobol
from sharpen.replay import PerNumber
from sharpen.seeds import rng_for
from sharpen.space import Space
from sharpen.trial import ParameterValues, Trial

MOST_DRAWS = 256
LARGEST_LISTED = 20_000
_STRETCH = 128


@dataclass(slots=True)
class Keys:
    """Texts that tell configurations apart, kept by trial."""

    _known: PerNumber[ParameterValues, str] = field(default_factory=PerNumber[ParameterValues, str])

    def of(self, space: Space, trials: Iterable[Trial]) -> set[str]:
        """Return the keys of the trials' configurations; none for a space in which no two draws ever meet."""
        if space.size is None:
            return set()
        return set(self._known.all(space, ((t.number, t.config) for t in trials), space.key))


def sobol(seed: int | None, n_dimensions: int, index: int) -> Floats | None:
    """Return a point of a scrambled Sobol sequence; None without a seed or in too many dimensions.

    Args:
        seed: What the scrambling follows from.
        n_dimensions: Of the unit cube.
        index: Which point, from 0.
    """
    if seed is None or not 0 < n_dimensions <= MOST_DIMENSIONS:
        return None
    return _stretch(seed, n_dimensions, index // _STRETCH)[index % _STRETCH]


@lru_cache(maxsize=64)
def _stretch(seed: int, n_dimensions: int, number: int) -> Floats:
    return Sobol(n_dimensions, rng_for(seed, "sobol")).points(number * _STRETCH, _STRETCH)


def draw(
    space: Space, rng: np.random.Generator, avoid: Sequence[Set[str]] = (), first: Floats | None = None
) -> ParameterValues:
    """Return an allowed configuration that is in none of the given sets of keys, as far as there is one.

    Args:
        space: Where from.
        rng: The random stream.
        avoid: Keys of configurations not to repeat, by rising importance: once the space has nothing
            else to offer, the first set is allowed, then the second.
        first: A point of the unit cube to try before random ones.
    """
    n_values = space.size
    tries = [first] if first is not None else []
    for least in range(len(avoid) if n_values is not None else 0):
        found = _draw_outside(space, rng, frozenset[str]().union(*avoid[least:]), tries)
        if found is not None:
            return found
    return _draw_outside(space, rng, frozenset(), tries) or _any(space, rng)


def _draw_outside(
    space: Space, rng: np.random.Generator, forbidden: frozenset[str], tries: Sequence[Floats]
) -> ParameterValues | None:
    n_values = space.size
    if n_values is not None and len(forbidden) >= n_values:
        return None
    for i in range(MOST_DRAWS):
        u = tries[i] if i < len(tries) else rng.random(len(space.dimensions))
        config = space.from_unit(u.tolist())
        if (not forbidden or space.key(config) not in forbidden) and space.allows(config):
            return config
    if n_values is None or n_values > LARGEST_LISTED:
        return None
    left = [config for config in points(space) if space.key(config) not in forbidden]
    return left[rng.integers(len(left))] if left else None


def _any(space: Space, rng: np.random.Generator) -> ParameterValues:
    """Return an allowed draw from a space that forbids nearly everything."""
    for _ in range(LARGEST_LISTED):
        config = space.from_unit(rng.random(len(space.dimensions)).tolist())
        if space.allows(config):
            return config
    raise UsageError(
        f"{LARGEST_LISTED:,} random configurations in a row are forbidden: "
        "the forbidden combinations leave next to nothing of the space"
    )
