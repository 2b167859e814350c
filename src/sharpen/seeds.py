"""Named random streams: one root seed, a name for each use, no arithmetic on seeds."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def rng_for(root_seed: int, *name: str | int) -> np.random.Generator:
    """Return the random stream of a name under a root seed.

    Two different names give independent streams, and no root seed's stream is another one's under a
    neighbouring name, which adding a trial number to a seed cannot promise.

    Args:
        root_seed: The seed that a user gave.
        name: What the stream is for, such as ``"ask", 7``.

    >>> a = rng_for(42, "ask", 1).random()
    >>> bool(a == rng_for(42, "ask", 1).random()), bool(a == rng_for(1042, "ask", 0).random())
    (True, False)
    """
    import numpy as np  # noqa: PLC0415 - who only wants a seed does not need it

    return np.random.default_rng(np.frombuffer(_digest(root_seed, name), dtype=np.uint32))


def seed_for(root_seed: int, *name: str | int) -> int:
    """Return a 31-bit seed for a library that wants a number, drawn from the named stream.

    >>> seed_for(42, "fold", 1) == seed_for(42, "fold", 1) != seed_for(42, "fold", 2)
    True
    """
    return int.from_bytes(_digest(root_seed, name)[:4], "big") >> 1


def repeat_seed(root_seed: int, repeat: int) -> int:
    """Return the seed that the program of a run gets: the root's own first, then one for each repeat.

    It is the same for every configuration, so that configurations are compared under the same dice.

    >>> repeat_seed(42, 0), repeat_seed(42, 1) == repeat_seed(42, 1) != repeat_seed(42, 2)
    (42, True)
    """
    return seed_for(root_seed, "repeat", repeat) if repeat else root_seed


def _digest(root_seed: int, name: tuple[str | int, ...]) -> bytes:
    # repr keeps 1 and "1", and ("a", "b") and ("ab",), apart
    return hashlib.sha256(repr((root_seed, *name)).encode()).digest()
