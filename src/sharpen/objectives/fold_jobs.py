"""Configurations to train on folds, what came of each, and what a run of several folds has done so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from sharpen.folds import Fold
    from sharpen.objectives.fold_score import FoldScore

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True)
class FoldJob(Generic[S, C]):
    """One training.

    Attributes:
        settings: The configuration.
        fold: The bars.
        seed: Of everything random.
        begun: What has been done of it; None to begin at the beginning.
        is_parent: Whether another training may go on from where this one ends.
    """

    settings: S
    fold: Fold
    seed: int
    begun: C | None = None
    is_parent: bool = False


@dataclass(frozen=True, eq=False)
class TrainingResult(Generic[C]):
    """What a training came to.

    Attributes:
        score: What it earned; None when the training broke down.
        problem: Why it did, in a sentence; None when it did not.
        figures: What else there is to report of it, by name.
        checkpoint: Where it ended, for a job that is a parent.
    """

    score: FoldScore | None
    problem: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    checkpoint: C | None = None


@dataclass(frozen=True)
class RunCheckpoint(Generic[C]):
    """What a run has done so far.

    Attributes:
        settings: Its hyperparameters, the budget among them.
        scores: Of the folds that are judged.
        folds: What is in training, by the number of its fold; that of judged folds, too, when another run may
            go on from this one.
    """

    settings: Mapping[str, Any]
    scores: tuple[FoldScore, ...] = ()
    folds: Mapping[int, C] = field(default_factory=dict[int, Any])


Keep = Callable[[Callable[[], Mapping[int, C]]], None]
"""Is told after each update how to get the checkpoints of the jobs at work, by their places."""
