# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""XGBoost: histogram trees on one thread.

Source: Chen, T. and Guestrin, C. (2016), XGBoost: A Scalable Tree Boosting System, KDD.
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
    import xgboost as xgb
except ImportError as error:
    raise MissingExtra("xgboost", "boosted") from error


@dataclass(frozen=True, slots=True)
class XGBoost:
    """XGBoost's ``hist`` method."""

    version: str = xgb.__version__
    suffix: str = ".ubj"

    def cut(self, features: Floats, settings: ClassifierSettings) -> xgb.QuantileDMatrix:
        """Return features in their histogram bins, to which :meth:`fit` refers."""
        return xgb.QuantileDMatrix(features, max_bin=settings.max_bin, nthread=1)

    def fit(
        self, rows: TrainingRows, cuts: xgb.QuantileDMatrix, settings: ClassifierSettings, seed: int
    ) -> Fitted:
        """Return a model trained on one thread; the same arguments give the same model.

        ``xgb.train`` would look after callbacks in every round, which takes a while with so few rows. The
        model is the same to the bit.
        """
        data = xgb.QuantileDMatrix(rows.features, max_bin=settings.max_bin, ref=cuts, nthread=1)
        data.set_label(rows.is_up.astype(np.float32))  # once; what is given above is read three times
        data.set_weight(rows.weight)
        trees = _Unnamed(_parameters(settings, seed), [data])
        for n in range(settings.n_estimators):
            trees.update(data, n)
        p_up = np.asarray(trees.predict(data), dtype=np.float64)
        n_splits = int(np.sum(list(trees.get_score(importance_type="weight").values())))
        trees.feature_names = list(rows.names)
        return Fitted(_Trees(trees), p_up, 2 * n_splits + settings.n_estimators)

    def load(self, path: Path) -> Model:
        """Return the model in a file."""
        trees = xgb.Booster({"nthread": 1})
        trees.load_model(path)
        return _Trees(trees)


class _Unnamed(xgb.Booster):
    """Trees that do not compare the names of the features with those of the rows in every round.

    There are none before the model is done. The comparing takes a fifteenth of the time of small trees.
    """

    def _assign_dmatrix_features(self, data: xgb.DMatrix) -> None:
        """Do nothing."""


@dataclass(frozen=True, eq=False)
class _Trees:
    trees: xgb.Booster

    def predict(self, features: Floats) -> Floats:
        answer = self.trees.inplace_predict(features, validate_features=False)
        return np.asarray(answer, dtype=np.float64)

    def save(self, path: Path) -> None:
        self.trees.save_model(path)


def _parameters(settings: ClassifierSettings, seed: int) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "base_score": 0.5,  # the weights balance the classes; also saves a pass over the rows
        "tree_method": "hist",
        "max_bin": settings.max_bin,
        "max_depth": max(settings.max_depth, 0),  # 0 is no limit
        "max_leaves": settings.num_leaves,
        "learning_rate": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.subsample,
        "colsample_bytree": settings.colsample_bytree,
        "reg_lambda": settings.reg_lambda,
        "reg_alpha": settings.reg_alpha,
        "gamma": settings.split_gain,
        "disable_default_eval_metric": True,
        "nthread": 1,
        "seed": seed,
        "verbosity": 0,
    }
