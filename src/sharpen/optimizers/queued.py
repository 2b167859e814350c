"""No search of its own: what to run next, somebody else says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharpen.optimizers.port import Wait
from sharpen.space import Space
from sharpen.trial import Trial


@dataclass(frozen=True, slots=True)
class Queued:
    """Proposes nothing, ever: a sweep runs what is queued, and agents wait for more.

    For a person who chooses, or a program, as a local controller of W&B is one.
    """

    @property
    def may_wait_idle(self) -> bool:
        """It waits for what somebody adds, not for a trial."""
        return True

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> Wait:
        """Return that there is nothing yet.

        >>> from sharpen.space import Choice
        >>> Queued().ask(Space({"a": Choice((1, 2))}), [], 1, np.random.default_rng(0))
        Wait()
        """
        return Wait()
