"""The ten problems of the benchmark of search methods: functions, noisy made-up learners, and real training.

Nothing is downloaded: the data are scikit-learn's and the real bars that sharpen brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from sharpen.arrays import Floats
from sharpen.seeds import rng_for
from sharpen.space import Choice, Condition, Float, Int, Space
from sharpen.trial import ParameterValues


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to maximise.

    Attributes:
        name: For the table.
        space: Where.
        run: From a configuration and a seed to fold scores; their mean is the score, NaN is infeasible.
        truth: The value without noise; None when that is the score.
    """

    name: str
    space: Space
    run: Callable[[ParameterValues, int], Sequence[float]]
    truth: Callable[[ParameterValues], float] | None = None


# ---- functions: shifted, and rotated so that no axis is special -------------------------------------------


def _rotated(name: str, n_axes: int, function: Callable[[Floats], float], width: float) -> Problem:
    """Return minus a function of a rotated cube of the given half width, its optimum off the middle."""
    rng = rng_for(7, name)
    rotation = stats.ortho_group.rvs(n_axes, random_state=rng)
    shift = rng.uniform(-0.5, 0.5, n_axes) * width

    def run(config: ParameterValues, _seed: int) -> Sequence[float]:
        x = np.array([config[f"x{i}"] for i in range(n_axes)])
        return (-function(rotation @ (x - shift)),)

    return Problem(name, Space({f"x{i}": Float(-width, width) for i in range(n_axes)}), run)


def _sphere(z: Floats) -> float:
    return math.log10(float(z @ z) + 1e-8)


def _rosenbrock(z: Floats) -> float:
    y = z + 1
    return sum(100 * float(b - a * a) ** 2 + float(1 - a) ** 2 for a, b in pairwise(y))


def _rastrigin(z: Floats) -> float:
    return float(z @ z + 10 * (1 - np.cos(2 * np.pi * z)).sum())


def _schwefel(z: Floats) -> float:
    y = np.clip(z + 420.9687, -500, 500)
    return float((418.9829 - y * np.sin(np.sqrt(np.abs(y)))).sum() + 0.01 * (z @ z))


def functions() -> list[Problem]:
    """Return the four classics, in 12, 4, 5 and 3 dimensions."""
    return [
        _rotated("log sphere, 12", 12, _sphere, 5.0),
        _rotated("rosenbrock, 4", 4, _rosenbrock, 2.0),
        _rotated("rastrigin, 5", 5, _rastrigin, 2.0),
        _rotated("schwefel, 3", 3, _schwefel, 500.0),
    ]


# ---- shaped like the search of a reinforcement learner: mixed, conditional, noisy, with a cliff ------------

PPO = Space(
    {
        "lr": Float(1e-5, 1e-1, log=True),
        "clip": Float(0.05, 0.5),
        "gamma": Choice((0.9, 0.95, 0.99, 0.995, 0.999)),
        "entropy": Float(1e-5, 1e-1, log=True),
        "epochs": Int(1, 20),
        "batch": Choice((32, 64, 128, 256, 512)),
        "activation": Choice(("relu", "tanh", "elu")),
        "norm": Choice((True, False)),
        "anneal": Choice(("none", "linear", "cosine")),
        "warmup": Float(0.0, 0.3),
    },
    conditions={"warmup": Condition("anneal", ("linear", "cosine"))},
)


def _ppo(config: ParameterValues) -> float:
    """Return a made-up mean return: the learning rate interacts with clip, epochs and batch."""
    lr = math.log10(config["lr"]) + 3.3 - 0.25 * math.log2(config["batch"] / 128)
    push = lr + 0.4 * math.log2(config["epochs"] / 6) + (config["clip"] - 0.2)
    value = 2.0 - 0.9 * push**2 - 0.15 * (math.log2(config["epochs"] / 6)) ** 2
    value -= 3.0 * max(0.0, push - 1.2)  # training falls apart
    value -= 0.25 * abs(math.log10((1 - config["gamma"]) / 0.01)) ** 1.5
    value -= 0.1 * (math.log10(config["entropy"]) + 2.5) ** 2
    value += {"relu": 0.0, "tanh": 0.25, "elu": 0.1}[config["activation"]]
    value += 0.2 * config["norm"] * (config["activation"] != "relu")
    if config["anneal"] != "none":
        value += 0.15 - 4 * (config["warmup"] - 0.1) ** 2
    return value


def _ppo_seeds(config: ParameterValues, seed: int) -> Sequence[float]:
    """Return the returns of three training seeds: heavy-tailed noise, and now and then a collapse."""
    rng = np.random.default_rng(seed)
    values = _ppo(config) + 0.35 * rng.standard_t(4, size=3)
    return tuple(values - 3.0 * (rng.random(3) < 0.04))


def noisy() -> list[Problem]:
    """Return the search of a made-up reinforcement learner."""
    return [Problem("noisy rl, 10 mixed", PPO, _ppo_seeds, _ppo)]


# ---- models trained on real data ---------------------------------------------------------------------------

SVC = Space(
    {
        "c": Float(1e-3, 1e3, log=True),
        "kernel": Choice(("rbf", "poly", "sigmoid")),
        "gamma": Float(1e-6, 1e1, log=True),
        "degree": Int(2, 5),
        "coef0": Float(-1.0, 1.0),
        "shrinking": Choice((True, False)),
    },
    conditions={"degree": Condition("kernel", ("poly",)), "coef0": Condition("kernel", ("poly", "sigmoid"))},
)

TREES = Space(
    {
        "learning_rate": Float(1e-3, 1.0, log=True),
        "n_estimators": Int(5, 40),
        "max_depth": Int(1, 8),
        "min_child_weight": Float(0.1, 50.0, log=True),
        "subsample": Float(0.3, 1.0),
        "colsample_bytree": Float(0.2, 1.0),
        "reg_lambda": Float(1e-3, 100.0, log=True),
        "gamma": Float(1e-3, 10.0, log=True),
    }
)

MARKET = Space(
    {
        "learning_rate": Float(0.005, 0.5, log=True),
        "n_estimators": Int(5, 30),
        "max_depth": Int(1, 5),
        "subsample": Float(0.4, 1.0),
        "reg_lambda": Float(1e-2, 100.0, log=True),
        "tp_atr_mult": Float(0.5, 4.0),
        "sl_atr_mult": Float(0.5, 4.0),
        "horizon_bars": Int(2, 20),
        "threshold": Float(0.0, 0.2),
    }
)


@cache
def data(name: str) -> tuple[Floats, Floats]:
    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:450]
    return StandardScaler().fit_transform(x[order]), y[order]


def _cross_validated(
    name: str, model: Callable[[ParameterValues], Any], metric: str
) -> Callable[[ParameterValues, int], Any]:
    from sklearn.model_selection import cross_val_score

    def run(config: ParameterValues, _seed: int) -> Sequence[float]:
        x, y = data(name)
        return tuple(cross_val_score(model(config), x, y, cv=3, scoring=metric).tolist())

    return run


def _svc(config: ParameterValues) -> Any:
    from sklearn import svm

    other_names = {"c": "C"}
    return svm.SVC(**{other_names.get(k, k): v for k, v in config.items()}, max_iter=3000, random_state=0)


def booster(kind: str) -> Callable[[ParameterValues], Any]:
    import xgboost

    def model(config: ParameterValues) -> Any:
        return getattr(xgboost, kind)(**config, n_jobs=1, random_state=0, tree_method="hist", max_bin=32)

    return model


def trained() -> list[Problem]:
    """Return support vector machines and boosted trees on scikit-learn's data, and a walk-forward search."""
    return [
        Problem("svc, digits", SVC, _cross_validated("digits", _svc, "accuracy")),
        Problem("svc, cancer", SVC, _cross_validated("breast_cancer", _svc, "balanced_accuracy")),
        Problem(
            "xgboost, cancer",
            TREES,
            _cross_validated("breast_cancer", booster("XGBClassifier"), "neg_log_loss"),
        ),
        Problem("xgboost, diabetes", TREES, _cross_validated("diabetes", booster("XGBRegressor"), "r2")),
        Problem("walk-forward, stocks", MARKET, _walk_forward),
    ]


@cache
def _market() -> tuple[Any, Any]:
    from sharpen.data import load
    from sharpen.folds import WalkForward, split
    from sharpen.objectives.boosted.scoring import prepare

    panel = load("stocks").panel
    prepared = prepare(panel.slice(0, 1500))
    return prepared, split(1500, WalkForward(n_folds=4), prepared.features.warmup_bars)


def _walk_forward(config: ParameterValues, _seed: int) -> Sequence[float]:
    from sharpen.objectives.boosted import scoring
    from sharpen.objectives.boosted.settings import ClassifierSettings

    prepared, folds = _market()
    settings = ClassifierSettings(**config)
    examples = scoring.label(settings, prepared)
    return tuple(scoring.score(settings, examples, fold, 0).val_sharpe for fold in folds)
