"""How much better configurations look on the bars that they were trained on than on those that judge them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sharpen.facts import SHARPE, TRAIN_SHARPE, train_name
from sharpen.report.model import Entry, GapPoint


def gap_metrics(metric: str) -> tuple[str, str]:
    """Return a metric's names in training and in validation; the Sharpe ratio's where it has no such pair.

    >>> gap_metrics("val/auc"), gap_metrics("score")
    (('train/auc', 'val/auc'), ('train/sharpe', 'val/sharpe'))
    """
    prefix, _, leaf = metric.partition("/")
    return (train_name(leaf), metric) if prefix == "val" and leaf else (TRAIN_SHARPE, SHARPE)


def training_gap(ranked: Sequence[Entry], names: tuple[str, str]) -> tuple[GapPoint, ...]:
    """Return the two figures of each run that has both."""
    points = [
        GapPoint(e.number, e.state, e.metrics.get(names[0], math.nan), e.metrics.get(names[1], math.nan))
        for e in ranked
    ]
    return tuple(p for p in points if math.isfinite(p.train) and math.isfinite(p.validation))
