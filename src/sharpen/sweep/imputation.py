"""What an optimizer is told of trials without a score, where the sweep file says what that shall be.

Source: W&B's ``metric.impute`` and ``metric.impute_while_running``, as its search has them:
https://github.com/wandb/sweeps/blob/master/src/sweeps/bayes_search.py
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sharpen.frozen import with_changes
from sharpen.trial import FAILURES, Trial, TrialState


@dataclass(frozen=True, slots=True)
class Impute:
    """What stands for a missing score: the ``worst``, ``best`` or ``latest``; None for nothing.

    The worst is that of all trials that have a score. The best and the latest are of what the trial itself
    has reported, and the worst when that is nothing. As long as no trial has a score, nothing is made up.

    Attributes:
        failed: For trials that have failed or crashed.
        running: For trials at work.
    """

    failed: str | None = None
    running: str | None = None

    def imputed(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """Return the trials; one with an imputed score is shown as finished with that score.

        >>> done, broken = Trial(1, {}, TrialState.FINISHED, score=0.5), Trial(2, {}, TrialState.FAILED)
        >>> [trial.score for trial in Impute(failed="worst").imputed([done, broken])]
        [0.5, 0.5]
        """
        if self == Impute():
            return trials
        worst = min((t.score for t in trials if t.score is not None and math.isfinite(t.score)), default=None)
        return trials if worst is None else [self._imputed(trial, worst) for trial in trials]

    def _imputed(self, trial: Trial, worst: float) -> Trial:
        how = self._how(trial)
        if how is None:
            return trial
        values = [] if how == "worst" else [r.value for r in trial.reports if math.isfinite(r.value)]
        if how == "best":
            values = [max(values, default=worst)]
        score = values[-1] if values else worst
        return with_changes(trial, state=TrialState.FINISHED, score=score, reports=())

    def _how(self, trial: Trial) -> str | None:
        if trial.state in FAILURES:
            return self.failed
        return self.running if trial.state is TrialState.RUNNING else None
