"""No early stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharpen.trial import GO_ON, Trial, Verdict


@dataclass(frozen=True, slots=True)
class Never:
    """Every trial runs to its end."""

    def judge(self, trial: Trial, history: Sequence[Trial]) -> Verdict:
        """Return that the trial goes on.

        >>> Never().judge(Trial(1, {}), [])
        Verdict(stop=False, reason='')
        """
        return GO_ON
