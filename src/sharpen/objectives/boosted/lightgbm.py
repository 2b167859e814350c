# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""LightGBM: leaf-wise histogram trees on one thread.

Source: Ke, G. et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sharpen.arrays import Floats
from sharpen.errors import MissingExtra
from sharpen.objectives.boosted.booster import Fitted, Model, TrainingRows
from sharpen.objectives.boosted.settings import ClassifierSettings

try:
    import lightgbm as lgb
except ImportError as error:
    raise MissingExtra("lightgbm", "boosted") from error

LEAST_HESSIAN = 1e-3  # LightGBM's default; below it rounding makes it look for a split of no rows, and abort


@dataclass(frozen=True, slots=True)
class LightGBM:
    """LightGBM's ``gbdt`` boosting; a tree of depth ``d`` may have all of its ``2**d`` leaves.

    Without a limit on either, a tree has up to LightGBM's own 31 leaves.
    """

    version: str = lgb.__version__
    suffix: str = ".txt"

    def cut(self, features: Floats, settings: ClassifierSettings) -> lgb.Dataset:
        """Return features in their histogram bins, to which :meth:`fit` refers."""
        return lgb.Dataset(features, params=_of_bins(settings)).construct()

    def fit(self, rows: TrainingRows, cuts: lgb.Dataset, settings: ClassifierSettings, seed: int) -> Fitted:
        """Return a model trained on one thread; the same arguments give the same model.

        ``lgb.train`` would write the model as text and read that again; it is the same to the bit.
        """
        data = lgb.Dataset(
            rows.features,
            label=rows.is_up.astype(np.float32),
            weight=rows.weight,
            reference=cuts,
            feature_name=list(rows.names),
            params=_of_bins(settings),
        )
        trees = lgb.Booster(_parameters(settings, seed), data)
        for _ in range(settings.n_estimators):
            trees.update()
        p_up, n_splits = _of_training(trees), int(trees.feature_importance("split").sum())
        return Fitted(_Trees(trees.free_dataset()), p_up, 2 * n_splits + trees.num_trees())

    def load(self, path: Path) -> Model:
        """Return the model in a file."""
        return _Trees(lgb.Booster(model_file=path))


@dataclass(frozen=True, eq=False)
class _Trees:
    trees: lgb.Booster

    def predict(self, features: Floats) -> Floats:
        return np.asarray(self.trees.predict(features, num_threads=1), dtype=np.float64)

    def save(self, path: Path) -> None:
        self.trees.save_model(path)


def _of_training(trees: lgb.Booster) -> Floats:
    """Return what a booster predicts of the rows that it was trained on, which it shows to an evaluation."""
    seen: list[Floats] = []

    def look(p_up: Floats, data: lgb.Dataset) -> tuple[str, float, bool]:
        seen.append(p_up.copy())
        return "", 0.0, True

    trees.eval_train(look)
    return seen[0]


def _of_bins(settings: ClassifierSettings) -> dict[str, object]:
    return {
        "max_bin": settings.max_bin,
        "feature_pre_filter": False,
        "force_row_wise": True,
        "data_random_seed": 0,  # of which rows to look at, when there are many
        "num_threads": 1,
        "verbosity": -1,
    }


def _parameters(settings: ClassifierSettings, seed: int) -> dict[str, object]:
    return _of_bins(settings) | {
        "objective": "binary",
        "boost_from_average": False,  # the weights balance the classes
        "max_depth": settings.max_depth,
        "num_leaves": _most_leaves(settings),
        "learning_rate": settings.learning_rate,
        "min_sum_hessian_in_leaf": max(settings.min_child_weight, LEAST_HESSIAN),
        "min_data_in_leaf": settings.min_child_samples,
        "bagging_fraction": settings.subsample,
        "bagging_freq": 1 if settings.subsample < 1 else 0,
        "feature_fraction": settings.colsample_bytree,
        "lambda_l2": settings.reg_lambda,
        "lambda_l1": settings.reg_alpha,
        "min_gain_to_split": settings.split_gain,
        "deterministic": True,
        "seed": seed,
    }


def _most_leaves(settings: ClassifierSettings) -> int:
    of_depth = 2 ** min(settings.max_depth, 12) if settings.max_depth > 0 else 0
    limits = [limit for limit in (settings.num_leaves, of_depth) if limit > 0]
    return max(min(limits, default=31), 2)
