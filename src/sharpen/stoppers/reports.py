"""Reading a trial's reports: values in their order, and what they are the mean of."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import reduce
from typing import Literal

from sharpen.report_log import ReportLog
from sharpen.spec import Metric
from sharpen.trial import Report

WORST = -math.inf
UNNAMED = Metric("metric", "maximize")

Values = Literal["running_mean", "each"]
"""What report ``k`` holds: the mean of folds 1 … k, or the value of fold ``k`` alone."""


def value_at(reports: Sequence[Report], iteration: int) -> float:
    """Return the value of an iteration counted from 1, minus infinity for one that is not finite.

    >>> value_at([Report(0, 0.5), Report(1, math.nan)], 1), value_at([Report(0, math.nan)], 1)
    (0.5, -inf)
    """
    value = reports[iteration - 1].value
    return value if math.isfinite(value) else WORST


def best_value(reports: Sequence[Report]) -> float:
    """Return the largest value, minus infinity when none is finite.

    A run at work has it ready, however long it is.

    >>> best_value([Report(0, 0.5), Report(1, math.nan), Report(2, 0.25)]), best_value([])
    (0.5, -inf)
    """
    if isinstance(reports, ReportLog):
        return reports.best
    return max((value_at(reports, i) for i in range(1, len(reports) + 1)), default=WORST)


def mean_through(reports: Sequence[Report], iteration: int, values: Values) -> float:
    """Return the mean over the iterations 1 to ``iteration``, minus infinity for one that is not finite.

    Running means may lack a number in between: the later ones hold the earlier folds all the same. Where each
    report is a value of its own, one that is not finite spoils the mean.

    >>> folds = [Report(1, 0.5), Report(2, 0.1)]
    >>> mean_through(folds, 2, "running_mean"), mean_through(folds, 2, "each")
    (0.1, 0.3)
    """
    if values == "running_mean":
        return value_at(reports, iteration)
    if isinstance(reports, ReportLog):
        total = reports.sum_of(iteration)
    else:  # not by sum(), which rounds otherwise from Python 3.12 on
        total = reduce(operator.add, (value_at(reports, i) for i in range(1, iteration + 1)))
    mean = total / iteration
    return mean if math.isfinite(mean) else WORST


def shown(value: float, metric: Metric) -> str:
    """Return a value as the program logged it.

    >>> shown(-0.25, Metric("loss")), shown(WORST, Metric("loss"))
    ('0.25', 'not a number')
    """
    return "not a number" if value == WORST else f"{metric.larger_is_better(value):.4g}"


def side(metric: Metric) -> str:
    """Return on which side of another a worse value is, as the program logs them."""
    return "below" if metric.goal == "maximize" else "above"


def share_of(eta: float) -> str:
    """Return in words which share of the trials goes on.

    >>> share_of(3.0), share_of(2.5)
    ('third', '1/2.5')
    """
    return {2.0: "half", 3.0: "third", 4.0: "quarter"}.get(eta, f"1/{eta:g}")
