"""The contract of the Booster port: every row of the table keeps it."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb

from sharpen.errors import MissingExtra, NotFound, UsageError
from sharpen.objectives.boosted.booster import BOOSTERS, TrainingRows, lean_imports, make
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.seeds import rng_for

SETTINGS = ClassifierSettings(n_estimators=40, max_depth=3)

NODES_IN = {
    "xgboost": lambda path: len(xgb.Booster(model_file=path).trees_to_dataframe()),
    "lightgbm": lambda path: len(lgb.Booster(model_file=path).trees_to_dataframe()),
}

booster_of_each_kind = pytest.mark.parametrize("name", sorted(BOOSTERS))


def rows(n=400, seed=0):
    rng = rng_for(seed, "rows")
    features = rng.normal(size=(n, 4))
    features[::7, 3] = np.nan
    is_up = features[:, 0] + 0.5 * rng.normal(size=n) > 0
    return TrainingRows(features, is_up, np.ones(n), ("a", "b", "c", "d"))


def fit(name, data, settings, seed):
    booster = make(name)
    return booster.fit(data, booster.cut(data.features, settings), settings, seed).model


@booster_of_each_kind
def test_cuts_serve_many_models_each_as_if_it_were_the_first(name):
    data, booster = rows(), make(name)
    other = ClassifierSettings(n_estimators=30, max_depth=2, subsample=0.5, min_child_weight=3.0)
    cuts = booster.cut(data.features, SETTINGS)
    for settings, seed in ((SETTINGS, 0), (other, 1), (SETTINGS, 0), (SETTINGS, 2)):
        again = booster.fit(data, cuts, settings, seed).model.predict(data.features)
        assert (again == fit(name, data, settings, seed).predict(data.features)).all()


@booster_of_each_kind
def test_bins_end_where_all_bars_say_whichever_of_them_are_trained_on(name):
    data, booster = rows(), make(name)
    cuts = booster.cut(np.round(data.features), SETTINGS)  # so bins end between whole numbers
    some = TrainingRows(data.features[::2], data.is_up[::2], data.weight[::2], data.names)
    model = booster.fit(some, cuts, SETTINGS, 0).model
    low, high = np.round(data.features) + 0.1, np.round(data.features) + 0.4
    assert (model.predict(low) == model.predict(high)).all()
    own = booster.fit(some, booster.cut(data.features, SETTINGS), SETTINGS, 0).model
    assert (own.predict(low) != own.predict(high)).any()


@booster_of_each_kind
def test_training_counts_the_nodes_of_the_model(name, tmp_path):
    data, booster = rows(), make(name)
    fitted = booster.fit(data, booster.cut(data.features, SETTINGS), SETTINGS, 0)
    path = tmp_path / f"model{booster.suffix}"
    fitted.model.save(path)
    assert fitted.n_nodes == NODES_IN[name](path) > SETTINGS.n_estimators


@booster_of_each_kind
def test_training_says_what_the_model_says_of_its_rows(name):
    data, booster = rows(), make(name)
    fitted = booster.fit(data, booster.cut(data.features, SETTINGS), SETTINGS, 0)
    assert fitted.p_up.dtype == np.float64
    assert (fitted.p_up == fitted.model.predict(data.features)).all()


@booster_of_each_kind
def test_learns_what_is_there_to_learn(name):
    unseen = rows(seed=1)
    p_up = fit(name, rows(), SETTINGS, 0).predict(unseen.features)
    assert p_up.dtype == np.float64
    assert p_up.shape == (400,)
    assert ((p_up >= 0) & (p_up <= 1)).all()
    assert ((p_up > 0.5) == unseen.is_up).mean() > 0.8


@booster_of_each_kind
def test_same_seed_same_model_other_seed_another(name):
    p = [fit(name, rows(), SETTINGS, seed).predict(rows().features) for seed in (3, 3, 4)]
    assert (p[0] == p[1]).all()
    assert (p[0] != p[2]).any()


@booster_of_each_kind
def test_a_saved_model_predicts_the_same(name, tmp_path):
    booster = make(name)
    model = fit(name, rows(), SETTINGS, 0)
    path = tmp_path / f"model{booster.suffix}"
    model.save(path)
    assert (booster.load(path).predict(rows().features) == model.predict(rows().features)).all()


@booster_of_each_kind
def test_weights_count(name):
    data = rows()
    heavy = TrainingRows(data.features, data.is_up, np.where(data.is_up, 10.0, 1.0), data.names)
    plain, tilted = (fit(name, d, SETTINGS, 0).predict(data.features) for d in (data, heavy))
    assert tilted.mean() > plain.mean() + 0.05


@booster_of_each_kind
@pytest.mark.parametrize(
    "change",
    [
        {"max_depth": 1},
        {"learning_rate": 0.3},
        {"n_estimators": 5},
        {"min_child_weight": 30.0},
        {"subsample": 0.3},
        {"colsample_bytree": 0.3},
        {"reg_lambda": 50.0},
        {"reg_alpha": 5.0},
        {"gamma": 5.0},
        {"min_split_gain": 5.0},
        {"num_leaves": 3},
        {"max_depth": -1, "num_leaves": 40},
        {"max_bin": 4},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_tree_setting_reaches_the_library(name, change):
    data = rows()
    settings = ClassifierSettings(**{"n_estimators": 40, "max_depth": 3, **change})
    a, b = (fit(name, data, s, 0).predict(data.features) for s in (SETTINGS, settings))
    assert (a != b).any()


def test_least_rows_in_a_leaf_reaches_lightgbm():
    data = rows()
    settings = ClassifierSettings(model="lightgbm", n_estimators=40, max_depth=3, min_child_samples=60)
    with pytest.raises(UsageError, match="must be 1 for xgboost, which has no such limit"):
        ClassifierSettings(model="xgboost", min_child_samples=60)
    a, b = (fit("lightgbm", data, s, 0).predict(data.features) for s in (SETTINGS, settings))
    assert (a != b).any()


@booster_of_each_kind
def test_a_tree_without_a_limit_on_its_depth_is_limited_by_its_leaves(name):
    stump = ClassifierSettings(n_estimators=1, max_depth=-1, num_leaves=2, min_child_weight=0.0)
    assert len(np.unique(fit(name, rows(), stump, 0).predict(rows().features))) == 2
    large = ClassifierSettings(n_estimators=1, max_depth=-1, num_leaves=12, min_child_weight=0.0)
    assert 2 < len(np.unique(fit(name, rows(), large, 0).predict(rows().features))) <= 12


def test_unknown_name():
    with pytest.raises(NotFound, match="no model 'svm': choose from lightgbm, xgboost"):
        make("svm")


@booster_of_each_kind
def test_a_missing_library_names_the_extra(name, monkeypatch):
    monkeypatch.delitem(sys.modules, f"sharpen.objectives.boosted.{name}", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"{name} is not installed: pip install 'sharpen\[boosted\]'"):
        make(name)


@booster_of_each_kind
def test_lean_imports_leave_scikit_learn_and_pandas_out_but_importable(name):
    program = f"""
import sys
from sharpen.objectives.boosted.booster import lean_imports, make
with lean_imports():
    make({name!r})
assert "sklearn" not in sys.modules and "pandas" not in sys.modules
import pandas
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_lean_imports_leave_alone_what_is_imported(monkeypatch):
    marker = object()
    monkeypatch.setitem(sys.modules, "pandas", marker)
    with lean_imports():
        assert sys.modules["pandas"] is marker
    assert sys.modules["pandas"] is marker


@booster_of_each_kind
def test_a_leaf_may_be_as_light_as_one_likes(name):
    settings = ClassifierSettings(
        n_estimators=60, max_depth=8, learning_rate=0.5, min_child_weight=0.0, min_child_samples=1
    )
    for seed in range(8):
        assert np.isfinite(fit(name, rows(seed=seed), settings, seed).predict(rows().features)).all()
