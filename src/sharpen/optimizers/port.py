"""What every search method is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sharpen.space import Space
from sharpen.trial import Proposal, Trial


class Optimizer(Protocol):
    """A search method: a function of the space, the history and a random stream.

    It keeps no state that matters: whoever restarts, asks again with the same three and gets the same answer.
    """

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return up to ``n`` configurations to evaluate next, all different where the space allows it.

        Args:
            space: What may vary.
            history: Every trial of the sweep so far in number order, pending and running ones among them.
            n: How many are wanted; a shorter answer means that the search has come to its end.
            rng: Where all randomness comes from.
        """
        ...
