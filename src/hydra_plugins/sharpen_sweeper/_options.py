"""What a Hydra configuration says of its search method, by the names that the method has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from hydra_plugins.sharpen_sweeper import registration

BUDGETED = ("hyperband", "bohb", "dehb", "asha")
"""Methods that give a configuration a small budget first."""
MODELS = ("gp", "bayes", "tpe", "smac", "hebo")
"""Methods whose first configurations are random."""
BELIEVERS = ("gp", "bayes", "smac")
BELIEF = "prior_weight"
POPULATIONS = ("pbt", "pb2")
FACADES = {
    "HyperparameterOptimizationFacade": "hpo",
    "MultiFidelityFacade": "mf",
    "BlackBoxFacade": "bb",
    "AlgorithmConfigurationFacade": "ac",
}
STEPS = "break_step"
"""The key that holds the length of a training in the examples: the budget where nothing names another."""

Written = Mapping[str, tuple[Any, str]]
Note = Callable[[str, str], None]
_BUDGETS = {"min_budget": "min_fidelity", "max_budget": "max_fidelity"}


def method_options(method: str, flat: Written, base: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """Return the settings of a method.

    Args:
        method: Its name.
        flat: Every key that is written, with its value and its place.
        base: The configuration of a job before the search chooses anything.
        note: Is told a place and a sentence, of what is read in another spelling or has no effect.
    """
    written = {key.removeprefix("option "): one for key, one in flat.items() if key.startswith("option ")}
    written |= {own: flat[key] for key, own in _BUDGETS.items() if key in flat and own not in written}
    options = _start(method, written)
    if method == "smac" and "smac_facade" in written:
        options["facade"] = _facade(*written["smac_facade"], note)
    has_budget = method in BUDGETED or options.get("facade") == "mf"
    takes = {**dict.fromkeys(_FIDELITIES, has_budget), BELIEF: method in BELIEVERS}
    for key, (value, path) in written.items():
        if takes.get(key, key not in registration.OPTIMIZER_KEYS):
            options[key] = value
        elif key in _WITHOUT_EFFECT and method not in POPULATIONS:
            note(path, f"has no effect: {method} {_WITHOUT_EFFECT[key]}")
    if has_budget and "budget_variable" in flat:
        options["budget_variable"] = flat["budget_variable"][0]
    return options | (_population(flat, written, base, note) if method in POPULATIONS else {})


_FIDELITIES = ("min_fidelity", "max_fidelity", "eta")
_WITHOUT_EFFECT = {
    **dict.fromkeys(_FIDELITIES, "spends the whole budget on each configuration"),
    BELIEF: f"takes no belief in the defaults: {BELIEVERS[0]} and {BELIEVERS[-1]} do",
}


def _start(method: str, written: Written) -> dict[str, Any]:
    design = cast("dict[str, Any]", written.get("initial_design", ({}, ""))[0] or {})
    return {"n_startup_trials": design["n_configs"]} if method in MODELS and "n_configs" in design else {}


def _facade(value: Any, path: str, note: Note) -> str:
    """Return the short name of a facade, which is written as a class, a ``_target_`` or in short."""
    text = str(cast("dict[str, Any]", value).get("_target_", "") if isinstance(value, Mapping) else value)
    name = text.rpartition(".")[2]
    if name not in FACADES and name not in FACADES.values():
        note(path, f"{text} is read as HyperparameterOptimizationFacade; known: {', '.join(FACADES)}")
        return "hpo"
    return FACADES.get(name, name)


def _population(flat: Written, written: Written, base: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """Return the settings of a population, whose budget is counted from the beginning of a training."""
    options = {own: written[key][0] for key, own in _MEMBERS.items() if key in written}
    for key, form in _CANONICAL.items():
        if key in written:
            note(written[key][1], f"is read as {form}")
    if "quantiles" in written:
        options["quantile"] = float(written["quantiles"][0][0])
    name, path = flat.get("budget_variable", ("", "hydra.sweeper.budget_variable"))
    if not name and STEPS in base and "interval" in options:
        name = STEPS
        note(path, f"is missing: {STEPS} is taken")
    if not name:
        return options
    options["budget_variable"] = name
    whole = written.get("max_fidelity", (base.get(name), ""))[0]
    is_whole = whole is not None and whole >= options.get("interval", 1.0)
    return options | ({"max_fidelity": whole} if is_whole else {})


_MEMBERS = {
    "population_size": "population",
    "config_interval": "interval",
    "perturbation_interval": "interval",
    "quantile_fraction": "quantile",
}
_CANONICAL = {"perturbation_interval": "config_interval", "quantile_fraction": "quantiles: [lower, upper]"}
