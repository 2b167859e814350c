from dataclasses import fields

import pytest

from sharpen.errors import UsageError
from sharpen.objectives.boosted.settings import ClassifierSettings


@pytest.mark.parametrize("setting", fields(ClassifierSettings), ids=lambda f: f.name)
def test_every_setting_has_help_and_refuses_a_wrong_type(setting):
    assert setting.metadata["help"]
    with pytest.raises(UsageError, match=f"^{setting.name} is .*, must be of type"):
        ClassifierSettings(**{setting.name: [1]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("subsample", 1.01),
        ("n_estimators", 0),
        ("threshold", -0.1),
        ("tp_atr_mult", 0.0),
        ("horizon_bars", 0),
        ("max_depth", 0),
        ("max_depth", -2),
        ("num_leaves", -1),
        ("min_child_samples", 0),
        ("cost_bps", -1.0),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(UsageError, match=f"^{name} is .*, must be in"):
        ClassifierSettings(**{name: value})


def test_all_problems_are_told_at_once():
    with pytest.raises(UsageError) as caught:
        ClassifierSettings.of({"max_depth": 0, "ramp": 0, "model": "xgboost"})
    assert [p.split()[0] for p in caught.value.facts["problems"]] == ["max_depth", "ramp"]


def test_numbers_are_read_as_the_setting_means_them():
    settings = ClassifierSettings.of({"reg_lambda": 2, "max_depth": 5.0, "n_folds": 9})
    assert settings == ClassifierSettings(reg_lambda=2.0, max_depth=5)
    with pytest.raises(UsageError, match=r"max_depth is 5\.5"):
        ClassifierSettings.of({"max_depth": 5.5})
