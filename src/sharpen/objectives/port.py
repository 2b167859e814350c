"""What a program that is judged walk-forward must say of itself: one that scores a run, or many together."""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sharpen.bars import Panel
from sharpen.folds import Fold, WalkForward
from sharpen.objectives.fold_jobs import FoldJob, Keep, RunCheckpoint, TrainingResult
from sharpen.objectives.fold_score import FoldScore

E = TypeVar("E")
S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model in a file.

    Attributes:
        path: The file.
        metadata: What has to be known to use it again, as JSON can hold it.
    """

    path: Path
    metadata: Mapping[str, Any]


class Objective(Protocol[E]):
    """What a configuration is worth, fold by fold; ``E`` is what it makes of bars for all folds together.

    Bars that must not be seen are cut off before :meth:`prepare` is called.
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of its configurations to those of every walk-forward program."""
        ...

    def versions(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Import what training needs; return the versions of the libraries that can change a figure.

        Raises:
            UsageError: The configuration makes no sense.
        """
        ...

    def prepare(self, config: Mapping[str, Any], panel: Panel) -> E:
        """Return what all folds share, such as features and labels."""
        ...

    def first_bar(self, examples: E) -> int:
        """Return the first bar that can be used: before it features warm up."""
        ...

    def score(self, examples: E, fold: Fold, seed: int) -> FoldScore:
        """Train on a fold's training bars; return what that earns on its validation bars."""
        ...

    def save_model(self, examples: E, seed: int, folder: Path) -> SavedModel | None:
        """Train on all bars and save the model in a folder; None where there is no model to keep."""
        ...

    def rehearse(self, config: Mapping[str, Any], panel: Panel, plan: WalkForward) -> None:
        """Do once what all runs would do again, such as compiling: the runs are copies of this process."""
        ...


class CheckpointFiles(Protocol[C]):
    """How what a run has done so far is kept in a file; ``C`` is a fold's part of it."""

    def save(self, checkpoint: RunCheckpoint[C], path: Path) -> None:
        """Write a run to a file; whoever reads it meanwhile finds the old one or the new one, whole."""
        ...

    def go_on(self, path: Path, identity: Mapping[str, Any]) -> RunCheckpoint[C]:
        """Return what a run begins from, given a file: its own, or that of the run it goes on from.

        Raises:
            UsageError: The file is none, or of a training that this one cannot go on from.
        """
        ...


class PopulationObjective(Protocol[S, E, C]):
    """What configurations are worth that train side by side, fold by fold.

    ``S`` is a configuration's settings, ``E`` what is made of bars for all folds together, ``C`` a checkpoint
    of one training. Bars that must not be seen are cut off before :meth:`prepare` is called.
    """

    @property
    def checkpoints(self) -> CheckpointFiles[C] | None:
        """How to keep what has been done; None where an interrupted run begins anew."""
        ...

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of its configurations to those of every walk-forward program."""
        ...

    def settings(self, config: Mapping[str, Any]) -> S:
        """Return a configuration's settings.

        Raises:
            UsageError: It makes no sense.
        """
        ...

    def identity(self, config: Mapping[str, Any], settings: S) -> Mapping[str, Any]:
        """Return what makes a training what it is, beside its bars, folds and seeds, as JSON can hold it."""
        ...

    def shared(self, config: Mapping[str, Any], settings: S) -> Hashable:
        """Return what runs that train side by side have in common, beside their bars and folds."""
        ...

    def versions(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Import what training needs; return the versions of the libraries that can change a figure."""
        ...

    def prepare(self, config: Mapping[str, Any], settings: S, panel: Panel) -> E:
        """Return what all folds and runs share, such as features."""
        ...

    def first_bar(self, examples: E) -> int:
        """Return the first bar that can be used: before it features warm up."""
        ...

    def train(
        self, config: Mapping[str, Any], examples: E, jobs: Sequence[FoldJob[S, C]], keep: Keep[C] | None
    ) -> Sequence[TrainingResult[C]]:
        """Train each job on its fold's training bars; return what it earns on the validation bars, in order.

        Args:
            config: Of any of the runs: what they have in common.
            examples: What they share.
            jobs: Configurations, folds and seeds.
            keep: Is told how to get the checkpoints of the jobs at work; None when nobody keeps them.
        """
        ...
