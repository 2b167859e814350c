"""What a configuration says of its method, by the names that the method has for it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hydra_plugins.sharpen_sweeper._options import method_options
from hydra_plugins.sharpen_sweeper._settings import Settings
from hydra_plugins.sharpen_sweeper._translation import best_of_file, first_configurations, sweep_text
from sharpen.optimizers import make
from sharpen.spec import parse
from sharpen.spec.configspace import SearchSpace, read_search_space


def read(method: str, base: dict[str, Any] | None = None, **keys: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the options and what was noted; keys that begin with ``o_`` stand among the optimizer's."""
    flat = {f"option {key[2:]}" if key.startswith("o_") else key: (value, key) for key, value in keys.items()}
    notes: list[str] = []
    found = method_options(method, flat, base or {}, lambda path, words: notes.append(f"{path} {words}"))
    make(method, found)  # the method takes them
    return found, notes


@pytest.mark.parametrize(
    ("written", "facade"),
    [
        ("smac.facade.HyperparameterOptimizationFacade", "hpo"),
        ("BlackBoxFacade", "bb"),
        ({"_target_": "smac.facade.AlgorithmConfigurationFacade", "_partial_": True}, "ac"),
        ("bb", "bb"),
    ],
)
def test_a_facade_in_any_form(written: Any, facade: str) -> None:
    found, notes = read("smac", o_smac_facade=written, o_initial_design={"n_configs": 5})
    assert found == {"facade": facade, "n_startup_trials": 5}
    assert not notes


def test_only_the_facade_of_budgets_takes_them() -> None:
    keys = {"o_min_fidelity": 9, "o_max_fidelity": 81, "o_eta": 3, "budget_variable": "steps"}
    found, notes = read("smac", **keys, o_smac_facade="smac.facade.MultiFidelityFacade")
    assert found == {
        **{"facade": "mf", "min_fidelity": 9, "max_fidelity": 81, "eta": 3},
        "budget_variable": "steps",
    }
    assert not notes
    found, notes = read("smac", **keys)
    assert found == {}
    assert notes[0].endswith("has no effect: smac spends the whole budget on each configuration")


def test_a_belief_in_the_defaults_is_for_the_method_that_takes_it() -> None:
    assert read("gp", o_prior_weight=5) == ({"prior_weight": 5}, [])
    assert read("smac", o_prior_weight=5) == ({"prior_weight": 5}, [])
    found, (note,) = read("tpe", o_prior_weight=5)
    assert found == {}
    assert note.endswith("has no effect: tpe takes no belief in the defaults: gp and smac do")


def test_a_warm_start_tries_the_default_then_what_is_given_then_the_best_of_a_runhistory(
    tmp_path: Path,
) -> None:
    table = tmp_path / "runhistory.csv"
    rows = [(1, 0, 3.0, 0.1), (1, 1, 5.0, 0.1), (2, 0, 1.0, 0.2), (2, 1, 2.0, 0.2), (3, 0, "nan", 0.3)]
    lines = [f"{run},1.0,{fold},7,{found},{x},a" for run, fold, found, x in rows]
    table.write_text("\n".join(["config_id,budget,fold_id,seed,performance,x,kind", *lines]) + "\n")
    problems: list[tuple[str, str]] = []
    hyperparameters = {
        "x": {"type": "uniform_float", "lower": 0, "upper": 1, "default_value": 0.5},
        "kind": {"type": "categorical", "choices": ["a", "b"], "default_value": "b"},
    }
    space = read_search_space({"hyperparameters": hyperparameters}, "space", problems)
    settings = Settings("gp", space, warmstart=({"x": 0.4, "kind": "a"},), warmstart_file=str(table))
    assert [tuple(one.values()) for one in first_configurations(settings)] == [
        (0.5, "b"),
        (0.4, "a"),
        (0.2, "a"),
        (0.1, "a"),
    ]
    best = first_configurations(replace(settings, maximize=True))
    assert [one["x"] for one in best[2:]] == [0.1, 0.2]
    assert not problems


def test_options_of_any_kind_come_back_from_a_table_and_from_a_sweep_file(tmp_path: Path) -> None:
    options: list[Any] = [[64, 64], None, "1e-3", "true", 0.001, {"lr": 0.1}, "0x1f", "12:30", "-", "\n1"]
    space = SearchSpace({"x": {"values": options}})
    table = tmp_path / "runhistory.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["config_id", "budget", "fold_id", "seed", "performance", "x"])
        rows.writerows([k, 1.0, 0, 0, k, option] for k, option in enumerate(options, 1))
    found = best_of_file(table, Settings("random", space), 10)
    assert [one["x"] for one in found] == options
    text = sweep_text(Settings("random", space, n_trials=1), "s", "p.py", ["${program}", "++x=1e-3", "-m"])
    parsed = parse(text, where="s.yaml")
    assert list(cast("Any", parsed.space.dimensions["x"]).options) == options
    assert parsed.command == ("${program}", "++x=1e-3", "-m")


def test_a_population_as_people_write_it() -> None:
    found, notes = read(
        "pb2",
        {"break_step": 500_000},
        o_population_size=20,
        o_perturbation_interval=50_000,
        o_quantile_fraction=0.25,
    )
    assert found == {
        **{"population": 20, "interval": 50_000, "quantile": 0.25, "budget_variable": "break_step"},
        "max_fidelity": 500_000,
    }
    assert [note.partition(" ")[0] for note in notes] == [
        "o_perturbation_interval",
        "o_quantile_fraction",
        "hydra.sweeper.budget_variable",
    ]


def test_a_population_as_hypersweeper_wants_it() -> None:
    found, notes = read(
        "pbt",
        {"steps": 1000},
        o_population_size=8,
        o_config_interval=100,
        o_quantiles=[0.2, 0.8],
        budget_variable="steps",
    )
    assert found["quantile"] == 0.2
    assert found["max_fidelity"] == 1000
    assert not notes
