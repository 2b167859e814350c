"""Walk-forward folds: where each model may train, where it is judged, and what must be left out between.

Time flows one way: every training bar lies before its validation bars, the validation windows follow one
another without overlap up to the last bar, and :func:`purged` drops the training rows whose labels look
into the validation window.

Axes: ``T`` bars, ``S`` symbols. Bar ranges are half-open, ``start <= bar < stop``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import Literal

from sharpen.arrays import Bools, Ints
from sharpen.errors import FoldError


@dataclass(frozen=True, slots=True)
class WalkForward:
    """A walk-forward plan.

    Attributes:
        n_folds: How many validation windows.
        train_ratio: train / (train + validation), in bars, of one rolling window.
        gap_bars: Bars left unused between the end of training and the start of validation.
        embargo_bars: Further bars that a training label must end before validation; see :func:`purged`.
        window: ``rolling`` trains on a window of fixed length, ``expanding`` on everything since the start.

    Raises:
        FoldError: A number is out of its range; all such numbers are named at once.
    """

    n_folds: int = 8
    train_ratio: float = 0.8
    gap_bars: int = 0
    embargo_bars: int = 0
    window: Literal["rolling", "expanding"] = "rolling"

    def __post_init__(self) -> None:
        rules = (
            (self.n_folds >= 1, f"n_folds is {self.n_folds}, give at least 1"),
            (0.0 < self.train_ratio < 1.0, f"train_ratio is {self.train_ratio}, give one between 0 and 1"),
            (self.gap_bars >= 0, f"gap_bars is {self.gap_bars}, give 0 or more"),
            (self.embargo_bars >= 0, f"embargo_bars is {self.embargo_bars}, give 0 or more"),
            (
                self.window in ("rolling", "expanding"),
                f"window is {self.window!r}, give 'rolling' or 'expanding'",
            ),
        )
        problems = [sentence for holds, sentence in rules if not holds]
        if problems:
            raise FoldError("walk-forward plan: " + "; ".join(problems), problems=problems)


@dataclass(frozen=True, slots=True)
class Fold:
    """One train/validation pair of half-open bar ranges; ``number`` counts from 1."""

    number: int
    train_start: int
    train_stop: int
    val_start: int
    val_stop: int


def split(n_bars: int, plan: WalkForward, first_bar: int = 0) -> tuple[Fold, ...]:
    """Return the plan's folds in time order; the last validation window ends at ``n_bars``.

    All validation windows have the same length, as long as the bars allow. The few bars that whole windows
    leave over stay unused at the start (rolling), or join the training window (expanding).

    Args:
        n_bars: Bars in all.
        plan: The walk-forward plan.
        first_bar: Bars before it are not used, which is where features warm up.

    Raises:
        FoldError: There are too few bars for the plan; ``facts`` holds the numbers.

    >>> for fold in split(100, WalkForward(n_folds=2, train_ratio=0.75, gap_bars=5), first_bar=10):
    ...     print(fold)
    Fold(number=1, train_start=10, train_stop=61, val_start=66, val_stop=83)
    Fold(number=2, train_start=27, train_stop=78, val_start=83, val_stop=100)
    """
    if first_bar < 0:
        raise FoldError(f"first_bar is {first_bar}, give 0 or more", first_bar=first_bar)
    train_bars, val_bars = _lengths(n_bars, plan, first_bar)
    folds: list[Fold] = []
    for k in range(plan.n_folds):
        val_start = n_bars - (plan.n_folds - k) * val_bars
        train_stop = val_start - plan.gap_bars
        train_start = first_bar if plan.window == "expanding" else train_stop - train_bars
        folds.append(Fold(k + 1, train_start, train_stop, val_start, val_start + val_bars))
    return tuple(folds)


def purged(fold: Fold, end_bar: Ints, embargo_bars: int = 0) -> Bools:
    """Return which training rows may be used: their outcome is known before the validation window.

    A row is kept when ``0 <= end_bar`` and ``end_bar + embargo_bars < val_start``, so a label that ends
    exactly on the first validation bar goes.

    Args:
        fold: The fold.
        end_bar: The bar on which each row's label is decided, -1 where the data end first. (T, S)
        embargo_bars: Further distance between a label's end and the validation window.

    Returns:
        One row per training bar, from ``fold.train_start`` on. (train bars, S)

    Raises:
        FoldError: No row is left, or ``end_bar`` does not reach the end of training.

    Source: Lopez de Prado (2018), Advances in Financial Machine Learning, sections 7.4.1 and 7.4.2.

    >>> import numpy as np
    >>> purged(Fold(1, 0, 4, 4, 6), np.array([[2], [3], [4], [-1], [6], [7]]))[:, 0].tolist()
    [True, True, False, False]
    """
    if embargo_bars < 0:
        raise FoldError(f"embargo_bars is {embargo_bars}, give 0 or more", embargo_bars=embargo_bars)
    if len(end_bar) < fold.train_stop:
        raise FoldError(
            f"fold {fold.number} trains up to bar {fold.train_stop}, but there are labels for {len(end_bar)}"
            " bars: label the bars that were split",
            train_stop=fold.train_stop,
            n_labels=len(end_bar),
        )
    ends = end_bar[fold.train_start : fold.train_stop]
    keep = (ends >= 0) & (ends + embargo_bars < fold.val_start)
    if not keep.any():
        raise FoldError(
            f"fold {fold.number}: none of its {len(ends)} training bars (from {fold.train_start} to"
            f" {fold.train_stop}) has a label that ends more than {embargo_bars} bars before"
            f" validation starts at bar {fold.val_start}: use a shorter label horizon,"
            " a shorter embargo or fewer folds",
            number=fold.number,
            train_bars=len(ends),
            val_start=fold.val_start,
            embargo_bars=embargo_bars,
        )
    return keep


def lockbox_start(n_bars: int, share: float = 0.2) -> int:
    """Return the first bar of the lockbox: what a sweep may see are the bars before it.

    Args:
        n_bars: Bars in all.
        share: The lockbox's share of them, in [0, 1); 0 keeps no lockbox and returns ``n_bars``.

    Raises:
        FoldError: The share is out of range, or leaves either side without a bar.

    >>> lockbox_start(1000)
    800
    """
    if not 0.0 <= share < 1.0:
        raise FoldError(f"lockbox share is {share}, give one in [0, 1)", share=share)
    start = n_bars - round(n_bars * share)
    if start < 1 or (share > 0.0 and start == n_bars):
        raise FoldError(
            f"a lockbox share of {share} of {n_bars} bars leaves {start} bars to develop on and"
            f" {n_bars - start} in the lockbox: use more bars or another share",
            n_bars=n_bars,
            share=share,
        )
    return start


def _lengths(n_bars: int, plan: WalkForward, first_bar: int) -> tuple[int, int]:
    # train = odds * val and first_bar + train + gap + n_folds * val <= n_bars
    odds = plan.train_ratio / (1.0 - plan.train_ratio)
    usable = n_bars - first_bar - plan.gap_bars
    # the small constant undoes rounding such as 0.8 / 0.2 > 4
    val_bars = math.floor(usable / (plan.n_folds + odds) + 1e-9)
    train_bars = min(round(odds * val_bars), usable - plan.n_folds * val_bars)
    if val_bars < 1 or train_bars < 1:
        # the shortest validation window whose training window rounds to a bar
        shortest = next(bars for bars in count(max(1, int(0.5 / odds))) if round(odds * bars) >= 1)
        needed = math.ceil(shortest * (plan.n_folds + odds) - 1e-9) + plan.gap_bars + first_bar
        raise FoldError(
            f"{n_bars} bars cannot hold {plan.n_folds} folds with train_ratio {plan.train_ratio}, a gap of"
            f" {plan.gap_bars} bars and {first_bar} bars of warm-up: a training window gets"
            f" {max(train_bars, 0)} bars and a validation window {max(val_bars, 0)}; use {needed} bars or"
            " more, fewer folds or a shorter gap",
            n_bars=n_bars,
            n_folds=plan.n_folds,
            train_ratio=plan.train_ratio,
            gap_bars=plan.gap_bars,
            first_bar=first_bar,
            needed_bars=needed,
        )
    return train_bars, val_bars
