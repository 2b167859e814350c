"""What every early-stopping rule is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sharpen.trial import StopDecision, Trial


class Stopper(Protocol):
    """A rule that ends running trials early: a function of the trial and the history."""

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return whether to end the trial now, and why.

        Args:
            trial: The running trial, its newest report included.
            history: Every trial of the sweep in number order, this one among them.
        """
        ...
