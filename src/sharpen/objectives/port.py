"""What a program that is judged walk-forward must say of itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sharpen.bars import Panel
from sharpen.folds import Fold, WalkForward
from sharpen.objectives.fold_score import FoldScore

E = TypeVar("E")


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
