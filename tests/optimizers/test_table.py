"""Methods by name, their options, and plugins."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import sharpen.optimizers as table
from sharpen import plugins
from sharpen.errors import MissingExtra, UsageError
from sharpen.optimizers import GridSearch, RandomSearch, make
from sharpen.space import Choice, Float, Int, Space
from sharpen.trial import Trial, TrialState


def test_a_name_that_is_not_in_the_table() -> None:
    with pytest.raises(UsageError, match="did you mean 'bayes'"):
        make("bays")
    with pytest.raises(UsageError, match=r"'zzz'\. Known: random, grid, bayes, gp, tpe, cmaes, nsga2"):
        make("zzz")


def test_options_are_the_settings_of_the_dataclass() -> None:
    assert make("grid", {"retries": 2}) == GridSearch(retries=2)
    assert make("tpe", {"n_candidates": 48}).n_candidates == 48
    assert make("cmaes", {"sigma": 1}).sigma == 1


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("gp", {"n_startup": 5}, "gp has no setting 'n_startup'; did you mean 'n_startup_trials'"),
        ("grid", {"zzz": 5}, "grid has no setting 'zzz'. It has: retries"),
        ("dehb", {"prior_weight": 3}, "no setting 'prior_weight': bayes, gp, smac have it. It has: max_"),
        ("random", {"zzz": 5}, "It has: none"),
        ("random", {"seed": 5}, "no setting 'seed'"),
        ("gp", {"_keys": 5}, "no setting '_keys'"),
        ("gp", {"n_startup_trials": "ten"}, "gp: n_startup_trials must be a whole number, not 'ten'"),
        ("gp", {"fold_noise": 1}, "fold_noise must be true or false, not 1"),
        ("cmaes", {"sigma": "wide"}, "sigma must be a number, not 'wide'"),
        (
            "cmaes",
            {"sigma": -1, "population": 1},
            "sigma must be above 0 and at most 1; population must",
        ),
        ("gp", {"n_startup_trials": -1, "n_most_trials": 1}, "n_startup_trials must be 0 or more; n_most_"),
        ("tpe", {"n_candidates": 0}, "tpe: n_candidates must be 1 or more"),
        (
            "nsga2",
            {"population": 0, "crossover": 1.5},
            "population must be 2 or more; crossover must be",
        ),
        ("grid", {"retries": -1}, "grid: retries must be 0 or more"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said(method, options, words) -> None:
    with pytest.raises(UsageError) as caught:
        make(method, options)
    assert words in str(caught.value)


def test_the_sweeps_seed_reaches_the_methods_that_want_one() -> None:
    assert make("random", seed=7) == RandomSearch(seed=7)
    assert make("grid", seed=7) == GridSearch()


@dataclasses.dataclass(frozen=True)
class Mine:
    size: int | None = 3
    seed: int | None = None

    def ask(self, space, history, n, rng):
        return []


def test_a_plugin_is_a_method_like_any_other(monkeypatch) -> None:
    points = [EntryPoint("mine", f"{__name__}:Mine", table.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == table.GROUP else [])
    assert table.names()[-1] == "mine"
    assert make("mine", {"size": 5}, seed=1) == Mine(5, 1)
    assert make("mine", {"size": None}) == Mine(None)
    with pytest.raises(UsageError, match=r"mine has no setting 'sise'; did you mean 'size'"):
        make("mine", {"sise": 5})


@pytest.mark.parametrize(("method", "package"), [("tpe", "optuna"), ("cmaes", "cmaes")])
def test_without_its_library_a_method_says_what_to_install(monkeypatch, method, package) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"sharpen.optimizers.{method}", raising=False)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed: pip install 'sharpen\[samplers\]'"):
        make(method)


def test_the_name_table_imports_no_method_and_no_test_tool() -> None:
    code = (
        "import sys, sharpen.optimizers as o; o.make('random'); "
        "sys.exit(bool({'optuna', 'cmaes', 'pytest', 'sharpen.optimizers.gp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("method", ["random", "tpe", "nsga2", "cmaes"])
def test_ten_thousand_trials_are_no_trouble(method) -> None:
    lines = {f"x{i}": Float(0.0, 1.0) for i in range(8)}
    space = Space({**lines, "n": Int(1, 20), "c": Choice(("a", "b", "c"))})
    rng = np.random.default_rng(0)
    past = [
        Trial(n, space.from_unit(rng.random(10).tolist()), TrialState.FINISHED, (), rng.normal(), method)
        for n in range(1, 10_001)
    ]
    optimizer = make(method, seed=1)
    for turn in range(2):
        (p,) = optimizer.ask(space, past, 1, np.random.default_rng(turn))
        assert space.contains(p.config)
        past.append(Trial(len(past) + 1, p.config, TrialState.FINISHED, (), rng.normal(), method))
