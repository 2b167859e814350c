"""The boosted classifier as an objective. It imports little at first, so that ``--help`` answers at once."""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.process_cache import PROCESS_CACHE
from sharpen.objectives.program import flag, library_versions

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.folds import Fold, WalkForward
    from sharpen.objectives.boosted.scoring import Examples
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.objectives.port import SavedModel

LIBRARIES = ("numpy", "numba", "polars", "TA-Lib", "optuna")
COLLECTIONS: Mapping[str, str] = {"xgboost": "xgb_classifier", "lightgbm": "lgbm_classifier"}
"""What a stock agent's client calls the models of all runs of a project."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Bars with features and labels, and the settings that made these."""

    settings: ClassifierSettings
    examples: Examples


@dataclass(frozen=True)
class BoostedClassifier:
    """Gradient-boosted trees that say when a long position would reach its target before its stop."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add every hyperparameter."""
        for setting in fields(ClassifierSettings):
            kind = setting.metadata["kind"]
            help_text = setting.metadata["help"]
            kind = flag if kind is bool else kind
            parser.add_argument(f"--{setting.name}", type=kind, default=setting.default, help=help_text)

    def versions(self, config: Mapping[str, Any]) -> Mapping[str, str]:
        """Import the booster, and return the versions of what can change a figure."""
        from sharpen.objectives.boosted.booster import lean_imports, make

        settings = ClassifierSettings.of(config)
        with lean_imports():
            booster = make(settings.model)
            import_module("sharpen.objectives.boosted.scoring")
        return {**library_versions(*LIBRARIES), settings.model: booster.version}

    def prepare(self, config: Mapping[str, Any], panel: Panel) -> Labelled:
        """Return bars with features and labels."""
        from sharpen.objectives.boosted.scoring import label, prepare

        settings = ClassifierSettings.of(config)
        return Labelled(settings, label(settings, prepare(panel)))

    def first_bar(self, examples: Labelled) -> int:
        """Return the first bar with features."""
        return examples.examples.prepared.features.warmup_bars

    def score(self, examples: Labelled, fold: Fold, seed: int) -> FoldScore:
        """Train on a fold, and return what that earns on its validation bars."""
        from sharpen.objectives.boosted.scoring import score

        return score(examples.settings, examples.examples, fold, seed)

    def save_model(self, examples: Labelled, seed: int, folder: Path) -> SavedModel:
        """Train on all bars, and save the model in the booster's own format."""
        from sharpen.objectives.boosted.booster import make
        from sharpen.objectives.boosted.scoring import model_facts, train_final
        from sharpen.objectives.port import SavedModel

        path = folder / f"model{make(examples.settings.model).suffix}"
        train_final(examples.settings, examples.examples, seed).save(path)
        facts = model_facts(examples.settings, examples.examples)
        return SavedModel(path, {**facts, "collection": COLLECTIONS[examples.settings.model]})

    def rehearse(self, config: Mapping[str, Any], panel: Panel, plan: WalkForward) -> None:
        """Go through a fold in small, then cut the bins of all folds ahead."""
        from sharpen.folds import split
        from sharpen.objectives.boosted.scoring import cut_ahead, prepare

        settings = ClassifierSettings.of(config)
        PROCESS_CACHE.get(("rehearsal", settings.model), lambda: self._rehearse(settings.model, panel))
        with suppress(UsageError):  # which the run will meet, and say
            prepared = prepare(panel)
            folds = split(len(panel), plan, first_bar=prepared.features.warmup_bars)
            cut_ahead(settings, prepared, folds)

    def _rehearse(self, model: str, panel: Panel) -> bool:
        """Train one stump, so that what is compiled or loaded at the first use is there."""
        from sharpen.folds import WalkForward, split
        from sharpen.objectives.progress import progress, write_returns

        small = self.prepare({"model": model, "n_estimators": 1, "max_depth": 1}, panel)
        folds = split(len(panel), WalkForward(n_folds=1), first_bar=self.first_bar(small))
        scores = [self.score(small, fold, seed=0) for fold in folds]
        progress(scores, min_trades=1)
        with tempfile.TemporaryDirectory() as folder:
            write_returns(scores, Path(folder) / "returns.parquet")
        return True
