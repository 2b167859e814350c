"""What a configuration says of its method, by the names that the method has for it."""

from __future__ import annotations

from typing import Any

import pytest

from hydra_plugins.sharpen_sweeper._options import method_options
from sharpen.optimizers import make


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
