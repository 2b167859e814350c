"""No early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharpen.trial import GO_ON, StopDecision, Trial


@dataclass(frozen=True, slots=True)
class Never:
    """Every trial runs to its end."""

    def should_stop(self, trial: Trial, history: Sequence[Trial]) -> StopDecision:
        """Return that the trial goes on.

        >>> Never().should_stop(Trial(1, {}), [])
        StopDecision(stop=False, reason='')
        """
        return GO_ON
