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
from sharpen.objectives.boosted.booster import Model, Rows
from sharpen.objectives.boosted.settings import ClassifierSettings

try:
    import lightgbm as lgb
except ImportError as error:
    raise MissingExtra("lightgbm", "boosted") from error


@dataclass(frozen=True, slots=True)
class LightGBM:
    """LightGBM's ``gbdt`` boosting; a tree of depth ``d`` may have all of its ``2**d`` leaves.

    Without a limit on either, a tree has up to LightGBM's own 31 leaves.
    """

    version: str = lgb.__version__
    suffix: str = ".txt"

    def bin(self, rows: Rows, settings: ClassifierSettings) -> lgb.Dataset:
        """Return the rows' histogram bins."""
        data = lgb.Dataset(
            rows.features,
            label=rows.is_up.astype(np.float32),
            weight=rows.weight,
            feature_name=list(rows.names),
            params=_of_bins(settings),
        )
        return data.construct()

    def fit(self, binned: lgb.Dataset, settings: ClassifierSettings, seed: int) -> Model:
        """Return a model trained on one thread; the same arguments give the same model."""
        parameters = _parameters(settings, seed)
        return _Trees(lgb.train(parameters, binned, num_boost_round=settings.n_estimators))

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
        "min_sum_hessian_in_leaf": settings.min_child_weight,
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
