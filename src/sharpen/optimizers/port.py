"""What every search method is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sharpen.space import Space
from sharpen.trial import Proposal, Trial


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to propose until a trial that runs has reported or ended: ask again then."""


@dataclass(frozen=True, slots=True)
class Done:
    """There is nothing more to propose: the search has come to its end."""


Answer = Sequence[Proposal] | Wait | Done


class Optimizer(Protocol):
    """A search method: a function of the space, the history and a random stream.

    It keeps no state that matters: whoever asks with the same three gets the same answer, also in another
    process after a crash.
    """

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Answer:
        """Return up to ``n`` configurations to evaluate next, all different where the space allows it.

        A method that works by generations answers :class:`Wait` while a generation is at work. It may only
        wait while a trial is pending or running, unless its attribute ``may_wait_idle`` is true: then
        somebody else queues what is run. No proposal at all means the same as :class:`Done`.

        Args:
            space: What may vary.
            history: Every trial of the sweep so far in number order, pending and running ones among them.
            n: How many are wanted.
            rng: Where all randomness comes from.
        """
        ...
